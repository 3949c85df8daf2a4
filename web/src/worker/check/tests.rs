use std::rc::Rc;

use super::Coverage;
use crate::protocol::findings::{Check, CheckKind, CheckState, Checked, Query, Rows, Severity};
use crate::protocol::{ProblemKind, Reply, Request, Stream, Tell};
use crate::worker::paint::testing::{Random, ends, index, padded};
use crate::worker::testing::{Bench, golden};

const META: &str = "host/meta/2026-11-22T21:15:58Z";

fn check(bench: &Bench, document: u32, what: CheckKind) -> Checked {
    match bench.ask(Request::Check(document, Check { what, range: None })) {
        Ok(Reply::Checked(checked)) => checked,
        other => panic!("{what:?}: {other:?}"),
    }
}

fn findings(bench: &Bench, document: u32) -> Rows {
    match bench.ask(Request::Findings(document, Query { start: 0, count: 1000 })) {
        Ok(Reply::Findings(rows)) => rows,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_contents_there_is_much_that_cannot_be_checked() {
    let bench = Bench::new();
    let document = bench.golden(&["kinds.mpxar"]);
    for state in findings(&bench, document.id()).checks {
        let expected = match state.what {
            CheckKind::Headers | CheckKind::Ghosts => (false, false),
            CheckKind::Digests => (false, true),
            CheckKind::Tables => (true, false),
        };
        assert_eq!((state.possible, state.needless), expected, "{state:?}");
    }
}

#[test]
fn sound_archives_pass_all_checks() {
    let bench = Bench::new();
    let store = bench.golden_store(|_| {});
    for snapshot in [META, "host/data/2026-11-22T21:15:52Z", "host/legacy/2026-11-22T21:15:58Z"] {
        let document = bench.snapshot(store, snapshot, None).unwrap();
        let rows = findings(&bench, document.id());
        for state in rows.checks {
            let is_split = !snapshot.contains("legacy");
            let has_padding = snapshot == META;
            let possible = match state.what {
                CheckKind::Headers => is_split,
                CheckKind::Ghosts => has_padding,
                _ => true,
            };
            // All bytes are there: what cannot be looked at is not in it.
            assert_eq!((state.possible, state.needless), (possible, !possible), "{snapshot} {state:?}");
            assert_eq!(state.done, 0);
            if possible {
                let checked = check(&bench, document.id(), state.what);
                assert!(checked.looked_at > 0 && checked.unreadable == 0, "{checked:?}");
                assert!(checked.found == 0 || state.what == CheckKind::Ghosts, "{checked:?}");
            }
        }
        for state in findings(&bench, document.id()).checks {
            assert_eq!(state.done, state.total, "{snapshot} {state:?}");
        }
        assert!(document.describe().findings <= 3, "no more than chunks without use");
    }
    // The fourth snapshot of the group re-used chunks: what lies between is found.
    let document = bench.snapshot(store, META, None).unwrap();
    assert_eq!(check(&bench, document.id(), CheckKind::Ghosts).looked_at, check_again(&bench, document.id()));
    assert_eq!(document.layout.searched_bytes(), 26_923);
}

/// Gaps that are looked through a second time; none, since all were.
fn check_again(bench: &Bench, document: u32) -> u64 {
    let gaps = bench.worker.document(document).unwrap().parts().unwrap().layout().gaps(0..u64::MAX).count();
    assert_eq!(check(bench, document, CheckKind::Ghosts).looked_at, 0);
    gaps as u64
}

#[test]
fn references_that_miss_their_headers() {
    let bench = Bench::new();
    let (meta, mut payload) = (golden("archives/wide.mpxar"), golden("archives/wide.ppxar"));
    // The tenth header says another size, the twentieth is none.
    let sound = bench.golden(&["wide.mpxar", "wide.ppxar"]);
    let starts: Vec<u64> = {
        let parts = sound.parts().unwrap();
        let starts = parts.map.order().iter().map(|&id| parts.map.payload(&parts.tree, id).unwrap().start);
        starts.collect()
    };
    payload[starts[10] as usize + 8] ^= 1;
    payload[starts[20] as usize] ^= 1;
    payload[0] ^= 1;
    let opened = bench.open(vec![("broken.mpxar", meta), ("broken.ppxar", payload.clone())]);
    // Without its start marker a payload file is not known as one.
    assert_eq!(opened.documents.len(), 2);
    payload[0] ^= 1;
    let tail = payload.len() - 16;
    payload[tail] ^= 1;
    let opened = bench.open(vec![("other.mpxar", golden("archives/wide.mpxar")), ("other.ppxar", payload)]);
    let id = opened.documents[0].id;
    assert_eq!(findings(&bench, id).total, 0);
    for _ in 0..2 {
        let checked = check(&bench, id, CheckKind::Headers);
        assert_eq!(checked.looked_at, starts.len() as u64);
        let rows = findings(&bench, id);
        let found: Vec<_> =
            rows.rows.iter().map(|row| (row.code.as_str(), row.offset, row.severity)).collect();
        let expected = [
            ("header", starts[10], Severity::Error),
            ("header", starts[20], Severity::Error),
            ("marker", tail as u64, Severity::Warning),
        ];
        assert_eq!(found, expected);
        assert!(rows.rows[0].path.is_some() && rows.rows[0].stream == Stream::Payload);
    }
    // A part of the stream only.
    let range = Some((starts[15], starts[25]));
    let part = bench.ask(Request::Check(id, Check { what: CheckKind::Headers, range }));
    let Ok(Reply::Checked(part)) = part else { panic!("{part:?}") };
    assert_eq!(part.looked_at, 10);
    assert_eq!(findings(&bench, id).total, 3);
}

#[test]
fn chunks_with_other_digests() {
    let index = golden(&format!("datastore/{META}/tree.ppxar.didx"));
    let index = pxkit_core::index::DynamicIndex::parse(&index).unwrap();
    let bad = [3, 7].map(|number: usize| index.chunks()[number].digest.to_string());
    let bench = Bench::new();
    let store = bench.golden_store(|files| {
        files.retain(|(path, _)| !path.ends_with(&bad[0]));
        let file = files.iter_mut().find(|(path, _)| path.ends_with(&bad[1])).unwrap();
        *file.1.last_mut().unwrap() ^= 1;
    });
    let document = bench.snapshot(store, META, None).unwrap();
    let checked = check(&bench, document.id(), CheckKind::Digests);
    assert_eq!((checked.looked_at, checked.unreadable), (index.count() as u64, 2));
    let rows = findings(&bench, document.id());
    let found: Vec<_> = rows.rows.iter().filter(|row| row.code.starts_with("chunk-")).collect();
    assert_eq!(
        found.iter().map(|row| (&*row.code, row.chunk)).collect::<Vec<_>>(),
        [("chunk-missing", Some(3)), ("chunk-damaged", Some(7))]
    );
    assert!(found[0].message.contains(&bad[0]) && found[1].message.contains(&bad[1]));
    // Headers in those chunks cannot be looked at, all others are.
    let headers = check(&bench, document.id(), CheckKind::Headers);
    assert!(headers.unreadable > 0 && headers.found == 0, "{headers:?}");
    let files = document.map().unwrap().files() as u64;
    assert_eq!(headers.looked_at + headers.unreadable, files);
}

#[test]
fn files_beside_their_index() {
    let bench = Bench::new();
    let store = bench.golden_store(|_| {});
    let document = bench.snapshot(store, META, None).unwrap();
    let read = |stream| {
        let source = document.stream(stream).unwrap();
        futures::executor::block_on(source.bytes(0, source.size() as usize)).unwrap()
    };
    let (meta, mut payload) = (read(Stream::Meta), read(Stream::Payload));
    let middle = payload.len() / 2;
    payload[middle] ^= 1;
    let index = golden(&format!("datastore/{META}/tree.ppxar.didx"));
    let opened = bench.open(vec![("tree.mpxar", meta), ("tree.ppxar", payload), ("tree.ppxar.didx", index)]);
    assert_eq!(opened.documents[0].title, "tree.mpxar + tree.ppxar + tree.ppxar.didx");
    let checked = check(&bench, opened.documents[0].id, CheckKind::Digests);
    assert_eq!(checked.found, 1, "{checked:?}");
    let rows = findings(&bench, opened.documents[0].id);
    let row = rows.rows.iter().find(|row| row.code == "chunk-damaged").unwrap();
    assert!(row.message.contains("have the digest") && row.chunk.is_some());
}

#[test]
fn tables_that_are_wrong() {
    let bench = Bench::new();
    let mut archive = golden("archives/goodbye.pxar");
    // The root's table stands at the end: its first record, and its tail.
    let records = archive.len() - 24 - 24 * 3;
    archive[records] ^= 1;
    let opened = bench.open(vec![("goodbye.pxar", archive)]);
    let id = opened.documents[0].id;
    assert_eq!(findings(&bench, id).total, 0);
    let checked = check(&bench, id, CheckKind::Tables);
    assert!(checked.found >= 1, "{checked:?}");
    let rows = findings(&bench, id);
    assert!(rows.rows.iter().all(|row| row.code.starts_with("table-")), "{rows:?}");
    assert_eq!(check(&bench, id, CheckKind::Tables).found, checked.found);
    assert_eq!(findings(&bench, id).total as u64, checked.found, "nothing was found twice");
}

/// Also of one table with more wrong records than are listed of it.
#[test]
fn records_that_are_wrong_are_counted() {
    let bench = Bench::new();
    let mut archive = golden("archives/wide.pxar");
    let tail = archive.len() - 24;
    (1..=1500).for_each(|record| archive[tail - 24 * record] ^= 1);
    let id = bench.open(vec![("wide.pxar", archive)]).documents[0].id;
    let checked = check(&bench, id, CheckKind::Tables);
    assert!(checked.found >= 1500, "{checked:?}");
    assert_eq!(findings(&bench, id).counted, checked.found);
}

#[test]
fn what_cannot_be_checked_gets_a_sentence() {
    let bench = Bench::new();
    let unified = bench.golden(&["kinds.pxar"]).id();
    let alone = bench.golden(&["kinds.mpxar"]).id();
    for (document, what, kind) in [
        (unified, CheckKind::Headers, ProblemKind::Request),
        (unified, CheckKind::Ghosts, ProblemKind::Request),
        (unified, CheckKind::Digests, ProblemKind::Missing),
        (alone, CheckKind::Headers, ProblemKind::Missing),
        (alone, CheckKind::Digests, ProblemKind::Missing),
    ] {
        let problem = bench.ask(Request::Check(document, Check { what, range: None })).unwrap_err();
        assert_eq!(problem.kind, kind, "{what:?}: {}", problem.message);
    }
    let empty = Check { what: CheckKind::Tables, range: Some((5, 5)) };
    assert_eq!(bench.ask(Request::Check(alone, empty)).unwrap_err().kind, ProblemKind::Request);
}

#[test]
fn a_check_is_taken_back_and_tells_how_far_it_is() {
    let bench = Bench::new();
    let store = bench.golden_store(|_| {});
    let document = bench.snapshot(store, META, None).unwrap();
    let check = Check { what: CheckKind::Digests, range: None };
    let id = bench.start(Request::Check(document.id(), check), Vec::new());
    bench.start(Request::Cancel(id), Vec::new());
    let told = bench.run();
    let cancelled = told.iter().any(|(tell, _)| {
        matches!(tell, Tell::Reply { id: of, result: Err(problem) } if *of == id && problem.kind == ProblemKind::Cancelled)
    });
    assert!(cancelled, "{:?}", told.iter().map(|(tell, _)| tell).collect::<Vec<_>>());
    let id = bench.start(Request::Check(document.id(), check), Vec::new());
    let told = bench.run();
    assert!(told.iter().any(|(tell, _)| matches!(tell, Tell::Progress { id: of, .. } if *of == id)));
}

/// An archive with more references that lead to no header than findings can be listed.
fn full_of_findings(bench: &Bench) -> u32 {
    let (meta, mut payload) = padded(&mut Random(1), 40, 300);
    payload[16..].fill(0);
    bench.open(vec![("a.mpxar", meta), ("a.ppxar", payload)]).documents[0].id
}

fn state(bench: &Bench, document: u32, what: CheckKind) -> CheckState {
    findings(bench, document).checks.into_iter().find(|state| state.what == what).unwrap()
}

/// Also those for which there is no room, when it is looked again and when an index arrives; what the check is said to have found goes with them.
#[test]
fn findings_are_counted_once() {
    let bench = Bench::new();
    let id = full_of_findings(&bench);
    let before = findings(&bench, id).counted;
    for _ in 0..3 {
        assert_eq!(check(&bench, id, CheckKind::Headers).found, 12_001, "and the tail marker");
        let rows = findings(&bench, id);
        assert!(u64::from(rows.total) < rows.counted && rows.counted == before + 12_001);
        assert_eq!(state(&bench, id, CheckKind::Headers).found, 12_001);
    }
    let document = bench.worker.document(id).unwrap();
    let size = document.stream(Stream::Payload).unwrap().size();
    document.set_index(Rc::new(index(&[size])));
    let rows = findings(&bench, id);
    assert_eq!(rows.counted, u64::from(rows.total), "{before} before");
    let state = state(&bench, id, CheckKind::Headers);
    assert_eq!((state.done, state.found, state.unreadable), (0, 0, 0));
}

/// An archive whose chunks all have other digests than its index says.
fn full_of_bad_chunks(bench: &Bench) -> Request {
    let id = full_of_findings(bench);
    let document = bench.worker.document(id).unwrap();
    let size = document.stream(Stream::Payload).unwrap().size();
    document.set_index(Rc::new(index(&ends(&mut Random(1), size, 700))));
    Request::Check(id, Check { what: CheckKind::Digests, range: None })
}

/// A check that is taken back has found what it has found, and says so.
#[test]
fn a_check_that_is_taken_back_tells_what_it_found() {
    let bench = Bench::new();
    let request = full_of_bad_chunks(&bench);
    let Request::Check(id, _) = request else { unreachable!() };
    // Also when all was looked at before.
    for _ in 0..2 {
        let asked = bench.start(request.clone(), Vec::new());
        bench.start(Request::Cancel(asked), Vec::new());
        let told = bench.run();
        let said = told.iter().rev().find_map(|(tell, _)| match tell {
            Tell::Document(document) => Some(document.findings),
            _ => None,
        });
        let document = bench.worker.document(id).unwrap();
        assert_eq!(said, Some(document.findings.counted()));
        let state = state(&bench, id, CheckKind::Digests);
        assert!(0 < state.done && state.done < state.total, "{state:?}");
        assert!(0 < state.found && state.found == state.unreadable, "{state:?}");
        bench.ask(request.clone()).unwrap();
    }
}

#[test]
fn a_check_ends_when_its_document_is_closed() {
    let bench = Bench::new();
    let request = full_of_bad_chunks(&bench);
    let Request::Check(id, _) = request else { unreachable!() };
    let asked = bench.start(request, Vec::new());
    bench.start(Request::Close(id), Vec::new());
    let answer = bench.run().into_iter().find_map(|(tell, _)| match tell {
        Tell::Reply { id, result } if id == asked => Some(result),
        _ => None,
    });
    assert_eq!(answer.unwrap().unwrap_err().kind, ProblemKind::Cancelled);
}

#[test]
fn ranges_that_were_looked_through() {
    let mut coverage = Coverage::default();
    for range in [10..20, 30..40, 20..25, 5..5, 0..3, 24..31, 100..101] {
        coverage.add(range);
    }
    assert_eq!(coverage.0, [0..3, 10..40, 100..101]);
    assert_eq!(coverage.sum(), 34);
    coverage.add(0..200);
    assert_eq!((coverage.0.len(), coverage.sum()), (1, 200));
}
