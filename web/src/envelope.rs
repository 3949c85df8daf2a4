//! Messages between page and worker as JavaScript values: an object with a `body`, data of [`crate::protocol`] in the form of Borsh, whose
//! buffer is moved, and `handles`, an array of files, directories or blobs that the body names by their number.

use borsh::{BorshDeserialize, BorshSerialize};
use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};

/// A message, and what `postMessage` takes beside it.
pub struct Sealed {
    /// The message.
    pub message: JsValue,
    /// The buffers that are moved.
    pub moved: Array,
}

/// Makes a message of data and the things beside it.
///
/// # Errors
/// The data have no such form: lists of more than 2^32 things, numbers that are none.
pub fn seal<T: BorshSerialize>(data: &T, handles: &[JsValue]) -> Result<Sealed, JsValue> {
    let bytes = borsh::to_vec(data).map_err(|error| JsValue::from(error.to_string()))?;
    let body = Uint8Array::from(&bytes[..]);
    let message = Object::new();
    Reflect::set(&message, &"body".into(), &body)?;
    Reflect::set(&message, &"handles".into(), &handles.iter().collect::<Array>())?;
    Ok(Sealed { message: message.into(), moved: Array::of1(&body.buffer()) })
}

/// Takes a message apart.
///
/// # Errors
/// It is not one that [`seal`] made of such data.
pub fn open<T: BorshDeserialize>(message: &JsValue) -> Result<(T, Vec<JsValue>), String> {
    let parts = || -> Result<(Uint8Array, Array), JsValue> {
        let body = Reflect::get(message, &"body".into())?.dyn_into()?;
        Ok((body, Reflect::get(message, &"handles".into())?.dyn_into()?))
    };
    let (body, handles) = parts().map_err(|_| "it has no body".to_owned())?;
    let data = borsh::from_slice(&body.to_vec()).map_err(|error| error.to_string())?;
    Ok((data, handles.to_vec()))
}
