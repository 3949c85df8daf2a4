//! What a file is, by its first bytes.

use pxkit_core::format::{ItemType, START_MARKER};

use crate::protocol::Problem;
use crate::worker::source::Source;

/// Bytes that are looked at.
const START: u64 = 4096;

/// What a file looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// An archive, or the metadata of one.
    Archive {
        /// It says that contents are in a payload stream.
        split: bool,
    },
    /// A payload stream.
    Payload,
    /// Something else.
    Foreign,
}

/// Looks at the first bytes.
pub async fn sniff(source: &dyn Source) -> Result<Looks, Problem> {
    let start = source.bytes(0, source.size().min(START) as usize).await?;
    Ok(looks(&start))
}

fn looks(start: &[u8]) -> Looks {
    if start.starts_with(&START_MARKER) {
        return Looks::Payload;
    }
    let Some(htype) = start.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)) else {
        return Looks::Foreign;
    };
    match ItemType::from_htype(htype) {
        Some(ItemType::Entry | ItemType::EntryV1) => Looks::Archive { split: false },
        Some(ItemType::FormatVersion) => {
            let version = start.get(16..24).and_then(|bytes| bytes.first_chunk());
            Looks::Archive { split: version.is_some_and(|bytes| u64::from_le_bytes(*bytes) == 2) }
        }
        _ => Looks::Foreign,
    }
}
