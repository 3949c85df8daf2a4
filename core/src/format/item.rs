use core::fmt;

/// Bytes of an item header: `htype` and `full_size`, both u64 little-endian (specification 1.1).
pub const HEADER_SIZE: usize = 16;
/// Longest file name and longest symlink target, in bytes without the NUL (specification 1.4).
pub const MAX_NAME_LEN: usize = 4096;
/// Most content bytes of an XATTR or FCAPS item: name, NUL and value.
pub const MAX_XATTR_LEN: usize = 255 + 65536;
/// Most bytes that a decoder ever needs at once: the largest item that is not skipped, with its header.
pub const MAX_ITEM_SIZE: usize = HEADER_SIZE + MAX_XATTR_LEN;

macro_rules! item_types {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $upper:literal, $seed:literal, $min:expr, $max:expr;)*) => {
        /// The 22 item types (specification 1.3). Each constant on disk is the hash of a seed string.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum ItemType { $($(#[$doc])* $name,)* }

        impl ItemType {
            /// Every item type, in the order of the specification's table.
            pub const ALL: &[ItemType] = &[$(ItemType::$name,)*];

            /// The item type of a constant, or `None` if no version of the format has it.
            #[inline]
            pub fn from_htype(htype: u64) -> Option<Self> {
                match htype { $($value => Some(ItemType::$name),)* _ => None }
            }

            /// The constant on disk.
            #[inline]
            pub const fn htype(self) -> u64 {
                match self { $(ItemType::$name => $value,)* }
            }

            /// The name in the specification, in capitals.
            pub const fn name(self) -> &'static str {
                match self { $(ItemType::$name => $upper,)* }
            }

            /// The string of which [`ItemType::htype`] is the hash.
            pub const fn seed(self) -> &'static str {
                match self { $(ItemType::$name => concat!("__PROXMOX_FORMAT_", $seed, "__"),)* }
            }

            /// Fewest and most content bytes that this library accepts and writes, both inclusive.
            #[inline]
            pub const fn content_limits(self) -> (u64, u64) {
                match self { $(ItemType::$name => ($min, $max),)* }
            }
        }
    };
}

/// The largest content whose full size still fits a u64.
const ANY: u64 = u64::MAX - HEADER_SIZE as u64;
const NAME: u64 = MAX_NAME_LEN as u64 + 1;
const XATTR: u64 = MAX_XATTR_LEN as u64;

item_types! {
    /// Names the version; first item of a split archive's metadata.
    FormatVersion = 0x730f_6c75_df16_a40d, "FORMAT_VERSION", "VERSION", 8, 8;
    /// An opaque blob after FORMAT_VERSION, in practice a JSON object with the exclude patterns.
    Prelude = 0xe309_d79d_9f7b_771b, "PRELUDE", "PRELUDE", 0, ANY;
    /// Metadata of a node.
    Entry = 0xd595_6474_e588_acef, "ENTRY", "ENTRY_V2", 40, 40;
    /// Metadata of a node as old writers stored it; read only.
    EntryV1 = 0x11da_850a_1c1c_ceff, "ENTRY_V1", "ENTRY", 32, 32;
    /// The name of a directory's child.
    Filename = 0x1670_1121_0639_17b3, "FILENAME", "FILENAME", 2, NAME;
    /// Target of a symbolic link.
    Symlink = 0x27f9_71e7_dbf5_dc5f, "SYMLINK", "SYMLINK", 1, NAME;
    /// Numbers of a device node.
    Device = 0x9fc9_e906_586d_5ce9, "DEVICE", "DEVICE", 16, 16;
    /// An extended attribute.
    Xattr = 0x0dab_0229_b57d_cd03, "XATTR", "XATTR", 1, XATTR;
    /// A named user of the access ACL.
    AclUser = 0x2ce8_540a_457d_55b8, "ACL_USER", "ACL_USER", 16, 16;
    /// A named group of the access ACL.
    AclGroup = 0x136e_3ece_b04c_03ab, "ACL_GROUP", "ACL_GROUP", 16, 16;
    /// Permissions of the owning group where the mode holds the mask.
    AclGroupObj = 0x1086_8031_e958_2876, "ACL_GROUP_OBJ", "ACL_GROUP_OBJ", 8, 8;
    /// The four objects of a directory's default ACL.
    AclDefault = 0xbbbb_1341_5a68_96f5, "ACL_DEFAULT", "ACL_DEFAULT", 32, 32;
    /// A named user of the default ACL.
    AclDefaultUser = 0xc893_57b4_0532_cd1f, "ACL_DEFAULT_USER", "ACL_DEFAULT_USER", 16, 16;
    /// A named group of the default ACL.
    AclDefaultGroup = 0xf90a_8a58_1603_8ffe, "ACL_DEFAULT_GROUP", "ACL_DEFAULT_GROUP", 16, 16;
    /// File capabilities: the value of `security.capability`.
    Fcaps = 0x2da9_dd9d_b5f7_fb67, "FCAPS", "FCAPS", 0, XATTR;
    /// Quota project id.
    QuotaProjid = 0xe075_40e8_2f7d_1cbb, "QUOTA_PROJID", "QUOTA_PROJID", 8, 8;
    /// A further name of a file that came before.
    Hardlink = 0x5126_9c84_22bd_7275, "HARDLINK", "HARDLINK", 9, 8 + NAME;
    /// Contents of a file.
    Payload = 0x2814_7a1b_0b7c_1a25, "PAYLOAD", "PXAR_PAYLOAD", 0, ANY;
    /// Where a file's contents lie in the payload stream.
    PayloadRef = 0x419d_3d6b_c4ba_977e, "PAYLOAD_REF", "PXAR_PAYLOAD_REF", 16, 16;
    /// Search table at the end of a directory.
    Goodbye = 0x2fec_4fa6_42d5_731d, "GOODBYE", "GOODBYE", 0, ANY;
    /// First item of a payload stream.
    PayloadStartMarker = 0x834c_68c2_194a_4ed2, "PAYLOAD_START_MARKER", "PXAR_PAYLOAD_START_MARKER", 0, 0;
    /// Last item of a payload stream.
    PayloadTailMarker = 0x6c72_b78b_984c_81b5, "PAYLOAD_TAIL_MARKER", "PXAR_PAYLOAD_TAIL_MARKER", 0, 0;
}

/// Checks a file name by the rules of specification 2.4.
///
/// # Errors
/// What a name must be, if this one is not.
#[inline]
pub fn check_name(name: &[u8]) -> Result<(), &'static str> {
    match name {
        b"" => Err("a name that is not empty"),
        b"." | b".." => Err("a name other than . and .."),
        _ if name.len() > MAX_NAME_LEN => Err("a name of at most 4096 bytes"),
        _ if has_separator(name) => Err("a name without / and NUL"),
        _ => Ok(()),
    }
}

/// Whether there is a slash or a NUL, eight bytes at a time: every name of an archive is looked through.
#[inline]
fn has_separator(name: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    // A byte is zero if the highest bit appears when 1 is taken from it, and was not there; a borrow comes only from another zero.
    let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7) != 0;
    let (words, rest) = name.as_chunks::<8>();
    words.iter().any(|&word| {
        let word = u64::from_ne_bytes(word);
        has_zero(word) || has_zero(word ^ (ONES * u64::from(b'/')))
    }) || rest.iter().any(|&byte| byte == b'/' || byte == 0)
}

impl fmt::Display for ItemType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{TAIL_MARKER, hash_name};
    use super::*;

    #[test]
    fn slashes_and_nuls_are_found_wherever_they_are() {
        for len in 1..40 {
            for other in [b'a', b'.', b'0', 1, 0x80, 0xaf, 0xff] {
                let mut name = alloc::vec![other; len];
                let is_dots = other == b'.' && len < 3;
                assert_eq!(check_name(&name).is_ok(), !is_dots, "{name:?}");
                for at in 0..len {
                    for bad in [b'/', 0] {
                        name[at] = bad;
                        assert_eq!(check_name(&name), Err("a name without / and NUL"), "{name:?}");
                    }
                    name[at] = other;
                }
            }
        }
    }

    #[test]
    fn constants_are_the_hashes_of_their_seeds() {
        for &item in ItemType::ALL {
            assert_eq!(hash_name(item.seed().as_bytes()), item.htype(), "{item}");
            assert_eq!(ItemType::from_htype(item.htype()), Some(item));
        }
        let tail = hash_name(b"__PROXMOX_FORMAT_PXAR_GOODBYE_TAIL_MARKER__");
        assert_eq!(tail, TAIL_MARKER);
        assert_eq!(ItemType::ALL.len(), 22);
    }
}
