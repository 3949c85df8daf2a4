//! Chains of snapshots with real bytes: what a reference names in a new stream is what it named in the old one.

use sha2::{Digest as _, Sha256};

use super::emission::{Piece, emit};
use super::*;

#[derive(Clone, Copy)]
struct Node {
    id: u64,
    version: u64,
    size: u64,
}

impl Node {
    /// Header and contents. Some files hold zeros only, so that chunks at different places are equal.
    fn bytes(self) -> Vec<u8> {
        let mut random = Random(self.id * 1000 + self.version);
        let zeros = self.id.is_multiple_of(5);
        let mut out = if zeros { vec![0; 16] } else { [self.id, self.size].map(u64::to_le_bytes).concat() };
        out.extend((0..self.size).map(|_| if zeros { 0 } else { random.next() as u8 }));
        out
    }
}

struct Snapshot {
    stream: Vec<u8>,
    index: DynamicIndex,
    files: Vec<(Node, u64)>,
}

impl Snapshot {
    fn find(&self, node: Node) -> Option<u64> {
        let found = self.files.iter().find(|(old, _)| (old.id, old.version) == (node.id, node.version));
        found.map(|&(_, offset)| offset)
    }
}

/// Writes a snapshot and compares each file's bytes; also what was decided.
fn snapshot(
    tree: &[Node],
    previous: Option<&Snapshot>,
    policy: &Policy,
    random: &mut Random,
) -> (Snapshot, Decision, u64) {
    let mut files = Files::new();
    for &node in tree {
        files.push(File { size: node.size, old: previous.and_then(|previous| previous.find(node)) });
    }
    let none = index(&[1]);
    let old_index = previous.map_or(&none, |previous| &previous.index);
    let decision = match previous {
        Some(_) => decide(&files, old_index, policy),
        None => Decision::encode_all(&files),
    };
    let emission = emit(&files, old_index, &decision);
    let mut stream = vec![0xff; 16];
    let mut ends: Vec<u64> = Vec::new();
    let mut cut = |from: u64, to: u64, ends: &mut Vec<u64>| {
        let mut at = from;
        while at < to {
            at = to.min(at + 200 + random.below(1500));
            ends.push(at);
        }
    };
    for piece in &emission.pieces {
        match *piece {
            Piece::Raw(at, _) => stream.extend(tree[at].bytes()),
            Piece::Chunk(position, chunk) => {
                assert_eq!(position, stream.len() as u64);
                cut(ends.last().copied().unwrap_or(0), position, &mut ends);
                let extent = old_index.extent(chunk.at).unwrap();
                stream.extend(&previous.unwrap().stream[extent.start as usize..extent.end as usize]);
                ends.push(stream.len() as u64);
            }
        }
    }
    stream.extend([0xff; 16]);
    cut(ends.last().copied().unwrap_or(0), stream.len() as u64, &mut ends);
    for (node, &offset) in tree.iter().zip(&emission.offsets) {
        let bytes = node.bytes();
        assert_eq!(stream[offset as usize..][..bytes.len()], bytes, "file {}", node.id);
    }
    assert_eq!(stream.len() as u64, files.live() + decision.padding() + 32);
    let mut start = 0;
    let chunks = ends.iter().map(|&end| {
        let digest = Sha256::digest(&stream[start as usize..end as usize]);
        start = end;
        (end, Digest(digest.into()))
    });
    let index = index_of(chunks);
    let files_now = tree.iter().copied().zip(emission.offsets).collect();
    (Snapshot { stream, index, files: files_now }, decision, files.live())
}

/// Changes contents, adds, deletes and moves.
fn edit(tree: &mut Vec<Node>, next: &mut u64, random: &mut Random, share: u64) {
    for _ in 0..1 + tree.len() as u64 / share {
        let at = random.below(tree.len() as u64) as usize;
        match random.below(8) {
            0 => drop(tree.remove(at)),
            1 => {
                *next += 1;
                tree.insert(at, Node { id: *next, version: 0, size: size(random) });
            }
            2 => {
                let moved = tree.remove(at);
                tree.insert(random.below(tree.len() as u64 + 1) as usize, moved);
            }
            _ => {
                tree[at].version += 1;
                tree[at].size = size(random);
            }
        }
    }
}

fn size(random: &mut Random) -> u64 {
    let magnitude = 5 + random.below(7);
    if random.one_in(10) { 0 } else { random.below(1 << magnitude) }
}

/// Thirty generations: the sums of bytes that were encoded needlessly, and the largest share of padding in ppm.
fn history(policy: &Policy, seed: u64) -> (u64, u64) {
    let mut random = Random(seed);
    let mut next = 400;
    let mut tree: Vec<Node> = (1..=400).map(|id| Node { id, version: 0, size: size(&mut random) }).collect();
    let mut last = snapshot(&tree, None, policy, &mut random).0;
    let (mut needless, mut most) = (0, 0);
    for _ in 0..30 {
        edit(&mut tree, &mut next, &mut random, 40);
        let (snapshot, decision, live) = snapshot(&tree, Some(&last), policy, &mut random);
        needless += decision.totals.reencoded_bytes;
        most = most.max(decision.padding() * 1_000_000 / live);
        if let Policy::Optimal(optimal) = policy {
            let allowed = u128::from(live) * u128::from(optimal.budget.as_ppm());
            assert!(u128::from(decision.padding()) * 1_000_000 <= allowed);
        }
        last = snapshot;
    }
    (needless, most)
}

#[test]
fn thirty_generations() {
    for seed in 0..4 {
        let optimal = |percent| Policy::Optimal(Optimal { budget: Budget::percent(percent), fragment: 64 });
        let look_ahead = history(&Policy::Threshold { limit: 512 }, seed);
        let [one, five, ten, twenty] = [1, 5, 10, 20].map(|percent| history(&optimal(percent), seed));
        assert!(one.0 > five.0 && five.0 > ten.0 && ten.0 > twenty.0, "more padding, less to read");
        assert!(ten.0 * 2 < look_ahead.0, "{} against {}", ten.0, look_ahead.0);
        assert!(ten.1 > 90_000, "the budget is used: {}", ten.1);
    }
}

/// Tiny trees, down to one file, and empty ones.
#[test]
fn tiny_trees_keep_the_budget() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut next = 10;
        let mut tree: Vec<Node> =
            (1..=1 + seed % 9).map(|id| Node { id, version: 0, size: size(&mut random) }).collect();
        let optimal = Optimal { budget: Budget::percent(10), fragment: random.below(100) };
        let policy = Policy::Optimal(optimal);
        let mut last = snapshot(&tree, None, &policy, &mut random).0;
        for _ in 0..8 {
            if tree.len() < 2 || random.one_in(3) {
                next += 1;
                tree.push(Node { id: next, version: 0, size: size(&mut random) });
            }
            edit(&mut tree, &mut next, &mut random, 4);
            let (snapshot, decision, live) = snapshot(&tree, Some(&last), &policy, &mut random);
            assert!(decision.padding() * 10 <= live, "{} of {live}", decision.padding());
            last = snapshot;
        }
    }
}
