use alloc::vec;
use alloc::vec::Vec;

use super::place::Injection;
use crate::format::PayloadRef;
use crate::index::DynamicIndex;

/// How much of each chunk the files of the previous archive use; the rest was padding there already. 8 bytes a chunk.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    used: Vec<u64>,
    /// The chunk that was used last, where the next file most likely lies, too.
    last: usize,
}

impl Usage {
    /// For the chunks of a payload index.
    pub fn new(index: &DynamicIndex) -> Self {
        Self { used: vec![0; index.count()], last: 0 }
    }

    /// Counts a file of the previous archive, whose payload index this is. A reference that leads out of it counts for nothing.
    pub fn add(&mut self, index: &DynamicIndex, payload: PayloadRef) {
        let Some(end) = payload.end().filter(|&end| end <= index.size()) else { return };
        if let Some(extent) = index.extent(self.last)
            && extent.contains(&payload.offset)
            && end <= extent.end
        {
            self.used[self.last] = self.used[self.last].saturating_add(end - payload.offset);
            return;
        }
        let Ok(parts) = index.parts(payload.offset..end) else { return };
        for part in parts {
            self.last = part.index;
            let bytes = part.within.end - part.within.start;
            self.used[part.index] = self.used[part.index].saturating_add(bytes);
        }
    }

    /// Bytes of an injected chunk that no file of the previous archive used.
    pub fn inherited(&self, chunk: &Injection) -> u64 {
        chunk.size.saturating_sub(self.used.get(chunk.at).copied().unwrap_or(0))
    }
}
