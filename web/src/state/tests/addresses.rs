//! Addresses, and what they lead to.

use super::*;

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
        let link = Link { place, ..Link::default() };
        let hash = link.to_hash();
        assert!(hash.is_ascii() && !hash.contains(' '), "{hash}");
        assert_eq!(Link::from_hash(&hash), link, "{hash}");
    }
}

#[test]
fn addresses_name_both_snapshots() {
    let named = |store: Option<u32>, namespace: &str, archive: Option<&str>| {
        let snapshot = "host/web/2026-11-20T02:00:00Z".to_owned();
        Some((
            store,
            SnapshotRef { namespace: namespace.to_owned(), snapshot, archive: archive.map(str::to_owned) },
        ))
    };
    let all = [
        None,
        named(None, "", None),
        named(None, "a/b", Some("root.mpxar.didx")),
        named(Some(1), "", Some("root.pxar.didx")),
        named(Some(2), "a/b", Some("root.mpxar.didx")),
    ];
    for snapshot in &all {
        for older in &all {
            let link = Link { snapshot: snapshot.clone(), older: older.clone(), ..Link::default() };
            assert_eq!(Link::from_hash(&link.to_hash()), link, "{}", link.to_hash());
        }
    }
    let same = Link { snapshot: all[4].clone(), older: all[4].clone(), ..Link::default() };
    assert!(same.to_hash().ends_with("didx&older=host/web/2026-11-20T02:00:00Z"), "{}", same.to_hash());
}

#[test]
fn addresses_are_readable() {
    let place = Place {
        doc: Some(0),
        selection: Selection::Path(b"usr/lib".to_vec()),
        files: View { sort: Sort::Size, descending: true, ..View::default() },
        ..Place::default()
    };
    assert_eq!(Link { place, ..Link::default() }.to_hash(), "#/files?doc=0&path=/usr/lib&sort=size&desc");
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
fn an_address_names_a_comparison_of_snapshots() {
    let [old, new] = ["host/web/2026-11-20T02:00:00Z", "host/web/2026-11-21T02:00:00Z"];
    let mut state = State::default();
    open(&mut state, vec![document(1, Some(old)), document(2, Some(new))]);
    state.take(Message::Compare(1, 2));
    let hash = state.link().to_hash();
    let shown =
        |state: &State| (state.active().map(|it| it.document.id), state.older().map(|it| it.document.id));
    let go = |state: &mut State| state.take(Message::Go(Link::from_hash(&hash)));

    // In another window, where other numbers are given.
    let mut other = State::default();
    go(&mut other);
    assert_eq!(other.link().to_hash(), hash);
    open_as(&mut other, 1, vec![document(7, Some(new))]);
    assert_eq!((shown(&other), other.link().to_hash()), ((Some(7), None), hash.clone()));
    open_as(&mut other, 0, vec![document(8, Some(old))]);
    assert_eq!((shown(&other), other.link().to_hash()), ((Some(7), Some(8)), hash.clone()));

    // What was closed is wanted again, and only once.
    state.take(Message::Closed(1));
    assert_eq!(shown(&state), (Some(2), None));
    go(&mut state);
    assert_eq!(state.wanted_older, Link::from_hash(&hash).older);
    let mut failed = state.clone();
    assert_eq!(failed.take(Message::NoOlder), Trace::Replace);
    assert!(!failed.link().to_hash().contains("older="));
    let mut another = state.clone();
    open(&mut another, vec![document(3, None)]);
    assert_eq!((another.place.doc, another.wanted_older), (Some(3), None));
    open_as(&mut state, 0, vec![document(4, Some(old))]);
    assert_eq!((shown(&state), state.link().to_hash()), ((Some(2), Some(4)), hash.clone()));

    // What is no archive is compared with nothing.
    let mut failed = other;
    failed.take(Message::Closed(8));
    go(&mut failed);
    open_as(&mut failed, 0, vec![Document { kind: Kind::Blob, ..document(9, Some(old)) }]);
    assert_eq!((shown(&failed), &failed.wanted_older), ((Some(7), None), &None));
}

#[test]
fn an_address_says_nothing_of_other_archives() {
    let hash =
        "#/chunks?ns=a/b&snapshot=host/web/2026-11-20T02:00:00Z&path=/etc&find=x&in-chunk=4&zoom=0x1-0x2";
    let wanted = Link::from_hash(hash);
    let mut state = State::default();
    state.take(Message::Go(wanted.clone()));
    open(&mut state, vec![document(1, None)]);
    let place = Place { tab: Tab::Chunks, doc: Some(1), ..Place::default() };
    assert_eq!(state.place, place);
    state.take(Message::Tab(Tab::Layout));
    state.take(Message::Go(wanted.clone()));
    assert_eq!(state.place, Place { tab: Tab::Layout, ..place });
    open(&mut state, vec![document(2, Some("host/web/2026-11-20T02:00:00Z"))]);
    assert_eq!(state.place, Place { doc: Some(2), ..wanted.place });
    // Numbers of what was closed.
    state.take(Message::Go(Link::from_hash("#/files?doc=7&path=/etc&find=x")));
    assert_eq!((state.place.tab, state.place.doc), (Tab::Files, Some(2)));
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
