//! What directories need, what rewriting chunks costs, ages and sharing, each against sets of bytes and digests.

use alloc::collections::{BTreeMap, BTreeSet};

use super::*;

#[test]
fn directories_need_the_chunks_of_their_files() {
    let mut random = Random(5);
    for _ in 0..400 {
        let tree = random_tree(&mut random, 60);
        let size = Map::least_size(&tree);
        let index = random_index(&mut random, size, 300, 256);
        let map = Map::new(&tree, Source::Payload, size);
        let layout = Layout::new(&tree, &map, Some(&index));
        for id in 0..tree.len() as u32 {
            let mut files = BTreeSet::new();
            for entry in id..tree.end(id) {
                match tree.content(entry) {
                    Content::Reference(_) => _ = files.insert(entry),
                    Content::Hardlink { distance, .. } => {
                        files.insert((u64::from(entry) - distance / 100) as u32);
                    }
                    _ => {}
                }
            }
            let ranges: Vec<_> = files.iter().map(|&file| map.payload(&tree, file).unwrap()).collect();
            let chunks: BTreeSet<usize> =
                ranges.iter().flat_map(|range| range.clone().map(|at| index.find(at).unwrap())).collect();
            let needs = layout.needs(id..tree.end(id));
            assert_eq!(
                needs.runs.iter().cloned().flatten().collect::<Vec<_>>(),
                Vec::from_iter(chunks.clone())
            );
            assert!(needs.runs.windows(2).all(|runs| runs[0].end < runs[1].start));
            let bytes =
                chunks.iter().map(|&at| index.extent(at).unwrap()).map(|e| e.end - e.start).sum::<u64>();
            assert_eq!((needs.chunks, needs.bytes), (chunks.len() as u64, bytes));
            let live = ranges.iter().map(|range| range.end - range.start).sum::<u64>();
            assert_eq!((needs.files, needs.live), (files.len() as u64, live));
        }
    }
}

#[test]
fn payloads_in_any_order_need_what_they_touch() {
    let mut random = Random(6);
    for _ in 0..300 {
        let payloads: Vec<_> =
            (0..random.below(200)).map(|_| (random.below(2000), random.below(300))).collect();
        let tree = references(&payloads);
        let size = 1500;
        let index = random_index(&mut random, size, 90, 256);
        let map = Map::new(&tree, Source::Payload, size);
        let needs = Layout::new(&tree, &map, Some(&index)).needs(0..u32::MAX);
        let bytes = payloads.iter().flat_map(|&(offset, len)| offset..(offset + 16 + len).min(size));
        let chunks: BTreeSet<usize> = bytes.map(|at| index.find(at).unwrap()).collect();
        assert_eq!(needs.runs.iter().cloned().flatten().collect::<Vec<_>>(), Vec::from_iter(chunks));
        let without = Layout::new(&tree, &map, None).needs(0..u32::MAX);
        assert_eq!((without.chunks, without.bytes, without.live), (0, 0, needs.live));
    }
}

#[test]
fn the_curve_is_what_rewriting_costs_and_frees() {
    let mut random = Random(7);
    for _ in 0..500 {
        let tree = random_tree(&mut random, 60);
        let size = Map::least_size(&tree);
        let index = random_index(&mut random, size, 400, 256);
        let map = Map::new(&tree, Source::Payload, size);
        let layout = Layout::new(&tree, &map, Some(&index));
        let table = ChunkTable::new(&layout);
        let curve = curve(&layout, &table);
        let chunk_of = |at| index.find(at).unwrap();
        let padding = layout.totals().padding.total();
        assert_eq!(curve.len(), table.iter(&layout).filter(|chunk| chunk.dead() > 0).count());
        let mut gone = BTreeSet::new();
        for step in &curve {
            assert!(gone.insert(step.chunk));
            // The files that move, and what then is padding in the chunks that stay.
            let payloads = map.order().iter().map(|&id| map.payload(&tree, id).unwrap());
            let moves = |payload: &Range<u64>| payload.clone().any(|at| gone.contains(&chunk_of(at)));
            let (moved, stay): (Vec<_>, Vec<_>) = payloads.partition(moves);
            let reads: u64 = moved.iter().map(|payload| payload.end - payload.start).sum();
            let stay = stay.iter().flat_map(|payload| payload.clone()).map(chunk_of);
            let mut needed = BTreeMap::<usize, u64>::new();
            stay.for_each(|chunk| *needed.entry(chunk).or_default() += 1);
            let left = table.iter(&layout).filter(|chunk| !gone.contains(&chunk.number));
            let left = left.map(|chunk| (needed.get(&chunk.number).copied().unwrap_or_default(), chunk));
            let kept = left.filter(|(needed, chunk)| *needed > 0 || chunk.live == 0);
            let kept: u64 = kept.map(|(needed, chunk)| chunk.size() - chunk.markers - needed).sum();
            assert_eq!(step.reads, reads);
            assert_eq!(step.frees, padding as i64 - kept as i64);
        }
        let dead = |step: &Rewrite| table.get(&layout, step.chunk).unwrap();
        for pair in curve.windows(2) {
            let (a, b) = (dead(&pair[0]), dead(&pair[1]));
            assert!(a.dead() * b.live >= b.dead() * a.live);
        }
        if let Some(last) = curve.last() {
            assert!(last.frees >= 0 || last.frees.unsigned_abs() < size);
        }
    }
}

#[test]
fn histograms_count_every_chunk() {
    let tree = references(&[(16, 84), (116, 33), (300, 0)]);
    let map = Map::new(&tree, Source::Payload, 400);
    let index = index_of([100, 200, 300, 400].map(|end| (end, Digest([end as u8; 32]))).into_iter());
    let layout = Layout::new(&tree, &map, Some(&index));
    let histogram = Histogram::new(&layout, &ChunkTable::new(&layout));
    assert_eq!(histogram.sizes[6], 4);
    assert_eq!(histogram.sizes.iter().sum::<u64>(), 4);
    // Full; 16 and 49 of 100; nothing; 16 and the marker's 16.
    assert_eq!(histogram.uses, [1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1]);
}

#[test]
fn chunks_have_ages_and_owners() {
    let mut random = Random(8);
    for _ in 0..300 {
        let indexes: Vec<_> = (0..4).map(|_| random_index(&mut random, 500, 60, 25)).collect();
        let digests = |index: &DynamicIndex| index.chunks().iter().map(|c| c.digest).collect::<BTreeSet<_>>();
        let sets: Vec<_> = indexes.iter().map(digests).collect();
        let older: Vec<_> = indexes[1..].iter().collect();
        let ages = ages(&indexes[0], &older);
        for (chunk, &age) in indexes[0].chunks().iter().zip(&ages) {
            let run = sets[1..].iter().take_while(|set| set.contains(&chunk.digest)).count();
            assert_eq!(usize::from(age), run);
        }
        let sharing = Sharing::new(&indexes[0], &indexes[1]);
        let count = |set: BTreeSet<Digest>, sum: (u64, u64)| assert_eq!(sum.0, set.len() as u64);
        count(&sets[0] & &sets[1], sharing.both);
        count(&sets[0] - &sets[1], sharing.first);
        count(&sets[1] - &sets[0], sharing.second);
        let tree = references(&[(16, 100), (200, 50)]);
        let map = Map::new(&tree, Source::Payload, 500);
        let layout = Layout::new(&tree, &map, Some(&indexes[0]));
        let table = ChunkTable::new(&layout);
        let mut sums = BTreeMap::<u16, Generation>::new();
        for (chunk, &age) in table.iter(&layout).zip(&ages) {
            let sum = sums.entry(age).or_default();
            *sum = Generation {
                chunks: sum.chunks + 1,
                bytes: sum.bytes + chunk.size(),
                dead: sum.dead + chunk.dead(),
            };
        }
        let generations = generations(&layout, &table, &ages);
        for (age, generation) in generations.iter().enumerate() {
            assert_eq!(*generation, sums.get(&(age as u16)).copied().unwrap_or_default());
        }
        assert_eq!(generations.iter().map(|generation| generation.bytes).sum::<u64>(), 500);
    }
    let index =
        |chunks: &[(u64, u8)]| index_of(chunks.iter().map(|&(end, digest)| (end, Digest([digest; 32]))));
    let sharing = Sharing::new(&index(&[(10, 1), (15, 2), (25, 1)]), &index(&[(5, 2), (12, 3), (19, 3)]));
    assert_eq!((sharing.both, sharing.first, sharing.second), ((1, 5), (1, 10), (1, 7)));
}

#[test]
fn a_table_costs_32_bytes_for_a_chunk() {
    let index = index_of((1..=1000u16).map(|number| (u64::from(number) * 10, Digest::default())));
    let tree = references(&[]);
    let map = Map::new(&tree, Source::Payload, 10_000);
    let table = ChunkTable::new(&Layout::new(&tree, &map, Some(&index)));
    assert_eq!(table.memory(), 32_000);
    assert_eq!(DigestOrder::new(&index).memory(), 4000);
}
