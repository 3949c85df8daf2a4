use alloc::sync::Arc;

use super::archive::Archive;
use super::directory::{Directory, OpenDirectory};
use super::machine::{Machine, Source, Step, Want, expect};
use crate::decode::{Decoder, Item, Step as Decoded};
use crate::format::{Error, HEADER_SIZE, ItemType, Problem};

/// Opens an archive of known size (specification 6.1).
#[derive(Clone, Debug)]
pub struct Open {
    archive: Option<Archive>,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Begin,
    Head(Want),
    Root(OpenDirectory),
}

impl Open {
    /// For an archive whose streams have these sizes, in bytes.
    pub fn new(meta_size: u64, payload_size: Option<u64>) -> Self {
        let root = Arc::new(Directory::default());
        let archive = Archive { meta_size, payload_size, version: 1, prelude: None, root_entry: 0, root };
        Self { archive: Some(archive), state: State::Begin }
    }
}

/// Longest start of an archive up to the root's ENTRY, a prelude's content left out.
const HEAD: u64 = 24 + HEADER_SIZE as u64;

impl Machine for Open {
    type Output = Archive;

    fn step(&mut self, supplied: &[u8]) -> Result<Step<Archive>, Error> {
        let Some(archive) = &mut self.archive else {
            return Err(Error::misuse(0, "the machine is done"));
        };
        loop {
            match &mut self.state {
                State::Begin => {
                    // No archive is shorter than the ENTRY of a root and the table of an empty directory.
                    if archive.meta_size < HEAD {
                        let problem = Problem::Truncated { expected: HEAD, got: archive.meta_size };
                        return Err(Error::new(0, None, problem));
                    }
                    let want = Want { source: Source::Meta, offset: 0, len: HEAD as usize };
                    self.state = State::Head(want);
                    return Ok(Step::Want(want));
                }
                State::Head(want) => {
                    read_head(archive, expect(supplied, *want)?)?;
                    let open = OpenDirectory::root(archive.meta_size, archive.root_entry);
                    self.state = State::Root(open);
                }
                State::Root(open) => match open.step(supplied)? {
                    Step::Want(want) => return Ok(Step::Want(want)),
                    Step::Done(root) => {
                        archive.root = Arc::new(root);
                        return match self.archive.take() {
                            Some(archive) => Ok(Step::Done(archive)),
                            None => Err(Error::misuse(0, "the machine is done")),
                        };
                    }
                },
            }
        }
    }
}

/// Decodes FORMAT_VERSION and the header of PRELUDE, as far as they are there.
fn read_head(archive: &mut Archive, head: &[u8]) -> Result<(), Error> {
    let mut decoder = Decoder::new();
    let mut at = 0;
    loop {
        match decoder.step(&head[at..])? {
            Decoded::Item { used, item: Item::FormatVersion(version), .. } => {
                archive.version = version;
                at += used;
            }
            Decoded::Item { offset, item: Item::Prelude { size }, .. } => {
                let start = offset + HEADER_SIZE as u64;
                let end = start.checked_add(size).filter(|&end| end < archive.meta_size);
                archive.prelude = Some((start, size));
                archive.root_entry = end.ok_or_else(|| {
                    let problem = Problem::Range { expected: "an end within the archive", got: size };
                    Error::new(offset, Some(ItemType::Prelude), problem)
                })?;
                return Ok(());
            }
            _ => {
                // The root's ENTRY, whole or cut off by the short read; whoever decodes the root sees it again.
                archive.root_entry = at as u64;
                return Ok(());
            }
        }
    }
}
