//! Archives back to trees, through core's decoder, so that they can be compared with what they were made of.

use pxkit_core::decode::{Content, Entry};
use pxkit_core::format::{Error, HEADER_SIZE, Kind as EntryKind};

use crate::manifest::Contents;
use crate::observe::{self, Arrive, Outcome};
use crate::tree::{Kind, Node};

/// The tree that an archive holds, and how decoding went.
///
/// # Errors
/// The decoder's. Contents are taken where the entries say that they are; a place that is none is a panic.
pub fn tree(meta: &[u8], payload: Option<&[u8]>, arrive: Arrive<'_>) -> Result<(Node, Outcome), Error> {
    // The open directories; the root ends up alone.
    let mut open: Vec<Node> = Vec::new();
    let mut see = |entry: Option<&Entry<'_>>| {
        let Some(entry) = entry else {
            if open.len() > 1 {
                let directory = open.pop().expect("not empty");
                open.last_mut().expect("the parent").children_mut().push(directory);
            }
            return;
        };
        let node = node(entry, meta, payload);
        assert_eq!(entry.depth, open.len());
        match open.last_mut() {
            Some(parent) if entry.kind != EntryKind::Directory => parent.children_mut().push(node),
            _ => open.push(node),
        }
    };
    let outcome = observe::entries(meta, &mut (), arrive, &mut see);
    outcome.result?;
    assert_eq!(open.len(), 1, "everything is left");
    Ok((open.remove(0), outcome))
}

fn node(entry: &Entry<'_>, meta: &[u8], payload: Option<&[u8]>) -> Node {
    let bytes = |stream: &[u8], offset: u64, size: u64| {
        let range = offset as usize..(offset + size) as usize;
        Contents::Bytes(stream.get(range).expect("contents within the stream").to_vec())
    };
    let kind = match entry.content {
        Content::None if entry.kind == EntryKind::Directory => Kind::Directory(Vec::new()),
        Content::None if entry.kind == EntryKind::Fifo => Kind::Fifo,
        Content::None => Kind::Socket,
        Content::Inline { offset, size } => Kind::File(bytes(meta, offset, size)),
        Content::Reference(reference) => {
            let payload = payload.expect("a payload stream");
            let at = reference.offset as usize;
            let header = payload[at..at + HEADER_SIZE].try_into().expect("16 bytes");
            assert_eq!(reference.check_header(&header), Ok(()));
            Kind::File(bytes(payload, reference.offset + HEADER_SIZE as u64, reference.size))
        }
        Content::Target(target) => Kind::Symlink { target: target.to_vec() },
        Content::Device(device) => Kind::Device(device),
        Content::Hardlink { target, .. } => Kind::Hardlink { target: target.to_vec() },
    };
    let (stat, name) = (*entry.stat, entry.name().to_vec());
    Node { name, stat, attributes: entry.attributes.clone(), kind }
}

/// The tree with the bytes of its files instead of the rules to make them, as [`tree()`] gives it.
#[must_use]
pub fn spelled_out(node: &Node) -> Node {
    let kind = match &node.kind {
        Kind::Directory(children) => Kind::Directory(children.iter().map(spelled_out).collect()),
        Kind::File(contents) => Kind::File(Contents::Bytes(contents.bytes().into_owned())),
        other => other.clone(),
    };
    Node { name: node.name.clone(), stat: node.stat, attributes: node.attributes.clone(), kind }
}
