use std::rc::Rc;

use pxkit_core::format::Kind;

use crate::protocol::compare::{self, Pair};
use crate::protocol::export::{Archive, Format, List, Save, Saved};
use crate::protocol::{ProblemKind, Reply, Request};
use crate::worker::paint::testing::{Random, padded};
use crate::worker::testing::{Bench, golden};
use crate::worker::{Document, Handle};

fn save(bench: &Bench, document: &Rc<Document>, what: Save) -> (Saved, Vec<u8>) {
    let (reply, handles) = bench.ask_with(Request::Save(document.id(), what), Vec::new());
    let Ok(Reply::Saved(saved)) = reply else { panic!("{reply:?}") };
    let [Handle::Source(source)] = &handles[..] else { panic!("one file") };
    let bytes = futures::executor::block_on(source.bytes(0, source.size() as usize)).unwrap();
    assert_eq!(saved.size, bytes.len() as u64);
    (saved, bytes)
}

#[test]
fn contents_are_the_same_from_both_forms() {
    let bench = Bench::new();
    let documents = [bench.golden(&["kinds.pxar"]), bench.golden(&["kinds.mpxar", "kinds.ppxar"])];
    let tree = documents[0].whole_tree().unwrap();
    let mut saved = 0;
    for entry in 0..tree.len() as u32 {
        if matches!(tree.kind(entry), Kind::File | Kind::Hardlink) {
            let [unified, split] =
                documents.each_ref().map(|document| save(&bench, document, Save::File(entry)));
            assert_eq!(unified, split);
            assert!(tree.kind(entry) == Kind::Hardlink || unified.1.len() as u64 == tree.size(entry));
            saved += 1;
        } else {
            let problem = bench.ask(Request::Save(documents[0].id(), Save::File(entry))).unwrap_err();
            assert_eq!(problem.kind, ProblemKind::Request);
        }
    }
    assert!(saved > 3);
    let alone = bench.golden(&["names.mpxar"]);
    let problem = (0..24).find_map(|entry| {
        bench
            .ask(Request::Save(alone.id(), Save::File(entry)))
            .err()
            .filter(|p| p.kind == ProblemKind::Missing)
    });
    assert!(problem.unwrap().message.contains(".ppxar"));
    assert!(bench.ask(Request::Save(alone.id(), Save::File(9999))).is_err());
}

#[test]
fn lists_and_the_report() {
    let bench = Bench::new();
    let store = bench.golden_store(|_| {});
    let document = bench.snapshot(store, "host/meta/2026-11-22T21:15:58Z", None).unwrap();
    let (saved, report) = save(&bench, &document, Save::Layout);
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!((&report["entries"], &report["padding"]["bytes"]), (&134.into(), &26_923.into()));
    assert_eq!(saved.name, "tree.mpxar.layout.json");
    for list in [List::Files, List::Ranges, List::Chunks, List::Findings] {
        let (_, json) = save(&bench, &document, Save::List(list, Format::Json));
        let rows: Vec<serde_json::Map<_, _>> = serde_json::from_slice(&json).unwrap();
        let (_, csv) = save(&bench, &document, Save::List(list, Format::Csv));
        let lines = String::from_utf8(csv).unwrap().lines().count();
        assert_eq!(lines, rows.len() + 1, "{list:?}");
        assert!(!rows.is_empty() || list == List::Findings, "{list:?}");
    }
    // Findings have the columns of the program's list, and one more.
    let (_, csv) = save(&bench, &document, Save::List(List::Findings, Format::Csv));
    assert!(csv.starts_with(b"stream,offset,code,level,finding,entry,path,path_hex,chunk\n"));
}

#[test]
fn differences_as_lists() {
    let bench = Bench::new();
    let a = bench.golden(&["kinds.mpxar", "kinds.ppxar"]);
    let b = bench.golden(&["names.mpxar", "names.ppxar"]);
    let pair = Pair { a: a.id(), b: b.id() };
    let (saved, json) = save(&bench, &b, Save::Differences(pair, Format::Json));
    assert_eq!(saved.name, "kinds.mpxar-names.mpxar.differences.json");
    let rows: Vec<serde_json::Map<_, _>> = serde_json::from_slice(&json).unwrap();
    let of = |change: &str| rows.iter().filter(|row| row["change"] == change).count() as u64;
    let Ok(Reply::Comparison(summary)) = bench.ask(Request::Compare(pair)) else { panic!("no comparison") };
    for (kind, entries, _) in summary.kinds {
        let expected = if kind == compare::Kind::Unchanged { 0 } else { entries };
        assert_eq!(of(kind.word()), expected, "{kind:?}");
    }
    assert!(of("added") > 0 && of("removed") > 0);
    let added = rows.iter().find(|row| row["change"] == "added" && row["type"] == "file").unwrap();
    assert!(added.contains_key("size") && !added.contains_key("size_before"));
    let (_, csv) = save(&bench, &b, Save::Differences(pair, Format::Csv));
    let csv = String::from_utf8(csv).unwrap();
    assert_eq!(csv.lines().next(), Some("change,path,before,type,size_before,size,stored_again,fields"));
    assert_eq!(csv.lines().count(), rows.len() + 1);
}

#[test]
fn zip_archives_behind_four_gigabytes_are_read_by_others() {
    use std::io::{Seek as _, SeekFrom, Write as _};

    const LARGE: u64 = 5 << 30;
    let mtime = pxkit_core::format::Timestamp { secs: 1_700_000_000, nanos: 0 };
    let (mut zip, mut sink) = (super::zip::Zip::default(), super::sink::Sink::new());
    // The checksum of so many zeros is not looked at.
    let member = super::zip::Zip::begin(&mut sink, b"large".to_vec(), 0o100_644, mtime, LARGE);
    sink.hole(LARGE);
    zip.end(&mut sink, &member, 0, LARGE);
    let text = b"far, far on";
    let member = super::zip::Zip::begin(&mut sink, b"far".to_vec(), 0o100_644, mtime, text.len() as u64);
    sink.push(text);
    zip.end(&mut sink, &member, pxkit_core::blob::Crc32::of(text), text.len() as u64);
    zip.finish(&mut sink);
    assert!(sink.size() > LARGE);

    let dir = std::env::temp_dir().join(format!("pxkit-zip64-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let mut file = std::fs::File::create(dir.join("large.zip")).unwrap();
    for (hole, bytes) in sink.pieces() {
        file.seek(SeekFrom::Current(hole as i64)).unwrap();
        file.write_all(bytes).unwrap();
    }
    drop(file);
    let script = "import zipfile; z = zipfile.ZipFile('large.zip'); \
        print([(i.filename, i.file_size, i.header_offset > 2**32) for i in z.infolist()], z.read('far'))";
    let output = std::process::Command::new("python3").args(["-c", script]).current_dir(&dir).output();
    std::fs::remove_dir_all(&dir).unwrap();
    let Ok(output) = output else { return };
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        format!("[('large', {LARGE}, False), ('far', 11, True)] b'far, far on'"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Unpacks an archive with a program of the system; `None` if there is no such program.
fn unpack(bytes: &[u8], name: &str) -> Option<std::path::PathBuf> {
    let dir = std::env::temp_dir().join(format!("pxkit-export-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(dir.join("out")).unwrap();
    std::fs::write(dir.join(name), bytes).unwrap();
    let module = if name.ends_with(".tar") { "tarfile" } else { "zipfile" };
    let mut python = std::process::Command::new("python3");
    python.args(["-m", module, "-e", name, "out"]).current_dir(&dir);
    // Python refuses device nodes and the like unless told that the archive is trusted; those are not asked for here.
    let output = python.output().ok()?;
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Some(dir)
}

#[test]
fn folders_as_tar_and_zip_are_read_by_others() {
    let bench = Bench::new();
    let store = bench.golden_store(|_| {});
    let document = bench.snapshot(store, "host/meta/2026-11-22T21:15:58Z", None).unwrap();
    let tree = document.whole_tree().unwrap();
    for archive in [Archive::Tar, Archive::Zip] {
        let (saved, bytes) = save(&bench, &document, Save::Folder(0, archive));
        assert!(saved.left_out.is_empty(), "{:?}", saved.left_out);
        let name = if archive == Archive::Tar { "tree.tar" } else { "tree.zip" };
        let Some(dir) = unpack(&bytes, name) else { continue };
        let mut files = 0;
        for entry in 0..tree.len() as u32 {
            if tree.kind(entry) == Kind::File {
                let mut path = Vec::new();
                tree.path(entry, &mut path);
                let found = std::fs::read(dir.join("out").join(std::str::from_utf8(&path).unwrap())).unwrap();
                let (_, expected) = save(&bench, &document, Save::File(entry));
                assert!(found == expected, "{}", String::from_utf8_lossy(&path));
                files += 1;
            }
        }
        assert!(files > 100);
        std::fs::remove_dir_all(dir).unwrap();
    }
    // A directory within: its own name comes first.
    let inner = (1..tree.len() as u32).find(|&id| tree.kind(id) == Kind::Directory).unwrap();
    let (saved, bytes) = save(&bench, &document, Save::Folder(inner, Archive::Tar));
    let name = tree.name(inner);
    assert_eq!(saved.name.as_bytes(), [name, b".tar"].concat());
    assert_eq!(bytes[..name.len() + 1], [name, b"/"].concat());
    let file = (1..tree.len() as u32).find(|&id| tree.kind(id) == Kind::File).unwrap();
    assert!(bench.ask(Request::Save(document.id(), Save::Folder(file, Archive::Tar))).is_err());
}

#[test]
fn every_kind_of_node_is_packed_or_named() {
    for name in ["kinds", "names", "attributes"] {
        let bench = Bench::new();
        let document = bench.golden(&[&format!("{name}.mpxar"), &format!("{name}.ppxar")]);
        let tree = document.whole_tree().unwrap();
        let count = |kind| (0..tree.len() as u32).filter(|&id| tree.kind(id) == kind).count();
        let (tar, bytes) = save(&bench, &document, Save::Folder(0, Archive::Tar));
        assert_eq!(tar.left_out.len(), count(Kind::Socket), "{name}: {:?}", tar.left_out);
        assert_eq!(bytes.len() % 512, 0);
        let (zip, _) = save(&bench, &document, Save::Folder(0, Archive::Zip));
        let special = count(Kind::Socket) + count(Kind::Fifo) + count(Kind::Device);
        assert_eq!(zip.left_out.len(), special, "{name}: {:?}", zip.left_out);
    }
    let alone = Bench::new();
    let document = alone.golden(&["kinds.mpxar"]);
    let problem = alone.ask(Request::Save(document.id(), Save::Folder(0, Archive::Tar))).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Missing);
}

#[test]
fn what_is_left_out_is_counted() {
    let bench = Bench::new();
    let (meta, mut payload) = padded(&mut Random(1), 3, 100);
    payload.truncate(4096);
    let id = bench.open(vec![("a.mpxar", meta), ("a.ppxar", payload)]).documents[0].id;
    let document = bench.worker.document(id).unwrap();
    let tree = document.whole_tree().unwrap();
    let files = (0..tree.len() as u32).filter(|&entry| tree.kind(entry) == Kind::File);
    let lost = files.filter(|&file| bench.ask(Request::Save(id, Save::File(file))).is_err()).count();
    let (saved, _) = save(&bench, &document, Save::Folder(0, Archive::Tar));
    assert!(lost > 200);
    assert_eq!((saved.left_out.len(), saved.more), (100, lost as u64 - 100));
}

#[test]
fn contents_that_are_lost_are_named() {
    let index = golden("datastore/host/meta/2026-11-22T21:15:58Z/tree.ppxar.didx");
    let index = pxkit_core::index::DynamicIndex::parse(&index).unwrap();
    let lost = index.chunks()[index.count() / 2].digest.to_string();
    let bench = Bench::new();
    let store = bench.golden_store(|files| files.retain(|(path, _)| !path.ends_with(&lost)));
    let document = bench.snapshot(store, "host/meta/2026-11-22T21:15:58Z", None).unwrap();
    let (saved, bytes) = save(&bench, &document, Save::Folder(0, Archive::Tar));
    assert!(
        !saved.left_out.is_empty() && saved.left_out.iter().all(|why| why.contains(&lost)),
        "{:?}",
        saved.left_out
    );
    assert_eq!(bytes.len() % 512, 0);
}
