use crate::format::{Timestamp, u32_at, u64_at};

/// What is known about a trace itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks(u16);

impl Marks {
    /// Inode numbers of its file system stay when that is mounted again.
    pub const STABLE: Self = Self(1);
    /// The time of last change was past when the node was looked at: what was done to it afterwards has a later one.
    pub const SETTLED: Self = Self(2);
    /// All metadata that archives store were read.
    pub const WHOLE: Self = Self(4);

    /// Whether all of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With those of `other`, if `condition` holds.
    #[must_use]
    pub const fn with_if(self, condition: bool, other: Self) -> Self {
        if condition { Self(self.0 | other.0) } else { self }
    }

    /// As they stand in files.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Reads them; bits that mean nothing are dropped.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & 7)
    }
}

/// What a node was when it was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Trace {
    /// The file system that it lies on: its number in order of appearance. Device numbers themselves change when a machine starts.
    pub device: u16,
    /// Number of its inode.
    pub ino: u64,
    /// When that inode was made, in nanoseconds since 1970, 0 if that is not known: numbers of inodes are given again.
    pub birth: i64,
    /// Time of the last change of anything about it. Nobody can set it.
    pub ctime: Timestamp,
    /// Number of names, of regular files.
    pub links: u32,
    /// What is known about this trace.
    pub marks: Marks,
}

impl Trace {
    /// Bytes in a file.
    pub const SIZE: usize = 8 + 8 + 8 + 4 + 4 + 2 + 2;
    /// The last number of a file system stands for all further ones, which are not told apart.
    pub const OTHER_DEVICES: u16 = u16::MAX;

    /// As it stands in a file.
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..8].copy_from_slice(&self.ino.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.birth.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.ctime.secs.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.ctime.nanos.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.links.to_le_bytes());
        bytes[32..34].copy_from_slice(&self.device.to_le_bytes());
        bytes[34..].copy_from_slice(&self.marks.bits().to_le_bytes());
        bytes
    }

    /// Reads it; any bytes are a trace.
    pub fn parse(bytes: &[u8; Self::SIZE]) -> Self {
        Self {
            ino: u64_at(bytes, 0),
            birth: u64_at(bytes, 8) as i64,
            ctime: Timestamp { secs: u64_at(bytes, 16) as i64, nanos: u32_at(bytes, 24) },
            links: u32_at(bytes, 28),
            device: u32_at(bytes, 32) as u16,
            marks: Marks::from_bits((u32_at(bytes, 32) >> 16) as u16),
        }
    }
}
