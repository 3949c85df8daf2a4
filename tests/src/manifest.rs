//! Golden manifests: `make_tree.py` beside them defines what their fields mean.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::random::Rng;

/// Where a file's bytes come from. Big ones are made when they are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// These bytes.
    Bytes(Vec<u8>),
    /// `unit` over and over.
    Repeat { unit: Vec<u8>, size: usize },
    /// The little-endian numbers of splitmix64.
    Seeded { seed: u64, size: usize },
}

impl Contents {
    pub fn size(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Repeat { size, .. } | Self::Seeded { size, .. } => *size,
        }
    }

    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Bytes(bytes) => bytes.into(),
            Self::Repeat { unit, size } => unit.iter().copied().cycle().take(*size).collect(),
            Self::Seeded { seed, size } => Rng::new(*seed).bytes(*size).into(),
        }
    }
}

/// What a manifest's entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File(Contents),
    Symlink {
        target: Vec<u8>,
    },
    /// A further name of the file at this path.
    Hardlink {
        target: Vec<u8>,
    },
    Fifo,
    Socket,
    CharDevice {
        major: u64,
        minor: u64,
    },
    BlockDevice {
        major: u64,
        minor: u64,
    },
}

/// An entry as the manifest has it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// From the root, without slash at either end; empty for the root.
    pub path: Vec<u8>,
    pub kind: Kind,
    /// Permission bits as `chmod` is told; an ACL may change them afterwards.
    pub mode: u64,
    pub uid: u32,
    pub gid: u32,
    pub mtime: (i64, u32),
    /// In the order in which they are set.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// For `setfacl -m`.
    pub acl: Option<String>,
    /// For `setfacl -d -m`.
    pub default_acl: Option<String>,
    /// For `chattr`.
    pub chattr: Option<String>,
}

/// A tree: entries, parents first.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// Manifests are part of the tests, so a malformed one is a panic.
    pub fn parse(json: &[u8]) -> Self {
        let manifest: Value = serde_json::from_slice(json).expect("a manifest is JSON");
        let entries = manifest["entries"].as_array().expect("a manifest has entries");
        Self { entries: entries.iter().map(|entry| parse(entry.as_object().expect("objects"))).collect() }
    }
}

fn parse(entry: &Map<String, Value>) -> Entry {
    let text = |key: &str| entry.get(key).map(|value| value.as_str().expect(key));
    let number = |key: &str| entry.get(key).map_or(0, |value| value.as_u64().expect(key));
    let target = || name_bytes(text("target").expect("a link has a target"));
    let kind = match text("type").expect("an entry has a type") {
        "dir" => Kind::Directory,
        "file" => Kind::File(contents(entry)),
        "symlink" => Kind::Symlink { target: target() },
        "hardlink" => Kind::Hardlink { target: target() },
        "fifo" => Kind::Fifo,
        "socket" => Kind::Socket,
        "chardev" => Kind::CharDevice { major: number("major"), minor: number("minor") },
        "blockdev" => Kind::BlockDevice { major: number("major"), minor: number("minor") },
        other => panic!("unknown type {other}"),
    };
    let xattrs = entry.get("xattrs").and_then(Value::as_object).into_iter().flatten();
    let mtime = entry.get("mtime").map_or((1_600_000_000, 0), |mtime| {
        let nanos = mtime[1].as_u64().expect("nanoseconds");
        (mtime[0].as_i64().expect("seconds"), u32::try_from(nanos).expect("nanoseconds"))
    });
    Entry {
        path: name_bytes(text("path").expect("an entry has a path")),
        kind,
        mode: u64::from_str_radix(text("mode").unwrap_or("0644"), 8).expect("an octal mode"),
        uid: number("uid") as u32,
        gid: number("gid") as u32,
        mtime,
        xattrs: xattrs
            .map(|(name, value)| (name.clone().into(), hex(value.as_str().expect("hex"))))
            .collect(),
        acl: text("acl").map(str::to_owned),
        default_acl: text("default_acl").map(str::to_owned),
        chattr: text("chattr").map(str::to_owned),
    }
}

fn contents(entry: &Map<String, Value>) -> Contents {
    let number = |key: &str| entry.get(key).map_or(0, |value| value.as_u64().expect(key));
    let size = number("size") as usize;
    let text = |key: &str| entry.get(key).map(|value| value.as_str().expect(key).as_bytes().to_vec());
    if let Some(bytes) = text("text") {
        Contents::Bytes(bytes)
    } else if let Some(unit) = text("repeat") {
        Contents::Repeat { unit, size }
    } else {
        Contents::Seeded { seed: number("seed"), size }
    }
}

/// `\xNN` in a manifest stands for that byte, so that names need not be UTF-8.
fn name_bytes(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (byte, rest) = part.split_at(2);
        out.extend(hex(byte));
        out.extend_from_slice(rest.as_bytes());
    }
    out
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("two hexadecimal digits");
    (0..text.len()).step_by(2).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_in_names() {
        assert_eq!(name_bytes("a\\xff\\x00b"), b"a\xff\0b");
        assert_eq!(name_bytes("back\\slash"), b"back\\slash");
        assert_eq!(name_bytes("ü"), "ü".as_bytes());
    }

    #[test]
    fn contents_of_all_sorts() {
        let repeat = Contents::Repeat { unit: b"abc".to_vec(), size: 7 };
        assert_eq!(&*repeat.bytes(), b"abcabca");
        let seeded = Contents::Seeded { seed: 0, size: 9 };
        assert_eq!(&*seeded.bytes(), [0xaf, 0xcd, 0x1d, 0x7b, 0x39, 0xa8, 0x20, 0xe2, 0xf4]);
    }

    #[test]
    fn every_golden_manifest_parses() {
        let counts = crate::golden::NAMES.map(|name| crate::golden::manifest(name).entries.len());
        assert_eq!(counts, [28, 24, 15, 466, 2001, 19]);
    }
}
