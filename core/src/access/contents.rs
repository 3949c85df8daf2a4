use super::archive::Archive;
use super::entry::{Node, NodeContent};
use super::machine::{Machine, Source, Step, Want, expect, out_of_range};
use crate::format::{Error, HEADER_SIZE, ItemType, PayloadRef, Problem};

/// Where the bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// In which stream.
    pub source: Source,
    /// Position of the first byte.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

/// Finds the contents of a file and, in split archives, checks the header in front of them (specification 6.5).
#[derive(Clone, Debug)]
pub struct Contents {
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Inline(ContentRange),
    Begin(PayloadRef),
    Header(PayloadRef, Want),
}

impl Contents {
    /// Opens the contents of `node`.
    ///
    /// # Errors
    /// It is no file, its contents do not lie within their stream, or they need a payload stream and there is none.
    pub fn new(archive: &Archive, node: &Node) -> Result<Self, Error> {
        let state = match node.content {
            NodeContent::Inline { offset, size } => {
                if offset.checked_add(size).is_none_or(|end| end > archive.meta_size) {
                    let problem =
                        Problem::Truncated { expected: size, got: archive.meta_size.saturating_sub(offset) };
                    return Err(Error::new(offset, Some(ItemType::Payload), problem));
                }
                State::Inline(ContentRange { source: Source::Meta, offset, size })
            }
            NodeContent::Reference(reference) => {
                let Some(size) = archive.payload_size else {
                    let rule = "the contents are in the payload file, which was not given";
                    return Err(Error::misuse(node.filename, rule));
                };
                if reference.end().is_none_or(|end| end > size) {
                    let expected = "contents within the payload file";
                    let item = ItemType::PayloadRef;
                    return Err(out_of_range(node.filename, item, expected, reference.offset));
                }
                State::Begin(reference)
            }
            _ => return Err(Error::misuse(node.filename, "only files have contents")),
        };
        Ok(Self { state })
    }
}

impl Machine for Contents {
    type Output = ContentRange;

    fn step(&mut self, supplied: &[u8]) -> Result<Step<ContentRange>, Error> {
        match self.state {
            State::Inline(range) => Ok(Step::Done(range)),
            State::Begin(reference) => {
                let want = Want { source: Source::Payload, offset: reference.offset, len: HEADER_SIZE };
                self.state = State::Header(reference, want);
                Ok(Step::Want(want))
            }
            State::Header(reference, want) => {
                let mut header = [0; HEADER_SIZE];
                header.copy_from_slice(expect(supplied, want)?);
                reference.check_header(&header)?;
                let offset = reference.offset + HEADER_SIZE as u64;
                Ok(Step::Done(ContentRange { source: Source::Payload, offset, size: reference.size }))
            }
        }
    }
}
