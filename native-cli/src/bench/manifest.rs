//! What a tree holds, as a list that can be compared with another: a line of text for each entry.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use pxkit_core::format::Digest;
use sha2::{Digest as _, Sha256};

/// An entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// From the root, whose own path is empty; without slash in front.
    pub path: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    pub node: Node,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Directory,
    File { size: u64, digest: Digest },
    Symlink { target: Vec<u8> },
}

impl Entry {
    /// Where it is in a tree.
    pub fn place(&self, tree: &Path) -> PathBuf {
        if self.path.is_empty() { tree.to_owned() } else { tree.join(OsStr::from_bytes(&self.path)) }
    }

    /// Bytes of contents.
    pub fn size(&self) -> u64 {
        if let Node::File { size, .. } = self.node { size } else { 0 }
    }

    /// The path of its directory; the root has none.
    pub fn parent(&self) -> Option<&[u8]> {
        parent(&self.path)
    }

    fn line(&self) -> Vec<u8> {
        let (kind, size, digest) = match &self.node {
            Node::Directory => ('d', 0, "-".to_owned()),
            Node::File { size, digest } => ('f', *size, digest.to_string()),
            Node::Symlink { .. } => ('l', 0, "-".to_owned()),
        };
        let mut line = format!("{kind}\t{:o}\t{}\t{size}\t{digest}\t", self.mode, self.mtime).into_bytes();
        line.extend(&self.path);
        if let Node::Symlink { target } = &self.node {
            line.push(b'\t');
            line.extend(target);
        }
        line.push(b'\n');
        line
    }

    fn from_line(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|&byte| byte == b'\t');
        let mut field = || fields.next();
        let text = |field: &[u8]| String::from_utf8(field.to_owned()).ok();
        let (kind, mode) = (field()?, u32::from_str_radix(&text(field()?)?, 8).ok()?);
        let (mtime, size) = (text(field()?)?.parse().ok()?, text(field()?)?.parse().ok()?);
        let (digest, path) = (field()?, field()?.to_owned());
        let node = match kind {
            b"d" => Node::Directory,
            b"f" => Node::File { size, digest: Digest::from_hex(digest)? },
            b"l" => Node::Symlink { target: field()?.to_owned() },
            _ => return None,
        };
        field().is_none().then_some(Self { path, mode, mtime, node })
    }
}

fn parent(path: &[u8]) -> Option<&[u8]> {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => Some(&path[..slash]),
        None if path.is_empty() => None,
        None => Some(b""),
    }
}

/// All entries of a tree, the root included, sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    entries: Vec<Entry>,
}

impl Manifest {
    /// Of entries in any order.
    pub fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Self { entries }
    }

    /// Reads a tree with all contents.
    pub fn scan(tree: &Path) -> anyhow::Result<Self> {
        let mut entries = Vec::new();
        scan(tree, Vec::new(), &mut entries)?;
        Ok(Self::new(entries))
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn files(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| matches!(entry.node, Node::File { .. }))
    }

    /// Bytes of contents.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(Entry::size).sum()
    }

    /// One digest for the paths and contents of all files, whatever their times and modes: SHA-256 of lines
    /// `DIGEST SIZE PATH` in the order of paths.
    pub fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        for entry in &self.entries {
            if let Node::File { size, digest } = entry.node {
                hash.update(format!("{digest} {size} "));
                hash.update(&entry.path);
                hash.update(b"\n");
            }
        }
        Digest(hash.finalize().into())
    }

    /// This tree as it is when made from `old` by changing no more than needed: what is the same keeps its time, and so do
    /// directories that have the same names.
    pub fn over(&self, old: &Self) -> Self {
        let pairs = pairs(old, self);
        let renamed: BTreeSet<&[u8]> =
            pairs.iter().filter_map(|pair| pair.one_sided().and_then(Entry::parent)).collect();
        let entries = pairs.iter().filter_map(|pair| {
            let new = pair.new?;
            let mtime = match pair.old {
                Some(old) if old.node == new.node && !renamed.contains(new.path.as_slice()) => old.mtime,
                _ => new.mtime,
            };
            Some(Entry { mtime, ..new.clone() })
        });
        Self { entries: entries.collect() }
    }

    /// The list as text.
    pub fn text(&self) -> Vec<u8> {
        self.entries.iter().flat_map(Entry::line).collect()
    }

    /// The inverse of [`Manifest::text`].
    pub fn parse(text: &[u8]) -> anyhow::Result<Self> {
        let lines = text.strip_suffix(b"\n").unwrap_or(text).split(|&byte| byte == b'\n').enumerate();
        let entry = |(at, line): (usize, &[u8])| {
            Entry::from_line(line).ok_or_else(|| anyhow!("line {} is malformed", at + 1))
        };
        Ok(Self::new(lines.map(entry).collect::<Result<_, _>>()?))
    }
}

fn scan(place: &Path, path: Vec<u8>, out: &mut Vec<Entry>) -> anyhow::Result<()> {
    let seen = || format!("cannot read {}", place.display());
    let metadata = place.symlink_metadata().with_context(seen)?;
    if path.iter().any(|byte| b"\t\n".contains(byte)) {
        bail!("{}: names with tabs or line ends cannot be benchmarked", place.display());
    }
    let node = if metadata.is_dir() {
        Node::Directory
    } else if metadata.is_file() {
        let contents = fs::read(place).with_context(seen)?;
        Node::File { size: contents.len() as u64, digest: digest(&contents) }
    } else if metadata.is_symlink() {
        Node::Symlink { target: fs::read_link(place).with_context(seen)?.into_os_string().into_vec() }
    } else {
        bail!("{} is neither a file nor a directory nor a symlink", place.display());
    };
    let is_directory = node == Node::Directory;
    let mode = metadata.permissions().mode() & 0o7777;
    out.push(Entry { path: path.clone(), mode, mtime: metadata.mtime(), node });
    if is_directory {
        for entry in fs::read_dir(place).with_context(seen)? {
            let entry = entry.with_context(seen)?;
            scan(&entry.path(), join(&path, entry.file_name().as_bytes()), out)?;
        }
    }
    Ok(())
}

/// The path of a name in a directory.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_owned() } else { [directory, b"/", name].concat() }
}

pub(super) fn digest(contents: &[u8]) -> Digest {
    Digest(Sha256::digest(contents).into())
}

/// The entries that two manifests have at one path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    pub old: Option<&'a Entry>,
    pub new: Option<&'a Entry>,
}

impl<'a> Pair<'a> {
    /// The entry that came or went.
    fn one_sided(&self) -> Option<&'a Entry> {
        if self.old.is_some() && self.new.is_some() { None } else { self.old.or(self.new) }
    }

    /// The new file whose contents were not there before.
    pub fn changed_file(&self) -> Option<&'a Entry> {
        let is_same = |new: &Entry| self.old.is_some_and(|old| old.node == new.node);
        self.new.filter(|new| matches!(new.node, Node::File { .. }) && !is_same(new))
    }
}

/// All paths of two manifests, in order.
pub(super) fn pairs<'a>(old: &'a Manifest, new: &'a Manifest) -> Vec<Pair<'a>> {
    let (mut old, mut new) = (old.entries.iter().peekable(), new.entries.iter().peekable());
    let mut out = Vec::new();
    loop {
        let first = match (old.peek(), new.peek()) {
            (None, None) => return out,
            (Some(a), Some(b)) => a.path.as_slice().min(&b.path),
            (Some(one), None) | (None, Some(one)) => one.path.as_slice(),
        };
        let pair = Pair {
            old: old.next_if(|entry| entry.path == first),
            new: new.next_if(|entry| entry.path == first),
        };
        out.push(pair);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, mtime: i64, contents: &str) -> Entry {
        let node = Node::File { size: contents.len() as u64, digest: digest(contents.as_bytes()) };
        Entry { path: path.into(), mode: 0o644, mtime, node }
    }

    fn directory(path: &str, mtime: i64) -> Entry {
        Entry { path: path.into(), mode: 0o755, mtime, node: Node::Directory }
    }

    fn times(manifest: &Manifest) -> Vec<(&str, i64)> {
        let time = |entry: &Entry| entry.mtime;
        manifest.entries().iter().map(|e| (std::str::from_utf8(&e.path).unwrap(), time(e))).collect()
    }

    #[test]
    fn what_is_the_same_keeps_its_time() {
        let old = Manifest::new(vec![
            directory("", 1),
            directory("a", 1),
            file("a/same", 1, "x"),
            file("a/changed", 1, "y"),
            directory("b", 1),
            file("b/gone", 1, "z"),
        ]);
        let new = Manifest::new(vec![
            directory("", 5),
            directory("a", 5),
            file("a/same", 5, "x"),
            file("a/changed", 5, "yy"),
            directory("b", 5),
            file("b/came", 4, "z"),
        ]);
        let over = new.over(&old);
        let expected = [("", 1), ("a", 1), ("a/changed", 5), ("a/same", 1), ("b", 5), ("b/came", 4)];
        assert_eq!(times(&over), expected);
        let changed: Vec<_> =
            pairs(&old, &over).iter().filter_map(|pair| Some(&pair.changed_file()?.path)).collect();
        assert_eq!(changed, [&b"a/changed"[..], b"b/came"]);
    }

    #[test]
    fn text_and_back() {
        let symlink = Entry {
            path: b"l \xff".to_vec(),
            mode: 0o777,
            mtime: -7,
            node: Node::Symlink { target: b"../a b".to_vec() },
        };
        let manifest = Manifest::new(vec![symlink, file("f", 3, "x"), directory("", 1)]);
        assert_eq!(Manifest::parse(&manifest.text()).unwrap(), manifest);
        for broken in
            ["", "d\t755\t1\t0\t-", "f\t755\t1\t0\t00\tx", "d\t755\t1\t0\t-\tx\ty", "x\t1\t1\t1\t-\tx"]
        {
            let error = Manifest::parse(broken.as_bytes()).unwrap_err().to_string();
            assert_eq!(error, "line 1 is malformed", "{broken}");
        }
    }

    #[test]
    fn the_digest_is_of_paths_and_contents() {
        let of = |entries: &[Entry]| Manifest::new(entries.to_vec()).digest();
        let one = of(&[directory("", 1), file("f", 1, "x")]);
        // printf '%s 1 f\n' $(printf x | sha256sum | cut -c-64) | sha256sum
        assert_eq!(one.to_string(), "68b76bdd8c0731642ed949ee29a6a0c640c60d385a2b5125de721b5b639045df");
        assert_eq!(one, of(&[directory("", 2), file("f", 2, "x")]));
        assert_ne!(one, of(&[directory("", 1), file("f", 1, "y")]));
        assert_ne!(one, of(&[directory("", 1), file("g", 1, "x")]));
    }
}
