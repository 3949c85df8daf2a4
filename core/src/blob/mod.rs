//! What stands around data in a datastore: frames of chunks and small files, the manifest, the catalog, key files (datastore
//! specification 6, 7, 10, 12 and 13).
//!
//! Codec, cipher and digest belong to the driver. [`Frame`] says what there is to do, in this order (7.6):
//!
//! 1. [`Frame::parse`] checks length, magic number and CRC.
//! 2. If [`Frame::seal`] is there: decrypt [`Frame::data`] with AES-256-GCM under the key, a 16-byte IV and no associated data, and
//!    check the tag. Without a key this is where it ends.
//! 3. If [`Frame::compressed`]: decompress with zstd, all frames that follow each other, with or without content size and checksum,
//!    into at most as many bytes as the index says, or [`MAX_PLAIN_SIZE`].
//! 4. Compare the digest, if one is expected, and with [`check_length`] the length.
//!
//! Writing goes the other way: [`Frame::choose`] decides between plain and compressed bytes.
//!
//! Offsets in errors are positions in the blob or in the stream of the catalog; a manifest's errors name the field.

mod catalog;
mod catalog_write;
mod crc;
mod fingerprint;
mod frame;
mod json;
mod key_file;
mod manifest;
mod offset_time;
mod varint;

pub use catalog::{CATALOG_MAGIC, Catalog, CatalogEntry, CatalogKind, Entries, MAX_CATALOG_NAME, Table};
pub use catalog_write::WriteCatalog;
pub use crc::Crc32;
pub use fingerprint::Fingerprint;
pub use frame::{
    Frame, FrameHeader, MAX_ENCODED_SIZE, MAX_PLAIN_SIZE, PLAIN_HEADER_SIZE, SEALED_HEADER_SIZE, Seal,
    check_length,
};
pub use key_file::{
    ID_KEY_ROUNDS, ID_KEY_SALT, Kdf, KeyFile, KeyFileError, MAX_HINT, MIN_PASSPHRASE, Secret, Wrapping,
};
pub use manifest::{BackupType, CryptMode, FileEntry, Manifest, ManifestError};
pub use offset_time::OffsetTime;

#[cfg(test)]
mod tests;
