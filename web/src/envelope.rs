//! Messages between page and worker as JavaScript values: an object with a `body`, plain data of [`crate::protocol`], and `handles`, an array
//! of files, directories or blobs that the body names by their number.
//!
//! 64-bit numbers travel as `BigInt`, since archives may claim any; bytes as `Uint8Array`, and large ones can be moved instead of copied.

use js_sys::{Array, Object, Reflect, Uint8Array};
use serde::{Serialize, de::DeserializeOwned};
use serde_wasm_bindgen::{Error, Serializer};
use wasm_bindgen::{JsCast as _, JsValue};

/// Buffers from this size on are moved.
const LARGE: u32 = 16 << 10;
/// How deep in a message large bytes may lie.
const DEPTH: u32 = 6;

/// Makes a message of data and the things beside it.
///
/// # Errors
/// The data have no form in JavaScript; those of the protocol have.
pub fn seal<T: Serialize>(data: &T, handles: &[JsValue]) -> Result<JsValue, Error> {
    let serializer = Serializer::new().serialize_large_number_types_as_bigints(true);
    let body = data.serialize(&serializer)?;
    let message = Object::new();
    Reflect::set(&message, &"body".into(), &body)?;
    Reflect::set(&message, &"handles".into(), &handles.iter().collect::<Array>())?;
    Ok(message.into())
}

/// Takes a message apart.
///
/// # Errors
/// It is not one that [`seal`] made of such data.
pub fn open<T: DeserializeOwned>(message: JsValue) -> Result<(T, Vec<JsValue>), Error> {
    let field = |name: &str| Reflect::get(&message, &name.into());
    let handles = field("handles")?.dyn_into::<Array>()?;
    Ok((serde_wasm_bindgen::from_value(field("body")?)?, handles.to_vec()))
}

/// The buffers in a message that are worth moving: what `postMessage` takes beside it.
pub fn moved(message: &JsValue) -> Array {
    let moved = Array::new();
    collect(message, DEPTH, &moved);
    moved
}

/// Looks for large bytes in objects; lists hold none.
fn collect(value: &JsValue, depth: u32, moved: &Array) {
    if let Some(bytes) = value.dyn_ref::<Uint8Array>() {
        if bytes.byte_length() >= LARGE {
            moved.push(&bytes.buffer());
        }
    } else if let Some(object) = value.dyn_ref::<Object>()
        && depth > 0
        && !Array::is_array(value)
    {
        for field in Object::values(object).iter() {
            collect(&field, depth - 1, moved);
        }
    }
}
