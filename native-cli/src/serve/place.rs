//! What a path in a datastore names (datastore specification 1, 2). Whatever has no place here cannot be asked for: a request's path
//! is never taken to the disk, only that of the place that it names.

use std::fmt;

use pxkit_core::blob::BackupType;
use pxkit_core::format::Digest;

use crate::store::{Group, Namespace, SnapshotId, is_safe};

/// Endings of the files of a snapshot that anybody may want.
const ENDINGS: [&str; 3] = [".didx", ".fidx", ".blob"];
/// Hexadecimal digits of a digest that name the directory of its chunk.
const PREFIX: usize = 4;

/// A directory or file of a datastore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A namespace; the root is the datastore itself.
    Namespace(Namespace),
    /// The directory of the namespaces in a namespace: `ns`.
    Namespaces(Namespace),
    /// The groups of one type.
    Groups(Namespace, BackupType),
    /// A group.
    Group(Namespace, Group),
    /// A file of a group: its owner, or its notes.
    GroupFile(Namespace, Group, GroupFile),
    /// A snapshot.
    Snapshot(Namespace, SnapshotId),
    /// A file of a snapshot.
    File(Namespace, SnapshotId, String),
    /// `.chunks`.
    Chunks,
    /// The directory of the chunks whose digests begin with these four hexadecimal digits.
    ChunkPrefix(String),
    /// A chunk.
    Chunk(Digest, Option<Bad>),
}

/// A file of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupFile {
    /// Whom it belongs to.
    Owner,
    /// What somebody wrote of it.
    Notes,
}

/// A chunk that verification set aside has a number from 0 to 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad(u8);

impl Place {
    /// The place of a path: its components, outermost first. None is the root.
    pub fn of<'a>(path: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        path.into_iter().try_fold(Self::Namespace(Namespace::default()), |place, name| place.child(name))
    }

    /// What `name` is in this directory; `None` if nothing of that name belongs there.
    pub fn child(&self, name: &str) -> Option<Self> {
        match self {
            Self::Namespace(ns) => match name {
                "ns" => Some(Self::Namespaces(ns.clone())),
                ".chunks" if ns.is_root() => Some(Self::Chunks),
                word => Some(Self::Groups(ns.clone(), BackupType::from_word(word)?)),
            },
            Self::Namespaces(ns) => Some(Self::Namespace(ns.child(name).ok()?)),
            Self::Groups(ns, backup_type) => {
                Some(Self::Group(ns.clone(), Group::new(*backup_type, name).ok()?))
            }
            Self::Group(ns, group) => {
                let file = |file| Some(Self::GroupFile(ns.clone(), group.clone(), file));
                match name {
                    "owner" => file(GroupFile::Owner),
                    "notes" => file(GroupFile::Notes),
                    time => Some(Self::Snapshot(ns.clone(), format!("{group}/{time}").parse().ok()?)),
                }
            }
            Self::Snapshot(ns, id) => {
                let is_file = is_safe(name) && ENDINGS.iter().any(|ending| name.ends_with(ending));
                is_file.then(|| Self::File(ns.clone(), id.clone(), name.to_owned()))
            }
            Self::Chunks => {
                (name.len() == PREFIX && is_hex(name)).then(|| Self::ChunkPrefix(name.to_owned()))
            }
            Self::ChunkPrefix(prefix) if name.starts_with(prefix.as_str()) => chunk(name),
            _ => None,
        }
    }

    /// Whether it is a directory.
    pub const fn is_directory(&self) -> bool {
        !matches!(self, Self::GroupFile(..) | Self::File(..) | Self::Chunk(..))
    }

    /// Whether it may be listed: a directory, but for those of chunks, of which there are 65,536.
    pub const fn can_be_listed(&self) -> bool {
        self.is_directory() && !matches!(self, Self::Chunks | Self::ChunkPrefix(_))
    }

    /// The names on the way to it, outermost first.
    pub fn components(&self) -> Vec<String> {
        let namespace = |ns: &Namespace| -> Vec<String> {
            ns.components().iter().flat_map(|name| ["ns".to_owned(), name.clone()]).collect()
        };
        let group = |ns: &Namespace, group: &Group| {
            let mut path = namespace(ns);
            path.extend([group.backup_type.word().to_owned(), group.id.clone()]);
            path
        };
        let with = |mut path: Vec<String>, name: String| {
            path.push(name);
            path
        };
        match self {
            Self::Namespace(ns) => namespace(ns),
            Self::Namespaces(ns) => with(namespace(ns), "ns".into()),
            Self::Groups(ns, backup_type) => with(namespace(ns), backup_type.word().into()),
            Self::Group(ns, id) => group(ns, id),
            Self::GroupFile(ns, id, GroupFile::Owner) => with(group(ns, id), "owner".into()),
            Self::GroupFile(ns, id, GroupFile::Notes) => with(group(ns, id), "notes".into()),
            Self::Snapshot(ns, id) => with(group(ns, &id.group), id.time_text()),
            Self::File(ns, id, name) => with(with(group(ns, &id.group), id.time_text()), name.clone()),
            Self::Chunks => vec![".chunks".into()],
            Self::ChunkPrefix(prefix) => vec![".chunks".into(), prefix.clone()],
            Self::Chunk(digest, bad) => {
                let mut name = digest.to_string();
                let prefix = name[..PREFIX].to_owned();
                if let Some(Bad(number)) = bad {
                    name.push_str(&format!(".{number}.bad"));
                }
                vec![".chunks".into(), prefix, name]
            }
        }
    }
}

/// The path from the root of the datastore.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.components().join("/"))
    }
}

/// A server's digests have no upper-case letters.
fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn chunk(name: &str) -> Option<Place> {
    let (digest, bad) = match name.split_once('.') {
        None => (name, None),
        Some((digest, rest)) => match rest.as_bytes() {
            [number @ b'0'..=b'9', b'.', b'b', b'a', b'd'] => (digest, Some(Bad(number - b'0'))),
            _ => return None,
        },
    };
    let digest = Digest::from_hex(digest.as_bytes()).filter(|_| is_hex(digest))?;
    Some(Place::Chunk(digest, bad))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> Option<Place> {
        Place::of(path.split('/').filter(|_| !path.is_empty()))
    }

    #[test]
    fn everything_in_a_datastore_has_its_place() {
        let digest = "0a".repeat(32);
        let deep = ["ns/a"; 7].join("/");
        for (path, is_directory) in [
            ("", true),
            ("ns", true),
            ("ns/a", true),
            ("ns/a/ns", true),
            (&*deep, true),
            ("host", true),
            ("ns/a/ns/b/vm", true),
            ("ct/100", true),
            ("ct/100/owner", false),
            ("ct/100/notes", false),
            ("host/web/2026-11-20T02:00:00Z", true),
            ("host/web/2026-11-20T02:00:00Z/index.json.blob", false),
            ("ns/a/host/web/2026-11-20T02:00:00Z/root.mpxar.didx", false),
            ("vm/1/2026-11-20T02:00:00Z/drive-scsi0.img.fidx", false),
            (".chunks", true),
            (".chunks/0a0a", true),
            (&*format!(".chunks/0a0a/{digest}"), false),
            (&*format!(".chunks/0a0a/{digest}.9.bad"), false),
        ] {
            let found = place(path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!(found.to_string(), path);
            assert_eq!(found.is_directory(), is_directory, "{path}");
            assert_eq!(found.can_be_listed(), is_directory && !path.starts_with(".chunks"), "{path}");
        }
    }

    #[test]
    fn nothing_else_has_one() {
        let digest = "0a".repeat(32);
        let too_deep = format!("{}/ns/a", ["ns/a"; 7].join("/"));
        for path in [
            "/",
            ".",
            "..",
            "./host",
            "host/..",
            "host//web",
            "host/",
            "host/.hidden",
            "host/-x",
            "host/a b",
            "host/a\0",
            "hosts",
            ".lock",
            ".gc-status",
            ".pxkit-locks",
            "lost+found",
            "ns/..",
            "ns/a/.chunks",
            &*too_deep,
            "host/web/2026-11-20T02:00:00z",
            "host/web/2026-11-20T02:00:00.5Z",
            "host/web/latest",
            "host/web/owner/x",
            "host/web/other",
            "host/web/2026-11-20T02:00:00Z/.protected",
            "host/web/2026-11-20T02:00:00Z/.didx",
            "host/web/2026-11-20T02:00:00Z/root.mpxar",
            "host/web/2026-11-20T02:00:00Z/root.mpxar.tmp_didx",
            "host/web/2026-11-20T02:00:00Z/../owner",
            "host/web/2026-11-20T02:00:00Z/a/b.blob",
            ".chunks/0a0",
            ".chunks/0A0A",
            &*format!(".chunks/{digest}"),
            &*format!(".chunks/0a0b/{digest}"),
            &*format!(".chunks/0a0a/{}", digest.to_uppercase()),
            &*format!(".chunks/0a0a/{digest}0"),
            &*format!(".chunks/0a0a/{digest}.bad"),
            &*format!(".chunks/0a0a/{digest}.10.bad"),
            &*format!(".chunks/0a0a/{digest}.tmp_abcdef"),
            &*format!(".chunks/0a0a/{digest}.using"),
        ] {
            assert_eq!(place(path), None, "{path}");
        }
    }
}
