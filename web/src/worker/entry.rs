//! Everything about an entry, and bytes of contents and streams.

use std::rc::Rc;

use pxkit_core::access::{Contents as CheckHeader, Machine, Node, NodeContent, ReadNode, Step, Tree};
use pxkit_core::decode::Content;
use pxkit_core::format::{Attribute as Stored, Attributes, HEADER_SIZE, Kind, PayloadRef};

use super::document::LayoutParts;
use super::{Document, Task, problem, text, words};
use crate::protocol::entry::{Attribute, ChunkPart, Contents, Entry, Field, Part};
use crate::protocol::{Bytes, EntryId, Problem, Stream};

/// Most bytes that are given at once.
const MOST: u32 = 16 << 20;
/// Most chunks, directories above and findings that are listed.
const LISTED: usize = 1000;

/// What is kept for a document.
#[derive(Default)]
pub struct State {}

/// Everything about an entry.
pub async fn entry(_task: &Task, document: &Rc<Document>, id: EntryId) -> Result<Entry, Problem> {
    document.check_entry(id)?;
    let mut entry = known(document, id);
    let archive = document.archive();
    let read = match id {
        0 => ReadNode::root(&archive),
        _ => ReadNode::new(&archive, document.tree().filename(id)),
    };
    match document.drive(read).await {
        Ok(node) => add_stored(&mut entry, &node),
        Err(problem) => entry.problem = Some(problem.message),
    }
    Ok(entry)
}

/// What the tree and the layout say.
fn known(document: &Document, id: EntryId) -> Entry {
    let tree = document.tree();
    let mut raw_path = Vec::new();
    tree.path(id, &mut raw_path);
    let target = file_of_link(&tree, id);
    let file = target.unwrap_or(id);
    let mut findings = Vec::new();
    document.findings.each(|number, finding| {
        if finding.entry == Some(id) && findings.len() < LISTED {
            findings.push((number, finding.message.clone()));
        }
    });
    let end = tree.end(id);
    Entry {
        entry: id,
        path: text::path(&tree, id),
        raw_path,
        above: above(&tree, id),
        kind: tree.kind(id) as u8,
        size: document.files.size(&tree, file),
        entries: if tree.kind(id) == Kind::Directory { end - id - 1 } else { 0 },
        fields: fields(&tree, id),
        attributes: Vec::new(),
        items: (tree.filename(id), tree.filename(id)),
        contents: contents_of(document, &tree, file),
        findings,
        problem: None,
        target,
    }
}

/// The file of a hard link.
fn file_of_link(tree: &Tree, id: u32) -> Option<u32> {
    let Content::Hardlink { distance, .. } = tree.content(id) else { return None };
    let file = tree.find(tree.filename(id).checked_sub(distance)?)?;
    (tree.kind(file) == Kind::File).then_some(file)
}

/// The directories above, the root first; of very many the nearest.
fn above(tree: &Tree, id: u32) -> Vec<(EntryId, String)> {
    let mut above = Vec::new();
    let mut at = id;
    while at != 0 && above.len() < LISTED {
        at = tree.parent(at);
        above.push((at, if at == 0 { "/".to_owned() } else { text::escape(tree.name(at)) }));
    }
    above.reverse();
    above
}

fn field(name: &str, value: impl Into<String>, raw: impl ToString) -> Field {
    Field { name: name.to_owned(), value: value.into(), raw: raw.to_string() }
}

/// Metadata that the tree has.
fn fields(tree: &Tree, id: u32) -> Vec<Field> {
    let kind = tree.kind(id);
    let mut fields = Vec::new();
    if kind != Kind::Hardlink {
        let (mode, (uid, gid), mtime) = (tree.mode(id), tree.owner(id), tree.mtime(id));
        fields.push(field("mode", words::mode_letters(kind, mode.into()), format!("{mode:#o}")));
        fields.push(field("owner", format!("user {uid}"), uid));
        fields.push(field("group", format!("group {gid}"), gid));
        fields.push(field("mtime", words::timestamp(mtime), format!("{}.{:09}", mtime.secs, mtime.nanos)));
        let flags = tree.flags(id);
        fields.push(field("flags", words::flags(flags), format!("{flags:#x}")));
    }
    match tree.content(id) {
        Content::Target(target) => fields.push(field("target", text::escape(target), words::hex(target))),
        Content::Hardlink { distance, target } => {
            fields.push(field("target", text::escape(target), words::hex(target)));
            fields.push(field("distance", format!("{distance} bytes back to the file's FILENAME"), distance));
        }
        Content::Device(device) => {
            let kind = if u64::from(tree.mode(id)) & 0o170_000 == 0o60_000 { "block" } else { "character" };
            let words = format!("{kind} device, major {}, minor {}", device.major, device.minor);
            fields.push(field("device", words, format!("{}:{}", device.major, device.minor)));
        }
        Content::None | Content::Inline { .. } | Content::Reference(_) => {}
    }
    fields
}

/// What only the archive has.
fn add_stored(entry: &mut Entry, node: &Node) {
    entry.items = (node.filename, node.end);
    let last = match &node.content {
        NodeContent::Inline { .. } => HEADER_SIZE,
        NodeContent::Reference(_) => HEADER_SIZE + PayloadRef::SIZE,
        NodeContent::Target(target) => HEADER_SIZE + target.len() + 1,
        NodeContent::Device(_) => HEADER_SIZE + 16,
        NodeContent::None | NodeContent::Hardlink { .. } => 0,
    };
    // Attributes stand right before the last item.
    let bytes = node.attributes.as_bytes().len();
    let mut offset = node.end - (last + bytes) as u64;
    for stored in &node.attributes {
        if let Stored::QuotaProjid(id) = stored {
            entry.fields.push(field("project id", format!("quota project {id}"), id));
        } else {
            entry.attributes.push(attribute(&stored, offset));
        }
        offset += size_of_item(&stored);
    }
}

/// Attributes in words, each with what is stored.
pub(super) fn in_words(attributes: &Attributes) -> Vec<(Attribute, Stored<'_>)> {
    attributes.iter().map(|stored| (attribute(&stored, 0), stored)).collect()
}

fn size_of_item(stored: &Stored<'_>) -> u64 {
    let content = match stored {
        Stored::Xattr { name, value } => name.len() + 1 + value.len(),
        Stored::Fcaps(value) => value.len(),
        Stored::AclDefault(_) => 32,
        Stored::AclGroupObj(_) | Stored::QuotaProjid(_) => 8,
        _ => 16,
    };
    (HEADER_SIZE + content) as u64
}

fn attribute(stored: &Stored<'_>, offset: u64) -> Attribute {
    let (name, value, raw) = match stored {
        Stored::Xattr { name, value } => (text::escape(name), words::value(value), words::hex(value)),
        Stored::Fcaps(value) => {
            ("security.capability".to_owned(), words::capabilities(value), words::hex(value))
        }
        Stored::AclUser(of) | Stored::AclDefaultUser(of) => {
            (format!("user {}", of.id), words::permissions(of.permissions), format!("{:#x}", of.permissions))
        }
        Stored::AclGroup(of) | Stored::AclDefaultGroup(of) => {
            (format!("group {}", of.id), words::permissions(of.permissions), format!("{:#x}", of.permissions))
        }
        Stored::AclGroupObj(bits) => {
            ("owning group".to_owned(), words::permissions(*bits), format!("{bits:#x}"))
        }
        Stored::AclDefault(acl) => {
            let raw = [acl.user_obj, acl.group_obj, acl.other, acl.mask].map(|bits| format!("{bits:#x}"));
            ("of what is made in it".to_owned(), words::default_acl(acl), raw.join(" "))
        }
        Stored::QuotaProjid(id) => (String::new(), id.to_string(), id.to_string()),
    };
    Attribute { item: stored.item().name().to_owned(), name, value, raw, offset }
}

/// Where the contents of a file lie.
fn contents_of(document: &Document, tree: &Tree, id: u32) -> Option<Contents> {
    let header = HEADER_SIZE as u64;
    let (stream, start, size) = match tree.content(id) {
        Content::Inline { offset, size } => (Stream::Meta, offset.saturating_sub(header), size),
        Content::Reference(reference) => (Stream::Payload, reference.offset, reference.size),
        _ => return None,
    };
    let parts = document.parts().ok().filter(|_| document.layout_stream() == stream);
    let padding = match stream {
        Stream::Meta => (0, 0),
        Stream::Payload => parts.as_ref().map_or((0, 0), |parts| parts.layout().around(id)),
    };
    let (chunks, chunk_count) = parts.map_or_else(Default::default, |parts| chunk_parts(&parts, tree, id));
    Some(Contents {
        stream,
        header: start,
        offset: start.saturating_add(header),
        size,
        padding,
        chunks,
        chunk_count,
        readable: document.contents(id).is_ok(),
    })
}

/// The chunks of a file's contents and header, the first of them in full.
fn chunk_parts(parts: &LayoutParts, tree: &Tree, id: u32) -> (Vec<ChunkPart>, u32) {
    let Some((index, payload)) = parts.index.as_ref().zip(parts.map.payload(tree, id)) else {
        return Default::default();
    };
    let range = payload.start.min(index.size())..payload.end.min(index.size());
    let Ok(found) = index.parts(range.clone()) else { return Default::default() };
    let chunks = found.take(LISTED).map(|part| ChunkPart {
        chunk: part.index as u32,
        digest: part.digest.to_string(),
        size: part.extent.end - part.extent.start,
        used: part.within.end - part.within.start,
    });
    let first = index.find(range.start);
    let last = range.end.checked_sub(1).and_then(|last| index.find(last));
    let count = first.zip(last).filter(|_| !range.is_empty()).map_or(0, |(first, last)| last - first + 1);
    (chunks.collect(), count as u32)
}

/// A part of a file's contents; of a hard link, of its file. That the header before them is wrong is said beside them.
pub async fn contents(
    _task: &Task,
    document: &Rc<Document>,
    id: EntryId,
    part: Part,
) -> Result<Bytes, Problem> {
    document.check_entry(id)?;
    let id = file_of_link(&document.tree(), id).unwrap_or(id);
    let (stream, range) = document.contents(id)?;
    let problem = match stream {
        Stream::Meta => None,
        Stream::Payload => header_problem(document, id).await?,
    };
    let source = document.stream(stream)?;
    let size = range.end - range.start;
    let offset = part.offset.min(size);
    let len = u64::from(part.len.min(MOST)).min(size - offset) as usize;
    let bytes = source.bytes(range.start + offset, len).await?;
    Ok(Bytes { offset, bytes, size, problem })
}

/// What is wrong with the header in the payload stream.
async fn header_problem(document: &Document, id: u32) -> Result<Option<String>, Problem> {
    let archive = document.archive();
    let filename = document.tree().filename(id);
    let node = document.drive(ReadNode::new(&archive, filename)).await?;
    let mut check =
        CheckHeader::new(&archive, &node).map_err(|error| problem::of(error, document.meta().name()))?;
    let payload = document.stream(Stream::Payload)?;
    let mut supplied = Vec::new();
    loop {
        match check.step(&supplied) {
            Ok(Step::Want(want)) => supplied = payload.bytes(want.offset, want.len).await?,
            Ok(Step::Done(_)) => return Ok(None),
            Err(error) => {
                let rest = "what is shown are the bytes that the reference leads to";
                return Ok(Some(format!(
                    "The payload stream has no header for this file there ({error}); {rest}."
                )));
            }
        }
    }
}

/// A part of a stream.
pub async fn bytes(
    _task: &Task,
    document: &Rc<Document>,
    stream: Stream,
    part: Part,
) -> Result<Bytes, Problem> {
    let source = document.stream(stream)?;
    let size = source.size();
    let offset = part.offset.min(size);
    let len = u64::from(part.len.min(MOST)).min(size - offset) as usize;
    Ok(Bytes { offset, bytes: source.bytes(offset, len).await?, size, problem: None })
}

#[cfg(test)]
mod tests {
    use pxkit_core::format::Header;

    use super::*;
    use crate::protocol::{Reply, Request};
    use crate::worker::testing::{Bench, golden};

    fn ask(bench: &Bench, document: &Document, id: u32) -> Entry {
        match bench.ask(Request::Entry(document.id(), id)) {
            Ok(Reply::Entry(entry)) => *entry,
            other => panic!("{other:?}"),
        }
    }

    fn all(bench: &Bench, names: &[&str]) -> (Rc<Document>, Vec<Entry>) {
        let document = bench.golden(names);
        let len = document.tree().len() as u32;
        let entries = (0..len).map(|id| ask(bench, &document, id)).collect();
        (document, entries)
    }

    #[test]
    fn attributes_lie_where_they_are_said_to() {
        for name in ["attributes.mpxar", "attributes.pxar"] {
            let bench = Bench::new();
            let bytes = golden(&format!("archives/{name}"));
            let (document, entries) = all(&bench, &[name]);
            let mut found: Vec<String> = Vec::new();
            for entry in &entries {
                assert_eq!(entry.problem, None);
                assert!(entry.items.0 < entry.items.1);
                for attribute in &entry.attributes {
                    let header = Header::parse(&bytes[attribute.offset as usize..], 0).expect("an item");
                    assert_eq!(header.item.name(), attribute.item);
                    assert!((entry.items.0..entry.items.1).contains(&attribute.offset));
                    found.push(format!("{} {} {}", attribute.item, attribute.name, attribute.value));
                }
                let has_project = entry.fields.iter().any(|field| field.name == "project id");
                assert_eq!(
                    !entry.attributes.is_empty() || has_project,
                    document.tree().has_attributes(entry.entry)
                );
            }
            found.sort();
            found.dedup();
            for expected in
                ["ACL_GROUP_OBJ owning group r--", "FCAPS security.capability cap_net_bind_service=ep"]
            {
                assert!(found.iter().any(|line| line == expected), "{expected}: {found:#?}");
            }
        }
    }

    #[test]
    fn fields_in_words_with_what_is_stored() {
        let bench = Bench::new();
        let (document, entries) = all(&bench, &["kinds.mpxar", "kinds.ppxar"]);
        let of =
            |kind: Kind| entries.iter().find(|entry| entry.kind == kind as u8).expect("one of each kind");
        let value = |entry: &Entry, name: &str| {
            let field = entry.fields.iter().find(|field| field.name == name);
            field
                .map(|field| (field.value.clone(), field.raw.clone()))
                .unwrap_or_else(|| panic!("{name}: {entry:#?}"))
        };
        let root = &entries[0];
        assert_eq!((root.path.as_str(), &root.above[..], root.kind), ("/", &[][..], 0));
        assert_eq!(root.entries as usize, entries.len() - 1);
        assert!(value(root, "mode").0.starts_with('d'));
        let link = of(Kind::Hardlink);
        let file = &entries[link.target.expect("its file") as usize];
        assert_eq!((file.kind, file.size, &file.contents), (Kind::File as u8, link.size, &link.contents));
        assert_eq!(value(link, "target").0, file.path[1..]);
        assert!(value(of(Kind::Device), "device").0.contains("major"));
        assert_eq!(of(Kind::Symlink).contents, None);
        assert!(value(of(Kind::File), "mtime").0.ends_with('Z'));
        for entry in &entries {
            let parent = document.tree().parent(entry.entry);
            assert_eq!(entry.above.last().map(|above| above.0), (entry.entry != 0).then_some(parent));
        }
    }

    #[test]
    fn contents_are_those_behind_the_header() {
        let payload = golden("archives/kinds.ppxar");
        for names in [&["kinds.mpxar", "kinds.ppxar"][..], &["kinds.pxar"]] {
            let bench = Bench::new();
            let (document, entries) = all(&bench, names);
            for entry in entries.iter().filter(|entry| entry.contents.is_some()) {
                let contents = entry.contents.as_ref().expect("it has some");
                assert!(contents.readable);
                let part = Part { offset: 1, len: u32::MAX };
                let got = match bench.ask(Request::Contents(document.id(), entry.entry, part)) {
                    Ok(Reply::Bytes(bytes)) => bytes,
                    other => panic!("{other:?}"),
                };
                assert_eq!((got.size, &got.problem), (contents.size, &None));
                let raw =
                    Request::Bytes(document.id(), contents.stream, Part { offset: contents.header, len: 16 });
                let Ok(Reply::Bytes(header)) = bench.ask(raw) else { panic!("a header") };
                assert_eq!(Header::parse(&header.bytes, 0).expect("a header").content, contents.size);
                if contents.stream == Stream::Payload {
                    let start = contents.offset as usize;
                    let expected = &payload[start..start + contents.size as usize];
                    assert_eq!(got.bytes, expected.get(1..).unwrap_or_default());
                }
            }
            let nothing = bench.ask(Request::Contents(document.id(), 0, Part { offset: 0, len: 1 }));
            assert_eq!(nothing.expect_err("a directory").message, "Only files have contents.");
        }
    }

    #[test]
    fn a_wrong_header_is_said_beside_the_bytes() {
        let bench = Bench::new();
        let mut payload = golden("archives/kinds.ppxar");
        let tree_of = |bench: &Bench, payload: Vec<u8>| {
            let opened = bench.open(vec![("a.mpxar", golden("archives/kinds.mpxar")), ("a.ppxar", payload)]);
            bench.worker.document(opened.documents[0].id).expect("it is open")
        };
        let document = tree_of(&bench, payload.clone());
        let id = (0..document.tree().len() as u32).find(|&id| document.tree().size(id) > 3).expect("a file");
        let header = ask(&bench, &document, id).contents.expect("it is a file").header as usize;
        payload[header + 8] ^= 1;
        let document = tree_of(&bench, payload.clone());
        let Ok(Reply::Bytes(got)) =
            bench.ask(Request::Contents(document.id(), id, Part { offset: 0, len: 3 }))
        else {
            panic!("bytes")
        };
        assert_eq!(got.bytes, payload[header + 16..header + 19]);
        assert!(got.problem.is_some_and(|problem| problem.contains(&format!("offset {header}"))));
    }
}
