mod failing;
mod keys;

use std::rc::Rc;

use pxkit_core::decode::Content;

use crate::protocol::open::{Kind, OpenSnapshot, Opened, SnapshotRef, State, StoreListing, StoreQuery};
use crate::protocol::{ProblemKind, Reply, Request, Stream};
use crate::worker::Document;
use crate::worker::testing::{Bench, golden, golden_folder};

/// Snapshots of the golden datastore that need no key, with their entries.
const SNAPSHOTS: [(&str, u32); 7] = [
    ("host/data/2026-11-22T21:15:52Z", 137),
    ("host/meta/2026-11-22T21:15:54Z", 137),
    ("host/meta/2026-11-22T21:15:55Z", 127),
    ("host/meta/2026-11-22T21:15:56Z", 137),
    ("host/meta/2026-11-22T21:15:58Z", 134),
    ("host/legacy/2026-11-22T21:15:58Z", 134),
    ("host/sign/2026-11-22T21:15:58Z", 134),
];

fn archive(name: &str) -> (String, Vec<u8>) {
    (name.to_owned(), golden(&format!("archives/{name}")))
}

fn titles(opened: &Opened) -> Vec<&str> {
    opened.documents.iter().map(|document| &*document.title).collect()
}

#[test]
fn documents_are_told_apart_by_their_titles() {
    let bench = Bench::new();
    let bytes = || golden("archives/kinds.pxar");
    let halves = |folder: &str| {
        ["mpxar", "ppxar"]
            .map(|half| (format!("{folder}kinds.{half}"), golden(&format!("archives/kinds.{half}"))))
    };
    let files = vec![("a/kinds.pxar".to_owned(), bytes()), ("b/kinds.pxar".to_owned(), bytes())];
    assert_eq!(titles(&bench.open(files)), ["kinds.pxar", "b/kinds.pxar"]);
    let opened = bench.open(vec![("kinds.pxar", bytes())]);
    assert_eq!(titles(&opened), ["kinds.pxar (2)"]);
    assert_eq!(titles(&bench.open(halves("").into())), ["kinds.mpxar + kinds.ppxar"]);
    assert_eq!(titles(&bench.open(halves("c/").into())), ["c/kinds.mpxar + kinds.ppxar"]);
    // What was closed leaves its title.
    let Ok(Reply::Done) = bench.ask(Request::Close(opened.documents[0].id)) else { panic!() };
    assert_eq!(titles(&bench.open(vec![("kinds.pxar", bytes())])), ["kinds.pxar (2)"]);
}

/// Reads all contents.
fn read_all(document: &Rc<Document>) {
    let tree = document.whole_tree().unwrap();
    let mut bytes = 0;
    for entry in 0..tree.len() as u32 {
        if matches!(tree.content(entry), Content::Inline { .. } | Content::Reference(_)) {
            let (stream, range) = document.contents(entry).unwrap();
            let source = document.stream(stream).unwrap();
            let len = (range.end - range.start) as usize;
            bytes += futures::executor::block_on(source.bytes(range.start, len)).unwrap().len() as u64;
        }
    }
    assert_eq!(bytes, document.describe().content);
}

#[test]
fn golden_archives_open() {
    for (name, entries) in
        [("kinds", 28), ("names", 24), ("attributes", 15), ("goodbye", 466), ("wide", 2001)]
    {
        let unified = vec![format!("{name}.pxar")];
        for names in [unified, vec![format!("{name}.mpxar"), format!("{name}.ppxar")]] {
            let bench = Bench::new();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let document = bench.golden(&names);
            let told = document.describe();
            assert_eq!((told.state, told.entries), (State::Complete, entries), "{name}");
            assert_eq!(told.findings, 0, "{name}");
            assert!(told.has_contents && told.hint.is_none());
            assert_eq!(told.version, Some(names.len() as u64));
            read_all(&document);
        }
    }
}

#[test]
fn snapshots_of_the_golden_datastore_open() {
    let bench = Bench::new();
    let store = bench.golden_store(|_| {});
    for (name, entries) in SNAPSHOTS {
        let document = bench.snapshot(store, name, None).unwrap();
        let told = document.describe();
        assert_eq!((told.state, told.entries), (State::Complete, entries), "{name}");
        // The reference leaves chunks without use behind.
        document.findings.each(|_, finding| assert_eq!(finding.code, "dead-chunk", "{name}"));
        assert!(told.has_contents && told.has_chunks && told.hint.is_none());
        assert_eq!(told.kind, if name.contains("legacy") { Kind::Unified } else { Kind::Split });
        assert!(told.title.starts_with(name), "{}", told.title);
        read_all(&document);
        let parts = document.parts().unwrap();
        let totals = parts.layout().totals();
        assert_eq!(totals.live, told.content + 16 * u64::from(told.files));
    }
    // The padding of the table: 21.209 KiB, 17.241 KiB and 26.292 KiB.
    let padding = |name| {
        let document = bench.snapshot(store, name, Some("tree.pxar")).unwrap();
        document.parts().unwrap().layout().totals().padding.total()
    };
    assert_eq!(padding(SNAPSHOTS[2].0), 21_718);
    assert_eq!(padding(SNAPSHOTS[3].0), 17_655);
    assert_eq!(padding(SNAPSHOTS[4].0), 26_923);
}

#[test]
fn the_golden_datastore_is_listed() {
    let bench = Bench::new();
    let opened = bench.open(golden_folder("datastore", "store"));
    let store = &opened.stores[0];
    assert_eq!((store.name.as_str(), &store.namespaces[..]), ("store", &[String::new()][..]));
    let groups: Vec<&str> = store.groups.iter().map(|group| &*group.name).collect();
    assert_eq!(groups, ["host/data", "host/enc", "host/legacy", "host/meta", "host/sign"]);
    assert_eq!(store.groups[3].times.len(), 4);
    assert_eq!(store.groups[3].times[0], "2026-11-22T21:15:54Z");
    assert!(store.groups[0].owner.is_some());

    let query = |group: &str| {
        let query = StoreQuery { store: store.id, namespace: String::new(), group: Some(group.to_owned()) };
        match bench.ask(Request::Store(query)) {
            Ok(Reply::Store(StoreListing::Snapshots(snapshots))) => snapshots,
            other => panic!("{other:?}"),
        }
    };
    let meta = query("host/meta");
    assert_eq!((meta.len(), meta[0].name.as_str()), (4, "host/meta/2026-11-22T21:15:58Z"));
    assert_eq!((meta[0].files.len(), meta[0].key.as_ref()), (2, None));
    assert!(meta[0].files.iter().all(|file| file.opens && file.crypt == "none"));
    let enc = query("host/enc");
    assert!(enc[0].key.as_ref().is_some_and(|key| key.len() == 95));
    assert_eq!(enc[0].files[0].crypt, "encrypt");
    assert_eq!(query("host/sign")[0].files[0].crypt, "sign-only");

    for group in ["../x/y", "host/..", "host", "vm//"] {
        let query = StoreQuery { store: store.id, namespace: String::new(), group: Some(group.to_owned()) };
        assert_eq!(bench.ask(Request::Store(query)).unwrap_err().kind, ProblemKind::Request, "{group}");
    }
    for namespace in ["..", "a/../b", "/", "a/b/c/d/e/f/g/h"] {
        let query = StoreQuery { store: store.id, namespace: namespace.to_owned(), group: None };
        assert_eq!(bench.ask(Request::Store(query)).unwrap_err().kind, ProblemKind::Request, "{namespace}");
    }
}

#[test]
fn namespaces_are_found() {
    let bench = Bench::new();
    let mut files = golden_folder("datastore", "store");
    let snapshot: Vec<(String, Vec<u8>)> =
        files.iter().filter(|(path, _)| path.starts_with("store/host/data/")).cloned().collect();
    for (path, bytes) in snapshot {
        for namespace in ["a", "a/ns/b", "a-b"] {
            files.push((path.replacen("store/", &format!("store/ns/{namespace}/"), 1), bytes.clone()));
        }
    }
    files.push(("store/ns/.bad/host/x/owner".to_owned(), Vec::new()));
    let opened = bench.open(files);
    assert_eq!(opened.stores[0].namespaces, ["", "a", "a-b", "a/b"]);
    let query = StoreQuery { store: 1, namespace: "a/b".to_owned(), group: None };
    let Ok(Reply::Store(StoreListing::Groups(groups))) = bench.ask(Request::Store(query)) else { panic!() };
    assert_eq!(groups[0].name, "host/data");
}

/// Which files, dropped one after the other (lists of lists), give which documents in the end.
#[test]
fn what_belongs_together() {
    let rename = |to: &str, name: &str| (to.to_owned(), golden(&format!("archives/{name}")));
    let both = || vec![archive("kinds.mpxar"), archive("kinds.ppxar")];
    type Drops = Vec<Vec<(String, Vec<u8>)>>;
    let table: Vec<(Drops, &[&str])> = vec![
        (vec![both()], &["kinds.mpxar + kinds.ppxar"]),
        (vec![both().into_iter().rev().collect()], &["kinds.mpxar + kinds.ppxar"]),
        (vec![vec![archive("kinds.mpxar")], vec![archive("kinds.ppxar")]], &["kinds.mpxar + kinds.ppxar"]),
        // The payload came first: it stays, and serves the metadata.
        (
            vec![vec![archive("kinds.ppxar")], vec![archive("kinds.mpxar")]],
            &["kinds.ppxar", "kinds.mpxar + kinds.ppxar"],
        ),
        // Names decide between several.
        (
            vec![vec![
                archive("kinds.mpxar"),
                archive("names.ppxar"),
                archive("names.mpxar"),
                archive("kinds.ppxar"),
            ]],
            &["kinds.mpxar + kinds.ppxar", "names.mpxar + names.ppxar"],
        ),
        // References decide where names do not.
        (
            vec![vec![
                archive("kinds.mpxar"),
                rename("a.bin", "names.ppxar"),
                rename("b.bin", "kinds.ppxar"),
                archive("names.mpxar"),
            ]],
            &["kinds.mpxar + b.bin", "names.mpxar + a.bin"],
        ),
        // What does not belong stays alone.
        (vec![vec![archive("kinds.mpxar"), archive("names.ppxar")]], &["kinds.mpxar", "names.ppxar"]),
        (vec![vec![archive("kinds.mpxar")], vec![archive("names.ppxar")]], &["kinds.mpxar", "names.ppxar"]),
        (vec![vec![archive("kinds.pxar"), archive("names.pxar")]], &["kinds.pxar", "names.pxar"]),
        (vec![vec![archive("kinds.pxar"), archive("kinds.ppxar")]], &["kinds.pxar", "kinds.ppxar"]),
        // A folder.
        (
            vec![vec![
                rename("folder/kinds.mpxar", "kinds.mpxar"),
                rename("folder/kinds.ppxar", "kinds.ppxar"),
                ("folder/README".to_owned(), b"text that is not shown, because it is of a folder".to_vec()),
            ]],
            &["kinds.mpxar + kinds.ppxar"],
        ),
    ];
    for (drops, expected) in table {
        let bench = Bench::new();
        for drop in drops {
            let opened = bench.open(drop);
            assert!(opened.problems.is_empty(), "{expected:?}: {:?}", opened.problems);
        }
        let documents: Vec<_> = bench.worker.documents().iter().map(|document| document.describe()).collect();
        let titles: Vec<&str> = documents.iter().map(|document| &*document.title).collect();
        assert_eq!(titles, expected);
        for document in &documents {
            assert_eq!(document.state, State::Complete);
            let is_whole = document.kind == Kind::Unified || document.title.contains('+');
            assert_eq!(document.has_contents, is_whole, "{}", document.title);
            assert_eq!(document.hint.is_some(), !is_whole, "{}", document.title);
        }
    }
}

#[test]
fn a_payload_that_comes_later_is_told() {
    let bench = Bench::new();
    let first = bench.open(vec![archive("kinds.mpxar")]);
    let document = bench.worker.document(first.documents[0].id).unwrap();
    let before = document.generation();
    assert_eq!(document.stream(Stream::Payload).err().unwrap().kind, ProblemKind::Missing);
    let second = bench.open(vec![archive("kinds.ppxar")]);
    assert_eq!((second.documents.len(), second.documents[0].id), (1, first.documents[0].id));
    assert!(second.documents[0].has_contents && document.generation() > before);
    read_all(&document);
}

/// The files of one golden snapshot, put into a folder of their own, with others beside it.
fn snapshot_folder(others: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut files = golden_folder("datastore/host/meta/2026-11-22T21:15:58Z", "2026-11-22T21:15:58Z");
    for other in others {
        files.extend(golden_folder(&format!("datastore/{other}"), other));
    }
    files
}

#[test]
fn indexes_alone_and_with_their_chunks() {
    // Only the indexes: tables of chunks.
    let bench = Bench::new();
    let opened = bench.open(snapshot_folder(&[]));
    let kinds: Vec<Kind> = opened.documents.iter().map(|document| document.kind).collect();
    assert_eq!(kinds, [Kind::Manifest, Kind::Manifest, Kind::DynamicIndex, Kind::DynamicIndex]);
    assert!(opened.documents[2].has_chunks && opened.documents[2].hint.is_some());
    // The chunks come later: the archive in them opens.
    let later = bench.open(golden_folder("datastore/.chunks", ".chunks"));
    assert_eq!(titles(&later), ["tree.mpxar + tree.ppxar"]);
    assert!(later.documents[0].has_contents && later.documents[0].has_chunks);

    // Together, and with another name for the folder of chunks.
    for name in [".chunks", "chunks"] {
        let bench = Bench::new();
        let mut files = snapshot_folder(&[]);
        files.extend(golden_folder("datastore/.chunks", name));
        let opened = bench.open(files);
        let archive = opened.documents.iter().find(|document| document.kind == Kind::Split).unwrap();
        let document = bench.worker.document(archive.id).unwrap();
        assert_eq!(document.describe().entries, 134);
        read_all(&document);
    }

    // Metadata as a file, the payload's index beside it: layout without contents.
    let bench = Bench::new();
    let whole = {
        let store = bench.golden_store(|_| {});
        let document = bench.snapshot(store, SNAPSHOTS[4].0, None).unwrap();
        let meta = document.stream(Stream::Meta).unwrap();
        futures::executor::block_on(meta.bytes(0, meta.size() as usize)).unwrap()
    };
    let index = golden("datastore/host/meta/2026-11-22T21:15:58Z/tree.ppxar.didx");
    let bench = Bench::new();
    let opened = bench.open(vec![("tree.mpxar", whole), ("tree.ppxar.didx", index)]);
    assert_eq!(titles(&opened), ["tree.mpxar + tree.ppxar.didx"]);
    let document = bench.worker.document(opened.documents[0].id).unwrap();
    let told = document.describe();
    assert!(told.has_chunks && !told.has_contents && told.payload_size.is_some() && told.hint.is_some());
    assert_eq!(document.parts().unwrap().layout().totals().padding.total(), 26_923);
}

#[test]
fn other_kinds_open() {
    let bench = Bench::new();
    let legacy = "datastore/host/legacy/2026-11-22T21:15:58Z";
    let opened = bench.open(vec![
        ("catalog.pcat1", golden(&format!("{legacy}/catalog.pcat1"))),
        ("index.json", golden(&format!("{legacy}/index.json"))),
        ("index.json.blob", golden(&format!("{legacy}/index.json.blob"))),
        ("tree.pxar.didx", golden(&format!("{legacy}/tree.pxar.didx"))),
        ("nothing", Vec::new()),
        ("text", b"This is a text, and no archive.".to_vec()),
    ]);
    assert!(opened.problems.is_empty());
    let kinds: Vec<Kind> = opened.documents.iter().map(|document| document.kind).collect();
    use Kind::{Catalog, DynamicIndex, Foreign, Manifest};
    assert_eq!(kinds, [Catalog, Manifest, Manifest, DynamicIndex, Foreign, Foreign]);
    let facts = |at: usize| &opened.documents[at].facts;
    assert_eq!(facts(1)[0], ("backup".to_owned(), "host/legacy".to_owned()));
    assert!(facts(2).contains(&("time".to_owned(), "2026-11-22 21:15:58 UTC".to_owned())));
    assert_eq!(facts(3)[0].0, "chunks");
    for document in &opened.documents[4..] {
        let State::Damaged(problem) = &document.state else { panic!("{document:?}") };
        assert_eq!(problem.kind, ProblemKind::Foreign);
    }
    // Its chunks are those of the catalog's stream.
    let store = bench.golden_store(|_| {});
    let catalog = bench.snapshot(store, SNAPSHOTS[5].0, Some("catalog.pcat1")).unwrap();
    assert_eq!(catalog.describe().kind, Catalog);
    let stream = catalog.stream(Stream::Meta).unwrap();
    let bytes = futures::executor::block_on(stream.bytes(0, stream.size() as usize)).unwrap();
    assert_eq!(bytes, golden(&format!("{legacy}/catalog.pcat1")));
    let manifest = bench.snapshot(store, SNAPSHOTS[5].0, Some("index.json")).unwrap();
    assert_eq!(manifest.describe().kind, Manifest);
}

#[test]
fn folders_within_a_datastore_get_a_sentence() {
    let bench = Bench::new();
    for (name, folder) in [("datastore/host", "host"), ("datastore/host/meta", "meta")] {
        let opened = bench.open(golden_folder(name, folder));
        assert!(opened.documents.is_empty() && opened.stores.is_empty());
        assert!(opened.problems[0].message.contains("datastore's own folder"), "{:?}", opened.problems);
    }
    let opened = bench.open(vec![("a/b/c", b"x".to_vec())]);
    assert!(opened.problems[0].message.contains("only further folders"), "{:?}", opened.problems);
}

#[test]
fn chunks_that_are_missing_or_damaged() {
    let name = SNAPSHOTS[4].0;
    let chunks = |half: &str| {
        let bench = Bench::new();
        let store = bench.golden_store(|_| {});
        let document = bench.snapshot(store, name, None).unwrap();
        let index = golden(&format!("datastore/{name}/tree.{half}.didx"));
        let index = pxkit_core::index::DynamicIndex::parse(&index).unwrap();
        drop(document);
        index.chunks().iter().map(|chunk| chunk.digest.to_string()).collect::<Vec<_>>()
    };
    let (meta, payload) = (chunks("mpxar"), chunks("ppxar"));

    // A chunk of the payload: everything is listed, files elsewhere are read, those in it are told.
    let lost = payload[payload.len() / 2].clone();
    for (change, part) in [
        ("remove", "its file is missing"),
        ("flip", "damaged"),
        ("empty", "object store"),
        ("swap", "digest"),
    ] {
        let bench = Bench::new();
        let store = bench.golden_store(|files| {
            let other = files.iter().find(|(path, _)| path.ends_with(&payload[1])).unwrap().1.clone();
            let at = files.iter().position(|(path, _)| path.ends_with(&lost)).unwrap();
            match change {
                "remove" => drop(files.remove(at)),
                "flip" => files[at].1[40] ^= 1,
                "empty" => files[at].1.clear(),
                _ => files[at].1 = other,
            }
        });
        let document = bench.snapshot(store, name, None).unwrap();
        assert_eq!((document.describe().state, document.describe().entries), (State::Complete, 134));
        let tree = document.whole_tree().unwrap();
        let (mut read, mut failed) = (0, Vec::new());
        for entry in 0..tree.len() as u32 {
            if let Ok((stream, range)) = document.contents(entry) {
                let source = document.stream(stream).unwrap();
                let bytes = source.bytes(range.start, (range.end - range.start) as usize);
                match futures::executor::block_on(bytes) {
                    Ok(_) => read += 1,
                    Err(problem) => failed.push(problem),
                }
            }
        }
        assert!(read > 0 && !failed.is_empty(), "{change}");
        let message = &failed[0].message;
        let is_right = change == "swap" && message.contains("as the index says");
        assert!(message.contains(&lost) && (message.contains(part) || is_right), "{change}: {message}");
        assert!(message.contains("of tree.ppxar") && failed[0].offset.is_some(), "{message}");
    }

    // A chunk of the metadata: what comes before it is shown.
    let bench = Bench::new();
    let lost = meta.last().unwrap().clone();
    let store = bench.golden_store(|files| files.retain(|(path, _)| !path.ends_with(&lost)));
    assert_eq!(meta.len(), 1, "of this metadata nothing is left but the index");
    let snapshot = SnapshotRef { snapshot: name.to_owned(), ..SnapshotRef::default() };
    let opened = bench.ask(Request::OpenSnapshot(OpenSnapshot { store, snapshot }));
    let Ok(Reply::Opened(opened)) = opened else { panic!("{opened:?}") };
    let kinds: Vec<Kind> = opened.documents.iter().map(|document| document.kind).collect();
    assert_eq!(kinds, [Kind::DynamicIndex, Kind::Payload]);
    let State::Damaged(problem) = &opened.documents[0].state else { panic!() };
    assert!(problem.message.contains(&lost), "{}", problem.message);
}

#[test]
fn snapshots_without_manifest_open_by_their_files() {
    let bench = Bench::new();
    let name = SNAPSHOTS[4].0;
    let store = bench
        .golden_store(|files| files.retain(|(path, _)| path != &format!("store/{name}/index.json.blob")));
    let document = bench.snapshot(store, name, Some("tree")).err().unwrap();
    assert_eq!(document.kind, ProblemKind::Missing);
    let document = bench.snapshot(store, name, Some("tree.pxar")).unwrap();
    assert_eq!(document.describe().entries, 134);
    let query = StoreQuery { store, namespace: String::new(), group: Some("host/meta".to_owned()) };
    let Ok(Reply::Store(StoreListing::Snapshots(snapshots))) = bench.ask(Request::Store(query)) else {
        panic!()
    };
    assert!(snapshots[0].problem.as_ref().unwrap().message.contains("did not finish"));
    assert_eq!(snapshots[0].files.len(), 2);
}

#[test]
fn indexes_that_differ_from_their_manifest_are_findings() {
    let bench = Bench::new();
    let name = SNAPSHOTS[4].0;
    let store = bench.golden_store(|files| {
        let other = golden(&format!("datastore/{}/tree.ppxar.didx", SNAPSHOTS[3].0));
        let at = files.iter().position(|(path, _)| path == &format!("store/{name}/tree.ppxar.didx")).unwrap();
        files[at].1 = other;
    });
    let document = bench.snapshot(store, name, None).unwrap();
    let mut found = Vec::new();
    document.findings.each(|_, finding| found.push((finding.code, finding.message.clone())));
    assert!(found.iter().filter(|(code, _)| *code == "manifest").count() >= 1, "{found:?}");
}

#[test]
fn damaged_indexes_show_what_is_sound() {
    let whole = golden(&format!("datastore/{}/tree.ppxar.didx", SNAPSHOTS[4].0));
    let count = (whole.len() - 4096) / 40;
    let open = |bytes: Vec<u8>| {
        let bench = Bench::new();
        let opened = bench.open(vec![("tree.ppxar.didx", bytes)]);
        let document = bench.worker.document(opened.documents[0].id).unwrap();
        let State::Damaged(problem) = document.describe().state else { panic!("not damaged") };
        assert!(!problem.message.is_empty());
        document.index().map_or(0, |index| index.count())
    };
    assert_eq!(open(whole[..whole.len() - 7].to_vec()), count - 1);
    assert_eq!(open(whole[..4096 + 40 * 3 + 39].to_vec()), 3);
    assert_eq!(open(whole[..4096].to_vec()), 0);
    assert_eq!(open(whole[..100].to_vec()), 0);
    let mut backwards = whole.clone();
    backwards[4096 + 40 * 5 + 7] = 0;
    backwards[4096 + 40 * 5..4096 + 40 * 5 + 7].fill(0);
    assert_eq!(open(backwards), 5);
}
