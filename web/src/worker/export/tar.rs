//! Tar archives (POSIX pax): what does not fit a header's fields goes into records before it.

use pxkit_core::format::{Attribute, Attributes, DefaultAcl, NO_MASK, Timestamp};

/// Bytes of a block.
const BLOCK: usize = 512;
/// Names up to this length need no record.
const NAME: usize = 100;

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A regular file.
    File,
    /// A further name of a member before.
    Hardlink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    Char,
    /// A block device.
    Block,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

impl Type {
    const fn flag(self) -> u8 {
        match self {
            Self::File => b'0',
            Self::Hardlink => b'1',
            Self::Symlink => b'2',
            Self::Char => b'3',
            Self::Block => b'4',
            Self::Directory => b'5',
            Self::Fifo => b'6',
        }
    }
}

/// A member without its contents.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its path; of directories with a slash at the end.
    pub path: &'a [u8],
    /// What it is.
    pub kind: Type,
    /// Target of a link.
    pub link: &'a [u8],
    /// Permissions.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Time of modification.
    pub mtime: Timestamp,
    /// Bytes of contents.
    pub size: u64,
    /// Numbers of a device; below 2^21.
    pub device: (u32, u32),
    /// Extended attributes, ACLs, capabilities.
    pub attributes: &'a Attributes,
}

impl Member<'_> {
    /// The headers; contents follow, then [`padding`].
    pub fn header(&self) -> Vec<u8> {
        let records = self.records();
        let mut out = Vec::with_capacity(BLOCK * 3 + records.len());
        if !records.is_empty() {
            let mtime = self.mtime.secs.max(0) as u64;
            block(&mut out, b"././@PaxHeader", b'x', b"", 0o644, (0, 0), mtime, records.len() as u64, (0, 0));
            out.extend_from_slice(&records);
            out.resize(out.len() + padding(records.len() as u64), 0);
        }
        let (path, link) = (&self.path[..self.path.len().min(NAME)], &self.link[..self.link.len().min(NAME)]);
        let mtime = self.mtime.secs.max(0) as u64;
        block(
            &mut out,
            path,
            self.kind.flag(),
            link,
            self.mode & 0o7777,
            self.owner,
            mtime,
            self.size,
            self.device,
        );
        out
    }

    /// What readers must take instead of the header's fields.
    fn records(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if std::str::from_utf8(self.path).is_err() || std::str::from_utf8(self.link).is_err() {
            record(&mut out, b"hdrcharset", b"BINARY");
        }
        let needs = |name: &[u8]| name.len() > NAME || !name.is_ascii();
        if needs(self.path) {
            record(&mut out, b"path", self.path);
        }
        if needs(self.link) {
            record(&mut out, b"linkpath", self.link);
        }
        if !fits(self.size, 12) {
            record(&mut out, b"size", self.size.to_string().as_bytes());
        }
        for (key, id) in [(&b"uid"[..], self.owner.0), (b"gid", self.owner.1)] {
            if !fits(id.into(), 8) {
                record(&mut out, key, id.to_string().as_bytes());
            }
        }
        if self.mtime.nanos != 0 || self.mtime.secs < 0 || !fits(self.mtime.secs as u64, 12) {
            record(&mut out, b"mtime", decimal(self.mtime).as_bytes());
        }
        for attribute in self.attributes {
            match attribute {
                Attribute::Xattr { name, value } if can_be_key(name) => {
                    record(&mut out, &[b"SCHILY.xattr.", name].concat(), value);
                }
                Attribute::Fcaps(value) => record(&mut out, b"SCHILY.xattr.security.capability", value),
                _ => {}
            }
        }
        if let Some(acl) = access_acl(self.mode, self.attributes) {
            record(&mut out, b"SCHILY.acl.access", acl.as_bytes());
        }
        if let Some(acl) = default_acl(self.attributes) {
            record(&mut out, b"SCHILY.acl.default", acl.as_bytes());
        }
        out
    }
}

/// Whether an attribute of this name has room in a record, whose key ends at the first `=`.
pub fn can_be_key(name: &[u8]) -> bool {
    !name.contains(&b'=')
}

/// Zeros behind so many bytes of contents.
pub const fn padding(size: u64) -> usize {
    (size.wrapping_neg() % BLOCK as u64) as usize
}

/// What an archive ends with.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Whether a number has room in an octal field of so many bytes, the last of which is no digit.
const fn fits(number: u64, field: u32) -> bool {
    number < 1 << (3 * (field - 1))
}

/// A header block.
#[expect(clippy::too_many_arguments, reason = "the fields of a header")]
fn block(
    out: &mut Vec<u8>,
    path: &[u8],
    flag: u8,
    link: &[u8],
    mode: u32,
    owner: (u32, u32),
    mtime: u64,
    size: u64,
    device: (u32, u32),
) {
    let mut bytes = [0; BLOCK];
    let mut octal = |at: usize, len: usize, number: u64| {
        let number = if fits(number, len as u32) { number } else { 0 };
        let text = format!("{number:0width$o}", width = len - 1);
        bytes[at..at + len - 1].copy_from_slice(text.as_bytes());
    };
    octal(100, 8, mode.into());
    octal(108, 8, owner.0.into());
    octal(116, 8, owner.1.into());
    octal(124, 12, size);
    octal(136, 12, mtime);
    octal(329, 8, device.0.into());
    octal(337, 8, device.1.into());
    bytes[..path.len()].copy_from_slice(path);
    bytes[156] = flag;
    bytes[157..157 + link.len()].copy_from_slice(link);
    bytes[257..265].copy_from_slice(b"ustar\x0000");
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes.iter().map(|&byte| u32::from(byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend_from_slice(&bytes);
}

/// A record: its own length in decimal, a blank, key, `=`, value, the end of the line.
fn record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while rest + len.to_string().len() != len {
        len = rest + len.to_string().len();
    }
    out.extend_from_slice(format!("{len} ").as_bytes());
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// Seconds with a fraction. Ours are rounded down with nanoseconds added, a decimal number's digits go away from zero.
fn decimal(Timestamp { secs, nanos }: Timestamp) -> String {
    let text = match (secs < 0, nanos) {
        (_, 0) => return secs.to_string(),
        (false, nanos) => format!("{secs}.{nanos:09}"),
        (true, nanos) => {
            format!("-{}.{:09}", (secs + 1).unsigned_abs(), 1_000_000_000 - nanos.min(999_999_999))
        }
    };
    text.trim_end_matches('0').to_owned()
}

fn letters(permissions: u64) -> String {
    [(4, 'r'), (2, 'w'), (1, 'x')]
        .map(|(bit, c)| if permissions & bit != 0 { c } else { '-' })
        .iter()
        .collect()
}

/// The access ACL as text, if there is more than the mode says.
fn access_acl(mode: u32, attributes: &Attributes) -> Option<String> {
    let mode = u64::from(mode);
    let (mut users, mut groups, mut group) = (String::new(), String::new(), None);
    for attribute in attributes {
        match attribute {
            Attribute::AclUser(p) => users += &format!("user:{}:{},", p.id, letters(p.permissions)),
            Attribute::AclGroup(p) => groups += &format!("group:{}:{},", p.id, letters(p.permissions)),
            Attribute::AclGroupObj(permissions) => group = Some(permissions),
            _ => {}
        }
    }
    if users.is_empty() && groups.is_empty() && group.is_none() {
        return None;
    }
    // With an ACL the mode's group bits are its mask.
    Some(format!(
        "user::{},{users}group::{},{groups}mask::{},other::{}",
        letters(mode >> 6),
        letters(group.unwrap_or(mode >> 3)),
        letters(mode >> 3),
        letters(mode)
    ))
}

/// The default ACL of a directory as text.
fn default_acl(attributes: &Attributes) -> Option<String> {
    let (mut users, mut groups, mut objects) = (String::new(), String::new(), None);
    for attribute in attributes {
        match attribute {
            Attribute::AclDefaultUser(p) => users += &format!("user:{}:{},", p.id, letters(p.permissions)),
            Attribute::AclDefaultGroup(p) => groups += &format!("group:{}:{},", p.id, letters(p.permissions)),
            Attribute::AclDefault(acl) => objects = Some(acl),
            _ => {}
        }
    }
    let DefaultAcl { user_obj, group_obj, other, mask } = objects?;
    let mask = if mask == NO_MASK { String::new() } else { format!("mask::{},", letters(mask)) };
    let [user, group, other] = [user_obj, group_obj, other].map(letters);
    Some(format!("user::{user},{users}group::{group},{groups}{mask}other::{other}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_records_count_themselves() {
        for len in [1, 3, 85, 90, 92, 93, 94, 990, 1000] {
            let mut out = Vec::new();
            record(&mut out, b"path", &vec![b'x'; len]);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.split(' ').next().unwrap().parse::<usize>().unwrap(), text.len());
        }
    }

    #[test]
    fn times_as_decimal_numbers() {
        for (secs, nanos, text) in [
            (5, 0, "5"),
            (5, 120_000_000, "5.12"),
            (-1, 500_000_000, "-0.5"),
            (-2, 250_000_000, "-1.75"),
            (-3, 0, "-3"),
        ] {
            assert_eq!(decimal(Timestamp { secs, nanos }), text);
        }
    }
}
