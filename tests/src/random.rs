//! Seeded randomness, and trees with every kind of metadata made from it.

use pxkit_core::format::{Attribute, Attributes, CHATTR_FLAGS, Device, FAT_FLAGS, Stat, Timestamp, mode};

use crate::acl::Acl;
use crate::manifest::Contents;
use crate::tree::{Kind, Node};

/// splitmix64, as the golden manifests use it for contents.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `end` - 1.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Little-endian numbers, cut to `size`.
    pub fn bytes(&mut self, size: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(size + 8);
        while out.len() < size {
            out.extend_from_slice(&self.next().to_le_bytes());
        }
        out.truncate(size);
        out
    }
}

/// What a random tree may hold.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// About how many nodes.
    pub nodes: usize,
    /// Only what ext4 can hold, as the kernel hands it back. Otherwise everything that the format can express.
    pub on_disk: bool,
}

/// A random tree; the same for the same seed.
pub fn tree(seed: u64, shape: Shape) -> Node {
    let mut maker = Maker { rng: Rng::new(seed), shape, left: shape.nodes, files: Vec::new() };
    let mut root = maker.directory(Vec::new(), &mut Vec::new(), 0);
    root.settle();
    root
}

struct Maker {
    rng: Rng,
    shape: Shape,
    left: usize,
    /// Paths of files that further names can be given to.
    files: Vec<Vec<u8>>,
}

impl Maker {
    fn directory(&mut self, name: Vec<u8>, path: &mut Vec<u8>, depth: usize) -> Node {
        let mut children: Vec<Node> = Vec::new();
        let most = *self.rng.pick(&[0, 1, 2, 3, 5, 8, 20, 60]);
        let wanted = if depth == 0 { self.left } else { most };
        for _ in 0..wanted {
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            let name = self.name(depth);
            if children.iter().any(|child| child.name == name) {
                continue;
            }
            let len = path.len();
            if len > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
            let deepest = if self.shape.on_disk { 8 } else { 40 };
            children.push(match self.rng.below(12) {
                0..=2 if depth < deepest => self.directory(name, path, depth + 1),
                0..=8 => self.other(name, path),
                _ => self.file(name, path),
            });
            path.truncate(len);
        }
        let permissions = self.permissions();
        let mut attributes = Attributes::new();
        let permissions = self.attributes(permissions, true, &mut attributes);
        let stat = self.stat(mode::DIRECTORY, permissions, true);
        Node { name, stat, attributes, kind: Kind::Directory(children) }
    }

    fn file(&mut self, name: Vec<u8>, path: &[u8]) -> Node {
        self.files.push(path.to_vec());
        let size = match self.rng.below(8) {
            0 => 0,
            1 => *self.rng.pick(&[1, 15, 16, 17, 4095, 4096, 4097]),
            2 => self.rng.below(40_000),
            _ => self.rng.below(200),
        };
        let contents = match self.rng.below(4) {
            0 => Contents::Repeat { unit: vec![0], size },
            _ => Contents::Seeded { seed: self.rng.next(), size },
        };
        let permissions = self.permissions();
        let mut attributes = Attributes::new();
        let permissions = self.attributes(permissions, false, &mut attributes);
        let stat = self.stat(mode::REGULAR, permissions, true);
        Node { name, stat, attributes, kind: Kind::File(contents) }
    }

    fn other(&mut self, name: Vec<u8>, path: &[u8]) -> Node {
        let permissions = self.permissions();
        let plain = |stat, kind| Node { name: name.clone(), stat, attributes: Attributes::new(), kind };
        match self.rng.below(8) {
            0 | 1 => {
                let most = if self.rng.one_in(10) && !self.shape.on_disk { 4096 } else { 60 };
                let mut target = self.name_of(1 + self.rng.clone().below(most));
                if self.rng.one_in(3) {
                    target.splice(0..0, *b"../");
                    target.truncate(4096);
                }
                plain(self.stat(mode::SYMLINK, 0o777, false), Kind::Symlink { target })
            }
            2 | 3 if !self.files.is_empty() => {
                let target = self.rng.pick(&self.files).clone();
                plain(Stat::default(), Kind::Hardlink { target })
            }
            4 => {
                let kind = *self.rng.pick(&[mode::CHAR, mode::BLOCK]);
                let device = if self.shape.on_disk {
                    Device { major: self.rng.below(1 << 12) as u64, minor: self.rng.below(1 << 20) as u64 }
                } else {
                    Device { major: self.rng.next(), minor: self.rng.next() }
                };
                plain(self.stat(kind, permissions, false), Kind::Device(device))
            }
            5 => plain(self.stat(mode::FIFO, permissions, false), Kind::Fifo),
            6 => plain(self.stat(mode::SOCKET, permissions, false), Kind::Socket),
            _ => self.file(name, path),
        }
    }

    /// Mostly short; now and then one that is hard on somebody.
    fn name(&mut self, depth: usize) -> Vec<u8> {
        const ODD: [&[u8]; 12] = [
            b" ",
            b"-",
            b"...",
            b".pxarexclude",
            b"a\nb",
            b"\x1b[31m",
            b"\xff\xfe",
            b"\xc3",
            b"*[x]?",
            b"\\",
            b"\"'",
            "\u{65e5}\u{672c}\u{202e}".as_bytes(),
        ];
        let longest = match (self.shape.on_disk, depth) {
            (true, _) => 255,
            // Keeps every path within the 4096 bytes of a hard link's target.
            (false, 0) => 2000,
            (false, _) => 40,
        };
        match self.rng.below(12) {
            0 => self.rng.pick(&ODD).to_vec(),
            1 => {
                let len = 1 + self.rng.below(if self.rng.clone().one_in(4) { longest } else { 40 });
                self.name_of(len)
            }
            _ => format!("{:x}", self.rng.below(100_000)).into_bytes(),
        }
    }

    /// Any bytes that a name can hold.
    fn name_of(&mut self, len: usize) -> Vec<u8> {
        let mut name = self.rng.bytes(len);
        name.iter_mut().filter(|byte| matches!(byte, 0 | b'/')).for_each(|byte| *byte = b'_');
        if name == b"." || name == b".." {
            name[0] = b'_';
        }
        name
    }

    fn permissions(&mut self) -> u64 {
        match self.rng.below(4) {
            0 => self.rng.below(0o10_000) as u64,
            _ => *self.rng.pick(&[0o755, 0o644, 0o600, 0o700]),
        }
    }

    fn stat(&mut self, type_bits: u64, permissions: u64, flagged: bool) -> Stat {
        let id = |rng: &mut Rng| {
            if rng.one_in(3) { rng.below(0xffff_fffe) as u32 } else { rng.below(3) as u32 * 1000 }
        };
        let flags = if flagged && self.rng.one_in(8) { self.flags(type_bits) } else { 0 };
        Stat {
            mode: type_bits | permissions,
            flags,
            uid: id(&mut self.rng),
            gid: id(&mut self.rng),
            mtime: self.time(),
        }
    }

    fn flags(&mut self, type_bits: u64) -> u64 {
        let directory = type_bits == mode::DIRECTORY;
        let possible = CHATTR_FLAGS.iter().filter(|flag| match flag.name {
            "dirsync" => directory,
            "append" | "noatime" | "nodump" | "immutable" | "sync" => true,
            _ => false,
        });
        let possible: Vec<u64> = if self.shape.on_disk {
            possible.map(|flag| flag.bit).collect()
        } else {
            CHATTR_FLAGS.iter().chain(&FAT_FLAGS).map(|flag| flag.bit).collect()
        };
        possible.into_iter().filter(|_| self.rng.one_in(3)).fold(0, |all, bit| all | bit)
    }

    fn time(&mut self) -> Timestamp {
        let nanos = match self.rng.below(4) {
            0 => *self.rng.pick(&[0, 999_999_999]),
            _ => self.rng.below(1_000_000_000) as u32,
        };
        let secs = match self.rng.below(6) {
            // What inodes of ext4 hold: 34 bits.
            0 => self.rng.below(1 << 31) as i64 - (1 << 31),
            1 => self.rng.below(1 << 33) as i64,
            2 if !self.shape.on_disk => self.rng.next() as i64,
            _ => 1_600_000_000 + self.rng.below(1 << 20) as i64,
        };
        Timestamp { secs, nanos }
    }

    /// Fills `out` and returns the permissions, whose group bits an ACL may have changed.
    fn attributes(&mut self, permissions: u64, directory: bool, out: &mut Attributes) -> u64 {
        if !self.rng.one_in(4) {
            return permissions;
        }
        let mut push = |attribute: Attribute<'_>| out.push(attribute).expect("a legal attribute");
        if self.rng.one_in(2) {
            // In order, as ext4 lists those that stand in a block of their own.
            let count = self.rng.below(4);
            for number in 0..count {
                let prefix = if number < count / 2 { "user" } else { "user.z" };
                let name = format!("{prefix}.{number}");
                let longest = match (self.shape.on_disk, self.rng.one_in(10)) {
                    (true, _) => 300,
                    (false, true) => 60_000,
                    (false, false) => 100,
                };
                let value = self.rng.below(longest);
                let value = self.rng.bytes(value);
                push(Attribute::Xattr { name: name.as_bytes(), value: &value });
            }
            if self.rng.one_in(4) {
                push(Attribute::Xattr { name: b"trusted.t", value: b"\0\x01" });
            }
        }
        let mut permissions = permissions;
        if self.rng.one_in(3) {
            let acl = self.acl(permissions, true);
            permissions = permissions & !0o777 | acl.mode();
            acl.push_access(out);
        }
        if directory && self.rng.one_in(3) {
            let named = self.rng.one_in(2);
            self.acl(permissions, named).push_default(out);
        }
        let mut push = |attribute: Attribute<'_>| out.push(attribute).expect("a legal attribute");
        if !directory && self.rng.one_in(4) {
            // Version 2, not effective, a permitted set of the first 32 capabilities.
            let mut value = [0; 20];
            value[3] = 2;
            value[4..8].copy_from_slice(&(self.rng.next() as u32).to_le_bytes());
            push(Attribute::Fcaps(&value));
        }
        if !self.shape.on_disk && self.rng.one_in(4) {
            push(Attribute::QuotaProjid(1 + self.rng.below(0xffff_ffff) as u64));
        }
        permissions
    }

    /// Bounds on named entries come from a mask that need not be their union.
    fn acl(&mut self, permissions: u64, named: bool) -> Acl {
        let mut acl = Acl::of_mode(permissions);
        if named {
            for _ in 0..1 + self.rng.below(4) {
                let id = self.rng.below(5000) as u64;
                let list = if self.rng.one_in(2) { &mut acl.users } else { &mut acl.groups };
                list.insert(id, self.rng.below(8) as u64);
            }
            acl.mask = Some(self.rng.below(8) as u64);
        }
        acl
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_follow_from_their_seed_and_hold_everything() {
        for on_disk in [false, true] {
            let shape = Shape { nodes: 4000, on_disk };
            let root = tree(7, shape);
            assert_eq!(root, tree(7, shape));
            assert_ne!(root, tree(8, shape));
            let mut seen = std::collections::BTreeSet::new();
            root.walk(&mut |path, visit| {
                let crate::tree::Visit::Node(node) = visit else { return };
                assert!(path.len() <= 4096);
                seen.insert(match node.kind {
                    Kind::Directory(_) => "directory",
                    Kind::File(_) => "file",
                    Kind::Symlink { .. } => "symlink",
                    Kind::Device(_) => "device",
                    Kind::Fifo => "fifo",
                    Kind::Socket => "socket",
                    Kind::Hardlink { .. } => "hardlink",
                });
                seen.extend(node.attributes.iter().map(|attribute| attribute.item().name()));
            });
            let items = if on_disk { 8 } else { 9 };
            assert_eq!(seen.len(), 7 + items, "{seen:?}");
        }
    }
}
