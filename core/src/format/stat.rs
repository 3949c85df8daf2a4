use super::{u32_at, u64_at};

/// File type and permission bits; the same numbers on every platform (specification 2.2).
pub mod mode {
    /// Mask of the file type.
    pub const TYPE: u64 = 0o170_000;
    /// Socket.
    pub const SOCKET: u64 = 0o140_000;
    /// Symbolic link.
    pub const SYMLINK: u64 = 0o120_000;
    /// Regular file.
    pub const REGULAR: u64 = 0o100_000;
    /// Block device.
    pub const BLOCK: u64 = 0o060_000;
    /// Directory.
    pub const DIRECTORY: u64 = 0o040_000;
    /// Character device.
    pub const CHAR: u64 = 0o020_000;
    /// FIFO.
    pub const FIFO: u64 = 0o010_000;
    /// Set user id.
    pub const SETUID: u64 = 0o4_000;
    /// Set group id.
    pub const SETGID: u64 = 0o2_000;
    /// Sticky.
    pub const STICKY: u64 = 0o1_000;
    /// Everything that `chmod` sets.
    pub const PERMISSIONS: u64 = 0o7_777;
}

/// What a node is. It follows from the items of the entry, not from its mode, but for FIFOs and sockets (specification 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Directory.
    Directory,
    /// Regular file.
    File,
    /// Symbolic link.
    Symlink,
    /// A further name of a regular file that came before.
    Hardlink,
    /// Block or character device; the mode says which.
    Device,
    /// Named pipe.
    Fifo,
    /// Socket.
    Socket,
}

impl Kind {
    /// The word for it in messages and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File => "file",
            Self::Symlink => "symlink",
            Self::Hardlink => "hardlink",
            Self::Device => "device",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
        }
    }
}

/// A point in time: `nanos` (0 to 999,999,999) is always added to `secs`, also before 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z, rounded down.
    pub secs: i64,
    /// Nanoseconds after `secs`.
    pub nanos: u32,
}

/// The fixed part of an entry's metadata (specification 2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stat {
    /// File type and permissions, see [`mode`].
    pub mode: u64,
    /// Inode flags, see [`super::flag_names`]; not the set of features of the archive.
    pub flags: u64,
    /// Owner.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// Time of last modification.
    pub mtime: Timestamp,
}

impl Stat {
    /// Content bytes of an ENTRY item.
    pub const SIZE: usize = 40;
    /// Content bytes of an ENTRY_V1 item.
    pub const SIZE_V1: usize = 32;

    /// Reads the content of an ENTRY item; `bytes` holds [`Stat::SIZE`] bytes.
    #[inline]
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self {
            mode: u64_at(bytes, 0),
            flags: u64_at(bytes, 8),
            uid: u32_at(bytes, 16),
            gid: u32_at(bytes, 20),
            mtime: Timestamp { secs: u64_at(bytes, 24) as i64, nanos: u32_at(bytes, 32) },
        }
    }

    /// Reads the content of an ENTRY_V1 item, whose mtime is nanoseconds since 1970.
    #[inline]
    pub(crate) fn parse_v1(bytes: &[u8]) -> Self {
        const NANOS: u64 = 1_000_000_000;
        let mtime = u64_at(bytes, 24);
        Self {
            mode: u64_at(bytes, 0),
            flags: u64_at(bytes, 8),
            uid: u32_at(bytes, 16),
            gid: u32_at(bytes, 20),
            mtime: Timestamp { secs: (mtime / NANOS) as i64, nanos: (mtime % NANOS) as u32 },
        }
    }

    /// The content of an ENTRY item.
    #[inline]
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[0..8].copy_from_slice(&self.mode.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.flags.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.uid.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.gid.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.mtime.secs.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.mtime.nanos.to_le_bytes());
        bytes
    }

    /// The kind that the mode claims, or `None` if its type bits name none.
    #[inline]
    pub const fn kind(&self) -> Option<Kind> {
        Some(match self.mode & mode::TYPE {
            mode::DIRECTORY => Kind::Directory,
            mode::REGULAR => Kind::File,
            mode::SYMLINK => Kind::Symlink,
            mode::BLOCK | mode::CHAR => Kind::Device,
            mode::FIFO => Kind::Fifo,
            mode::SOCKET => Kind::Socket,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_round_down() {
        let mtime = Timestamp { secs: -305_109_001, nanos: 999_000_000 };
        let stat = Stat { mtime, ..Stat::default() };
        let bytes = stat.to_bytes();
        assert_eq!(bytes[24..32], [0xf7, 0x67, 0xd0, 0xed, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(Stat::parse(&bytes), stat);
    }

    #[test]
    fn old_entries_hold_nanoseconds() {
        let mut bytes = [0; Stat::SIZE_V1];
        bytes[24..].copy_from_slice(&1_700_000_000_123_456_789u64.to_le_bytes());
        let mtime = Stat::parse_v1(&bytes).mtime;
        assert_eq!(mtime, Timestamp { secs: 1_700_000_000, nanos: 123_456_789 });
    }
}
