//! Feature sets of file systems and the inode flags that entries store (specification 7).

/// A set of features of 7.1. It is never stored in an archive; it says what is read from, and restored to, a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(pub u64);

impl Features {
    /// Times have a resolution of two seconds (FAT).
    pub const TIME_2SEC: Self = Self(0x40);
    /// A read-only attribute (FAT).
    pub const READ_ONLY: Self = Self(0x80);
    /// Permission bits.
    pub const PERMISSIONS: Self = Self(0x100);
    /// Symbolic links.
    pub const SYMLINKS: Self = Self(0x200);
    /// Device nodes.
    pub const DEVICE_NODES: Self = Self(0x400);
    /// Named pipes.
    pub const FIFOS: Self = Self(0x800);
    /// Sockets.
    pub const SOCKETS: Self = Self(0x1000);
    /// Extended attributes.
    pub const XATTRS: Self = Self(0x1000_0000);
    /// POSIX ACLs.
    pub const ACL: Self = Self(0x2000_0000);
    /// File capabilities.
    pub const FCAPS: Self = Self(0x8000_0000);
    /// Quota project ids.
    pub const QUOTA_PROJID: Self = Self(0x1_0000_0000);
    /// Owner and group.
    pub const OWNER: Self = Self(0x2_0000_0000);
    /// Everything that the tools ask for unless told otherwise.
    pub const DEFAULT: Self = Self(0x9000_0003_ffef_ff00);

    /// What a file system can store, by its `statfs` magic (specification 7.2).
    pub const fn of_file_system(magic: u64) -> Self {
        Self(match magic {
            magic::MSDOS => 0xe0c0,
            magic::EXT4 | magic::ZFS => 0x1_f0f3_1fc0,
            magic::XFS => 0x1_f0d3_1fc0,
            magic::BTRFS => 0xfdff_1fc0,
            magic::TMPFS => 0x6000_1fc0,
            magic::FUSE => 0x2_13ff_ffc0,
            _ => 0xb000_1fc0,
        })
    }

    /// Whether every feature of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This set without the features of `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The features in both sets.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// `statfs` magics that the format's rules name (specification 7.2).
pub mod magic {
    /// FAT.
    pub const MSDOS: u64 = 0x4d44;
    /// ext2, ext3, ext4.
    pub const EXT4: u64 = 0xef53;
    /// XFS.
    pub const XFS: u64 = 0x5846_5342;
    /// ZFS.
    pub const ZFS: u64 = 0x2fc1_2fc1;
    /// btrfs.
    pub const BTRFS: u64 = 0x9123_683e;
    /// tmpfs.
    pub const TMPFS: u64 = 0x0102_1994;
    /// FUSE.
    pub const FUSE: u64 = 0x6573_5546;

    /// Whether the file system is one of the kernel's views of itself, whose contents are never archived (8.5).
    pub const fn is_virtual(magic: u64) -> bool {
        matches!(
            magic,
            0x4249_4e4d
                | 0x6367_7270
                | 0x0027_e0eb
                | 0x6265_6570
                | 0x6462_6720
                | 0x1cd1
                | 0xde5e_81e4
                | 0x6573_5543
                | 0x9584_58f6
                | 0x1980_0202
                | 0x6e66_7364
                | 0x9fa0
                | 0x6165_676c
                | 0x6759_6969
                | 0x7363_6673
                | 0xf97c_ff8c
                | 0x4341_5d53
                | 0x6265_6572
        )
    }
}

/// One inode flag: its bit in `stat.flags`, its bit in the ioctl's answer, its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlagName {
    /// Bit in [`super::Stat::flags`].
    pub bit: u64,
    /// Bit in `FS_IOC_GETFLAGS` or `FAT_IOCTL_GET_ATTRIBUTES`.
    pub native: u32,
    /// Lower-case name.
    pub name: &'static str,
}

const fn flag(bit: u64, native: u32, name: &'static str) -> FlagName {
    FlagName { bit, native, name }
}

/// The flags of `chattr` that entries store (specification 7.4).
pub const CHATTR_FLAGS: [FlagName; 10] = [
    flag(0x1_0000, 0x20, "append"),
    flag(0x2_0000, 0x80, "noatime"),
    flag(0x4_0000, 0x4, "compr"),
    flag(0x8_0000, 0x80_0000, "nocow"),
    flag(0x10_0000, 0x40, "nodump"),
    flag(0x20_0000, 0x1_0000, "dirsync"),
    flag(0x40_0000, 0x10, "immutable"),
    flag(0x80_0000, 0x8, "sync"),
    flag(0x100_0000, 0x400, "nocomp"),
    flag(0x200_0000, 0x2000_0000, "projinherit"),
];

/// The attributes of FAT that entries store (specification 7.4).
pub const FAT_FLAGS: [FlagName; 3] =
    [flag(0x2000, 2, "hidden"), flag(0x4000, 4, "system"), flag(0x8000, 32, "archive")];

/// The names of the bits set in `flags`, FAT attributes first.
pub fn flag_names(flags: u64) -> impl Iterator<Item = &'static str> {
    FAT_FLAGS.iter().chain(&CHATTR_FLAGS).filter(move |f| flags & f.bit != 0).map(|f| f.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_the_specification() {
        let or = |flags: &[FlagName]| flags.iter().fold(0, |all, f| all | f.bit);
        assert_eq!(or(&CHATTR_FLAGS), 0x3ff_0000);
        assert_eq!(or(&FAT_FLAGS), 0xe000);
        let left_out = 0x40 | 0x80 | 0x10_0000 | 0x4000_0000_0000_0000;
        assert_eq!(Features::DEFAULT.0 & left_out, 0);
        assert!(Features::of_file_system(magic::EXT4).contains(Features::XATTRS));
        assert!(!Features::of_file_system(magic::TMPFS).contains(Features::XATTRS));
        assert!(magic::is_virtual(0x9fa0) && !magic::is_virtual(magic::TMPFS));
    }
}
