use alloc::vec;

use super::*;

fn walk(gap: Range<u64>, borders: &[u64], stream: &[u8]) -> (Vec<(Range<u64>, Remains)>, Remnants) {
    let gap = Gap { range: gap, borders: borders.to_vec() };
    let (found, wants) = run(GhostWalk::new(gap.clone(), usize::MAX), stream);
    assert!(wants.iter().all(|want| want.start >= gap.range.start && want.end <= gap.range.end));
    let mut at = gap.range.start;
    for remnant in &found.kept {
        assert_eq!(remnant.range.start, at);
        assert!(remnant.range.end > at);
        at = remnant.range.end;
    }
    assert_eq!(at, gap.range.end);
    assert_eq!(found.ghost_bytes + found.marker_bytes + found.unknown_bytes, at - gap.range.start);
    let (bounded, _) = run(GhostWalk::new(gap, 1), stream);
    assert_eq!(bounded.kept[..], found.kept[..1]);
    assert_eq!(Remnants { kept: vec![], ..bounded }, Remnants { kept: vec![], ..found.clone() });
    (found.kept.iter().map(|remnant| (remnant.range.clone(), remnant.what)).collect(), found)
}

#[test]
fn ghosts_follow_each_other() {
    use ItemType::{Payload, PayloadStartMarker, PayloadTailMarker};
    let items = [
        (PayloadStartMarker, 0),
        (Payload, 10),
        (PayloadStartMarker, 0),
        (Payload, 0),
        (Payload, 5000),
        (Payload, 7),
        (PayloadTailMarker, 0),
        (Payload, 1),
    ];
    let stream = stream(&items);
    let (found, remnants) = walk(42..5129, &[], &stream);
    let expected = [
        (42..58, Remains::Marker),
        (58..74, Remains::Ghost { size: 0 }),
        (74..5090, Remains::Ghost { size: 5000 }),
        (5090..5113, Remains::Ghost { size: 7 }),
        (5113..5129, Remains::Marker),
    ];
    assert_eq!(found, expected);
    assert_eq!((remnants.ghosts, remnants.unknown_bytes), (3, 0));
}

#[test]
fn what_is_cut_off_ends_where_its_chunk_ends() {
    // A chunk ends 100 bytes into a ghost of 400; the next chunk begins in the middle of a file, the third with a ghost.
    let mut stream = Header::new(ItemType::Payload, 400).to_bytes().to_vec();
    stream.resize(100, 1);
    stream.resize(150, 2);
    stream.extend(Header::new(ItemType::Payload, 34).to_bytes());
    stream.resize(200, 3);
    let (found, remnants) = walk(0..200, &[100, 150], &stream);
    let expected = [
        (0..100, Remains::Ghost { size: 400 }),
        (100..150, Remains::Unknown),
        (150..200, Remains::Ghost { size: 34 }),
    ];
    assert_eq!(found, expected);
    assert_eq!((remnants.ghosts, remnants.ghost_bytes, remnants.unknown_bytes), (2, 150, 50));
    // The rest is there, since a header follows where it ends.
    let mut stream = Header::new(ItemType::Payload, 134).to_bytes().to_vec();
    stream.resize(150, 1);
    stream.extend(Header::new(ItemType::Payload, 34).to_bytes());
    stream.resize(200, 3);
    let (found, _) = walk(0..200, &[100], &stream);
    assert_eq!(found, [(0..150, Remains::Ghost { size: 134 }), (150..200, Remains::Ghost { size: 34 })]);
    // And where the gap ends just there.
    let (found, _) = walk(0..150, &[100, 120], &stream);
    assert_eq!(found, [(0..150, Remains::Ghost { size: 134 })]);
    // Claims that lead back are followed by whatever the chunk begins with.
    let mut stream = Header::new(ItemType::Payload, 124).to_bytes().to_vec();
    stream.resize(100, 1);
    stream.extend(Header::new(ItemType::Payload, 84).to_bytes());
    stream.resize(200, 3);
    let (found, _) = walk(0..200, &[100], &stream);
    assert_eq!(found, [(0..100, Remains::Ghost { size: 124 }), (100..200, Remains::Ghost { size: 84 })]);
}

#[test]
fn any_bytes_are_walked_through() {
    let mut random = Random(3);
    for _ in 0..2000 {
        let mut stream = vec![];
        while stream.len() < 300 {
            let item = match random.below(6) {
                0 => ItemType::PayloadTailMarker,
                1 => ItemType::Goodbye,
                _ => ItemType::Payload,
            };
            let size = if random.one_in(20) { u64::MAX - 16 } else { random.below(80) };
            stream.extend(Header::new(item, size).to_bytes());
            stream.resize(stream.len() + random.below(90) as usize, 0);
        }
        let start = random.below(100);
        let end = start + 1 + random.below(200);
        let mut borders: Vec<_> =
            (0..random.below(5)).map(|_| start + 1 + random.below(end - start)).collect();
        borders.retain(|&border| border < end);
        borders.sort_unstable();
        borders.dedup();
        walk(start..end, &borders, &stream);
    }
}

#[test]
fn gaps_are_what_lies_between() {
    let tree = references(&[(36, 4), (56, 0), (150, 0)]);
    let map = Map::new(&tree, Source::Payload, 200);
    let ends = [26, 60, 90, 120, 170, 200];
    let index = index_of(ends.iter().map(|&end| (end, Digest([end as u8; 32]))));
    let layout = Layout::new(&tree, &map, Some(&index));
    let gap = |range, borders: &[u64]| Gap { range, borders: borders.to_vec() };
    let all = [gap(16..36, &[26]), gap(72..150, &[90, 120]), gap(166..184, &[170])];
    assert_eq!(layout.gaps(0..200).collect::<Vec<_>>(), all);
    assert_eq!(layout.gaps(100..167).collect::<Vec<_>>(), all[1..]);
    assert_eq!(layout.gaps(149..166).collect::<Vec<_>>(), all[1..2]);
    assert_eq!(layout.gaps(150..166).collect::<Vec<_>>(), []);
    assert_eq!(layout.gaps(35..73).collect::<Vec<_>>(), all[..2]);
}
