//! Rows against a model that makes a list of them for each question: under any filters, orders, toggles, and while the tree grows.

mod model;
mod practice;

use pxkit_core::access::{Tree, TreeBuilder};
use pxkit_core::decode::{Entries, Event as Met};
use pxkit_core::encode::{Encoder, Event, Node};
use pxkit_core::format::{Attributes, Stat, Timestamp};

use super::facts::Facts;
use super::find;
use super::row;
use super::state::{Files, Matches};
use crate::protocol::files::{Filter, Sort, Syntax, Toggle, View};
use model::{Model, view};

/// splitmix64.
pub(super) struct Rng(pub u64);

impl Rng {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * end as u128) >> 64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

const NAMES: [&str; 16] = [
    "a",
    "b",
    "ab",
    "AB",
    "file1",
    "file2",
    "file10",
    "file02",
    "src",
    "lib",
    "libssl.so.3",
    "x.rs",
    "y.rs",
    "\u{e9}t\u{e9}",
    "-",
    "0",
];

/// An archive of about so many entries, names not sorted.
pub(super) fn archive(rng: &mut Rng, entries: usize) -> Vec<u8> {
    let (mut meta, mut payload, mut encoder) = {
        let (mut meta, mut payload) = (Vec::new(), Vec::new());
        let encoder = Encoder::split(None, &mut meta, &mut payload);
        (meta, payload, encoder)
    };
    let attributes = Attributes::new();
    let mut push = |event: Event<'_>| {
        encoder.push(&event, &mut meta, &mut payload).expect("legal events");
        if let Event::File { size, .. } = event {
            encoder.contents(size).expect("as announced");
        }
    };
    let stat = |rng: &mut Rng, mode: u64| Stat {
        mode: mode | rng.pick(&[0o644_u64, 0o600, 0o755]),
        flags: 0,
        uid: rng.below(3) as u32,
        gid: rng.below(3) as u32,
        mtime: Timestamp {
            secs: rng.pick(&[0, -1, i64::MIN, i64::MAX, i64::MAX - 1, 1_700_000_000]),
            nanos: rng.below(3) as u32,
        },
    };
    let root = stat(rng, 0o40000);
    push(Event::Directory(Node { name: b"", stat: &root, attributes: &attributes }));
    let (mut depth, mut number) = (1, 0);
    for _ in 1..entries {
        while depth > 1 && rng.below(5) == 0 {
            push(Event::Leave);
            depth -= 1;
        }
        number += 1;
        let name = match rng.below(3) {
            0 => format!("{}{number}", rng.pick(&NAMES)),
            1 => format!("{}{}", rng.pick(&NAMES), rng.pick(&NAMES)),
            _ => rng.pick(&NAMES).to_owned(),
        };
        let name = name.as_bytes();
        match rng.below(4) {
            0 => {
                let stat = stat(rng, 0o40000);
                push(Event::Directory(Node { name, stat: &stat, attributes: &attributes }));
                depth += 1;
            }
            1 => {
                let stat = stat(rng, 0o120_000);
                let node = Node { name, stat: &stat, attributes: &attributes };
                push(Event::Symlink { node, target: b"somewhere" });
            }
            _ => {
                let stat = stat(rng, 0o100_000);
                let size = rng.pick(&[0, 1, 1, 100, 5000]);
                push(Event::File { node: Node { name, stat: &stat, attributes: &attributes }, size });
            }
        }
    }
    (0..depth).for_each(|_| push(Event::Leave));
    meta
}

/// Decodes an archive; `see` is called after each entry.
pub(super) fn decode(meta: &[u8], mut see: impl FnMut(&mut TreeBuilder)) -> Tree {
    let (mut entries, mut builder, mut at) = (Entries::new(), TreeBuilder::new(), 0);
    loop {
        let progress = entries.step(&meta[at..]).expect("our own archive");
        at += progress.used;
        match progress.event {
            Met::Entry(entry) => {
                builder.add(&entry).expect("few entries");
                see(&mut builder);
            }
            Met::Leave { .. } => builder.leave(),
            Met::Skip(bytes) => at += bytes as usize,
            Met::End => return builder.finish(),
            Met::Version(_) | Met::Prelude { .. } => {}
            Met::Need(_) => panic!("truncated"),
        }
    }
}

pub(super) fn facts(tree: &Tree, is_complete: bool) -> Facts<'_> {
    Facts { tree, is_complete, layout: None, flagged: &[], earlier: None, stamp: 0 }
}

fn compare(files: &mut Files, model: &Model, tree: &Tree, is_complete: bool, rng: &mut Rng) {
    let facts = facts(tree, is_complete);
    files.catch_up(&facts);
    let expected = model.rows(tree);
    let said = || format!("{:?} of {} entries", model.view, tree.len());
    assert_eq!(files.span(&facts, 0, u32::MAX), expected, "{}", said());
    assert_eq!(files.rows() as usize, expected.len());
    let info = files.info(&facts);
    let matches = (0..tree.len() as u32).filter(|&id| model.matches(tree, id));
    assert_eq!(info.matches as usize, matches.clone().count());
    assert_eq!(info.bytes, matches.map(|id| tree.size(id)).sum::<u64>());
    for _ in 0..4 {
        let (start, count) = (rng.below(expected.len() + 2), rng.below(8));
        let end = expected.len().min(start + count);
        let part = expected.get(start..end).unwrap_or_default();
        assert_eq!(files.span(&facts, start as u32, count as u32), part, "{} from {start}", said());
    }
    for &place in expected.iter().take(30) {
        let row = row::row(files, &facts, place);
        let id = place.0;
        assert_eq!(row.size, (id..tree.end(id)).map(|id| tree.size(id)).sum::<u64>());
        assert!(
            row.marks
                .iter()
                .all(|&(start, end)| start < end && row.name.get(start as usize..end as usize).is_some())
        );
    }
}

#[test]
fn rows_are_those_of_the_model() {
    for seed in 0..60 {
        let rng = &mut Rng(seed);
        let entries = rng.pick(&[1, 2, 10, 60, 200]);
        let tree = decode(&archive(rng, entries), |_| {});
        let len = tree.len();
        let (mut files, mut model) = (Files::default(), Model::default());
        (model.open, model.filtered) = (vec![false; len], vec![false; len]);
        for _ in 0..25 {
            let complete = facts(&tree, true);
            files.catch_up(&complete);
            match rng.below(3) {
                0 => {
                    let view = view(rng, &tree);
                    let mut matches = Matches::new(&view).expect("well-formed");
                    while matches.step(&complete) {}
                    files.show(&complete, view.clone(), matches);
                    model.show(&tree, view);
                }
                1 => {
                    let toggle = Toggle {
                        entry: rng.below(len) as u32,
                        open: rng.below(3) > 0,
                        deep: rng.below(3) == 0,
                    };
                    files.toggle(&complete, toggle);
                    model.toggle(&tree, toggle);
                }
                _ => {
                    let id = rng.below(len) as u32;
                    let row = files.reveal(&complete, id);
                    let is_there = if model.view.flat {
                        model.matches(&tree, id)
                    } else {
                        model.shown(&tree)[id as usize]
                    };
                    if is_there && !model.view.flat {
                        let mut at = id;
                        while at != 0 {
                            at = tree.parent(at);
                            let open =
                                if model.is_filtered() { &mut model.filtered } else { &mut model.open };
                            open[at as usize] = true;
                        }
                    }
                    let expected = model.rows(&tree).iter().position(|&(other, _)| other == id);
                    assert_eq!(row.map(|row| row as usize), expected.filter(|_| is_there));
                }
            }
            compare(&mut files, &model, &tree, true, rng);
        }
    }
}

/// What is shown while an archive is decoded is what is there; sorted lists may lag behind until the end.
#[test]
fn rows_grow_with_the_tree() {
    for seed in 0..60 {
        let rng = &mut Rng(1000 + seed);
        let archive = archive(rng, 150);
        let (mut files, mut model) = (Files::default(), Model::default());
        let mut shown_from = 0;
        let whole = decode(&archive, |builder| {
            builder.settle();
            let tree = builder.tree();
            let len = tree.len();
            if rng.below(20) == 0 {
                let view = View { flat: false, ..view(rng, tree) };
                let incomplete = facts(tree, false);
                files.catch_up(&incomplete);
                model.open.resize(len, model.all_open);
                let mut matches = Matches::new(&view).expect("well-formed");
                while matches.step(&incomplete) {}
                files.show(&incomplete, view.clone(), matches);
                model.show(tree, view);
                shown_from = len;
            }
            if rng.below(20) == 0 && !model.is_filtered() {
                let incomplete = facts(tree, false);
                files.catch_up(&incomplete);
                model.open.resize(len, model.all_open);
                let toggle = Toggle { entry: rng.below(len) as u32, open: true, deep: rng.below(2) == 0 };
                files.toggle(&incomplete, toggle);
                model.toggle(tree, toggle);
            }
            if rng.below(4) == 0 {
                model.open.resize(len, model.all_open);
                if model.is_filtered() {
                    // Nothing was closed by hand: open is what has something to show.
                    let view = model.view.clone();
                    model.show(tree, view);
                }
                compare(&mut files, &model, tree, false, rng);
            }
        });
        model.open.resize(whole.len(), model.all_open);
        let view = model.view.clone();
        model.show(&whole, view);
        compare(&mut files, &model, &whole, true, rng);
    }
}

#[test]
fn sorted_lists_are_complete_in_the_end() {
    let rng = &mut Rng(7);
    let archive = archive(rng, 300);
    let mut files = Files::default();
    let view = View { flat: true, sort: Sort::Size, descending: true, filter: Filter::default() };
    let mut is_shown = false;
    let whole = decode(&archive, |builder| {
        builder.settle();
        let facts = facts(builder.tree(), false);
        if !is_shown {
            let mut matches = Matches::new(&view).expect("well-formed");
            while matches.step(&facts) {}
            files.show(&facts, view.clone(), matches);
            is_shown = true;
        }
        files.catch_up(&facts);
        let rows = files.span(&facts, 0, u32::MAX);
        assert!(rows.len() * 3 + 6 >= builder.tree().len(), "{} of {}", rows.len(), builder.tree().len());
    });
    let model = Model { view, ..Model::default() };
    compare(&mut files, &model, &whole, true, rng);
}

#[test]
fn paths_lead_to_entries() {
    for seed in 0..20 {
        let tree = decode(&archive(&mut Rng(seed), 200), |_| {});
        for id in 0..tree.len() as u32 {
            let mut path = Vec::new();
            tree.path(id, &mut path);
            let found = find::find(&tree, &path).expect("it is there");
            let mut again = Vec::new();
            tree.path(found, &mut again);
            assert_eq!(again, path);
            path.extend(b"/nothing");
            assert_eq!(find::find(&tree, &path), None);
        }
        assert_eq!(find::find(&tree, b"/./"), Some(0));
    }
    assert_eq!(find::find(&Tree::default(), b""), None);
}

#[test]
fn malformed_filters_say_why() {
    let of = |text: &str, syntax| {
        Matches::new(&View {
            filter: Filter { text: text.into(), syntax, ..Filter::default() },
            ..View::default()
        })
        .err()
    };
    assert_eq!(of("(", Syntax::Regex).as_deref(), Some("unclosed group"));
    assert_eq!(
        of("((((a{99}){99}){99}){99})", Syntax::Regex).as_deref(),
        Some("the expression is too large")
    );
    assert!(of("[", Syntax::Glob).is_some_and(|text| text.contains("byte 0")));
    assert_eq!(of("(", Syntax::Text), None);
}

#[test]
fn the_view_that_was_asked_for_last_is_shown() {
    use crate::protocol::files::Span;
    use crate::protocol::{Reply, Request};
    use crate::worker::{paint, testing::Bench};

    let bench = Bench::new();
    let (meta, _) = paint::testing::padded(&mut paint::testing::Random(1), 250, 1000);
    let doc = bench.open(vec![("large.mpxar", meta)]).documents[0].id;
    let filter = Filter { text: "file0001".to_owned(), ..Filter::default() };
    let ask = |filter: &Filter| {
        bench.start(
            Request::View(doc, View { filter: filter.clone(), flat: true, ..View::default() }),
            Vec::new(),
        )
    };
    let total = || match bench.ask(Request::Rows(doc, Span { start: 0, count: 0 })) {
        Ok(Reply::Rows(rows)) => rows.total,
        other => panic!("{other:?}"),
    };
    let slow = ask(&filter);
    let fast = ask(&Filter::default());
    let told = bench.run();
    let order: Vec<u32> = told
        .iter()
        .filter_map(|(tell, _)| match tell {
            crate::protocol::Tell::Reply { id, .. } => Some(*id),
            _ => None,
        })
        .collect();
    assert_eq!(order, [fast, slow], "all must be looked at for the first");
    assert_eq!(total(), 250 * 1001 + 1);
    ask(&Filter::default());
    ask(&filter);
    bench.run();
    assert_eq!(total(), 250);
}
