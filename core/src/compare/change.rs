use core::fmt;
use core::ops::BitOr;

/// How an entry changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Change {
    /// Not at all.
    Unchanged,
    /// Its contents are the same, something else is not.
    Metadata,
    /// Its contents.
    Contents,
    /// It is of another kind than the entry that had its path.
    Kind,
    /// A file that had another path.
    Moved,
    /// There was nothing.
    Added,
    /// There is nothing any more.
    Removed,
}

impl Change {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Unchanged,
        Self::Metadata,
        Self::Contents,
        Self::Kind,
        Self::Moved,
        Self::Added,
        Self::Removed,
    ];

    /// The word for it in JSON, CSV and legends.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Metadata => "metadata",
            Self::Contents => "contents",
            Self::Kind => "kind",
            Self::Moved => "moved",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// What differs between two entries besides contents.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Fields(u16);

impl Fields {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Bytes of contents.
    pub const SIZE: Self = Self(1);
    /// Time of last modification.
    pub const MTIME: Self = Self(1 << 1);
    /// Permissions, and the rest of the mode.
    pub const MODE: Self = Self(1 << 2);
    /// Owner.
    pub const OWNER: Self = Self(1 << 3);
    /// Owning group.
    pub const GROUP: Self = Self(1 << 4);
    /// Inode flags.
    pub const FLAGS: Self = Self(1 << 5);
    /// Extended attributes, ACLs, file capabilities, project id, where nobody looked which.
    pub const ATTRIBUTES: Self = Self(1 << 6);
    /// Where a symlink leads.
    pub const TARGET: Self = Self(1 << 7);
    /// Numbers of a device.
    pub const DEVICE: Self = Self(1 << 8);
    /// Whether it is the first name of its file, or of which file it is a further one.
    pub const LINK: Self = Self(1 << 9);

    /// Extended attributes.
    pub const XATTRS: Self = Self(1 << 10);
    /// Access and default ACL.
    pub const ACL: Self = Self(1 << 11);
    /// File capabilities.
    pub const FCAPS: Self = Self(1 << 12);
    /// Quota project id.
    pub const PROJECT: Self = Self(1 << 13);

    const NAMES: [&'static str; 14] = [
        "size",
        "mtime",
        "mode",
        "owner",
        "group",
        "flags",
        "attributes",
        "target",
        "device",
        "link",
        "xattrs",
        "acl",
        "fcaps",
        "project",
    ];
    /// Both have attributes, and nobody has compared them.
    pub(crate) const PENDING: Self = Self(1 << 15);

    /// Whether nothing differs, as far as is known.
    pub const fn is_empty(self) -> bool {
        self.0 & !Self::PENDING.0 == 0
    }

    /// Whether all of `other` differ.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The words for them, in JSON and CSV.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, name)| name)
    }

    /// Adds `field` if it differs.
    pub const fn set(&mut self, field: Self, differs: bool) {
        if differs {
            self.0 |= field.0;
        }
    }

    /// What was pending was compared.
    pub(crate) const fn settle(&mut self) {
        self.0 &= !Self::PENDING.0;
    }
}

impl BitOr for Fields {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
