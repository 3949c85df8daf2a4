use super::change::Fields;
use crate::format::{Attribute, Attributes, Device, Kind, Stat};

/// What is known of an entry besides its path and the bytes of its contents. Hard links have the facts of their file.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What it is; never [`Kind::Hardlink`].
    pub kind: Kind,
    /// Metadata.
    pub stat: Stat,
    /// Bytes of contents; 0 for everything but files.
    pub size: u64,
    /// Where a symlink leads; empty for everything else.
    pub target: &'a [u8],
    /// Numbers of a device.
    pub device: Option<Device>,
    /// Of which file it is a further name, by its path.
    pub link: Option<&'a [u8]>,
}

impl Facts<'_> {
    /// What differs between two entries of one kind, but for attributes.
    pub fn differ(&self, other: &Self) -> Fields {
        let (a, b) = (&self.stat, &other.stat);
        let mut fields = Fields::NONE;
        fields.set(Fields::SIZE, self.size != other.size);
        fields.set(Fields::MTIME, a.mtime != b.mtime);
        fields.set(Fields::MODE, a.mode != b.mode);
        fields.set(Fields::OWNER, a.uid != b.uid);
        fields.set(Fields::GROUP, a.gid != b.gid);
        fields.set(Fields::FLAGS, a.flags != b.flags);
        fields.set(Fields::TARGET, self.kind == Kind::Symlink && self.target != other.target);
        fields.set(Fields::DEVICE, self.kind == Kind::Device && self.device != other.device);
        fields.set(Fields::LINK, self.link != other.link);
        fields
    }
}

/// Which kinds of attributes differ between two entries. Their order does not matter, as long as that of equal ones does not.
pub fn attributes_differ(a: &Attributes, b: &Attributes) -> Fields {
    let mut fields = Fields::NONE;
    // Most entries have none, and the same bytes are the same attributes.
    if a.as_bytes() == b.as_bytes() {
        return fields;
    }
    for field in [Fields::XATTRS, Fields::ACL, Fields::FCAPS, Fields::PROJECT] {
        let [mut left, mut right] = [a, b].map(|attributes| {
            let of_field = attributes.iter().filter(|attribute| field_of(attribute) == field);
            of_field.collect::<alloc::vec::Vec<_>>()
        });
        left.sort();
        right.sort();
        fields.set(field, left != right);
    }
    fields
}

const fn field_of(attribute: &Attribute<'_>) -> Fields {
    match attribute {
        Attribute::Xattr { .. } => Fields::XATTRS,
        Attribute::Fcaps(_) => Fields::FCAPS,
        Attribute::QuotaProjid(_) => Fields::PROJECT,
        _ => Fields::ACL,
    }
}
