//! Tests of the reducer.

mod addresses;

use super::*;
use crate::protocol::{
    ProblemKind, Stream,
    files::{Filter, Sort, Syntax},
    open::{Document, KeyInfo, Kind, Opened, SnapshotRef, State as Stage, StoreInfo},
};

fn document(id: DocId, snapshot: Option<&str>) -> Document {
    Document {
        id,
        title: format!("document {id}"),
        kind: Kind::Split,
        snapshot: snapshot.map(|snapshot| SnapshotRef {
            namespace: "a/b".to_owned(),
            snapshot: snapshot.to_owned(),
            archive: Some("root.mpxar.didx".to_owned()),
        }),
        store: snapshot.map(|_| 1),
        version: Some(2),
        size: 100,
        payload_size: None,
        has_contents: true,
        has_chunks: true,
        hint: None,
        entries: 1,
        files: 0,
        content: 0,
        padding: None,
        findings: 0,
        state: Stage::Complete,
        facts: Vec::new(),
    }
}

fn open(state: &mut State, documents: Vec<Document>) -> Trace {
    open_as(state, state.shown + 1, documents)
}

fn open_as(state: &mut State, order: u32, documents: Vec<Document>) -> Trace {
    state.take(Message::Opened(Opened { documents, ..Opened::default() }, order))
}

#[test]
fn views_and_documents_are_steps_and_selections_are_not() {
    let mut state = State::default();
    assert_eq!(open(&mut state, vec![document(1, None)]), Trace::Replace);
    assert_eq!(state.place.doc, Some(1));
    assert_eq!(state.take(Message::Tab(Tab::Layout)), Trace::Push);
    assert_eq!(state.take(Message::Tab(Tab::Layout)), Trace::None);
    assert_eq!(state.take(Message::Select(Selection::Entry(1))), Trace::Replace);
    assert_eq!(state.take(Message::Jump(Tab::Structure, Selection::Entry(1))), Trace::Push);
    assert_eq!(state.take(Message::Zoom(Some((0, 1)), false)), Trace::Replace);
    assert_eq!(state.take(Message::Zoom(None, true)), Trace::Push);
}

#[test]
fn two_archives_that_are_given_at_once_offer_a_comparison() {
    let mut state = State::default();
    open(&mut state, vec![document(1, None), document(2, None)]);
    assert_eq!(state.place.doc, Some(1));
    assert_eq!(state.notice.and_then(|notice| notice.compare), Some((1, 2)));
    let mut state = State::default();
    open(&mut state, (1..4).map(|id| document(id, None)).collect());
    assert_eq!(state.notice, None, "of three nobody knows which two are meant");
}

#[test]
fn a_second_archive_offers_a_comparison_with_the_older_first() {
    let mut state = State::default();
    open(&mut state, vec![document(1, Some("host/web/2026-11-21T02:00:00Z"))]);
    assert_eq!(open(&mut state, vec![document(2, Some("host/web/2026-11-20T02:00:00Z"))]), Trace::Push);
    assert_eq!(state.place.doc, Some(2));
    assert_eq!(state.notice.as_ref().and_then(|notice| notice.compare), Some((2, 1)));
    assert_eq!(
        state.notice.as_ref().map(|notice| &*notice.text),
        Some("host/web/2026-11-20T02:00:00Z and host/web/2026-11-21T02:00:00Z are open.")
    );
    let mut chosen = state.clone();
    chosen.take(Message::Older(Some(1)));
    assert_eq!((chosen.place.older, chosen.notice), (Some(1), None), "what was offered is done");
    state.take(Message::Compare(2, 1));
    assert_eq!((state.place.doc, state.place.older, state.place.tab), (Some(1), Some(2), Tab::Compare));
    state.take(Message::Closed(1));
    assert_eq!((state.place.doc, state.notice), (Some(2), None));
}

#[test]
fn what_was_asked_for_last_is_shown_whenever_it_comes() {
    let mut state = State::default();
    open_as(&mut state, 2, vec![document(2, None)]);
    assert_eq!(open_as(&mut state, 1, vec![document(1, None)]), Trace::None);
    assert_eq!((state.place.doc, state.workspace.documents.len()), (Some(2), 2));
    assert_eq!(state.notice.as_ref().and_then(|notice| notice.compare), Some((1, 2)));
    // A datastore that was asked for earlier does not cover it, nor does the snapshot that an address named.
    let info = StoreInfo { id: 1, name: "s".to_owned(), namespaces: Vec::new(), groups: Vec::new() };
    let store = |order| Message::Opened(Opened { stores: vec![info.clone()], ..Opened::default() }, order);
    state.take(store(1));
    assert_eq!((state.panel, state.workspace.stores.len()), (Panel::None, 1));
    let mut wanted = state.clone();
    let named = document(3, Some("host/a/b")).snapshot.unwrap();
    wanted.wanted = Some(Link { snapshot: Some((None, named)), ..Link::default() });
    open_as(&mut wanted, 1, vec![document(3, Some("host/a/b"))]);
    assert_eq!(wanted.place.doc, Some(2));
    // What failed is not shown, so what came before may still be.
    let mut failed = State::default();
    open_as(&mut failed, 5, Vec::new());
    open_as(&mut failed, 4, vec![document(1, None)]);
    assert_eq!(failed.place.doc, Some(1));
    // The same from nowhere, and when it was asked for later.
    state.take(Message::Closed(2));
    state.take(Message::Closed(1));
    state.take(store(1));
    assert_eq!(state.panel, Panel::Store(1));
    open_as(&mut state, 3, vec![document(4, None)]);
    assert_eq!((state.panel, state.place.doc), (Panel::None, Some(4)));
}

/// What is opened again in another worker does not change what is shown, except that it is there again.
#[test]
fn what_is_opened_again_comes_back_to_its_place() {
    let mut state = State::default();
    open(&mut state, vec![document(1, None), document(2, None), document(3, None)]);
    state.take(Message::Activate(2));
    state.take(Message::Older(Some(3)));
    state.take(Message::Jump(Tab::Chunks, Selection::Chunk(4)));
    let (place, link) = (state.place.clone(), state.link());
    state.take(Message::Reset);
    state.take(Message::Go(link));
    for id in 1..4 {
        assert_ne!(open_as(&mut state, 0, vec![document(id, None)]), Trace::Push);
    }
    assert_eq!((&state.place, &state.notice, state.panel), (&place, &None, Panel::None));
}

#[test]
fn a_key_ends_what_it_was_needed_for() {
    let fingerprint = |byte: &str| [byte; 32].join(":");
    let problem =
        |kind, about: Option<String>| Problem { kind, message: "x".to_owned(), about, offset: None };
    let problems = vec![
        problem(ProblemKind::Key, Some(fingerprint("ab"))),
        problem(ProblemKind::Key, Some(fingerprint("cd"))),
        problem(ProblemKind::Key, Some("key.json".to_owned())),
        problem(ProblemKind::Missing, None),
    ];
    let mut state = State::default();
    state.take(Message::Opened(Opened { problems: problems.clone(), ..Opened::default() }, 1));
    let keys = vec![KeyInfo { fingerprint: fingerprint("ab") }];
    state.take(Message::Opened(Opened { keys, ..Opened::default() }, 2));
    assert_eq!(state.workspace.problems, [problems[1].clone(), problems[3].clone()]);
    assert_eq!(state.keys, 1, "lists of snapshots are asked for anew");
}

#[test]
fn a_payload_that_joins_its_metadata_is_no_other_document() {
    let mut state = State::default();
    open(&mut state, vec![document(1, None)]);
    state.take(Message::Select(Selection::Entry(5)));
    open(&mut state, vec![Document { payload_size: Some(9), ..document(1, None) }]);
    assert_eq!(state.workspace.documents.len(), 1);
    assert_eq!(state.place.selection, Selection::Entry(5));
    assert_eq!(state.notice, None);
}

/// Details of an entry, as they come when it is selected.
fn found(state: &mut State, entry: u32, path: &[u8]) {
    let details = crate::protocol::entry::Entry {
        entry,
        path: String::new(),
        raw_path: path.to_vec(),
        above: Vec::new(),
        kind: 0,
        size: 0,
        entries: 0,
        fields: Vec::new(),
        attributes: Vec::new(),
        items: (0, 0),
        contents: None,
        findings: Vec::new(),
        problem: None,
        target: None,
    };
    let of = state.place.doc.map(|doc| (doc, state.place.selection.clone()));
    state.take(Message::Resolved(Focus { of, details: Some(details.into()), ..Focus::default() }));
}

#[test]
fn what_is_selected_is_selected_in_another_document_by_its_path() {
    let path = Selection::Path(b"a".to_vec());
    let mut state = State::default();
    open(&mut state, (1..4).map(|id| document(id, None)).collect());
    state.take(Message::Select(Selection::Entry(5)));
    found(&mut state, 5, b"a");
    // Also when nobody looked it up in the one between, or nobody asked for its details there.
    for looked_up in [false, true] {
        state.take(Message::Activate(2));
        assert_eq!(state.place.selection, path);
        if looked_up {
            state.take(Message::Found(Selection::Entry(7)));
        }
        state.take(Message::Activate(3));
        assert_eq!(state.place.selection, path, "{looked_up}");
    }
    state.take(Message::Found(Selection::Entry(9)));
    state.take(Message::Closed(3));
    assert_eq!((state.place.doc, &state.place.selection), (Some(2), &path), "closed");
    // What has no entries has no path.
    let mut blob = state.clone();
    open(&mut blob, vec![Document { kind: Kind::Blob, ..document(4, None) }]);
    assert_eq!((blob.place.doc, &blob.place.selection), (Some(4), &Selection::None));
    // What was selected before is not what is selected.
    state.take(Message::Found(Selection::Entry(7)));
    found(&mut state, 7, b"a");
    state.take(Message::Select(Selection::Entry(8)));
    state.take(Message::Activate(1));
    assert_eq!(state.place.selection, Selection::None);
}

#[test]
fn numbers_of_one_document_do_not_go_to_another() {
    let mut state = State::default();
    open(&mut state, (1..3).map(|id| document(id, None)).collect());
    for (name, value) in [(FINDING, "2"), ("dir", "87"), ("colour", "age")] {
        state.take(Message::Param(name, Some(value.to_owned())));
    }
    state.take(Message::Activate(2));
    assert_eq!(state.place.params.keys().collect::<Vec<_>>(), ["colour"]);
}

#[test]
fn a_finding_is_the_one_that_is_selected_only_as_long_as_it_is() {
    let item = Selection::Item(Stream::Meta, 16);
    let mut state = State::default();
    open(&mut state, vec![document(1, None)]);
    state.take(Message::Select(item.clone()));
    let other = Place { selection: Selection::Chunk(1), ..state.place.clone() };
    let steps = [
        (Message::Select(item.clone()), true),
        (Message::Jump(Tab::Structure, item), true),
        (Message::Select(Selection::Entry(1)), false),
        (Message::Jump(Tab::Files, Selection::Entry(1)), false),
        (Message::Place(Place { params: [(FINDING.to_owned(), "1".to_owned())].into(), ..other }), false),
    ];
    for (step, stays) in steps {
        let mut state = state.clone();
        state.take(Message::Param(FINDING, Some("1".to_owned())));
        state.take(step.clone());
        assert_eq!(state.place.params.contains_key(FINDING), stays, "{step:?}");
    }
}

#[test]
fn the_older_one_stays_older_while_it_is_shown() {
    let mut state = State::default();
    open(&mut state, (1..3).map(|id| document(id, None)).collect());
    state.take(Message::Compare(1, 2));
    let older = |state: &State| (state.older().map(|open| open.document.id), state.link().place.older);
    assert_eq!(older(&state), (Some(1), Some(1)));
    state.take(Message::Activate(1));
    assert_eq!((state.place.doc, older(&state)), (Some(1), (None, None)));
    state.take(Message::Activate(2));
    assert_eq!(older(&state), (Some(1), Some(1)));
}

#[test]
fn what_is_sorted_by_is_there() {
    let sorted = View { sort: Sort::Chunks, descending: true, ..View::default() };
    let mut state = State::default();
    open(&mut state, vec![document(1, None), Document { has_chunks: false, ..document(2, None) }]);
    state.take(Message::Files(sorted.clone()));
    assert_eq!(state.files(), sorted);
    state.take(Message::Activate(2));
    assert_eq!(state.files(), View::default());
    state.take(Message::Activate(1));
    assert_eq!(state.files(), sorted);
}

/// What others tell of a document is asked for again when they come, can be used, and go.
#[test]
fn an_epoch_is_that_of_all_that_is_open() {
    let mut state = State::default();
    open(&mut state, vec![document(1, None)]);
    let mut seen = vec![state.workspace.epoch(1)];
    open(&mut state, vec![document(1, None)]);
    seen.push(state.workspace.epoch(1));
    let loading = Document { state: Stage::Loading(Default::default()), ..document(2, None) };
    open(&mut state, vec![loading]);
    assert_eq!(state.workspace.epoch(1), seen[1]);
    open(&mut state, vec![document(2, None)]);
    seen.push(state.workspace.epoch(1));
    open(&mut state, vec![document(3, None)]);
    seen.push(state.workspace.epoch(1));
    state.workspace.close(2);
    seen.push(state.workspace.epoch(1));
    assert_eq!(seen.iter().collect::<std::collections::BTreeSet<_>>().len(), seen.len(), "{seen:?}");
    state.workspace.close(3);
    assert_eq!(state.workspace.epoch(1), seen[1]);
}

#[test]
fn an_entry_of_another_document_is_one_step() {
    let mut state = State::default();
    open(&mut state, (1..3).map(|id| document(id, None)).collect());
    assert_eq!(state.take(Message::JumpIn(2, Tab::Files, Selection::Entry(4))), Trace::Push);
    assert_eq!((state.place.doc, &state.place.selection), (Some(2), &Selection::Entry(4)));
    assert_eq!(state.take(Message::JumpIn(1, Tab::Files, Selection::None)), Trace::Push);
    assert_eq!(state.place.doc, Some(1));
}

#[test]
fn problems_say_name_and_place_once() {
    let problem = |message: &str| Problem {
        kind: ProblemKind::Format,
        message: message.to_owned(),
        about: Some("a.pxar".to_owned()),
        offset: Some(4096),
    };
    assert_eq!(sentence(&problem("It ends early.")), "a.pxar: It ends early. (at 0x1000)");
    assert_eq!(sentence(&problem("a.pxar: offset 4096: it ends")), "a.pxar: offset 0x1000: it ends");
}
