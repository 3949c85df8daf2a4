//! Reading regular files, whose size was fixed when their directory was listed (specification 5.4).

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, read};

/// Most bytes that [`FileReader`] reads at once.
pub const BLOCK: usize = 1 << 20;

/// How a file's contents differ from the size that was listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It ends early; the rest is stored as zeros.
    Shrunk {
        /// Bytes that it had.
        got: u64,
        /// Bytes that it should have had.
        size: u64,
    },
    /// It goes on; only the first `size` bytes are stored.
    Grown {
        /// Bytes that it should have had.
        size: u64,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shrunk { got, size } => {
                write!(f, "shrank while it was read: the last {} of {size} bytes are zeros", size - got)
            }
            Self::Grown { size } => {
                write!(f, "grew while it was read: only the first {size} bytes are stored")
            }
        }
    }
}

/// An open file that is read block by block, always to exactly the size that was listed.
#[derive(Debug)]
pub struct FileReader {
    file: OwnedFd,
    size: u64,
    position: u64,
    change: Option<Change>,
}

impl FileReader {
    /// Reads `size` bytes of `file` from where it stands.
    pub fn new(file: OwnedFd, size: u64) -> Self {
        Self { file, size, position: 0, change: None }
    }

    /// Gives the next at most [`BLOCK`] bytes, in `buffer`, which keeps its memory from call to call; nothing after the last.
    ///
    /// # Errors
    /// Reading fails.
    pub fn next_block<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Errno> {
        // One byte more than a block, so that the read that reaches the end also tells whether it is the end.
        buffer.resize(BLOCK + 1, 0);
        let wanted = (self.size - self.position).min(BLOCK as u64) as usize;
        if wanted == 0 {
            return Ok(&[]);
        }
        let is_last = self.position + wanted as u64 == self.size;
        let got = match self.change {
            Some(Change::Shrunk { .. }) => 0,
            _ => fill(&self.file, &mut buffer[..wanted + usize::from(is_last)])?,
        };
        if got < wanted {
            buffer[got..wanted].fill(0);
            let shrunk = Change::Shrunk { got: self.position + got as u64, size: self.size };
            self.change.get_or_insert(shrunk);
        } else if got > wanted {
            self.change = Some(Change::Grown { size: self.size });
        }
        self.position += wanted as u64;
        Ok(&buffer[..wanted])
    }

    /// How the contents read so far differ from what was listed; known for sure after the last block.
    pub fn change(&self) -> Option<Change> {
        self.change
    }

    /// Bytes that it gives in all.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl AsFd for FileReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Reads until `buffer` is full or the file ends; returns how much of it was read.
fn fill(file: &OwnedFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    let mut got = 0;
    while got < buffer.len() {
        match read(file, &mut buffer[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(got)
}

/// Appends a small file's contents, exactly `size` bytes, to `out`, which has room for one more.
pub(crate) fn read_small(file: &OwnedFd, size: usize, out: &mut Vec<u8>) -> Result<Option<Change>, Errno> {
    let start = out.len();
    out.reserve(size + 1);
    loop {
        match read(file, spare_capacity(out)) {
            Ok(0) => break,
            // There was room for more, so the file has no more.
            Ok(_) if out.len() - start >= size => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    let got = out.len() - start;
    out.resize(start + size, 0);
    Ok(match got {
        _ if got < size => Some(Change::Shrunk { got: got as u64, size: size as u64 }),
        _ if got > size => Some(Change::Grown { size: size as u64 }),
        _ => None,
    })
}
