//! Messages between page and worker as JavaScript values: an object with a `body`, plain data of [`crate::protocol`], and `handles`, an array
//! of files, directories or blobs that the body names by their number.
//!
//! 64-bit numbers travel as `BigInt`, so none is rounded; bytes as `Uint8Array`, and large ones are moved instead of copied.

use js_sys::{Array, Object, Reflect, Uint8Array};
use serde::{Serialize, de::DeserializeOwned};
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::{JsCast as _, JsValue};

/// Buffers from this size on are moved.
const LARGE: u32 = 16 << 10;
/// How deep in a message large bytes may lie.
const DEPTH: u32 = 6;

/// A message, and the buffers in it that are to be moved: both are arguments of `postMessage`.
///
/// # Errors
/// The body cannot be written, which plain data always can.
pub fn encode<T: Serialize>(body: &T, handles: &[JsValue]) -> Result<(JsValue, Array), JsValue> {
    let serializer = Serializer::new().serialize_large_number_types_as_bigints(true);
    let body = body.serialize(&serializer)?;
    let moved = Array::new();
    collect(&body, DEPTH, &moved);
    let message = Object::new();
    Reflect::set(&message, &"body".into(), &body)?;
    Reflect::set(&message, &"handles".into(), &handles.iter().collect::<Array>())?;
    Ok((message.into(), moved))
}

/// Takes a message apart.
///
/// # Errors
/// It is no message, or its body is another type.
pub fn decode<T: DeserializeOwned>(message: &JsValue) -> Result<(T, Vec<JsValue>), JsValue> {
    let body = Reflect::get(message, &"body".into())?;
    let handles = Reflect::get(message, &"handles".into())?;
    let handles = handles.dyn_into::<Array>()?.iter().collect();
    Ok((serde_wasm_bindgen::from_value(body)?, handles))
}

/// Looks for large bytes in objects; lists hold none.
fn collect(value: &JsValue, depth: u32, moved: &Array) {
    if let Some(bytes) = value.dyn_ref::<Uint8Array>() {
        if bytes.byte_length() >= LARGE {
            moved.push(&bytes.buffer());
        }
    } else if depth > 0 && value.is_object() && !Array::is_array(value) {
        for field in Object::values(value.unchecked_ref()).iter() {
            collect(&field, depth - 1, moved);
        }
    }
}
