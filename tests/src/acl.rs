//! ACLs as `setfacl` makes them, as archives store them, and as the kernel wants them.

use std::collections::BTreeMap;

use pxkit_core::format::{Attribute, Attributes, DefaultAcl, NO_MASK, Permissions};

/// Permission bits by object and by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    pub user_obj: u64,
    pub group_obj: u64,
    pub other: u64,
    pub mask: Option<u64>,
    pub users: BTreeMap<u64, u64>,
    pub groups: BTreeMap<u64, u64>,
}

impl Acl {
    /// What a file without ACL has.
    pub fn of_mode(mode: u64) -> Self {
        Self { user_obj: mode >> 6 & 7, group_obj: mode >> 3 & 7, other: mode & 7, ..Self::default() }
    }

    /// `setfacl -m TEXT`: entries with numeric ids. Without an entry for the mask it becomes the union of what it bounds, if
    /// there is anybody with a name.
    pub fn modify(&mut self, text: &str) {
        let mut masked = false;
        for entry in text.split(',') {
            let parts: Vec<&str> = entry.split(':').collect();
            let [tag, id, permissions] = parts[..] else { panic!("malformed ACL entry {entry}") };
            let bit = |(letter, bit)| if permissions.contains(letter) { bit } else { 0 };
            let permissions = [('r', 4), ('w', 2), ('x', 1)].map(bit).iter().sum();
            match (tag, id) {
                ("u", "") => self.user_obj = permissions,
                ("g", "") => self.group_obj = permissions,
                ("o", "") => self.other = permissions,
                ("m", "") => {
                    self.mask = Some(permissions);
                    masked = true;
                }
                ("u", id) => _ = self.users.insert(id.parse().expect("a user id"), permissions),
                ("g", id) => _ = self.groups.insert(id.parse().expect("a group id"), permissions),
                _ => panic!("unknown ACL entry {entry}"),
            }
        }
        if !masked && self.has_names() {
            let named = self.users.values().chain(self.groups.values());
            self.mask = Some(named.fold(self.group_obj, |all, permissions| all | permissions));
        }
    }

    fn has_names(&self) -> bool {
        !self.users.is_empty() || !self.groups.is_empty()
    }

    /// Permission bits of a file with this access ACL: those of the group are the mask.
    pub fn mode(&self) -> u64 {
        self.user_obj << 6 | self.mask.unwrap_or(self.group_obj) << 3 | self.other
    }

    /// Appends the items of an access ACL.
    pub fn push_access(&self, out: &mut Attributes) {
        self.push_named(Attribute::AclUser, Attribute::AclGroup, out);
        if self.mask.is_some() {
            out.push(Attribute::AclGroupObj(self.group_obj)).expect("the order of the format");
        }
    }

    /// Appends the items of a default ACL.
    pub fn push_default(&self, out: &mut Attributes) {
        let mask = self.mask.unwrap_or(NO_MASK);
        let objects =
            DefaultAcl { user_obj: self.user_obj, group_obj: self.group_obj, other: self.other, mask };
        out.push(Attribute::AclDefault(objects)).expect("the order of the format");
        self.push_named(Attribute::AclDefaultUser, Attribute::AclDefaultGroup, out);
    }

    fn push_named(
        &self,
        user: fn(Permissions) -> Attribute<'static>,
        group: fn(Permissions) -> Attribute<'static>,
        out: &mut Attributes,
    ) {
        let mut push = |attribute: fn(Permissions) -> Attribute<'static>, list: &BTreeMap<u64, u64>| {
            for (&id, &permissions) in list {
                out.push(attribute(Permissions { id, permissions })).expect("the order of the format");
            }
        };
        push(user, &self.users);
        push(group, &self.groups);
    }

    /// The access ACL that attributes and mode describe, if there is one.
    pub fn access_of(mode: u64, attributes: &Attributes) -> Option<Self> {
        let mut acl = Self::of_mode(mode);
        acl.mask = Some(acl.group_obj);
        let mut stored = false;
        for attribute in attributes {
            match attribute {
                Attribute::AclUser(user) => _ = acl.users.insert(user.id, user.permissions),
                Attribute::AclGroup(group) => _ = acl.groups.insert(group.id, group.permissions),
                Attribute::AclGroupObj(permissions) => acl.group_obj = permissions,
                _ => continue,
            }
            stored = true;
        }
        stored.then_some(acl)
    }

    /// The default ACL that attributes describe, if there is one.
    pub fn default_of(attributes: &Attributes) -> Option<Self> {
        let mut acl = None;
        for attribute in attributes {
            if let Attribute::AclDefault(DefaultAcl { user_obj, group_obj, other, mask }) = attribute {
                let mask = (mask != NO_MASK).then_some(mask);
                acl = Some(Self { user_obj, group_obj, other, mask, ..Self::default() });
            }
            let Some(acl) = &mut acl else { continue };
            match attribute {
                Attribute::AclDefaultUser(user) => _ = acl.users.insert(user.id, user.permissions),
                Attribute::AclDefaultGroup(group) => _ = acl.groups.insert(group.id, group.permissions),
                _ => {}
            }
        }
        acl
    }

    /// The value of `system.posix_acl_access` or `system.posix_acl_default`.
    pub fn to_xattr(&self) -> Vec<u8> {
        let mut out = 2u32.to_le_bytes().to_vec();
        let mut entry = |tag: u16, permissions: u64, id: u32| {
            out.extend_from_slice(&tag.to_le_bytes());
            out.extend_from_slice(&(permissions as u16).to_le_bytes());
            out.extend_from_slice(&id.to_le_bytes());
        };
        const NO_ID: u32 = u32::MAX;
        entry(0x01, self.user_obj, NO_ID);
        self.users.iter().for_each(|(&id, &permissions)| entry(0x02, permissions, id as u32));
        entry(0x04, self.group_obj, NO_ID);
        self.groups.iter().for_each(|(&id, &permissions)| entry(0x08, permissions, id as u32));
        if let Some(mask) = self.mask {
            entry(0x10, mask, NO_ID);
        }
        entry(0x20, self.other, NO_ID);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_bits_become_the_mask() {
        let mut acl = Acl::of_mode(0o755);
        acl.modify("u:7:rwx");
        assert_eq!((acl.mask, acl.mode()), (Some(7), 0o775));
        let mut acl = Acl::of_mode(0o640);
        acl.modify("u:1001:rwx,m::r--");
        assert_eq!((acl.group_obj, acl.mode()), (4, 0o640));
    }

    #[test]
    fn attributes_and_back() {
        let mut acl = Acl::of_mode(0o644);
        acl.modify("u:1001:rwx,u:1000:r--,g:100:rw-,g:50:---,m::rwx");
        let mut attributes = Attributes::new();
        acl.push_access(&mut attributes);
        assert_eq!(Acl::access_of(acl.mode(), &attributes), Some(acl.clone()));
        let mut attributes = Attributes::new();
        acl.mask = None;
        acl.push_default(&mut attributes);
        assert_eq!(Acl::default_of(&attributes), Some(acl));
    }
}
