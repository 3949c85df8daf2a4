//! Damaged archives by the ten thousand through everything in core that reads: no panic, an end after a number of steps
//! proportional to the input (the observers count), memory within a bound, and windows that make no difference.
//!
//! 20,000 cases, 500,000 with PXKIT_SOAK=1, any number with PXKIT_CASES. A case follows from its number alone; PXKIT_CASE=n
//! runs only that one. This file holds a single test, because the allocator counts for the whole process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use peak_alloc::PeakAlloc;
use pxkit_core::access::TreeBuilder;
use pxkit_tests::mutate::{Seed, mutate};
use pxkit_tests::observe::{self, Arrive, Digest, Outcome};
use pxkit_tests::random::Rng;
use pxkit_tests::recode;
use pxkit_tests::streams::Streams;
use pxkit_tests::{cases, golden, odd};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// What reading may hold at most: findings, a window's worth of attributes, and so many times the input.
const FIXED: usize = 128 << 10;
const TIMES: usize = 4;

/// Nodes that random access looks at in one archive.
const NODES: usize = 300;

fn seeds() -> Vec<Seed> {
    let small = ["kinds.mpxar", "names.pxar", "names.mpxar", "attributes.pxar", "attributes.mpxar"];
    let mut seeds: Vec<Seed> = Vec::new();
    // Small archives several times: they take less time, and more of what happens to them matters.
    for _ in 0..4 {
        seeds.extend(small.iter().map(|file| Seed::new(golden::archive(file))));
    }
    for (_, bytes) in odd::legal().into_iter().chain(odd::broken()) {
        if bytes.len() < 20_000 {
            seeds.push(Seed::new(bytes));
        }
    }
    seeds.extend(["kinds.pxar", "goodbye.mpxar"].map(|file| Seed::new(golden::archive(file))));
    seeds
}

/// Runs `reading`, and holds it to its bound of memory.
fn bounded<T>(seen: &mut Seen, what: &str, input: usize, reading: impl FnOnce() -> T) -> T {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let result = reading();
    let peak = ALLOCATED.peak_usage().saturating_sub(before);
    assert!(peak <= FIXED + TIMES * input, "{what}: {peak} bytes of memory for {input} of input");
    seen.most = seen.most.max((peak, input));
    result
}

fn items(bytes: &[u8], arrive: Arrive<'_>) -> (u64, Outcome) {
    let mut digest = Digest::default();
    let outcome = observe::items(bytes, &mut digest, arrive);
    (digest.value(), outcome)
}

/// Entries into a tree.
fn entries(bytes: &[u8], arrive: Arrive<'_>) -> (u64, Outcome, usize) {
    let mut digest = Digest::default();
    let mut builder = TreeBuilder::new();
    let outcome = observe::entries(bytes, &mut digest, arrive, &mut |entry| match entry {
        Some(entry) => builder.add(entry).expect("no tree of 2^32 entries"),
        None => builder.leave(),
    });
    (digest.value(), outcome, builder.finish().len())
}

#[derive(Debug, Default)]
struct Seen {
    whole: usize,
    opened: usize,
    nodes: usize,
    recoded: usize,
    /// The most memory of any reading, with how long its input was.
    most: (usize, usize),
}

fn case(number: u64, seeds: &[Seed], payload: &[u8], seen: &mut Seen) {
    let mut rng = Rng::new(number);
    let bytes = mutate(&mut rng, seeds);
    let mut windows = || {
        let most = *rng.pick(&[1, 3, 17, 100, 4096]);
        1 + rng.below(most)
    };
    let whole = bounded(seen, "items", bytes.len(), || items(&bytes, &mut observe::one_window()));
    assert!(items(&bytes, &mut windows) == whole, "items in windows");
    seen.whole += usize::from(whole.1.result.is_ok());
    let whole = bounded(seen, "entries", bytes.len(), || entries(&bytes, &mut observe::one_window()));
    assert!(entries(&bytes, &mut windows) == whole, "entries in windows");
    for payload in [None, Some(payload)] {
        let mut streams = Streams::unified(&bytes);
        streams.payload = payload;
        seen.opened += usize::from(payload.is_none() && streams.open().is_ok());
        seen.nodes += bounded(seen, "access", bytes.len(), || streams.explore(NODES));
        if number.is_multiple_of(2) {
            break;
        }
    }
    seen.recoded += usize::from(number.is_multiple_of(4) && recode::check(&bytes));
}

#[test]
fn damaged_archives_do_no_damage() {
    let seeds = seeds();
    let payload = golden::archive("names.ppxar");
    let mut seen = Seen::default();
    let (cases, start) = (cases::count(20_000, 500_000), Instant::now());
    let only = cases::only();
    for number in only.map_or(0..cases, |only| only..only + 1) {
        let run = catch_unwind(AssertUnwindSafe(|| case(number, &seeds, &payload, &mut seen)));
        assert!(run.is_ok(), "PXKIT_CASE={number} failed");
    }
    println!("{cases} cases in {:.1?}: {seen:?}", start.elapsed());
    if only.is_none() && cases >= 1000 {
        // The damage is neither so small that everything passes, nor so great that nothing gets far.
        let share = |n: usize| n as u64 * 100 / cases;
        assert!((5..80).contains(&share(seen.whole)), "{seen:?}");
        assert!((10..98).contains(&share(seen.opened)) && share(seen.nodes) > 100, "{seen:?}");
        assert!(share(seen.recoded) > 0, "{seen:?}");
    }
}
