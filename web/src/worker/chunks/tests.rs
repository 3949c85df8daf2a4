use std::collections::{BTreeMap, BTreeSet};

use pxkit_core::layout::{ChunkTable, Histogram, Owner};

use super::*;
use crate::protocol::files;
use crate::protocol::layout::Spot;
use crate::protocol::{Reply, Request};
use crate::worker::paint::testing::{Random, ends, index, index_at, padded};
use crate::worker::testing::Bench;

/// An archive with padding whose payload stream is cut into chunks anywhere.
fn chunked(bench: &Bench, random: &mut Random) -> Rc<Document> {
    let (meta, payload) = padded(random, 4, 12);
    let size = payload.len() as u64;
    let opened = bench.open(vec![("a.mpxar", meta), ("a.ppxar", payload)]);
    let document = bench.worker.document(opened.documents[0].id).unwrap();
    document.set_index(Rc::new(index(&ends(random, size, 700))));
    document
}

fn all(bench: &Bench, document: &Document, query: Query) -> Vec<Row> {
    match bench.ask(Request::Chunks(document.id(), query)) {
        Ok(Reply::Chunks(rows)) => {
            assert_eq!(rows.total as usize, rows.rows.len());
            rows.rows
        }
        other => panic!("{other:?}"),
    }
}

const EVERYTHING: Query =
    Query { sort: Sort::Index, descending: false, padded: false, shared: None, start: 0, count: 1000 };

#[test]
fn rows_are_what_counting_bytes_gives() {
    let mut random = Random(1);
    for _ in 0..20 {
        let bench = Bench::new();
        let document = chunked(&bench, &mut random);
        let parts = document.parts().unwrap();
        let layout = parts.layout();
        let rows = all(&bench, &document, EVERYTHING);
        assert_eq!(rows.iter().map(|row| row.size).sum::<u64>(), layout.size());
        for row in &rows {
            let (mut live, mut dead, mut files) = (0, 0, BTreeSet::new());
            for offset in row.start..row.start + row.size {
                match layout.at(offset).unwrap().owner {
                    Owner::Payload(id) => {
                        live += 1;
                        files.insert(id);
                    }
                    Owner::Padding(_) => dead += 1,
                    _ => {}
                }
            }
            assert_eq!((row.live, row.dead, row.files as usize), (live, dead, files.len()));
            assert_eq!((row.shared, row.age), (None, None));
            let Ok(Reply::Chunk(chunk)) = bench.ask(Request::Chunk(document.id(), row.chunk)) else {
                panic!()
            };
            assert_eq!(chunk.row, *row);
            assert_eq!(chunk.files.iter().map(|file| file.0).collect::<BTreeSet<_>>(), files);
            assert_eq!(chunk.files.iter().map(|file| file.2).sum::<u64>(), live);
        }
    }
}

#[test]
fn orders_and_filters() {
    let bench = Bench::new();
    let document = chunked(&bench, &mut Random(2));
    let everything = all(&bench, &document, EVERYTHING);
    type Key = fn(&Row) -> (u64, String);
    let keys: [(Sort, Key); 6] = [
        (Sort::Index, |row| (row.chunk.into(), String::new())),
        (Sort::Size, |row| (row.size, String::new())),
        (Sort::Use, |row| (((row.size - row.dead) << 32) / row.size, String::new())),
        (Sort::Dead, |row| (row.dead, String::new())),
        (Sort::Files, |row| (row.files.into(), String::new())),
        (Sort::Digest, |row| (0, row.digest.clone())),
    ];
    for (sort, key) in keys {
        for descending in [false, true] {
            let rows = all(&bench, &document, Query { sort, descending, ..EVERYTHING });
            assert_eq!(rows.len(), everything.len());
            for pair in rows.windows(2) {
                let (a, b) = (key(&pair[0]), key(&pair[1]));
                assert!(if descending { a >= b } else { a <= b }, "{sort:?} {descending}: {a:?} {b:?}");
            }
        }
    }
    let padded = all(&bench, &document, Query { padded: true, ..EVERYTHING });
    assert_eq!(padded.len(), everything.iter().filter(|row| row.dead > 0).count());
    // Without an older snapshot none is known to be shared.
    assert_eq!(all(&bench, &document, Query { shared: Some(true), ..EVERYTHING }).len(), 0);
    // Pages fit together.
    let Ok(Reply::Chunks(page)) =
        bench.ask(Request::Chunks(document.id(), Query { start: 3, count: 2, ..EVERYTHING }))
    else {
        panic!()
    };
    assert_eq!(page.rows, everything[3..5]);
    assert_eq!(page.total as usize, everything.len());
}

#[test]
fn the_summary_is_the_sum_of_the_rows_and_core_agrees() {
    let mut random = Random(3);
    for _ in 0..10 {
        let bench = Bench::new();
        let document = chunked(&bench, &mut random);
        let Ok(Reply::ChunkSummary(summary)) = bench.ask(Request::ChunkSummary(document.id())) else {
            panic!()
        };
        let rows = all(&bench, &document, EVERYTHING);
        assert_eq!(summary.count as usize, rows.len());
        assert_eq!(summary.bytes, rows.iter().map(|row| row.size).sum::<u64>());
        assert_eq!(summary.live, rows.iter().map(|row| row.live).sum::<u64>());
        assert_eq!(summary.dead, rows.iter().map(|row| row.dead).sum::<u64>());
        assert_eq!(summary.padded as usize, rows.iter().filter(|row| row.dead > 0).count());
        assert_eq!(summary.distinct, summary.count);
        let parts = document.parts().unwrap();
        let table = ChunkTable::new(&parts.layout());
        let histogram = Histogram::new(&parts.layout(), &table);
        for (least, chunks, _) in &summary.sizes {
            assert_eq!(u64::from(*chunks), histogram.sizes[least.ilog2() as usize]);
        }
        assert_eq!(summary.sizes.iter().map(|class| class.2).sum::<u64>(), summary.bytes);
        let uses: Vec<u64> = summary.uses.iter().map(|class| class.0.into()).collect();
        assert_eq!(uses, histogram.uses);
        assert_eq!(summary.uses.iter().map(|class| class.2).sum::<u64>(), summary.dead);
        assert_eq!(summary.curve.len() as u32, summary.padded);
        // Files that reach into chunks without padding leave some behind there.
        assert!(summary.curve.iter().all(|step| step.2 <= summary.dead as i64));
    }
}

#[test]
fn long_curves_keep_their_ends() {
    let step = |chunk| core::Rewrite { chunk, reads: chunk as u64, frees: chunk as i64 };
    for count in [0, 1, 2, POINTS, POINTS + 1, 5000] {
        let steps: Vec<_> = (0..count).map(step).collect();
        let points = curve(&steps);
        assert_eq!(points.len(), count.min(POINTS));
        if count > 0 {
            assert_eq!(points[0].0, 1);
            assert_eq!(points.last().unwrap().0 as usize, count);
            assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }
}

#[test]
fn a_directory_needs_the_chunks_that_its_files_touch() {
    let bench = Bench::new();
    let document = chunked(&bench, &mut Random(4));
    let parts = document.parts().unwrap();
    let (layout, index) = (parts.layout(), document.index().unwrap());
    for entry in 0..parts.tree.len() as u32 {
        let Ok(Reply::ChunksOf(needed)) = bench.ask(Request::ChunksOf(document.id(), entry)) else {
            panic!()
        };
        let mut chunks = BTreeMap::new();
        for id in entry..parts.tree.end(entry) {
            for offset in layout.owned(id).unwrap_or_default() {
                let number = index.find(offset).unwrap() as u32;
                chunks.insert(number, index.extent(number as usize).unwrap());
            }
        }
        let named: Vec<u32> = needed.runs.iter().flat_map(|run| run.0..run.1).collect();
        if parts.tree.kind(entry) != pxkit_core::format::Kind::Hardlink {
            let all: Vec<u32> = chunks.keys().copied().collect();
            assert!(all.iter().all(|number| named.contains(number)), "{entry}");
        }
        assert_eq!(needed.chunks as usize, named.len());
    }
}

#[test]
fn spots_are_what_lies_there() {
    let bench = Bench::new();
    let document = chunked(&bench, &mut Random(5));
    let parts = document.parts().unwrap();
    let spot = |offset| match bench.ask(Request::Spot(document.id(), offset)) {
        Ok(Reply::Spot(spot)) => spot,
        other => panic!("{other:?}"),
    };
    for offset in 0..parts.map.size() {
        let spot = spot(offset);
        let span = parts.layout().at(offset).unwrap();
        let range = spot.range.unwrap();
        assert_eq!(range.start..range.end, span.range);
        assert_eq!(spot.path.is_some(), matches!(span.owner, Owner::Payload(_)));
        let chunk = spot.chunk.unwrap();
        assert!((chunk.start..chunk.end).contains(&offset));
    }
    assert_eq!(spot(u64::MAX), Spot { offset: u64::MAX, ..Spot::default() });
}

#[test]
fn chunks_that_an_older_archive_has_are_shared() {
    let bench = Bench::new();
    let older = bench.golden(&["kinds.mpxar", "kinds.ppxar"]);
    let newer = bench.golden(&["kinds.mpxar", "kinds.ppxar"]);
    let size = older.map().unwrap().size();
    // The digests of these indexes are the numbers of the chunks.
    older.set_index(Rc::new(index_at(&[100, size], 10)));
    newer.set_index(Rc::new(index_at(&[100, 200, size], 20)));
    let rows = all(&bench, &newer, EVERYTHING);
    assert_eq!(
        rows.iter().map(|row| (row.shared, row.age)).collect::<Vec<_>>(),
        [(Some(true), Some(1)), (Some(true), Some(1)), (Some(false), Some(0))]
    );
    assert_eq!(all(&bench, &older, EVERYTHING)[0].shared, None);
    let shared = all(&bench, &newer, Query { shared: Some(false), ..EVERYTHING });
    assert_eq!(shared.iter().map(|row| row.chunk).collect::<Vec<_>>(), [2]);
    let Ok(Reply::Done) = bench.ask(Request::Close(older.id())) else { panic!() };
    assert_eq!(all(&bench, &newer, EVERYTHING)[0].shared, None);
}

/// Files are known to be used again as soon as an older archive is open, and no longer than it is.
#[test]
fn files_in_chunks_that_an_older_archive_has_are_used_again() {
    let bench = Bench::new();
    let newer = bench.golden(&["kinds.mpxar", "kinds.ppxar"]);
    let size = newer.map().unwrap().size();
    newer.set_index(Rc::new(index_at(&[100, 200, size], 20)));
    let reused = || {
        let filter = files::Filter { reused: Some(true), ..files::Filter::default() };
        match bench.ask(Request::View(newer.id(), files::View { filter, ..files::View::default() })) {
            Ok(Reply::View(info)) => (info.matches, info.has_earlier),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reused(), (0, false));
    let older = bench.golden(&["kinds.mpxar", "kinds.ppxar"]);
    older.set_index(Rc::new(index_at(&[100, size], 10)));
    let parts = newer.parts().unwrap();
    let ends = (0..parts.tree.len() as u32).filter_map(|id| parts.map.payload(&parts.tree, id));
    let expected = ends.filter(|payload| payload.end <= 200).count();
    assert!(expected > 0);
    assert_eq!(reused(), (expected as u32, true));
    let Ok(Reply::Done) = bench.ask(Request::Close(older.id())) else { panic!() };
    assert_eq!(reused(), (0, false));
}

#[test]
fn what_is_shared_goes_with_the_indexes_that_are_there() {
    let bench = Bench::new();
    let [older, newer] = [0; 2].map(|_| bench.golden(&["kinds.mpxar", "kinds.ppxar"]));
    let size = newer.map().unwrap().size();
    let ends = |count: u64| (1..=count).map(|nth| size * nth / count).collect::<Vec<_>>();
    let shared = || {
        let rows = all(&bench, &newer, EVERYTHING);
        rows.iter().map(|row| row.shared).collect::<Vec<_>>()
    };
    newer.set_index(Rc::new(index_at(&ends(4), 20)));
    // Chunks of the same number have the same digest.
    for count in [3, 1, 2] {
        older.set_index(Rc::new(index_at(&ends(count), 10)));
        let expected: Vec<_> = (0..4).map(|chunk| Some(chunk < count)).collect();
        assert_eq!(shared(), expected);
    }
    // Others take the places in memory of those that go.
    for count in 4..30 {
        for count in [count + 2, count + 1, count] {
            newer.set_index(Rc::new(index_at(&ends(count), 20)));
        }
        let expected: Vec<_> = (0..count).map(|chunk| Some(chunk < 2)).collect();
        assert_eq!(shared(), expected);
    }
}
