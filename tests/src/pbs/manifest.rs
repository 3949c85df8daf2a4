//! Manifests as the server reads and rewrites them (datastore specification 10).

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::files::check_blob;
use super::store;

/// Most bytes of a manifest that the server takes in.
const LIMIT: usize = 64 << 20;

/// The keys that survive.
const KEYS: [&str; 6] = ["backup-type", "backup-id", "backup-time", "files", "signature", "unprotected"];

/// Reads a manifest.
///
/// # Errors
/// It is missing, no blob in the clear, or lacks what the server needs of it (protocol 8.12).
pub fn read(path: &Path) -> Result<Value, String> {
    let blob = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    check_blob(&blob).map_err(|refusal| refusal.text)?;
    if store::kind(&blob).map_err(|refusal| refusal.text)?.1 {
        return Err("unable to decrypt blob - missing CryptConfig".to_owned());
    }
    let text = store::plain(&blob, LIMIT).map_err(|refusal| refusal.text)?;
    let Ok(Value::Object(object)) = serde_json::from_slice(&text) else {
        return Err("no JSON object".to_owned());
    };
    let lacks = |key: &str| format!("missing or wrong field `{key}`");
    let is_text = |key: &str| object.get(key).is_some_and(Value::is_string);
    for key in ["backup-type", "backup-id"] {
        is_text(key).then_some(()).ok_or_else(|| lacks(key))?;
    }
    let kind = object["backup-type"].as_str();
    matches!(kind, Some("host" | "vm" | "ct")).then_some(()).ok_or_else(|| lacks("backup-type"))?;
    object.get("backup-time").and_then(Value::as_i64).ok_or_else(|| lacks("backup-time"))?;
    let files = object.get("files").and_then(Value::as_array).ok_or_else(|| lacks("files"))?;
    for file in files {
        let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        file["filename"].as_str().ok_or_else(|| lacks("filename"))?;
        file["size"].as_u64().ok_or_else(|| lacks("size"))?;
        file["csum"].as_str().filter(|text| is_digest(text)).ok_or_else(|| lacks("csum"))?;
        let mode = file.get("crypt-mode").map_or(Some("none"), Value::as_str);
        matches!(mode, Some("none" | "encrypt" | "sign-only"))
            .then_some(())
            .ok_or_else(|| lacks("crypt-mode"))?;
    }
    match object.get("signature") {
        None | Some(Value::Null | Value::String(_)) => {}
        Some(_) => return Err(lacks("signature")),
    }
    let known = object.into_iter().filter(|(key, _)| KEYS.contains(&&**key));
    Ok(Value::Object(known.collect::<Map<_, _>>()))
}

/// Writes a manifest, compressed if that helps.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, manifest: &Value) -> Result<(), String> {
    let mut sorted: Vec<_> = manifest.as_object().expect("an object").iter().collect();
    sorted.sort_by_key(|(key, _)| *key);
    let sorted: Map<String, Value> =
        sorted.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let text = serde_json::to_vec_pretty(&sorted).map_err(|error| error.to_string())?;
    store::replace(path, &encode(&text)).map_err(|error| error.to_string())
}

/// Bytes as a blob that is not encrypted.
pub fn encode(plain: &[u8]) -> Vec<u8> {
    let packed = zstd::bulk::compress(plain, 1).ok().filter(|packed| packed.len() <= plain.len());
    let magic: [u8; 8] = match packed {
        Some(_) => [0x31, 0xb9, 0x58, 0x42, 0x6f, 0xb6, 0xa3, 0x7f],
        None => [0x42, 0xab, 0x38, 0x07, 0xbe, 0x83, 0x70, 0xa1],
    };
    let data = packed.as_deref().unwrap_or(plain);
    [&magic, &crc32fast::hash(data).to_le_bytes()[..], data].concat()
}

/// Changes what the signature does not cover.
///
/// # Errors
/// The manifest cannot be read or written.
pub fn update(path: &Path, change: impl FnOnce(&mut Map<String, Value>)) -> Result<(), String> {
    let mut object = read(path)?;
    if !object["unprotected"].is_object() {
        object["unprotected"] = json!({});
    }
    change(object["unprotected"].as_object_mut().expect("an object"));
    write(path, &object)
}

/// Whether the last verification of the snapshot in a directory failed.
pub fn has_failed(directory: &Path) -> bool {
    let state = read(&directory.join("index.json.blob")).ok();
    state.is_some_and(|object| {
        let state = &object["unprotected"]["verify_state"];
        state["state"] == "failed" && state["upid"].as_str().is_some_and(|upid| upid.split(':').count() == 10)
    })
}
