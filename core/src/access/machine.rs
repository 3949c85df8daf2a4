use alloc::vec::Vec;

use crate::format::{Error, ItemType, Problem};

/// A stream of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The metadata archive; of a unified archive, the archive.
    Meta,
    /// The payload file of a split archive.
    Payload,
}

/// Bytes that a machine wants; they lie within their stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Which stream.
    pub source: Source,
    /// Position of the first byte.
    pub offset: u64,
    /// How many; at most 16 MiB, and over [`super::TOP_SIZE`] only for an entry whose attributes are as large.
    pub len: usize,
}

/// What a machine says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// It wants these bytes in the next call.
    Want(Want),
    /// It is done.
    Done(T),
}

/// An operation that reads here and there.
pub trait Machine {
    /// What it finds out.
    type Output;

    /// Goes on with the bytes wanted before; nothing is supplied in the first call. Not called again after [`Step::Done`].
    ///
    /// # Errors
    /// The archive is damaged, or fewer bytes were supplied than wanted.
    fn step(&mut self, supplied: &[u8]) -> Result<Step<Self::Output>, Error>;
}

/// Runs a machine; `read` fills the buffer, which has the length of the want.
///
/// # Errors
/// Those of the machine and of `read`.
pub fn drive<M: Machine, E: From<Error>>(
    mut machine: M,
    mut read: impl FnMut(Want, &mut [u8]) -> Result<(), E>,
) -> Result<M::Output, E> {
    let mut buffer = Vec::new();
    loop {
        match machine.step(&buffer)? {
            Step::Done(output) => return Ok(output),
            Step::Want(want) => {
                buffer.clear();
                buffer.resize(want.len, 0);
                read(want, &mut buffer)?;
            }
        }
    }
}

/// Checks that `supplied` is what was wanted.
pub(crate) fn expect(supplied: &[u8], want: Want) -> Result<&[u8], Error> {
    if supplied.len() == want.len {
        return Ok(supplied);
    }
    let problem = Problem::Truncated { expected: want.len as u64, got: supplied.len() as u64 };
    Err(Error::new(want.offset, None, problem))
}

/// A reference of `item` at `offset` that leads out of its range.
pub(super) fn out_of_range(offset: u64, item: ItemType, expected: &'static str, got: u64) -> Error {
    Error::new(offset, Some(item), Problem::Range { expected, got })
}
