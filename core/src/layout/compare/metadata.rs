use super::super::spans::Layout;
use super::change::Fields;
use crate::access::Tree;
use crate::format::Kind;

/// What differs in the metadata of two entries of one kind.
pub(super) fn differing(old: &Tree, a: u32, new: &Tree, b: u32) -> Fields {
    let mut fields = Fields::NONE;
    let ((uid, gid), (new_uid, new_gid)) = (old.owner(a), new.owner(b));
    fields.set(Fields::SIZE, old.size(a) != new.size(b));
    fields.set(Fields::MTIME, old.mtime(a) != new.mtime(b));
    fields.set(Fields::MODE, old.mode(a) != new.mode(b));
    fields.set(Fields::OWNER, uid != new_uid);
    fields.set(Fields::GROUP, gid != new_gid);
    fields.set(Fields::FLAGS, old.flags(a) != new.flags(b));
    let attributes = (old.has_attributes(a), new.has_attributes(b));
    fields.set(Fields::ATTRIBUTES, attributes.0 != attributes.1);
    fields.set(Fields::PENDING, attributes == (true, true));
    match old.kind(a) {
        Kind::Symlink => fields.set(Fields::TARGET, old.target(a) != new.target(b)),
        Kind::Device => fields.set(Fields::DEVICE, old.content(a) != new.content(b)),
        _ => {}
    }
    fields
}

/// Whether only one of two entries is a hard link, or they are names of different files.
pub(super) fn link_differs(old: &Layout<'_>, a: u32, new: &Layout<'_>, b: u32) -> bool {
    let [is_link, is_still] =
        [(old, a), (new, b)].map(|(layout, id)| layout.tree().kind(id) == Kind::Hardlink);
    is_link != is_still || is_link && old.tree().target(a) != new.tree().target(b)
}
