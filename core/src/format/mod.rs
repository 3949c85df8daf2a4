//! The vocabulary of the format: item types, headers, metadata records, goodbye records, payload markers.
//!
//! Section numbers in this module refer to `docs/src/format.md` and the specification it was written from.

mod attributes;
mod device;
mod digest;
mod error;
mod flags;
mod goodbye;
mod hash;
mod header;
mod item;
mod payload;
mod stat;

pub use attributes::{Attribute, AttributeIter, Attributes, DefaultAcl, NO_MASK, Permissions};
pub(crate) use attributes::{is_single, rank};
pub use device::Device;
pub use digest::{Digest, MAX_CHUNK_SIZE};
pub use error::{Class, Error, Problem};
pub use flags::{CHATTR_FLAGS, FAT_FLAGS, Features, FlagName, flag_names, magic};
pub use goodbye::{RECORD_SIZE, Record, TAIL_MARKER, layout_slots};
pub use hash::{NameHash, hash_name};
pub use header::Header;
pub use item::{HEADER_SIZE, ItemType, MAX_ITEM_SIZE, MAX_NAME_LEN, MAX_XATTR_LEN, check_name};
pub use payload::{PayloadCursor, PayloadRef, START_MARKER, TAIL_MARKER as PAYLOAD_TAIL_MARKER};
pub use stat::{Kind, Stat, Timestamp, mode};

/// The little-endian u64 at `at`; `bytes` must hold it (callers check the item's size first). Inlined even where size counts more than speed:
/// the call would cost as many bytes.
#[inline(always)]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(raw)
}

/// The little-endian u32 at `at`; `bytes` must hold it.
#[inline(always)]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut raw = [0; 4];
    raw.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(raw)
}
