//! How a message crosses between page and worker: plain data, and beside it the browser's own objects that it names by number.

use js_sys::Array;
use serde::{Serialize, de::DeserializeOwned};
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::{JsCast, JsValue};

/// Makes a message of data and the files, directories or blobs beside it.
///
/// Numbers of 64 bits travel as `BigInt`, since archives may claim any.
///
/// # Errors
/// If the data have no form in JavaScript; those of the protocol have.
pub fn seal<T: Serialize>(data: &T, handles: &[JsValue]) -> Result<JsValue, serde_wasm_bindgen::Error> {
    let serializer = Serializer::new().serialize_large_number_types_as_bigints(true);
    let data = data.serialize(&serializer)?;
    Ok(Array::of2(&data, &handles.iter().collect::<Array>()).into())
}

/// Takes a message apart.
///
/// # Errors
/// If it is not one that [`seal`] made of such data.
pub fn open<T: DeserializeOwned>(message: JsValue) -> Result<(T, Vec<JsValue>), serde_wasm_bindgen::Error> {
    let parts: Array = message
        .dyn_into()
        .map_err(|_| serde_wasm_bindgen::Error::new("a message is a pair of data and handles"))?;
    let data = serde_wasm_bindgen::from_value(parts.get(0))?;
    let handles = parts.get(1).dyn_into::<Array>().map(|handles| handles.to_vec()).unwrap_or_default();
    Ok((data, handles))
}
