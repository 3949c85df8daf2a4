use alloc::vec::Vec;
use core::fmt;

use crate::access::Source;
use crate::format::{Digest, Error, ItemType};

/// Something about the layout of a stream that should not be, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which stream.
    pub source: Source,
    /// Position in that stream.
    pub offset: u64,
    /// The entry whose payload it is about.
    pub entry: Option<u32>,
    /// What is wrong.
    pub what: Anomaly,
}

/// What streams contain although no writer should have written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Anomaly {
    /// A payload begins before the one that precedes it in the stream has ended.
    Overlap {
        /// The entry whose payload reaches farthest before it.
        with: u32,
        /// Where that one ends.
        end: u64,
    },
    /// A reference that does not lie behind that of the file before it in the archive.
    Backwards {
        /// Least offset that would have been in order.
        least: u64,
    },
    /// A payload that begins in the start marker, or does not end within the stream.
    Outside {
        /// Where it ends.
        end: u64,
        /// Bytes of the stream.
        size: u64,
    },
    /// What stands where a reference leads is not the PAYLOAD header of that file.
    Header {
        /// What is there instead.
        error: Error,
    },
    /// Bytes that no entry refers to, where no index tells why. After reuse of chunks there are such, so this is no more than a notice.
    Unreferenced {
        /// How many.
        bytes: u64,
    },
    /// A chunk of which no byte is needed: whoever reads the whole stream reads it for nothing. A notice: the reference writes such, where a
    /// file that is re-used ends with its chunk.
    DeadChunk {
        /// Its number in the index.
        number: usize,
        /// Its digest.
        digest: Digest,
        /// Its bytes.
        bytes: u64,
    },
    /// The index ends elsewhere than the stream.
    IndexSize {
        /// Where the index ends.
        index: u64,
        /// Bytes of the stream.
        size: u64,
    },
    /// There is no room for a tail marker behind the last payload.
    NoTailMarker,
    /// The stream does not start with PAYLOAD_START_MARKER, or end with PAYLOAD_TAIL_MARKER.
    Marker {
        /// Which of them is expected there.
        expected: ItemType,
    },
}

impl Anomaly {
    /// Codes of all, in the order of the enumeration.
    pub const CODES: [&'static str; 9] = [
        "overlap",
        "backwards",
        "outside",
        "header",
        "unreferenced",
        "dead-chunk",
        "index-size",
        "no-tail-marker",
        "marker",
    ];

    /// Those that are nothing but remarkable, by their place in [`Anomaly::CODES`].
    const NOTICES: [usize; 2] = [4, 5];

    /// A word for programs that stays as it is.
    pub const fn code(&self) -> &'static str {
        Self::CODES[self.number()]
    }

    /// Whether it is nothing but remarkable.
    pub fn is_notice(&self) -> bool {
        Self::NOTICES.contains(&self.number())
    }

    const fn number(&self) -> usize {
        match self {
            Self::Overlap { .. } => 0,
            Self::Backwards { .. } => 1,
            Self::Outside { .. } => 2,
            Self::Header { .. } => 3,
            Self::Unreferenced { .. } => 4,
            Self::DeadChunk { .. } => 5,
            Self::IndexSize { .. } => 6,
            Self::NoTailMarker => 7,
            Self::Marker { .. } => 8,
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overlap { end, .. } => {
                write!(f, "payload overlaps one that began before it: expected {end} or more")
            }
            Self::Backwards { least } => {
                write!(f, "payload reference goes backwards: expected {least} or more")
            }
            Self::Outside { end, size } => {
                write!(f, "payload outside of the stream: expected an end in 32 to {size}, got {end}")
            }
            Self::Header { error } => {
                write!(f, "a reference misses its header: {error}")
            }
            Self::Unreferenced { bytes } => write!(f, "{bytes} bytes that no entry refers to"),
            Self::DeadChunk { number, digest, bytes } => {
                write!(f, "chunk {number} ({digest}): none of its {bytes} bytes is needed")
            }
            Self::IndexSize { index, size } => {
                write!(f, "the index ends at {index}, the stream at {size}")
            }
            Self::NoTailMarker => f.write_str("no room for the tail marker behind the last payload"),
            Self::Marker { expected } => write!(f, "expected {expected}"),
        }
    }
}

/// What was found; the first [`Findings::KEPT`] are kept, all are counted.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    counts: [u64; Anomaly::CODES.len()],
}

impl Findings {
    /// How many are kept, whatever an archive does.
    pub const KEPT: usize = 1000;

    /// Notes one.
    pub fn add(&mut self, finding: Finding) {
        self.counts[finding.what.number()] += 1;
        if self.kept.len() < Self::KEPT {
            self.kept.push(finding);
        }
    }

    /// Adds those of another, and its counts.
    pub fn append(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        let room = Self::KEPT - self.kept.len();
        self.kept.extend(other.kept.iter().take(room));
    }

    /// Those kept, in the order in which they were met.
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// How many there were, kept or not.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many there were that are no notices.
    pub fn errors(&self) -> u64 {
        self.total() - Anomaly::NOTICES.into_iter().map(|number| self.counts[number]).sum::<u64>()
    }

    /// How many there were of each code.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Anomaly::CODES.into_iter().zip(self.counts)
    }
}
