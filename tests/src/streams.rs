//! Random access over byte slices. Every read is checked against what machines promise: wants lie within the streams and
//! within the bound, and there are only so many of them.

use std::cell::Cell;
use std::sync::Arc;

use pxkit_core::access::{
    Archive, Children, ContentRange, Contents, Directory, FollowLink, Lookup, Machine, Node, NodeContent,
    Open, OpenDirectory, ReadNode, Resolve, Resolved, Source, TOP_SIZE, Want, drive,
};
use pxkit_core::format::{Error, Kind, NameHash, hash_name};

/// The streams of an archive in memory.
pub struct Streams<'a> {
    pub meta: &'a [u8],
    pub payload: Option<&'a [u8]>,
    hash: NameHash,
    reads: Cell<usize>,
}

impl<'a> Streams<'a> {
    pub fn unified(meta: &'a [u8]) -> Self {
        Self { meta, payload: None, hash: hash_name, reads: Cell::new(0) }
    }

    pub fn split(meta: &'a [u8], payload: &'a [u8]) -> Self {
        Self { payload: Some(payload), ..Self::unified(meta) }
    }

    /// For archives whose tables hold other hashes.
    #[must_use]
    pub fn with_hash(self, hash: NameHash) -> Self {
        Self { hash, ..self }
    }

    /// Reads so far.
    pub fn reads(&self) -> usize {
        self.reads.get()
    }

    fn bytes(&self, want: Want) -> &'a [u8] {
        let stream = match want.source {
            Source::Meta => self.meta,
            Source::Payload => self.payload.expect("no payload stream, and yet bytes of it are wanted"),
        };
        assert!(want.len <= TOP_SIZE, "{want:?} is over the bound");
        let end = want.offset.checked_add(want.len as u64).expect("an end below 2^64");
        assert!(end <= stream.len() as u64, "{want:?} is beyond {}", stream.len());
        &stream[want.offset as usize..end as usize]
    }

    pub fn run<M: Machine>(&self, machine: M) -> Result<M::Output, Error> {
        // The longest operation looks at every record of a table and at every entry it lists.
        let most = self.reads.get() + self.meta.len() / 8 + 64;
        drive(machine, |want, buffer| {
            self.reads.set(self.reads.get() + 1);
            assert!(self.reads.get() <= most, "the machine does not end");
            buffer.copy_from_slice(self.bytes(want));
            Ok(())
        })
    }

    pub fn open(&self) -> Result<Archive, Error> {
        self.run(Open::new(self.meta.len() as u64, self.payload.map(|payload| payload.len() as u64)))
    }

    pub fn root(&self, archive: &Archive) -> Result<Node, Error> {
        self.run(ReadNode::root(archive))
    }

    pub fn resolve(&self, archive: &Archive, path: &[u8]) -> Result<Option<Resolved>, Error> {
        self.run(Resolve::new(archive, path))
    }

    pub fn lookup(
        &self,
        archive: &Archive,
        directory: &Arc<Directory>,
        name: &[u8],
    ) -> Result<Option<(Node, u64)>, Error> {
        self.run(Lookup::with_hash(archive, directory.clone(), name, self.hash))
    }

    /// Children of a directory: each, and where it ends if it is a directory.
    pub fn list(&self, archive: &Archive, directory: &Arc<Directory>) -> Result<Vec<(Node, u64)>, Error> {
        let children = self.run(Children::new(directory.clone()))?;
        let node = |(filename, end)| Ok((self.run(ReadNode::new(archive, filename))?, end));
        children.into_iter().map(node).collect()
    }

    pub fn directory(&self, node: &Node, end: u64) -> Result<Arc<Directory>, Error> {
        self.run(OpenDirectory::new(node.entry(), end)).map(Arc::new)
    }

    pub fn follow(&self, archive: &Archive, link: &Node) -> Result<Node, Error> {
        self.run(FollowLink::new(archive, link)?)
    }

    pub fn range(&self, archive: &Archive, node: &Node) -> Result<ContentRange, Error> {
        self.run(Contents::new(archive, node)?)
    }

    pub fn contents(&self, archive: &Archive, node: &Node) -> Result<&'a [u8], Error> {
        let ContentRange { source, offset, size } = self.range(archive, node)?;
        let stream = match source {
            Source::Meta => self.meta,
            Source::Payload => self.payload.unwrap_or_default(),
        };
        let range = offset as usize..(offset + size) as usize;
        Ok(stream.get(range).expect("contents lie within their stream"))
    }

    /// Does everything that can be done with an archive, however damaged, and goes on after errors. Ends when `steps` nodes
    /// were seen: tables may list a directory many times over. Returns how many nodes were seen.
    pub fn explore(&self, steps: usize) -> usize {
        let mut seen = 0;
        let Ok(archive) = self.open() else { return seen };
        let _ = self.root(&archive);
        // Only places are remembered, so that memory does not grow with the tables of all directories.
        let mut open = Vec::new();
        let mut directory = archive.root.clone();
        loop {
            let children = self.run(Children::new(directory.clone())).unwrap_or_default();
            for (filename, end) in children {
                seen += 1;
                if seen > steps {
                    return seen;
                }
                let Ok(node) = self.run(ReadNode::new(&archive, filename)) else { continue };
                let _ = self.lookup(&archive, &directory, &node.name);
                match node.kind {
                    Kind::Directory => open.push((node.entry(), end)),
                    Kind::File => {
                        let _ = self.contents(&archive, &node);
                    }
                    Kind::Hardlink => {
                        let _ = self.follow(&archive, &node);
                        if let NodeContent::Hardlink { target, .. } = &node.content {
                            let _ = self.resolve(&archive, target);
                        }
                    }
                    _ => {}
                }
            }
            directory = loop {
                let Some((entry, end)) = open.pop() else { return seen };
                if let Ok(next) = self.run(OpenDirectory::new(entry, end)) {
                    break Arc::new(next);
                }
            };
        }
    }
}
