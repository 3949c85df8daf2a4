//! The extended attributes of a node as the kernel would tell them: what archives store as items of their own has its name again.

use pxkit_core::format::{Attribute, Attributes, CHATTR_FLAGS, Stat};

use super::acl::Acl;
use super::read::XFLAGS;
use super::{ACL_ACCESS, ACL_DEFAULT, CAPABILITY, is_stored_xattr};

/// Names and values of all extended attributes: those stored as such in their order, then capabilities and ACLs. Names that are never
/// restored are left out.
pub fn extended_attributes(stat: &Stat, attributes: &Attributes) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    if attributes.is_empty() {
        return all;
    }
    for attribute in attributes {
        match attribute {
            Attribute::Xattr { name, value } if is_stored_xattr(name) => {
                all.push((name.to_vec(), value.to_vec()));
            }
            Attribute::Fcaps(value) => all.push((CAPABILITY.to_bytes().to_vec(), value.to_vec())),
            _ => {}
        }
    }
    let mut push = |name: &std::ffi::CStr, mut acl: Acl| {
        let mut value = Vec::new();
        acl.write(&mut value);
        all.push((name.to_bytes().to_vec(), value));
    };
    if let Some((acl, _)) = Acl::access_of(stat, attributes) {
        push(ACL_ACCESS, acl);
    }
    if let Some(acl) = Acl::default_of(attributes) {
        push(ACL_DEFAULT, acl);
    }
    all
}

/// The access ACL and the default ACL as text, with numbers for names.
pub fn acl_texts(stat: &Stat, attributes: &Attributes) -> (Option<String>, Option<String>) {
    let access = Acl::access_of(stat, attributes).map(|(acl, _)| acl.text());
    (access, Acl::default_of(attributes).map(|acl| acl.text()))
}

/// Inode flags as `FS_IOC_GETFLAGS` tells them.
pub fn native_flags(stat: &Stat) -> u32 {
    CHATTR_FLAGS.iter().filter(|flag| stat.flags & flag.bit != 0).fold(0, |all, flag| all | flag.native)
}

/// Inode flags and project id as `FS_IOC_FSGETXATTR` tells them.
pub fn extended_flags(stat: &Stat, attributes: &Attributes) -> (u32, u32) {
    let native = native_flags(stat);
    let flags =
        XFLAGS.iter().filter(|(_, bit)| native & bit != 0).fold(0, |all, (flag, _)| all | *flag as u32);
    let project = attributes.iter().find_map(|attribute| match attribute {
        Attribute::QuotaProjid(id) => Some(id as u32),
        _ => None,
    });
    (flags, project.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use pxkit_core::format::{DefaultAcl, NO_MASK, Permissions};

    use super::*;

    #[test]
    fn items_become_attributes_again() {
        let mut attributes = Attributes::new();
        attributes.push(Attribute::Xattr { name: b"user.b", value: b"1" }).unwrap();
        attributes.push(Attribute::Xattr { name: b"user.a", value: b"" }).unwrap();
        attributes.push(Attribute::Xattr { name: b"security.selinux", value: b"no" }).unwrap();
        attributes.push(Attribute::AclUser(Permissions { id: 5, permissions: 4 })).unwrap();
        attributes.push(Attribute::AclGroupObj(4)).unwrap();
        let default = DefaultAcl { user_obj: 7, group_obj: 5, other: 0, mask: NO_MASK };
        attributes.push(Attribute::AclDefault(default)).unwrap();
        attributes.push(Attribute::Fcaps(b"caps")).unwrap();
        let stat = Stat { mode: 0o100_640, ..Stat::default() };
        let all = extended_attributes(&stat, &attributes);
        let names: Vec<_> = all.iter().map(|(name, _)| name.escape_ascii().to_string()).collect();
        let expected = [
            "user.b",
            "user.a",
            "security.capability",
            "system.posix_acl_access",
            "system.posix_acl_default",
        ];
        assert_eq!(names, expected);
        // Header, then owner, user, group, mask, other; and owner, group, other.
        assert_eq!((all[3].1.len(), all[4].1.len()), (4 + 5 * 8, 4 + 3 * 8));
        assert!(extended_attributes(&stat, &Attributes::new()).is_empty());
        let (access, default) = acl_texts(&stat, &attributes);
        assert_eq!(access.as_deref(), Some("user::rw-,user:5:r--,group::r--,mask::r--,other::---"));
        assert_eq!(default.as_deref(), Some("user::rwx,group::r-x,other::---"));
    }
}
