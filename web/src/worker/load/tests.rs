use crate::protocol::findings::Query;
use crate::protocol::open::{Kind, State};
use crate::protocol::{Reply, Request, Tell};
use crate::worker::testing::{Bench, golden};

/// Opens damaged files; each gives a document with a sentence, or findings, or is sound after all. Returns whether it is damaged.
fn survive(files: Vec<(&str, Vec<u8>)>) -> bool {
    let bench = Bench::new();
    let opened = bench.open(files);
    assert!(!opened.documents.is_empty() || !opened.problems.is_empty());
    let mut is_damaged = false;
    for document in &opened.documents {
        let told = bench.worker.document(document.id).unwrap().describe();
        if let State::Damaged(problem) = &told.state {
            is_damaged = true;
            assert!(problem.message.len() > 10, "{problem:?}");
            assert!(problem.offset.is_some() || told.kind == Kind::Foreign, "{problem:?}");
        } else {
            assert_eq!(told.state, State::Complete);
        }
        // What is there stays usable.
        bench.ask(Request::Findings(told.id, Query { start: 0, count: 1000 })).unwrap();
        let _ = bench.ask(Request::Layout(told.id));
        if told.entries > 0 {
            bench.ask(Request::Entry(told.id, told.entries - 1)).unwrap();
        }
        assert_eq!(bench.ask(Request::Close(told.id)), Ok(Reply::Done));
    }
    is_damaged
}

#[test]
fn archives_that_are_cut_off() {
    for name in ["kinds.pxar", "attributes.mpxar", "names.mpxar"] {
        let whole = golden(&format!("archives/{name}"));
        let step = whole.len() / 40 + 1;
        for len in (0..whole.len()).step_by(step) {
            assert!(survive(vec![(name, whole[..len].to_vec())]), "{name} cut at {len}");
        }
        assert!(survive(vec![(name, whole[..whole.len() - 1].to_vec())]), "{name} without its last byte");
    }
}

#[test]
fn what_comes_before_the_damage_stays() {
    let whole = golden("archives/wide.pxar");
    let bench = Bench::new();
    let opened = bench.open(vec![("wide.pxar", whole[..whole.len() / 2].to_vec())]);
    let told = bench.worker.document(opened.documents[0].id).unwrap().describe();
    assert!((500..1900).contains(&told.entries), "{}", told.entries);
    let State::Damaged(problem) = told.state else { panic!() };
    assert!(problem.offset.unwrap() <= whole.len() as u64 / 2);
}

#[test]
fn archives_with_other_bytes() {
    let mut damaged = 0;
    for name in ["kinds.pxar", "attributes.pxar", "kinds.mpxar", "names.mpxar"] {
        let whole = golden(&format!("archives/{name}"));
        for case in 0..60u64 {
            let mut bytes = whole.clone();
            let at = (case.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16) as usize % bytes.len().min(4000);
            bytes[at] ^= 1 << (case % 8);
            damaged += u32::from(survive(vec![(name, bytes)]));
        }
    }
    assert!(damaged > 50, "only {damaged}");
}

#[test]
fn sizes_that_cannot_be() {
    let whole = golden("archives/kinds.mpxar");
    for value in [0, 15, 16, u64::MAX, u64::MAX - 15, 1 << 40, 1 << 63] {
        for item in 0..3 {
            let mut bytes = whole.clone();
            let at = [8, 32, 24 + 8][item];
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            survive(vec![("kinds.mpxar", bytes), ("kinds.ppxar", golden("archives/kinds.ppxar"))]);
        }
    }
}

#[test]
fn the_page_is_told_while_decoding_goes_on() {
    let bench = Bench::new();
    let bytes = golden("archives/wide.pxar");
    let handle = crate::worker::Handle::Source(std::rc::Rc::new(crate::worker::source::memory::Memory::new(
        "wide.pxar".to_owned(),
        bytes,
    )));
    let item = crate::protocol::open::Item::File { handle: 0, path: "wide.pxar".to_owned() };
    bench.start(Request::Open(crate::protocol::open::Open { items: vec![item] }), vec![handle]);
    let told = bench.run();
    let states: Vec<_> = told
        .iter()
        .filter_map(|(tell, _)| match tell {
            Tell::Document(document) => Some((document.entries, document.state.clone())),
            Tell::Reply { .. } => None,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(matches!(states[0], (entries, State::Loading(_)) if entries > 0), "{:?}", states[0]);
    assert_eq!(states.last().unwrap(), &(2001, State::Complete));
}
