//! The map, the spans, the chunks and the columns against an account of every byte.

use alloc::vec;
use core::ops::Range;

use super::*;

/// Payloads in order, with gaps, and in some rounds overlapping, backwards and outside.
fn payloads(random: &mut Random) -> (Vec<(u64, u64)>, u64) {
    let (mut at, is_wild) = (16, random.one_in(2));
    let largest = 1 + random.below(60);
    let mut payloads = Vec::new();
    for _ in 0..random.below(12) {
        let size = if random.one_in(4) { 0 } else { random.below(largest) };
        at += if random.one_in(2) { 0 } else { random.below(50) };
        if is_wild && random.one_in(3) {
            at = random.below(at + 40);
        }
        payloads.push((at, size));
        at += 16 + size;
    }
    if is_wild && random.one_in(4) {
        payloads.push((random.below(300), u64::MAX - random.below(400)));
    }
    let size = if is_wild && random.one_in(2) { random.below(at + 50) } else { at + 16 };
    (payloads, size)
}

fn chunks(random: &mut Random, size: u64) -> DynamicIndex {
    let (mut end, largest) = (0, 1 + random.below(120));
    let mut ends = Vec::new();
    while end < size || ends.is_empty() {
        end += 1 + random.below(largest);
        ends.push(end);
    }
    match random.below(4) {
        0 if ends.len() > 1 => _ = ends.pop(),
        1 => {}
        _ => *ends.last_mut().unwrap() = size.max(ends.iter().rev().nth(1).map_or(1, |end| end + 1)),
    }
    index_of(ends.iter().map(|&end| (end, Digest([end as u8; 32]))))
}

/// The owner of every byte by going through the payloads one by one.
fn owners(payloads: &[(u64, u64)], size: u64, index: Option<&DynamicIndex>) -> Vec<Owner> {
    let mut owners = vec![None; size as usize];
    owners.iter_mut().take(16).for_each(|owner| *owner = Some(Owner::StartMarker));
    let mut order: Vec<(u64, u64, u32)> =
        payloads.iter().zip(1..).map(|(&(offset, size), id)| (offset, size, id)).collect();
    order.sort_by_key(|&(offset, _, id)| (offset, id));
    for (offset, len, id) in order {
        for at in offset..offset.saturating_add(16).saturating_add(len).min(size) {
            owners[at as usize].get_or_insert(Owner::Payload(id));
        }
    }
    if size >= 32 && owners[size as usize - 16..].iter().all(Option::is_none) {
        owners[size as usize - 16..].fill(Some(Owner::TailMarker));
    }
    (0..size)
        .map(|at| owners[at as usize].unwrap_or_else(|| Owner::Padding(class(&owners, at, index))))
        .collect()
}

fn class(owners: &[Option<Owner>], at: u64, index: Option<&DynamicIndex>) -> Class {
    let Some(extent) = index.and_then(|index| index.extent(index.find(at)?)) else { return Class::Gap };
    let end = extent.end.min(owners.len() as u64);
    let is_kept = |mut range: Range<u64>| range.any(|at| owners[at as usize].is_some());
    match (is_kept(extent.start..at), is_kept(at..end)) {
        (false, false) => Class::Whole,
        (false, true) => Class::Head,
        (true, false) => Class::Tail,
        (true, true) => Class::Inner,
    }
}

#[test]
fn every_byte_has_its_owner() {
    let mut random = Random(1);
    for round in 0..3000 {
        let (payloads, size) = payloads(&mut random);
        let tree = references(&payloads);
        let index = if random.one_in(4) { None } else { Some(chunks(&mut random, size)) };
        let map = Map::new(&tree, Source::Payload, size);
        let layout = Layout::new(&tree, &map, index.as_ref());
        let expected = owners(&payloads, size, index.as_ref());
        let mut at = 0;
        for span in layout.spans(0..u64::MAX) {
            assert_eq!(span.range.start, at, "round {round}");
            assert!(span.range.end > at, "round {round}");
            at = span.range.end;
            for byte in span.range.clone() {
                assert_eq!(span.owner, expected[byte as usize], "round {round}: {byte}");
                assert_eq!(layout.at(byte), Some(span.clone()), "round {round}: {byte}");
            }
        }
        assert_eq!(at, size);
        assert_eq!(layout.at(size), None);
        let (from, to) = (random.below(size + 1), random.below(size + 10));
        let part: Vec<_> = layout.spans(from..to).collect();
        let whole: Vec<_> =
            layout.spans(0..size).filter(|span| span.range.start < to && span.range.end > from).collect();
        assert_eq!(part, if from < to { whole } else { vec![] });
        let mut folded = Vec::new();
        layout.spans(from..to).for_each(|span| folded.push(span));
        assert_eq!(folded, part);
        let mut spans = layout.spans(0..size);
        let mut resumed: Vec<_> = spans.by_ref().take(random.below(6) as usize).collect();
        spans.for_each(|span| resumed.push(span));
        assert!(resumed.into_iter().eq(layout.spans(0..size)));
        check_entries(&layout, &expected);
        check_totals(&layout, &expected);
        check_columns(&layout, &expected, &mut random);
        check_chunks(&layout, &expected);
    }
}

fn check_entries(layout: &Layout<'_>, expected: &[Owner]) {
    for id in 0..layout.tree().len() as u32 {
        let first = expected.iter().position(|&owner| owner == Owner::Payload(id));
        let count = expected.iter().filter(|&&owner| owner == Owner::Payload(id)).count();
        let owned = first.map(|first| first as u64..(first + count) as u64);
        assert_eq!(layout.owned(id), owned);
        let Some(owned) = owned else { continue };
        let is_padding = |at: &u64| matches!(expected.get(*at as usize), Some(Owner::Padding(_)));
        let before = (0..owned.start).rev().take_while(is_padding).count() as u64;
        let behind = (owned.end..).take_while(is_padding).count() as u64;
        assert_eq!(layout.around(id), (before, behind));
    }
}

fn check_totals(layout: &Layout<'_>, expected: &[Owner]) {
    let totals = layout.totals();
    let count = |is: &dyn Fn(Owner) -> bool| expected.iter().filter(|&&owner| is(owner)).count() as u64;
    assert_eq!(totals.live, count(&|owner| matches!(owner, Owner::Payload(_))));
    assert_eq!(totals.live, layout.map().live());
    assert_eq!(totals.markers, count(&|owner| matches!(owner, Owner::StartMarker | Owner::TailMarker)));
    for class in Class::ALL {
        assert_eq!(totals.padding.of(class), count(&|owner| owner == Owner::Padding(class)));
    }
    assert_eq!(totals.live + totals.markers + totals.padding.total(), layout.size());
}

fn check_columns(layout: &Layout<'_>, expected: &[Owner], random: &mut Random) {
    let size = expected.len() as u64;
    let start = random.below(size + 1);
    let range = start..start + random.below(size + 30);
    let count = random.below(20) as usize;
    let columns = layout.columns(range.clone(), count, |id| (id % 20) as u8);
    assert_eq!(columns.len(), count);
    let len = range.end - range.start;
    for (number, column) in columns.iter().enumerate() {
        let border = |number: usize| range.start + len * number as u64 / count as u64;
        let mut sums = Column::default();
        for at in border(number)..border(number + 1).min(size.max(border(number))) {
            match expected[at as usize] {
                Owner::Payload(id) => sums.live[(id as usize % 20).min(CATEGORIES - 1)] += 1,
                Owner::Padding(class) => sums.padding.add(class, 1),
                _ => sums.markers += 1,
            }
        }
        assert_eq!(*column, sums, "column {number} of {range:?}");
    }
}

fn check_chunks(layout: &Layout<'_>, expected: &[Owner]) {
    let table = ChunkTable::new(layout);
    let Some(index) = layout.index() else { return assert!(table.is_empty()) };
    assert_eq!(table.len(), index.count());
    for chunk in table.iter(layout) {
        let owners = &expected[chunk.extent.start as usize..chunk.extent.end as usize];
        let count = |is: &dyn Fn(Owner) -> bool| owners.iter().filter(|&&owner| is(owner)).count() as u64;
        assert_eq!(chunk.live, count(&|owner| matches!(owner, Owner::Payload(_))));
        assert_eq!(chunk.markers, count(&|owner| matches!(owner, Owner::StartMarker | Owner::TailMarker)));
        for class in Class::ALL {
            assert_eq!(chunk.padding.of(class), count(&|owner| owner == Owner::Padding(class)), "{class:?}");
        }
        assert_eq!(chunk.size(), chunk.live + chunk.markers + chunk.dead());
        let order = layout.map().order();
        let first = owners.iter().find_map(|owner| order.iter().position(|&id| *owner == Owner::Payload(id)));
        let last =
            owners.iter().rev().find_map(|owner| order.iter().position(|&id| *owner == Owner::Payload(id)));
        assert_eq!(chunk.files, first.zip(last).map_or(0..0, |(first, last)| first..last + 1));
    }
}

#[test]
fn contents_of_unified_archives_lie_between_metadata() {
    let contents = [(100, 10), (150, 0), (166, 30)];
    let tree = tree(contents.iter().map(|&(offset, size)| Content::Inline { offset, size }));
    let map = Map::new(&tree, Source::Meta, 300);
    let layout = Layout::new(&tree, &map, None);
    let spans: Vec<_> = layout.spans(0..300).map(|span| (span.range, span.owner)).collect();
    let expected = [
        (0..84, Owner::Metadata),
        (84..110, Owner::Payload(1)),
        (110..134, Owner::Metadata),
        (134..150, Owner::Payload(2)),
        (150..196, Owner::Payload(3)),
        (196..300, Owner::Metadata),
    ];
    assert_eq!(spans, expected);
    assert_eq!(Map::new(&tree, Source::Payload, 300).files(), 0);
    let index = index_of([(100, Digest([1; 32])), (300, Digest([2; 32]))].into_iter());
    let layout = Layout::new(&tree, &map, Some(&index));
    let table = ChunkTable::new(&layout);
    let chunks: Vec<_> = table.iter(&layout).map(|chunk| (chunk.live, chunk.markers, chunk.dead())).collect();
    assert_eq!(chunks, [(16, 84, 0), (72, 128, 0)]);
    assert_eq!(layout.totals().padding.total(), 0);
}

#[test]
fn the_map_costs_four_bytes_for_a_file() {
    let payloads: Vec<_> = (0..1000).map(|number| (16 + number * 30, 10)).collect();
    let tree = references(&payloads);
    let map = Map::new(&tree, Source::Payload, 16 + 30_000 + 16);
    assert!(map.is_regular());
    assert_eq!(map.memory(), 4000);
    let map = Map::new(&tree, Source::Payload, 20_000);
    assert!(!map.is_regular());
    assert!(map.memory() <= 12_000);
    assert_eq!(Map::least_size(&tree), 16 + 999 * 30 + 26 + 16);
}
