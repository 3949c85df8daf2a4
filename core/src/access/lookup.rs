use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::archive::Archive;
use super::directory::{Directory, TOP_SIZE};
use super::entry::{Node, ReadNode};
use super::machine::{Machine, Source, Step, Want, expect};
use crate::format::{Error, NameHash, RECORD_SIZE, Record, hash_name};

/// Looks a name up in a directory (specification 3.4 and 6.3). Names with equal hashes are all compared, wherever they are.
#[derive(Clone, Debug)]
pub struct Lookup<'a> {
    /// Bytes of the metadata stream.
    size: u64,
    directory: Arc<Directory>,
    name: &'a [u8],
    hash: u64,
    /// Slots whose subtrees are still to be searched; at most two for each level of the tree.
    slots: Vec<u64>,
    state: LookupState,
}

#[derive(Clone, Debug)]
enum LookupState {
    Search,
    Record { slot: u64, want: Want },
    Candidate { end: u64, read: Box<ReadNode> },
}

impl<'a> Lookup<'a> {
    /// Looks for `name` in `directory`.
    pub fn new(archive: &Archive, directory: Arc<Directory>, name: &'a [u8]) -> Self {
        Self::with_hash(archive, directory, name, hash_name)
    }

    /// As [`Lookup::new`] in an archive that was made with another hash (tests only).
    pub fn with_hash(archive: &Archive, directory: Arc<Directory>, name: &'a [u8], hash: NameHash) -> Self {
        Self::within(archive.meta_size, directory, name, hash)
    }

    /// As [`Lookup::new`] in an archive of `size` bytes of metadata.
    pub(super) fn within(size: u64, directory: Arc<Directory>, name: &'a [u8], hash: NameHash) -> Self {
        let slots = [0].into_iter().filter(|_| directory.len > 0).collect();
        Self { size, directory, name, hash: hash(name), slots, state: LookupState::Search }
    }

    /// Decides where to go on from a record; a match becomes the candidate to compare.
    fn visit(&mut self, slot: u64, record: Record) -> Result<(), Error> {
        let len = self.directory.len;
        if self.hash >= record.hash && 2 * slot + 2 < len {
            self.slots.push(2 * slot + 2);
        }
        if self.hash <= record.hash && 2 * slot + 1 < len {
            self.slots.push(2 * slot + 1);
        }
        if self.hash == record.hash {
            let filename = self.directory.filename(slot, record)?;
            let end = self.directory.child_end(filename, record);
            let read = Box::new(ReadNode::within(self.size, filename));
            self.state = LookupState::Candidate { end, read };
        }
        Ok(())
    }
}

impl Machine for Lookup<'_> {
    /// The entry, and where it ends if it is a directory; `None` if there is no such name.
    type Output = Option<(Node, u64)>;

    fn step(&mut self, mut supplied: &[u8]) -> Result<Step<Self::Output>, Error> {
        loop {
            match &mut self.state {
                LookupState::Search => {
                    let Some(slot) = self.slots.pop() else {
                        return Ok(Step::Done(None));
                    };
                    let at = slot * RECORD_SIZE as u64;
                    let kept = usize::try_from(at).ok().and_then(|at| self.directory.top.get(at..));
                    if let Some(bytes) = kept.filter(|bytes| bytes.len() >= RECORD_SIZE) {
                        let record = Record::parse(bytes);
                        self.visit(slot, record)?;
                        continue;
                    }
                    let offset = self.directory.record_position(slot);
                    let want = Want { source: Source::Meta, offset, len: RECORD_SIZE };
                    self.state = LookupState::Record { slot, want };
                    return Ok(Step::Want(want));
                }
                LookupState::Record { slot, want } => {
                    let (slot, record) = (*slot, Record::parse(expect(supplied, *want)?));
                    self.state = LookupState::Search;
                    self.visit(slot, record)?;
                }
                LookupState::Candidate { end, read } => {
                    let end = *end;
                    match read.step(supplied)? {
                        Step::Want(want) => return Ok(Step::Want(want)),
                        Step::Done(node) if node.name == self.name => {
                            return Ok(Step::Done(Some((node, end))));
                        }
                        Step::Done(_) => self.state = LookupState::Search,
                    }
                }
            }
            supplied = &[];
        }
    }
}

/// Lists the children of a directory: where their FILENAMEs are, in archive order, and where they end if they are directories.
/// [`ReadNode`] reads one.
#[derive(Clone, Debug)]
pub struct Children {
    directory: Arc<Directory>,
    found: Vec<(u64, u64)>,
    want: Option<Want>,
}

impl Children {
    /// Lists all children of `directory`.
    pub const fn new(directory: Arc<Directory>) -> Self {
        Self { directory, found: Vec::new(), want: None }
    }
}

impl Machine for Children {
    type Output = Vec<(u64, u64)>;

    fn step(&mut self, supplied: &[u8]) -> Result<Step<Self::Output>, Error> {
        let records = match self.want {
            None => &self.directory.top[..],
            Some(want) => expect(supplied, want)?,
        };
        for bytes in records.chunks_exact(RECORD_SIZE) {
            let record = Record::parse(bytes);
            let filename = self.directory.filename(self.found.len() as u64, record)?;
            self.found.push((filename, self.directory.child_end(filename, record)));
        }
        let slot = self.found.len() as u64;
        if slot == self.directory.len {
            let mut found = core::mem::take(&mut self.found);
            found.sort_unstable();
            return Ok(Step::Done(found));
        }
        let len = ((self.directory.len - slot) * RECORD_SIZE as u64).min(TOP_SIZE as u64) as usize;
        let want = Want { source: Source::Meta, offset: self.directory.record_position(slot), len };
        self.want = Some(want);
        Ok(Step::Want(want))
    }
}
