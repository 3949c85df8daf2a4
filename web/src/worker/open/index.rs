//! Reading of index files, whole or as far as they are sound.

use pxkit_core::format::Error;
use pxkit_core::index::{DynamicIndex, FixedIndex, INDEX_HEADER_SIZE, ReadDynamic, ReadFixed};

use crate::protocol::{Problem, ProblemKind};
use crate::worker::source::Source;
use crate::worker::{Task, problem};

/// Bytes that are read at once.
const PIECE: u64 = 4 << 20;
/// Bytes of an entry of a dynamic index.
const ENTRY: u64 = 40;
/// Larger indexes (of more than eight million chunks) would not leave enough memory for anything else.
const LARGEST: u64 = 320 << 20;

/// What could be read of an index, and why that is not all.
pub struct Partial<T> {
    /// The index; `None` if not even one entry is sound.
    pub index: Option<T>,
    /// What is wrong.
    pub problem: Option<Problem>,
}

/// Reads a dynamic index; of a damaged one the entries before the damage.
///
/// # Errors
/// The file cannot be read, or is too large.
pub async fn dynamic(task: &Task, source: &dyn Source) -> Result<Partial<DynamicIndex>, Problem> {
    check_size(source)?;
    let size = source.size();
    let read =
        async |size| read(task, source, size, ReadDynamic::new, ReadDynamic::push, ReadDynamic::finish).await;
    let error = match read(size).await? {
        Ok(index) => return Ok(Partial { index: Some(index), problem: None }),
        Err(error) => error,
    };
    // A file size that is none is told at offset 0.
    let sound = if error.offset == 0 { size } else { error.offset };
    let entries = sound.saturating_sub(INDEX_HEADER_SIZE as u64) / ENTRY;
    let index =
        if entries == 0 { None } else { read(INDEX_HEADER_SIZE as u64 + entries * ENTRY).await?.ok() };
    Ok(Partial { index, problem: Some(problem::of(error, source.name())) })
}

/// Reads a fixed index. A damaged one gives nothing: the header says how many entries there must be.
///
/// # Errors
/// The file cannot be read, or is too large.
pub async fn fixed(task: &Task, source: &dyn Source) -> Result<Partial<FixedIndex>, Problem> {
    check_size(source)?;
    let read = read(task, source, source.size(), ReadFixed::new, ReadFixed::push, ReadFixed::finish).await?;
    Ok(match read {
        Ok(index) => Partial { index: Some(index), problem: None },
        Err(error) => Partial { index: None, problem: Some(problem::of(error, source.name())) },
    })
}

fn check_size(source: &dyn Source) -> Result<(), Problem> {
    if source.size() <= LARGEST {
        return Ok(());
    }
    let message =
        format!("{} has {} bytes; indexes are shown up to {LARGEST}.", source.name(), source.size());
    Err(problem::about(ProblemKind::Limit, source.name(), message))
}

/// Reads the first `size` bytes as if there were no more.
async fn read<R, T>(
    task: &Task,
    source: &dyn Source,
    size: u64,
    new: fn(u64) -> Result<R, Error>,
    push: fn(&mut R, &[u8]) -> Result<(), Error>,
    finish: fn(R) -> Result<T, Error>,
) -> Result<Result<T, Error>, Problem> {
    let mut reader = match new(size) {
        Ok(reader) => reader,
        Err(error) => return Ok(Err(error)),
    };
    let mut at = 0;
    while at < size {
        let len = PIECE.min(size - at);
        let piece = source.bytes(at, len as usize).await?;
        if let Err(error) = push(&mut reader, &piece) {
            return Ok(Err(error));
        }
        at += len;
        task.breathe().await?;
    }
    Ok(finish(reader))
}
