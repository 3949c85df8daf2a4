use alloc::vec::Vec;

use super::error::{Error, Problem};
use super::header::Header;
use super::item::{HEADER_SIZE, ItemType};
use super::u64_at;

/// Stands in an ACL_DEFAULT for "this entry does not exist" (specification 2.11).
pub const NO_MASK: u64 = u64::MAX;

/// A named user or group of an ACL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Permissions {
    /// User or group id; 64 bits on disk, 32 in use.
    pub id: u64,
    /// 4 read, 2 write, 1 execute.
    pub permissions: u64,
}

/// The four objects of a default ACL; any of them may be [`NO_MASK`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DefaultAcl {
    /// Owner.
    pub user_obj: u64,
    /// Owning group.
    pub group_obj: u64,
    /// Everybody else.
    pub other: u64,
    /// Upper bound of what named users and groups get.
    pub mask: u64,
}

/// One attribute item of an entry (specification 2.9 to 2.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attribute<'a> {
    /// An extended attribute.
    Xattr {
        /// Name with its namespace, without NUL.
        name: &'a [u8],
        /// Value; may be empty and hold any bytes.
        value: &'a [u8],
    },
    /// A named user of the access ACL.
    AclUser(Permissions),
    /// A named group of the access ACL.
    AclGroup(Permissions),
    /// Permissions of the owning group, where the group bits of the mode are the mask.
    AclGroupObj(u64),
    /// The objects of the default ACL.
    AclDefault(DefaultAcl),
    /// A named user of the default ACL.
    AclDefaultUser(Permissions),
    /// A named group of the default ACL.
    AclDefaultGroup(Permissions),
    /// The value of `security.capability`.
    Fcaps(&'a [u8]),
    /// Quota project id, not zero.
    QuotaProjid(u64),
}

impl<'a> Attribute<'a> {
    /// Reads the content of an attribute item whose header was checked and starts at `offset`; `None` if `item` is no attribute.
    #[inline]
    pub(crate) fn parse(item: ItemType, content: &'a [u8], offset: u64) -> Option<Result<Self, Error>> {
        let permissions = || Permissions { id: u64_at(content, 0), permissions: u64_at(content, 8) };
        Some(Ok(match item {
            ItemType::Xattr => {
                let Some(nul) = content.iter().position(|&b| b == 0) else {
                    let problem = Problem::Content { expected: "a name that ends in NUL" };
                    return Some(Err(Error::new(offset, Some(item), problem)));
                };
                Self::Xattr { name: &content[..nul], value: &content[nul + 1..] }
            }
            ItemType::AclUser => Self::AclUser(permissions()),
            ItemType::AclGroup => Self::AclGroup(permissions()),
            ItemType::AclGroupObj => Self::AclGroupObj(u64_at(content, 0)),
            ItemType::AclDefault => Self::AclDefault(DefaultAcl {
                user_obj: u64_at(content, 0),
                group_obj: u64_at(content, 8),
                other: u64_at(content, 16),
                mask: u64_at(content, 24),
            }),
            ItemType::AclDefaultUser => Self::AclDefaultUser(permissions()),
            ItemType::AclDefaultGroup => Self::AclDefaultGroup(permissions()),
            ItemType::Fcaps => Self::Fcaps(content),
            ItemType::QuotaProjid => Self::QuotaProjid(u64_at(content, 0)),
            _ => return None,
        }))
    }

    /// The item that holds it.
    pub const fn item(&self) -> ItemType {
        match self {
            Self::Xattr { .. } => ItemType::Xattr,
            Self::AclUser(_) => ItemType::AclUser,
            Self::AclGroup(_) => ItemType::AclGroup,
            Self::AclGroupObj(_) => ItemType::AclGroupObj,
            Self::AclDefault(_) => ItemType::AclDefault,
            Self::AclDefaultUser(_) => ItemType::AclDefaultUser,
            Self::AclDefaultGroup(_) => ItemType::AclDefaultGroup,
            Self::Fcaps(_) => ItemType::Fcaps,
            Self::QuotaProjid(_) => ItemType::QuotaProjid,
        }
    }

    /// Whether it belongs to an ACL.
    pub const fn is_acl(&self) -> bool {
        !matches!(self, Self::Xattr { .. } | Self::Fcaps(_) | Self::QuotaProjid(_))
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut item = |parts: &[&[u8]]| {
            let content = parts.iter().map(|part| part.len() as u64).sum();
            out.extend_from_slice(&Header::new(self.item(), content).to_bytes());
            parts.iter().for_each(|part| out.extend_from_slice(part));
        };
        match self {
            Self::Xattr { name, value } => item(&[name, &[0], value]),
            Self::AclUser(p) | Self::AclGroup(p) | Self::AclDefaultUser(p) | Self::AclDefaultGroup(p) => {
                item(&[&p.id.to_le_bytes(), &p.permissions.to_le_bytes()]);
            }
            Self::AclGroupObj(n) | Self::QuotaProjid(n) => item(&[&n.to_le_bytes()]),
            Self::AclDefault(acl) => item(&[
                &acl.user_obj.to_le_bytes(),
                &acl.group_obj.to_le_bytes(),
                &acl.other.to_le_bytes(),
                &acl.mask.to_le_bytes(),
            ]),
            Self::Fcaps(value) => item(&[value]),
        }
    }
}

/// Place of an attribute item in an entry as writers must order them (specification 2.1).
pub(crate) const fn rank(item: ItemType) -> Option<u8> {
    Some(match item {
        ItemType::Xattr => 0,
        ItemType::AclUser => 1,
        ItemType::AclGroup => 2,
        ItemType::AclGroupObj => 3,
        ItemType::AclDefault => 4,
        ItemType::AclDefaultUser => 5,
        ItemType::AclDefaultGroup => 6,
        ItemType::Fcaps => 7,
        ItemType::QuotaProjid => 8,
        _ => return None,
    })
}

/// Whether an entry may hold only one such item.
pub(crate) const fn is_single(item: ItemType) -> bool {
    matches!(item, ItemType::AclGroupObj | ItemType::AclDefault | ItemType::Fcaps | ItemType::QuotaProjid)
}

/// The attribute items of one entry, kept as the bytes of the archive: most entries have none and cost nothing, the encoder
/// appends them as they are, and two entries are alike if their bytes are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    bytes: Vec<u8>,
    /// Header position of the last item, for the order of the next.
    last: Option<ItemType>,
}

impl Attributes {
    /// No attributes.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), last: None }
    }

    /// Appends an attribute. Writers must keep the order of specification 2.1.
    ///
    /// # Errors
    /// Out of order, a second one of a kind that may stand only once, an empty or too long name, a NUL in a name, content over
    /// the limit of its item, or a project id of zero. Nothing was appended then.
    pub fn push(&mut self, attribute: Attribute<'_>) -> Result<(), Error> {
        let item = attribute.item();
        let offset = self.bytes.len() as u64;
        if let Some(last) = self.last {
            if rank(item) < rank(last) {
                return Err(Error::misuse(offset, "attributes must be pushed in the format's order"));
            }
            if last == item && is_single(item) {
                return Err(Error::new(offset, Some(item), Problem::Repeated));
            }
        }
        let content = match attribute {
            Attribute::Xattr { name, value } => {
                if name.is_empty() || name.len() > 255 || name.contains(&0) {
                    let rule = "an attribute's name has 1 to 255 bytes, none of them NUL";
                    return Err(Error::misuse(offset, rule));
                }
                name.len() + 1 + value.len()
            }
            Attribute::Fcaps(value) => value.len(),
            Attribute::QuotaProjid(0) => {
                return Err(Error::misuse(offset, "a project id of zero is not stored"));
            }
            _ => 0,
        };
        let (_, most) = item.content_limits();
        if content as u64 > most {
            let problem = Problem::ContentSize { least: 0, most, got: content as u64 };
            return Err(Error::new(offset, Some(item), problem));
        }
        attribute.write(&mut self.bytes);
        self.last = Some(item);
        Ok(())
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.last = None;
    }

    /// Takes what [`Attributes::as_bytes`] gave.
    pub(crate) fn set_bytes(&mut self, bytes: &[u8]) {
        self.clear();
        if !bytes.is_empty() {
            self.bytes.extend_from_slice(bytes);
            self.last = self.iter().last().map(|attribute| attribute.item());
        }
    }

    /// The items as they stand in an archive.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The attributes in the order in which they are stored.
    pub fn iter(&self) -> AttributeIter<'_> {
        AttributeIter { bytes: &self.bytes }
    }

    /// Whether any belongs to an ACL.
    pub fn has_acl(&self) -> bool {
        self.iter().any(|a| a.is_acl())
    }

    /// Whether any is an extended attribute; file capabilities do not count.
    pub fn has_xattr(&self) -> bool {
        self.iter().any(|a| matches!(a, Attribute::Xattr { .. }))
    }

    /// Appends an item that a decoder accepted, in whatever order the archive holds it.
    pub(crate) fn push_decoded(&mut self, attribute: Attribute<'_>) {
        attribute.write(&mut self.bytes);
        self.last = Some(attribute.item());
    }
}

impl<'a> IntoIterator for &'a Attributes {
    type Item = Attribute<'a>;
    type IntoIter = AttributeIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Iterates over [`Attributes`].
#[derive(Clone, Debug)]
pub struct AttributeIter<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for AttributeIter<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        // The bytes were written by `Attribute::write`, so every step of this succeeds.
        let header = Header::parse(self.bytes, 0).ok()?;
        let (item, rest) = self.bytes.split_at_checked(header.full_size() as usize)?;
        self.bytes = rest;
        Attribute::parse(header.item, &item[HEADER_SIZE..], 0)?.ok()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn xattr<'a>(name: &'a [u8], value: &'a [u8]) -> Attribute<'a> {
        Attribute::Xattr { name, value }
    }

    #[test]
    fn items_of_the_specification() {
        let mut attributes = Attributes::new();
        attributes.push(xattr(b"user.zz", b"1")).unwrap();
        attributes.push(Attribute::AclUser(Permissions { id: 1000, permissions: 6 })).unwrap();
        attributes.push(Attribute::AclGroupObj(4)).unwrap();
        let bytes = attributes.as_bytes();
        assert_eq!(bytes[8], 25);
        assert_eq!(&bytes[16..25], b"user.zz\x001");
        assert_eq!(bytes[41..43], [0xe8, 3]);
        assert_eq!(bytes.len(), 25 + 32 + 24);
        let back: Vec<_> = attributes.iter().collect();
        assert_eq!(back[0], xattr(b"user.zz", b"1"));
        assert_eq!(back.len(), 3);
        assert!(attributes.has_acl() && attributes.has_xattr());
    }

    #[test]
    fn order_repetition_and_names_are_checked() {
        let mut attributes = Attributes::new();
        attributes.push(Attribute::Fcaps(b"x")).unwrap();
        assert!(attributes.push(Attribute::Fcaps(b"x")).is_err());
        assert!(attributes.push(xattr(b"user.a", b"")).is_err());
        assert!(attributes.push(Attribute::QuotaProjid(0)).is_err());
        attributes.clear();
        assert!(attributes.push(xattr(b"", b"x")).is_err());
        assert!(attributes.push(xattr(b"user.\0", b"x")).is_err());
        assert!(attributes.is_empty());
    }

    #[test]
    fn the_size_limit_counts_the_nul() {
        let name = vec![b'n'; 255];
        let value = vec![0; 65536];
        let mut attributes = Attributes::new();
        assert!(attributes.push(xattr(&name, &value)).is_err());
        assert!(attributes.push(xattr(&name, &value[1..])).is_ok());
    }
}
