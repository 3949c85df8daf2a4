//! What indexes, blobs and manifests say of themselves, as lines of name and value.

use pxkit_core::blob::{CryptMode, Frame, Manifest};
use pxkit_core::index::{DynamicIndex, FixedIndex, IndexHeader};

use crate::state::text::{count, exact};
use crate::worker::text;

/// Lines of name and value.
pub type Facts = Vec<(String, String)>;

fn fact(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

/// What a dynamic index says.
pub fn dynamic(index: Option<&DynamicIndex>) -> Facts {
    let Some(index) = index else { return Facts::new() };
    let mut facts = vec![fact("chunks", count(index.count() as u64))];
    facts.push(fact("stream", exact(index.size())));
    header(&mut facts, index.header(), index.checksum());
    facts
}

/// What a fixed index says.
pub fn fixed(index: Option<&FixedIndex>) -> Facts {
    let Some(index) = index else { return Facts::new() };
    let mut facts = vec![fact("chunks", count(index.digests().len() as u64))];
    facts.push(fact("chunk size", exact(index.chunk_size())));
    facts.push(fact("image", exact(index.size())));
    header(&mut facts, index.header(), index.checksum());
    facts
}

fn header(facts: &mut Facts, header: IndexHeader, checksum: pxkit_core::format::Digest) {
    let uuid = header.uuid.iter().enumerate().map(|(at, byte)| {
        let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
        format!("{dash}{byte:02x}")
    });
    facts.push(fact("UUID", uuid.collect::<String>()));
    facts.push(fact("begun", text::time(header.ctime)));
    facts.push(fact("checksum", checksum));
    if header.checksum != checksum {
        facts.push(fact("checksum in the header", format!("{} (differs)", header.checksum)));
    }
}

/// What a blob says, and how many plain bytes it has if it could be decoded.
pub fn blob(frame: &Frame<'_>, plain: Option<u64>) -> Facts {
    let kind = match (frame.compressed, frame.seal.is_some()) {
        (false, false) => "blob, plain",
        (true, false) => "blob, compressed",
        (false, true) => "blob, encrypted",
        (true, true) => "blob, compressed and encrypted",
    };
    let mut facts = vec![fact("kind", kind), fact("stored", exact(frame.data.len() as u64))];
    facts.extend(plain.map(|bytes| fact("decoded", exact(bytes))));
    facts
}

/// What a manifest says.
pub fn manifest(manifest: &Manifest) -> Facts {
    let mut facts = vec![
        fact("backup", format!("{}/{}", manifest.backup_type.word(), manifest.backup_id)),
        fact("time", text::time(manifest.backup_time)),
    ];
    facts.push(fact("signature", if manifest.signature.is_some() { "there" } else { "none" }));
    facts.extend(manifest.key_fingerprint().map(|fingerprint| fact("key", fingerprint)));
    for file in &manifest.files {
        let crypt = match file.crypt_mode {
            CryptMode::None => "",
            CryptMode::Encrypt => ", encrypted",
            CryptMode::SignOnly => ", signed",
        };
        facts.push(fact(&file.filename, format!("{}{crypt}, {}", exact(file.size), file.csum)));
    }
    for (name, value) in &manifest.unprotected {
        let mut value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if value.len() > 1000 {
            value.truncate(value.floor_char_boundary(1000));
            value.push('…');
        }
        facts.push(fact(&format!("unprotected {name}"), value));
    }
    facts
}
