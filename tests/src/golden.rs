//! Where the golden data lie.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use pxkit::crypt::{EncryptionKey, key_file};
use sha2::{Digest as _, Sha256};

use crate::manifest::Manifest;

/// The golden trees.
pub const NAMES: [&str; 6] = ["kinds", "names", "attributes", "goodbye", "wide", "payloads"];

/// The trees whose archives are checked in.
pub const ARCHIVED: [&str; 5] = ["kinds", "names", "attributes", "goodbye", "wide"];

/// A file in `tests/golden`.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

/// Contents of a file in `tests/golden`.
pub fn read(name: &str) -> Vec<u8> {
    let path = path(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One of the archives: `kinds.pxar`, `kinds.mpxar`, `kinds.ppxar`.
pub fn archive(name: &str) -> Vec<u8> {
    read(&format!("archives/{name}"))
}

/// The key of `host/enc` and `host/sign` in the datastore.
pub fn key() -> Arc<EncryptionKey> {
    let file = key_file::read_at(&path("key.json")).expect("a key file");
    Arc::new(key_file::unlock(&file, || panic!("it has no passphrase")).expect("a key"))
}

/// The description of a golden tree.
pub fn manifest(name: &str) -> Manifest {
    Manifest::parse(&read(&format!("{name}.json")))
}

/// SHA-256 of `bytes` in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What SHA256SUMS says of a file, which is there in any case.
pub fn expected_sha256(file: &str) -> String {
    let sums = String::from_utf8(read("SHA256SUMS")).expect("SHA256SUMS is text");
    let line = sums.lines().find_map(|line| line.split_once("  ").filter(|(_, name)| *name == file));
    line.unwrap_or_else(|| panic!("SHA256SUMS does not name {file}")).0.to_owned()
}
