use super::super::spans::Layout;
use crate::access::Tree;
use crate::compare::{Facts, Fields};
use crate::decode::Content;
use crate::format::{Kind, Stat};

/// What differs in the metadata of two entries of one kind.
pub(super) fn differing(old: &Tree, a: u32, new: &Tree, b: u32) -> Fields {
    let mut fields = facts(old, a).differ(&facts(new, b));
    let attributes = (old.has_attributes(a), new.has_attributes(b));
    fields.set(Fields::ATTRIBUTES, attributes.0 != attributes.1);
    fields.set(Fields::PENDING, attributes == (true, true));
    fields
}

/// What a tree knows of an entry, whatever file it is a name of.
fn facts(tree: &Tree, id: u32) -> Facts<'_> {
    let (uid, gid) = tree.owner(id);
    let mode = u64::from(tree.mode(id));
    let (target, device) = match tree.content(id) {
        Content::Target(target) => (target, None),
        Content::Device(device) => (&[][..], Some(device)),
        _ => (&[][..], None),
    };
    let stat = Stat { mode, flags: tree.flags(id), uid, gid, mtime: tree.mtime(id) };
    Facts { kind: tree.kind(id), stat, size: tree.size(id), target, device, link: None }
}

/// Whether only one of two entries is a hard link, or they are names of different files.
pub(super) fn link_differs(old: &Layout<'_>, a: u32, new: &Layout<'_>, b: u32) -> bool {
    let [is_link, is_still] =
        [(old, a), (new, b)].map(|(layout, id)| layout.tree().kind(id) == Kind::Hardlink);
    is_link != is_still || is_link && old.tree().target(a) != new.tree().target(b)
}
