//! What padding once was, against streams whose bytes say where they come from.

use super::*;

/// An archive of a history: payloads, chunks by digest and length.
struct Archive {
    tree: Tree,
    map: Map,
    index: DynamicIndex,
    order: DigestOrder,
}

impl Archive {
    fn new(payloads: &[(u64, u64)], chunks: &[(u8, u64)]) -> Self {
        let tree = references(payloads);
        let mut end = 0;
        let index = index_of(chunks.iter().map(|&(digest, len)| {
            end += len;
            (end, Digest([digest; 32]))
        }));
        let map = Map::new(&tree, Source::Payload, end);
        let order = DigestOrder::new(&index);
        Self { tree, map, index, order }
    }

    fn layout(&self) -> Layout<'_> {
        Layout::new(&self.tree, &self.map, Some(&self.index))
    }
}

/// Range, and of the archive that needed it last: which, position, owner.
type Traced = (Range<u64>, Option<(usize, u64, Owner)>);

fn traces(new: &Archive, older: &[&Archive], range: Range<u64>) -> Vec<Traced> {
    let mut history = History::new();
    for archive in older {
        history.push(archive.layout(), &archive.order);
    }
    let mut traces = Vec::new();
    history.trace(&new.layout(), range, &mut |trace| {
        traces.push((trace.range, trace.former.map(|former| (former.archive, former.offset, former.owner))));
        true
    });
    traces
}

#[test]
fn padding_is_traced_to_the_last_that_needed_it() {
    // Chunk 2 (100 bytes) had files of 40, 30 and 30 bytes; the second went first, then the third.
    let oldest = Archive::new(&[(16, 24), (56, 14), (86, 14)], &[(1, 16), (2, 100), (3, 16)]);
    let middle = Archive::new(&[(16, 24), (86, 14), (116, 50)], &[(1, 16), (2, 100), (4, 66), (3, 16)]);
    let newest = Archive::new(&[(16, 24), (116, 50)], &[(1, 16), (2, 100), (4, 66), (3, 16)]);
    let expected = [(56..86, Some((1, 56, Owner::Payload(2)))), (86..116, Some((0, 86, Owner::Payload(2))))];
    assert_eq!(traces(&newest, &[&middle, &oldest], 56..116), expected);
    let mut history = History::new();
    history.push(middle.layout(), &middle.order);
    history.push(oldest.layout(), &oldest.order);
    assert_eq!(history.padding(&newest.layout()), [30, 30, 0]);
    assert_eq!(History::new().padding(&newest.layout()), [60]);
    assert_eq!(traces(&newest, &[&middle, &oldest], 70..90)[0].0, 70..86);
    assert_eq!(traces(&newest, &[&middle], 56..86), [(56..86, None)]);
    assert_eq!(traces(&newest, &[], 0..10), [(0..10, None)]);
    // A chunk that one of them has not got.
    let other = Archive::new(&[], &[(9, 32)]);
    assert_eq!(traces(&newest, &[&other, &oldest], 56..86), [(56..86, Some((1, 56, Owner::Payload(2))))]);
    // Where nobody has it.
    assert_eq!(
        traces(&newest, &[&oldest], 110..130),
        [(110..116, Some((0, 110, Owner::Payload(3)))), (116..130, None)]
    );
}

#[test]
fn repeated_chunks_are_found_where_they_are_needed() {
    let old = Archive::new(&[(80, 0)], &[(1, 16), (2, 32), (2, 32), (2, 32), (3, 16)]);
    let new = Archive::new(&[], &[(1, 16), (2, 32), (3, 16)]);
    let expected = [(16..32, Some((0, 80, Owner::Payload(1)))), (32..48, None)];
    assert_eq!(traces(&new, &[&old], 16..48), expected);
    let chunks = old.index.chunks();
    assert_eq!(old.order.find(chunks, &Digest([2; 32])).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(!old.order.contains(chunks, &Digest([4; 32])));
}

#[test]
fn a_visitor_can_stop() {
    let old = Archive::new(&[(16, 0), (32, 0)], &[(1, 16), (2, 32), (3, 16)]);
    let mut history = History::new();
    history.push(old.layout(), &old.order);
    let mut count = 0;
    history.trace(&old.layout(), 0..64, &mut |_| {
        count += 1;
        count < 2
    });
    assert_eq!(count, 2);
}

/// Any archive of chunks that occur once in it, with payloads here and there.
fn random_archive(random: &mut Random) -> Archive {
    let mut digests: Vec<u8> = (0..12).collect();
    let mut chunks = Vec::new();
    while !digests.is_empty() && !random.one_in(8) || chunks.is_empty() {
        let digest = digests.swap_remove(random.below(digests.len() as u64) as usize);
        // The length belongs to the digest, but for one of them.
        chunks.push((digest, if digest == 11 { 20 + random.below(3) } else { 20 + 5 * u64::from(digest) }));
    }
    let size: u64 = chunks.iter().map(|chunk| chunk.1).sum();
    let (mut at, mut payloads) = (16, Vec::new());
    while at + 40 < size {
        at += random.below(40);
        let len = random.below(30);
        payloads.push((at, len));
        at += 16 + len;
    }
    Archive::new(&payloads, &chunks)
}

#[test]
fn every_byte_is_traced() {
    let mut random = Random(13);
    for round in 0..300 {
        let archives: Vec<_> = (0..4).map(|_| random_archive(&mut random)).collect();
        let older: Vec<_> = archives[1..].iter().collect();
        let new = &archives[0];
        let mut next = 0;
        for (range, former) in traces(new, &older, 0..u64::MAX) {
            assert_eq!(range.start, next, "round {round}");
            next = range.end;
            for at in range.clone() {
                let extent = |index: &DynamicIndex, chunk| index.extent(chunk).unwrap();
                let chunk = new.index.find(at).unwrap();
                let (digest, place) = (new.index.chunks()[chunk].digest, extent(&new.index, chunk));
                let expected = older.iter().enumerate().find_map(|(number, old)| {
                    let there = old.index.chunks().iter().position(|chunk| chunk.digest == digest)?;
                    let there = extent(&old.index, there);
                    let offset = there.start + (at - place.start);
                    let owner = old.layout().at(offset)?.owner;
                    let is_same = there.end - there.start == place.end - place.start;
                    (is_same && !matches!(owner, Owner::Padding(_))).then_some((number, offset, owner))
                });
                let got = former.map(|(number, offset, owner)| (number, offset + (at - range.start), owner));
                assert_eq!(got, expected, "round {round}: {at}");
            }
        }
        assert_eq!(next, new.index.size());
    }
}
