//! Tests of the reducer and of addresses.

use super::*;
use crate::protocol::{
    ProblemKind, Stream,
    files::{Filter, Sort, Syntax},
    open::{Document, KeyInfo, Kind, Opened, State as Stage, StoreInfo},
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

fn everywhere() -> Vec<Place> {
    let selections = [
        Selection::None,
        Selection::Path(b"usr/l\xffb/a b&c=%#?+\n".to_vec()),
        Selection::Path(Vec::new()),
        Selection::Entry(7),
        Selection::Item(Stream::Meta, u64::MAX),
        Selection::Bytes(Stream::Payload, 16, 1 << 40),
        Selection::Chunk(0),
    ];
    let filter = Filter {
        text: "*.r\u{e4}s & [a-z]+".to_owned(),
        syntax: Syntax::Regex,
        kinds: vec![1, 2],
        least: Some(0),
        most: Some(u64::MAX),
        with_finding: true,
        reused: Some(false),
        chunk: Some(3),
        below: Some(4),
    };
    let views = [View::default(), View { flat: true, sort: Sort::Padding, descending: true, filter }];
    let mut places = Vec::new();
    for (at, selection) in selections.into_iter().enumerate() {
        for files in &views {
            places.push(Place {
                tab: Tab::ALL[at % 6],
                doc: Some(3),
                older: (at % 2 == 0).then_some(1),
                selection: selection.clone(),
                files: files.clone(),
                zoom: (at % 3 == 0).then_some((1, 0x1_0000_0000)),
                params: [("colour".to_owned(), "a=b&c".to_owned())].into(),
            });
        }
    }
    places
}

#[test]
fn addresses_lead_back_to_the_place() {
    for place in everywhere() {
        let link = Link { place, snapshot: None };
        let hash = link.to_hash();
        assert!(hash.is_ascii() && !hash.contains(' '), "{hash}");
        assert_eq!(Link::from_hash(&hash), link, "{hash}");
    }
}

#[test]
fn addresses_are_readable() {
    let place = Place {
        doc: Some(0),
        selection: Selection::Path(b"usr/lib".to_vec()),
        files: View { sort: Sort::Size, descending: true, ..View::default() },
        ..Place::default()
    };
    assert_eq!(Link { place, snapshot: None }.to_hash(), "#/files?doc=0&path=/usr/lib&sort=size&desc");
}

#[test]
fn mistyped_addresses_lead_somewhere() {
    for hash in
        ["", "#", "#/nowhere?doc=x&path&zoom=5-4&item=meta&%zz=%4&=&&", "#files?sort=&kind=,x", "#/?%ff=%ff"]
    {
        let link = Link::from_hash(hash);
        assert_eq!((link.place.tab, link.place.doc, link.place.zoom), (Tab::Files, None, None), "{hash}");
    }
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
    wanted.wanted = Some((None, document(3, Some("host/a/b")).snapshot.unwrap()));
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

#[test]
fn an_address_of_what_was_closed_leads_to_what_is_open() {
    let go = |state: &mut State, hash: &str| state.take(Message::Go(Link::from_hash(hash)));
    let mut state = State::default();
    open(&mut state, (1..3).map(|id| document(id, None)).collect());
    state.take(Message::Closed(1));
    assert_eq!(go(&mut state, "#/layout?doc=1&older=1"), Trace::Replace, "the address says what is shown");
    assert_eq!((state.place.tab, state.place.doc, state.place.older), (Tab::Layout, Some(2), None));
    assert_eq!(go(&mut state, "#/files?doc=2&older=7"), Trace::None);
    assert_eq!((state.place.doc, state.place.older), (Some(2), None));
    // Nothing is open any more: what the address names may come.
    state.take(Message::Closed(2));
    assert_eq!(go(&mut state, "#/files?doc=3&older=4"), Trace::None);
    assert_eq!((state.place.doc, state.place.older), (Some(3), Some(4)));
    open(&mut state, vec![document(3, None)]);
    assert_eq!((state.place.doc, state.place.older), (Some(3), None));
    open(&mut state, vec![document(4, None)]);
    assert_eq!(state.place.older, None, "nobody chose it");
}

#[test]
fn an_address_of_a_snapshot_that_is_not_open_says_so() {
    let hash = "#/files?ns=a/b&snapshot=host/web/2026-11-20T02:00:00Z&archive=root.mpxar.didx";
    let mut state = State::default();
    open(&mut state, vec![document(1, None)]);
    assert_eq!(state.take(Message::Go(Link::from_hash(hash))), Trace::None);
    let said = state.notice.as_ref().map(|notice| &*notice.text);
    assert_eq!(said, Some("This address names host/web/2026-11-20T02:00:00Z: open its datastore."));
    // What is shown is what later addresses name.
    assert_eq!((state.place.doc, state.link().snapshot), (Some(1), None));
    open(&mut state, vec![document(2, Some("host/web/2026-11-20T02:00:00Z"))]);
    assert_eq!((state.place.doc, &state.wanted), (Some(2), &None));
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
fn an_address_names_a_snapshot_that_is_opened_later() {
    let link = Link::from_hash(
        "#/chunks?ns=a/b&snapshot=host/web/2026-11-20T02:00:00Z&archive=root.mpxar.didx&chunk=4",
    );
    let mut state = State::default();
    state.take(Message::Go(link));
    assert!(state.wanted.is_some());
    open(&mut state, vec![document(1, None)]);
    // Another document meanwhile does not take its place.
    open(&mut state, vec![document(2, Some("host/web/2026-11-20T02:00:00Z"))]);
    assert_eq!((state.place.doc, state.place.tab), (Some(2), Tab::Chunks));
    assert_eq!(state.wanted, None);
}

#[test]
fn an_address_may_name_an_archive_by_either_half() {
    let mut state = State::default();
    open(&mut state, vec![document(2, Some("host/web/2026-11-20T02:00:00Z"))]);
    let found = |archive: Option<&str>| {
        let wanted = SnapshotRef {
            namespace: "a/b".to_owned(),
            snapshot: "host/web/2026-11-20T02:00:00Z".to_owned(),
            archive: archive.map(str::to_owned),
        };
        state.workspace.of_snapshot(None, &wanted)
    };
    for name in ["root.pxar", "root.pxar.didx", "root.mpxar", "root.mpxar.didx", "root.ppxar.didx"] {
        assert_eq!(found(Some(name)), Some(2), "{name}");
    }
    assert_eq!((found(None), found(Some("home.pxar")), found(Some("root.img"))), (Some(2), None, None));
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
