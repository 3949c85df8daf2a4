//! What a file is, by its first bytes.

use pxkit_core::blob::{CATALOG_MAGIC, Frame};
use pxkit_core::format::{ItemType, START_MARKER};
use pxkit_core::index::{DYNAMIC_MAGIC, FIXED_MAGIC};

use crate::protocol::Problem;
use crate::worker::source::Source;

/// Bytes that are looked at.
const START: u64 = 4096;
/// Larger files are no manifests or key files outside of blobs.
const JSON: u64 = 4 << 20;

/// What a file looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looks {
    /// An archive, or the metadata of one.
    Archive {
        /// It says that contents are in a payload stream.
        is_split: bool,
    },
    /// A payload stream.
    Payload,
    /// A dynamic index.
    DynamicIndex,
    /// A fixed index.
    FixedIndex,
    /// A blob.
    Blob,
    /// A catalog.
    Catalog,
    /// A manifest outside of its blob.
    Manifest,
    /// A key file.
    Key,
    /// Something else: the sentence.
    Foreign(String),
}

/// Looks at a file.
///
/// # Errors
/// It cannot be read.
pub async fn sniff(source: &dyn Source) -> Result<Looks, Problem> {
    let start = source.bytes(0, source.size().min(START) as usize).await?;
    let looks = looks(&start, source.size());
    if start.trim_ascii_start().starts_with(b"{") && source.size() <= JSON {
        let text = source.bytes(0, source.size() as usize).await?;
        return Ok(json(&text).unwrap_or(looks));
    }
    Ok(looks)
}

/// What JSON is.
fn json(text: &[u8]) -> Option<Looks> {
    let value: serde_json::Value = serde_json::from_slice(text).ok()?;
    let has = |key| value.get(key).is_some();
    if has("backup-id") && has("files") {
        return Some(Looks::Manifest);
    }
    (has("data") && (has("kdf") || has("created"))).then_some(Looks::Key)
}

fn looks(start: &[u8], size: u64) -> Looks {
    let Some(magic) = start.first_chunk::<8>() else { return Looks::Foreign(foreign(start, size)) };
    if start.starts_with(&START_MARKER[..8]) {
        return Looks::Payload;
    }
    match *magic {
        DYNAMIC_MAGIC => return Looks::DynamicIndex,
        FIXED_MAGIC => return Looks::FixedIndex,
        CATALOG_MAGIC => return Looks::Catalog,
        _ if Frame::kind(magic).is_some() => return Looks::Blob,
        _ => {}
    }
    match ItemType::from_htype(u64::from_le_bytes(*magic)) {
        Some(ItemType::Entry | ItemType::EntryV1) => Looks::Archive { is_split: false },
        Some(ItemType::FormatVersion) => {
            let version = start.get(16..24).and_then(|bytes| bytes.first_chunk());
            Looks::Archive { is_split: version.is_none_or(|bytes| u64::from_le_bytes(*bytes) != 1) }
        }
        Some(item) => Looks::Foreign(format!(
            "This starts with the item {item}, and no archive does: it is a piece from the middle of one, or its \
            beginning is lost."
        )),
        None => Looks::Foreign(foreign(start, size)),
    }
}

/// First bytes of other kinds of files, where they stand, and what they are.
const OTHERS: &[(usize, &[u8], &str)] = &[
    (0, b"PK\x03\x04", "a zip archive (or a file of that kind, such as a jar or an office document)"),
    (0, b"\x1f\x8b", "a gzip file: decompress it first"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file: decompress it first"),
    (0, b"\xfd7zXZ\0", "an xz file: decompress it first"),
    (0, b"BZh", "a bzip2 file: decompress it first"),
    (0, b"\x04\x22\x4d\x18", "an lz4 file: decompress it first"),
    (0, b"\x89LZO\0", "an lzop file: decompress it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"VMA\0", "a VMA archive: a backup of a virtual machine that was made without Proxmox Backup Server"),
    (0, b"QFI\xfb", "a qcow2 disk image"),
    (0, b"KDMV", "a VMDK disk image"),
    (0, b"hsqs", "a SquashFS image"),
    (0, b"070701", "a cpio archive"),
    (0, b"\x7fELF", "a program (ELF)"),
    (0, b"MZ", "a Windows program"),
    (0, b"\0asm", "a WebAssembly module"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"%PDF-", "a PDF document"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (1080, b"\x53\xef", "a file system (ext2, ext3 or ext4)"),
    (510, b"\x55\xaa", "a disk image with a partition table"),
    (0, b"age-encryption.org/", "a file encrypted with age"),
    (0, b"-----BEGIN ", "a key or certificate in PEM form"),
];

/// The sentence for what is not of our kinds.
fn foreign(start: &[u8], size: u64) -> String {
    if size == 0 {
        return "This file is empty.".to_owned();
    }
    if start.iter().all(|&byte| byte == 0) {
        let extent = if size > start.len() as u64 { "begins with zeros only" } else { "is all zeros" };
        return format!("This file {extent}: its contents were lost, or it is a part of a disk image.");
    }
    let known =
        OTHERS.iter().find(|(at, bytes, _)| start.get(*at..).is_some_and(|rest| rest.starts_with(bytes)));
    let kinds = "None of the files that can be shown here starts like this \
        (.pxar, .mpxar, .ppxar, .didx, .fidx, .blob)";
    if let Some((_, _, what)) = known {
        return format!("This looks like {what}. {kinds}.");
    }
    if start.len() < 16 {
        return format!("This file has {size} bytes, which is too short. {kinds}.");
    }
    let text = start.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let is_text = text.len() + 4 > start.len()
        && text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    if is_text {
        return format!("This looks like text. {kinds}.");
    }
    format!("What this is cannot be told from its first bytes. {kinds}.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::testing::golden;

    #[test]
    fn golden_files_are_told_by_their_bytes() {
        let look = |name: &str| {
            let bytes = golden(name);
            looks(&bytes[..bytes.len().min(START as usize)], bytes.len() as u64)
        };
        assert_eq!(look("archives/kinds.pxar"), Looks::Archive { is_split: false });
        assert_eq!(look("archives/kinds.mpxar"), Looks::Archive { is_split: true });
        assert_eq!(look("archives/kinds.ppxar"), Looks::Payload);
        let snapshot = "datastore/host/legacy/2026-11-22T21:15:58Z";
        assert_eq!(look(&format!("{snapshot}/tree.pxar.didx")), Looks::DynamicIndex);
        assert_eq!(look(&format!("{snapshot}/index.json.blob")), Looks::Blob);
        assert_eq!(look(&format!("{snapshot}/catalog.pcat1")), Looks::Catalog);
        assert_eq!(json(&golden(&format!("{snapshot}/index.json"))), Some(Looks::Manifest));
        assert_eq!(json(&golden("key.json")), Some(Looks::Key));
        assert_eq!(json(b"{\"a\":1}"), None);
    }

    #[test]
    fn others_get_a_sentence() {
        let mut tar = vec![b'a'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let mut ext4 = vec![0; 4096];
        ext4[1080..1082].copy_from_slice(b"\x53\xef");
        for (bytes, part) in [
            (&b""[..], "empty"),
            (&[0; 100], "all zeros"),
            (&[0; 4096], "begins with zeros"),
            (b"PK\x03\x04aaaaaaaaaaaa", "zip"),
            (b"\x1f\x8b\x08\0\0\0\0\0\0\x03aaaa", "gzip"),
            (b"\x28\xb5\x2f\xfdaaaaaaaaaaaaaa", "zstd"),
            (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", "program"),
            (&tar, "tar"),
            (&ext4, "file system"),
            (b"Just some text,\nin two lines: \xc3\xa4", "text"),
            (b"short", "too short"),
            (&[0xfe, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], "cannot be told"),
        ] {
            let size = if bytes.len() == 4096 { 8192 } else { bytes.len() as u64 };
            let Looks::Foreign(sentence) = looks(bytes, size) else { panic!("{part}") };
            assert!(sentence.contains(part), "{part}: {sentence}");
        }
        let goodbye = ItemType::Goodbye.htype().to_le_bytes();
        let Looks::Foreign(sentence) = looks(&goodbye, 8) else { panic!() };
        assert!(sentence.contains("GOODBYE"), "{sentence}");
    }
}
