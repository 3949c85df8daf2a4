//! ACLs between the value of their extended attribute and the items of an archive (specification 2.11 and 9.5).

use pxkit_core::format::{Attribute, Attributes, DefaultAcl, Error, NO_MASK, Permissions, Stat};

const VERSION: u32 = 2;
const HEADER: usize = 4;
const ENTRY: usize = 8;
/// The id of entries that have none.
const NO_ID: u32 = u32::MAX;

const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// An ACL, its named entries sorted as archives store them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Acl {
    user_obj: Option<u16>,
    group_obj: Option<u16>,
    other: Option<u16>,
    mask: Option<u16>,
    users: Vec<Permissions>,
    groups: Vec<Permissions>,
}

impl Acl {
    /// Reads the value of the extended attribute; `None` if it is not version 2 of it.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let (version, entries) = value.split_first_chunk::<HEADER>()?;
        if u32::from_le_bytes(*version) != VERSION || !entries.len().is_multiple_of(ENTRY) {
            return None;
        }
        let mut acl = Self::default();
        for entry in entries.chunks_exact(ENTRY) {
            let tag = u16::from_le_bytes([entry[0], entry[1]]);
            let permissions = u16::from_le_bytes([entry[2], entry[3]]) & 7;
            let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
            let named = Permissions { id: id.into(), permissions: permissions.into() };
            match tag {
                USER_OBJ => acl.user_obj = Some(permissions),
                USER => acl.users.push(named),
                GROUP_OBJ => acl.group_obj = Some(permissions),
                GROUP => acl.groups.push(named),
                MASK => acl.mask = Some(permissions),
                OTHER => acl.other = Some(permissions),
                _ => return None,
            }
        }
        acl.users.sort_unstable();
        acl.groups.sort_unstable();
        Some(acl)
    }

    /// Appends the items of an access ACL.
    pub(super) fn push_access(&self, out: &mut Attributes) -> Result<(), Error> {
        self.users.iter().try_for_each(|&user| out.push(Attribute::AclUser(user)))?;
        self.groups.iter().try_for_each(|&group| out.push(Attribute::AclGroup(group)))?;
        // Without a mask the group bits of the mode say it already.
        if let (Some(group), Some(_)) = (self.group_obj, self.mask) {
            out.push(Attribute::AclGroupObj(group.into()))?;
        }
        Ok(())
    }

    /// Appends the items of a default ACL.
    pub(super) fn push_default(&self, out: &mut Attributes) -> Result<(), Error> {
        let objects = [self.user_obj, self.group_obj, self.other, self.mask];
        if objects.iter().any(Option::is_some) {
            let [user_obj, group_obj, other, mask] = objects.map(|o| o.map_or(NO_MASK, u64::from));
            out.push(Attribute::AclDefault(DefaultAcl { user_obj, group_obj, other, mask }))?;
        }
        self.users.iter().try_for_each(|&user| out.push(Attribute::AclDefaultUser(user)))?;
        self.groups.iter().try_for_each(|&group| out.push(Attribute::AclDefaultGroup(group)))
    }

    /// The access ACL that an archive's items and mode describe, or `None` if it stores none. The flag says that a mask had
    /// to be made up from the mode.
    pub(super) fn access_of(stat: &Stat, attributes: &Attributes) -> Option<(Self, bool)> {
        let bits = |shift: u32| (stat.mode >> shift & 7) as u16;
        let mut acl = Self { user_obj: Some(bits(6)), other: Some(bits(0)), ..Self::default() };
        for attribute in attributes {
            match attribute {
                Attribute::AclUser(user) => acl.users.push(user),
                Attribute::AclGroup(group) => acl.groups.push(group),
                Attribute::AclGroupObj(permissions) => acl.group_obj = Some(permissions as u16 & 7),
                _ => {}
            }
        }
        let named = !acl.users.is_empty() || !acl.groups.is_empty();
        if acl.group_obj.is_none() && !named {
            return None;
        }
        let made_up = acl.group_obj.is_none();
        acl.group_obj.get_or_insert(bits(3));
        acl.mask = Some(bits(3));
        Some((acl, made_up))
    }

    /// The default ACL that an archive's items describe; named entries without ACL_DEFAULT count for nothing.
    pub(super) fn default_of(attributes: &Attributes) -> Option<Self> {
        let mut acl = Self::default();
        let mut stored = false;
        for attribute in attributes {
            match attribute {
                Attribute::AclDefault(DefaultAcl { user_obj, group_obj, other, mask }) => {
                    stored = true;
                    let object = |value: u64| Some(value as u16 & 7);
                    acl.user_obj = object(user_obj);
                    acl.group_obj = object(group_obj);
                    acl.other = object(other);
                    acl.mask = (mask != NO_MASK).then_some(mask as u16 & 7);
                }
                Attribute::AclDefaultUser(user) => acl.users.push(user),
                Attribute::AclDefaultGroup(group) => acl.groups.push(group),
                _ => {}
            }
        }
        stored.then_some(acl)
    }

    /// The ACL as text, with numbers for names.
    pub(super) fn text(&self) -> String {
        let mut parts = Vec::new();
        let mut part = |tag: &str, id: Option<u64>, permissions: u64| {
            let letter = |bit, letter| if permissions & bit != 0 { letter } else { '-' };
            let id = id.map(|id| id.to_string()).unwrap_or_default();
            parts.push(format!("{tag}:{id}:{}{}{}", letter(4, 'r'), letter(2, 'w'), letter(1, 'x')));
        };
        let object = |part: &mut dyn FnMut(&str, Option<u64>, u64), tag, value: Option<u16>| {
            if let Some(permissions) = value {
                part(tag, None, permissions.into());
            }
        };
        object(&mut part, "user", self.user_obj);
        self.users.iter().for_each(|user| part("user", Some(user.id), user.permissions));
        object(&mut part, "group", self.group_obj);
        self.groups.iter().for_each(|group| part("group", Some(group.id), group.permissions));
        object(&mut part, "mask", self.mask);
        object(&mut part, "other", self.other);
        parts.join(",")
    }

    /// Writes the value of the extended attribute, in the order that the kernel demands.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        // Archives may hold any order, the kernel wants ascending ids.
        self.users.sort_unstable();
        self.groups.sort_unstable();
        out.clear();
        out.extend_from_slice(&VERSION.to_le_bytes());
        let mut entry = |tag: u16, permissions: u64, id: u32| {
            out.extend_from_slice(&tag.to_le_bytes());
            out.extend_from_slice(&(permissions as u16 & 7).to_le_bytes());
            out.extend_from_slice(&id.to_le_bytes());
        };
        let object = |entry: &mut dyn FnMut(u16, u64, u32), tag, value: Option<u16>| {
            if let Some(permissions) = value {
                entry(tag, permissions.into(), NO_ID);
            }
        };
        object(&mut entry, USER_OBJ, self.user_obj);
        self.users.iter().for_each(|user| entry(USER, user.permissions, user.id as u32));
        object(&mut entry, GROUP_OBJ, self.group_obj);
        self.groups.iter().for_each(|group| entry(GROUP, group.permissions, group.id as u32));
        object(&mut entry, MASK, self.mask);
        object(&mut entry, OTHER, self.other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut out = VERSION.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            out.extend_from_slice(&tag.to_le_bytes());
            out.extend_from_slice(&permissions.to_le_bytes());
            out.extend_from_slice(&id.to_le_bytes());
        }
        out
    }

    #[test]
    fn an_access_acl_comes_back() {
        let raw = value(&[
            (USER_OBJ, 7, NO_ID),
            (USER, 5, 1000),
            (USER, 4, 2000),
            (GROUP_OBJ, 1, NO_ID),
            (GROUP, 6, 50),
            (MASK, 6, NO_ID),
            (OTHER, 0, NO_ID),
        ]);
        let acl = Acl::parse(&raw).unwrap();
        let mut attributes = Attributes::new();
        acl.push_access(&mut attributes).unwrap();
        assert_eq!(attributes.iter().count(), 4);
        let stat = Stat { mode: 0o100_760, ..Stat::default() };
        let (mut back, made_up) = Acl::access_of(&stat, &attributes).unwrap();
        assert!(!made_up);
        let mut out = Vec::new();
        back.write(&mut out);
        assert_eq!(out, raw);
    }

    #[test]
    fn without_a_mask_nothing_but_names_is_stored() {
        let acl = Acl::parse(&value(&[(USER_OBJ, 6, NO_ID), (GROUP_OBJ, 4, NO_ID), (OTHER, 4, NO_ID)]));
        let mut attributes = Attributes::new();
        acl.unwrap().push_access(&mut attributes).unwrap();
        assert!(attributes.is_empty());
        assert!(Acl::access_of(&Stat::default(), &attributes).is_none());
    }

    #[test]
    fn named_entries_without_group_obj_get_a_mask() {
        let mut attributes = Attributes::new();
        attributes.push(Attribute::AclUser(Permissions { id: 7, permissions: 4 })).unwrap();
        let stat = Stat { mode: 0o100_654, ..Stat::default() };
        let (acl, made_up) = Acl::access_of(&stat, &attributes).unwrap();
        assert!(made_up);
        assert_eq!((acl.group_obj, acl.mask), (Some(5), Some(5)));
    }

    #[test]
    fn a_default_acl_comes_back_without_mask() {
        let raw = value(&[(USER_OBJ, 7, NO_ID), (GROUP_OBJ, 5, NO_ID), (OTHER, 0, NO_ID)]);
        let mut attributes = Attributes::new();
        Acl::parse(&raw).unwrap().push_default(&mut attributes).unwrap();
        let Some(Attribute::AclDefault(acl)) = attributes.iter().next() else { panic!("no default ACL") };
        assert_eq!(acl.mask, NO_MASK);
        let mut out = Vec::new();
        Acl::default_of(&attributes).unwrap().write(&mut out);
        assert_eq!(out, raw);
    }

    #[test]
    fn odd_values_are_no_acl() {
        assert!(Acl::parse(b"").is_none());
        assert!(Acl::parse(&[1, 0, 0, 0]).is_none());
        assert!(Acl::parse(&[2, 0, 0, 0, 1]).is_none());
        assert!(Acl::parse(&value(&[(0x40, 7, 0)])).is_none());
        assert_eq!(Acl::parse(&[2, 0, 0, 0]), Some(Acl::default()));
    }
}
