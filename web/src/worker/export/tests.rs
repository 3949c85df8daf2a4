use std::rc::Rc;

use crate::protocol::export::{Format, List, Save, Saved};
use crate::protocol::{ProblemKind, Reply, Request};
use crate::worker::testing::Bench;
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
        use pxkit_core::format::Kind;
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
}
