use alloc::vec::Vec;

use super::bits::Bits;
use super::cover::{Cover, Cursor};
use super::files::Files;
use crate::format::HEADER_SIZE;
use crate::index::DynamicIndex;

/// Consecutive files that are re-used together or not at all: either they cannot be re-used, or it is one file, or they lie in one chunk, one
/// behind the other.
///
/// That the latter need no decision each: if one of them is re-used, its chunk is there, and each further one saves padding and costs
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Number of files.
    pub files: usize,
    /// Bytes of the files, if they can be re-used.
    pub bytes: u64,
    /// Chunks that hold them; 0 if they cannot be re-used.
    pub entries: usize,
    /// Bytes of these chunks that are not the files'.
    padding: u64,
    /// Bytes of the first chunk, if it is there already when the step before is re-used, else 0.
    shared: u64,
}

impl Step {
    /// By how much padding grows when the files are re-used; less than 0 where they lie in what is padding otherwise.
    pub fn padding(&self, shares: bool) -> i128 {
        i128::from(self.padding) - if shares { i128::from(self.shared) } else { 0 }
    }

    /// Chunks that are injected when the files are re-used.
    pub fn injected(&self, shares: bool) -> usize {
        self.entries - usize::from(shares && self.shared > 0)
    }

    /// Whether re-using the files costs the same, whatever becomes of the step before.
    pub fn is_apart(&self) -> bool {
        self.shared == 0
    }
}

/// What there is to decide.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    pub steps: Vec<Step>,
    /// Bytes of all files in a payload stream.
    pub live: u128,
    /// Number of files.
    pub files: usize,
}

impl Steps {
    pub fn new(files: &Files, index: &DynamicIndex) -> Self {
        let mut cursor = Cursor::new(index);
        let mut out = Self { steps: Vec::new(), live: 0, files: files.len() };
        let mut before = None;
        for file in files.iter() {
            out.live += u128::from(file.size) + HEADER_SIZE as u128;
            let cover = cursor.file(file);
            out.push(cover, before.as_ref());
            before = cover;
        }
        out
    }

    /// A bit for each file from one for each step.
    pub fn expand(&self, steps: &Bits) -> Bits {
        let mut out = Bits::new(self.files);
        let mut file = 0;
        for (at, step) in self.steps.iter().enumerate() {
            let end = file + step.files;
            if steps.get(at) {
                (file..end).for_each(|file| out.put(file, true));
            }
            file = end;
        }
        out
    }

    fn push(&mut self, cover: Option<Cover>, before: Option<&Cover>) {
        let Some(cover) = cover else {
            match self.steps.last_mut() {
                Some(step) if step.entries == 0 => step.files += 1,
                _ => self.steps.push(Step { files: 1, bytes: 0, entries: 0, padding: 0, shared: 0 }),
            }
            return;
        };
        let bytes = cover.to - cover.from;
        let shares = cover.shares(before);
        match self.steps.last_mut() {
            Some(step) if shares && cover.is_one_chunk() && before.is_some_and(Cover::is_one_chunk) => {
                step.files += 1;
                step.bytes += bytes;
                step.padding -= bytes;
            }
            _ => self.steps.push(Step {
                files: 1,
                bytes,
                entries: cover.last - cover.first + 1,
                padding: cover.size() - bytes,
                shared: if shares { cover.first_end - cover.start } else { 0 },
            }),
        }
    }
}
