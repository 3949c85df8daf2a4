use super::join::OldEntry;
use super::state::{Kinship, Sharpness};
use crate::format::{Attribute, Attributes, HEADER_SIZE, Kind, Stat, Timestamp};

/// What the walk says of a regular file.
#[derive(Clone, Copy, Debug)]
pub struct NewFile<'a> {
    /// Fixed metadata.
    pub stat: &'a Stat,
    /// Further metadata.
    pub attributes: &'a Attributes,
    /// Bytes of contents.
    pub size: u64,
}

/// How files are compared.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Bytes of the previous payload stream.
    pub payload_size: u64,
    /// A file with this time of modification, or a later one, may have been changed after the previous run had read it, without its
    /// time showing that (change detection 10.2): the time at which the previous walk began, less what clocks and file systems may be
    /// off. The file is read again.
    pub racy_from: Timestamp,
    /// Type, size and time of modification alone decide (change detection 10.8): metadata that changed beside them, such as owner or
    /// permissions, is stored anew but the contents are not read.
    pub trust_mtime_size: bool,
    /// What a state may tell against files.
    pub sharpness: Sharpness,
}

/// Whether a file's contents are those in the previous archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are; their PAYLOAD header is at this position of the previous payload stream.
    Unchanged(u64),
    /// They must be read.
    Read(Why),
}

/// Why a file's contents must be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Why {
    /// The previous archive has no file at this path, or only a further name of a file.
    New,
    /// Size or time of modification differ.
    Changed,
    /// Only other metadata differ.
    Metadata,
    /// Nothing differs, but the time of modification or of last change cannot be trusted, see [`Rules::racy_from`] and [`Kinship::Young`].
    Racy,
    /// Nothing that is stored differs, but something was done to the file, and nothing explains what ([`Kinship::Touched`]).
    Touched,
    /// Nothing that is stored differs, but it is another file ([`Kinship::Other`]).
    Replaced,
    /// Nothing differs, but what the previous archive says of the contents cannot be true.
    BadReference,
}

/// Compares a file with what the previous archive has at its path (change detection 2.1, 10.2 and 10.8).
pub fn compare(new: NewFile<'_>, old: &OldEntry, kinship: Kinship, rules: &Rules) -> Verdict {
    let (Some(Kind::File), Some(payload)) = (old.kind, old.payload) else { return Verdict::Read(Why::New) };
    if new.size != payload.size || new.stat.mtime != old.stat.mtime {
        return Verdict::Read(Why::Changed);
    }
    // Behind the start marker; whether it is before the tail marker nobody needs to know.
    let is_within =
        payload.offset >= HEADER_SIZE as u64 && payload.end().is_some_and(|end| end <= rules.payload_size);
    let verdict = match kinship {
        Kinship::Untouched => None,
        Kinship::Touched { links_changed, was_settled: true } if links_changed || is_visible(new, old) => {
            None
        }
        _ => against(new, old, kinship, rules),
    };
    match verdict {
        Some(why) => Verdict::Read(why),
        None if is_within => Verdict::Unchanged(payload.offset),
        None => Verdict::Read(Why::BadReference),
    }
}

/// What tells against a file with the former size and time of modification, of which its trace does not prove that it is the same.
fn against(new: NewFile<'_>, old: &OldEntry, kinship: Kinship, rules: &Rules) -> Option<Why> {
    if !rules.trust_mtime_size && !is_same_metadata(new, old) {
        return Some(Why::Metadata);
    }
    let sharpness = if rules.trust_mtime_size { Sharpness::Compatible } else { rules.sharpness };
    let is_young = matches!(kinship, Kinship::Young | Kinship::Touched { was_settled: false, .. });
    if new.stat.mtime >= rules.racy_from || (is_young && sharpness == Sharpness::Strict) {
        return Some(Why::Racy);
    }
    match (kinship, sharpness) {
        (Kinship::Other, Sharpness::Loose | Sharpness::Strict) => Some(Why::Replaced),
        (Kinship::Touched { .. }, Sharpness::Strict) => Some(Why::Touched),
        _ => None,
    }
}

/// Whether something that is stored tells why the time of last change is another one.
fn is_visible(new: NewFile<'_>, old: &OldEntry) -> bool {
    *new.stat != old.stat || new.attributes.as_bytes() != old.attributes.as_bytes()
}

fn is_same_metadata(new: NewFile<'_>, old: &OldEntry) -> bool {
    *new.stat == old.stat
        && (new.attributes.as_bytes() == old.attributes.as_bytes()
            || is_alike(new.attributes, &old.attributes))
}

/// Whether attributes are the same but for the values of extended ones. Those are stored fresh in any case, and that one changed says
/// nothing of the contents (change detection 2.2).
fn is_alike(new: &Attributes, old: &Attributes) -> bool {
    let name = |attribute| match attribute {
        Attribute::Xattr { name, .. } => Attribute::Xattr { name, value: b"" },
        other => other,
    };
    new.iter().map(name).eq(old.iter().map(name))
}
