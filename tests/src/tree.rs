//! A tree in memory, as an archive has it: children in byte order, ACLs as items, the first name of a file in the order of
//! traversal being the file and its other names links to it.

use std::collections::HashMap;

use pxkit_core::format::{Attribute, Attributes, CHATTR_FLAGS, Device, Stat, Timestamp, mode};

use crate::acl::Acl;
use crate::manifest::{self, Contents, Manifest};

/// What a node is, with what only that kind has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Directory(Vec<Node>),
    File(Contents),
    Symlink {
        target: Vec<u8>,
    },
    Device(Device),
    Fifo,
    Socket,
    /// A further name of the file at this path from the root, which comes before in traversal and is no link itself.
    Hardlink {
        target: Vec<u8>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Empty for the root.
    pub name: Vec<u8>,
    /// All zero for hard links.
    pub stat: Stat,
    pub attributes: Attributes,
    pub kind: Kind,
}

/// A step of [`Node::walk`].
#[derive(Clone, Copy, Debug)]
pub enum Visit<'a> {
    /// A node; the children of a directory follow.
    Node(&'a Node),
    /// A directory that is complete.
    Leave(&'a Node),
}

impl Node {
    /// The root of the tree that a manifest describes, as it is on disk once it was made.
    pub fn from_manifest(manifest: &Manifest) -> Self {
        let mut root = None;
        for entry in &manifest.entries {
            let (parent, name) = split(&entry.path);
            let node = node(entry, name);
            if entry.path.is_empty() {
                root = Some(node);
            } else {
                let root = root.as_mut().expect("a manifest begins with the root");
                root.at_mut(parent).expect("parents come first").children_mut().push(node);
            }
        }
        let mut root = root.expect("a manifest has a root");
        root.settle();
        root
    }

    /// Puts children in order, and makes the first name of every file the file. Links may name any other name of their file
    /// before; afterwards they name the first.
    pub fn settle(&mut self) {
        let mut files = HashMap::new();
        self.gather(&mut Vec::new(), &mut files);
        self.sort();
        self.resolve(&mut Vec::new(), &files, &mut HashMap::new());
    }

    fn sort(&mut self) {
        if let Kind::Directory(children) = &mut self.kind {
            children.sort_by(|a, b| a.name.cmp(&b.name));
            children.iter_mut().for_each(Self::sort);
        }
    }

    fn gather(&self, path: &mut Vec<u8>, names: &mut HashMap<Vec<u8>, Self>) {
        match &self.kind {
            Kind::Directory(children) => {
                for child in children {
                    let len = push(path, &child.name);
                    child.gather(path, names);
                    path.truncate(len);
                }
            }
            Kind::File(_) | Kind::Hardlink { .. } => _ = names.insert(path.clone(), self.clone()),
            _ => {}
        }
    }

    /// `names` holds all names of files as they were, `first` the path of the first name by that of the file before.
    fn resolve(
        &mut self,
        path: &mut Vec<u8>,
        names: &HashMap<Vec<u8>, Self>,
        first: &mut HashMap<Vec<u8>, Vec<u8>>,
    ) {
        match &mut self.kind {
            Kind::Directory(children) => {
                for child in children {
                    let len = push(path, &child.name);
                    child.resolve(path, names, first);
                    path.truncate(len);
                }
            }
            Kind::File(_) | Kind::Hardlink { .. } => {
                let mut file = path.clone();
                while let Kind::Hardlink { target } = &names[&file].kind {
                    file.clone_from(target);
                }
                if let Some(target) = first.get(&file) {
                    let kind = Kind::Hardlink { target: target.clone() };
                    let (stat, attributes) = (Stat::default(), Attributes::new());
                    *self = Self { name: std::mem::take(&mut self.name), stat, attributes, kind };
                } else {
                    *self = Self { name: std::mem::take(&mut self.name), ..names[&file].clone() };
                    first.insert(file, path.clone());
                }
            }
            _ => {}
        }
    }

    /// Children of a directory, which it must be.
    pub fn children_mut(&mut self) -> &mut Vec<Self> {
        match &mut self.kind {
            Kind::Directory(children) => children,
            _ => panic!("{:?} is no directory", self.name),
        }
    }

    /// The node at a path from here; an empty one leads to this node.
    pub fn at_mut(&mut self, path: &[u8]) -> Option<&mut Self> {
        let mut node = self;
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            let Kind::Directory(children) = &mut node.kind else { return None };
            node = children.iter_mut().find(|child| child.name == name)?;
        }
        Some(node)
    }

    /// Visits all nodes in the order of an archive, with their paths from here (without leading slash).
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&[u8], Visit<'a>)) {
        self.walk_below(&mut Vec::new(), visit);
    }

    fn walk_below<'a>(&'a self, path: &mut Vec<u8>, visit: &mut impl FnMut(&[u8], Visit<'a>)) {
        visit(path, Visit::Node(self));
        if let Kind::Directory(children) = &self.kind {
            for child in children {
                let len = push(path, &child.name);
                child.walk_below(path, visit);
                path.truncate(len);
            }
            visit(path, Visit::Leave(self));
        }
    }

    /// Nodes in this tree, itself included.
    pub fn count(&self) -> usize {
        let mut count = 0;
        self.walk(&mut |_, visit| count += usize::from(matches!(visit, Visit::Node(_))));
        count
    }
}

/// Appends a name to a path; returns how long it was.
fn push(path: &mut Vec<u8>, name: &[u8]) -> usize {
    let len = path.len();
    if len > 0 {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    len
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

fn node(entry: &manifest::Entry, name: &[u8]) -> Node {
    let (kind, type_bits) = match &entry.kind {
        manifest::Kind::Directory => (Kind::Directory(Vec::new()), mode::DIRECTORY),
        manifest::Kind::File(contents) => (Kind::File(contents.clone()), mode::REGULAR),
        manifest::Kind::Symlink { target } => (Kind::Symlink { target: target.clone() }, mode::SYMLINK),
        manifest::Kind::Fifo => (Kind::Fifo, mode::FIFO),
        manifest::Kind::Socket => (Kind::Socket, mode::SOCKET),
        &manifest::Kind::CharDevice { major, minor } => (Kind::Device(Device { major, minor }), mode::CHAR),
        &manifest::Kind::BlockDevice { major, minor } => (Kind::Device(Device { major, minor }), mode::BLOCK),
        manifest::Kind::Hardlink { target } => {
            let kind = Kind::Hardlink { target: target.clone() };
            return Node { name: name.to_vec(), stat: Stat::default(), attributes: Attributes::new(), kind };
        }
    };
    // Linux gives every symlink these.
    let mut permissions = if type_bits == mode::SYMLINK { 0o777 } else { entry.mode };
    let mut attributes = Attributes::new();
    let (capabilities, xattrs): (Vec<_>, Vec<_>) =
        entry.xattrs.iter().partition(|(name, _)| name == b"security.capability");
    for (name, value) in xattrs {
        attributes.push(Attribute::Xattr { name, value }).expect("a legal attribute");
    }
    if let Some(text) = &entry.acl {
        let mut acl = Acl::of_mode(permissions);
        acl.modify(text);
        acl.push_access(&mut attributes);
        permissions = permissions & !0o777 | acl.mode();
    }
    if let Some(text) = &entry.default_acl {
        let mut acl = Acl::of_mode(permissions);
        acl.modify(text);
        acl.push_default(&mut attributes);
    }
    for (_, value) in capabilities {
        attributes.push(Attribute::Fcaps(value)).expect("legal capabilities");
    }
    let (secs, nanos) = entry.mtime;
    let stat = Stat {
        mode: type_bits | permissions,
        flags: entry.chattr.as_deref().map_or(0, chattr),
        uid: entry.uid,
        gid: entry.gid,
        mtime: Timestamp { secs, nanos },
    };
    Node { name: name.to_vec(), stat, attributes, kind }
}

/// Flags as stored of an argument of `chattr` like `+dA`.
fn chattr(text: &str) -> u64 {
    let letters = text.strip_prefix('+').expect("flags are only added");
    let bit = |letter| {
        let name = match letter {
            'a' => "append",
            'A' => "noatime",
            'c' => "compr",
            'C' => "nocow",
            'd' => "nodump",
            'D' => "dirsync",
            'i' => "immutable",
            'S' => "sync",
            other => panic!("unknown flag {other}"),
        };
        CHATTR_FLAGS.iter().find(|flag| flag.name == name).expect("a flag of the format").bit
    };
    letters.chars().map(bit).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_in_order_is_the_file() {
        let json = br#"{"entries":[{"path":"","type":"dir"},{"path":"z","type":"file","text":"1"},
            {"path":"b","type":"hardlink","target":"z"},{"path":"a","type":"dir"},
            {"path":"a/x","type":"hardlink","target":"b"}]}"#;
        let mut root = Node::from_manifest(&Manifest::parse(json));
        let mut kind = |path: &str| root.at_mut(path.as_bytes()).unwrap().kind.clone();
        assert_eq!(kind("a/x"), Kind::File(Contents::Bytes(b"1".to_vec())));
        assert_eq!(kind("b"), Kind::Hardlink { target: b"a/x".to_vec() });
        assert_eq!(kind("z"), Kind::Hardlink { target: b"a/x".to_vec() });
        let before = root.clone();
        root.settle();
        assert_eq!(root, before);
    }
}
