//! Time of a reuse decision over many small files, on one core.
//!
//! `cargo bench -p pxkit-core --bench reuse [-- FILES]`

use std::hint::black_box;
use std::time::{Duration, Instant};

use pxkit_core::format::Digest;
use pxkit_core::index::{DynamicIndex, WriteDynamic};
use pxkit_core::reuse::{Budget, Decision, File, Files, Optimal, Policy, decide};

const ROUNDS: usize = 7;
/// Mean of the chunks that cuts at file starts leave at first.
const CHUNK: u64 = 384 << 10;

fn main() {
    let count = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(500_000);
    for (what, changed, chunk) in [
        ("nothing changed", 0, CHUNK),
        ("1 in 1000 changed", 1000, CHUNK),
        ("1 in 50 changed", 50, CHUNK),
        ("1 in 50 changed, small chunks", 50, 16 << 10),
    ] {
        let (files, index) = listing(count, changed, chunk);
        println!("{count} files, {} MiB in {} chunks, {what}", files.live() >> 20, index.count());
        for percent in [0, 1, 10] {
            let optimal = Optimal { budget: Budget::percent(percent), ..Optimal::default() };
            report(&format!("optimal, {percent} %"), &files, &index, &Policy::Optimal(optimal));
        }
        report("threshold", &files, &index, &Policy::Threshold { limit: 512 });
    }
}

fn report(what: &str, files: &Files, index: &DynamicIndex, policy: &Policy) {
    let mut times = [Duration::ZERO; ROUNDS];
    let mut decision = Decision::encode_all(files);
    for time in &mut times {
        let start = Instant::now();
        decision = black_box(decide(black_box(files), index, policy));
        *time = start.elapsed();
    }
    times.sort_unstable();
    let totals = decision.totals;
    println!(
        "  {what:13} {:6.1} ms (median of {ROUNDS}; {:.1} to {:.1}); {} re-used, {} MiB encoded again, padding {:.3} %, price {}",
        milliseconds(times[ROUNDS / 2]),
        milliseconds(times[0]),
        milliseconds(times[ROUNDS - 1]),
        totals.reused,
        totals.reencoded_bytes >> 20,
        totals.padding() as f64 / files.live() as f64 * 100.0,
        decision.price.map_or("none".to_owned(), |price| price.to_string()),
    );
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Files of 0.5 to 6 KiB in the order of the old archive, one in `changed` with other contents, and chunks that end where files start.
fn listing(count: usize, changed: u64, chunk: u64) -> (Files, DynamicIndex) {
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut files = Files::new();
    let (mut writer, header) = WriteDynamic::new([0; 16], 0);
    let mut index = header.to_vec();
    let mut offset = 16;
    let mut add = |bytes| {
        let chunk = writer.push(Digest::default(), bytes).expect("chunks of legal size");
        index.extend_from_slice(&chunk.to_bytes());
    };
    let (mut start, mut target) = (0, chunk);
    for _ in 0..count {
        if offset - start >= target {
            add(offset - start);
            (start, target) = (offset, chunk * 3 / 4 + random() % (chunk / 2));
        }
        let file = File { size: 512 + random() % 5632, old: Some(offset) };
        let is_changed = changed > 0 && random() % changed == 0;
        files.push(File { old: file.old.filter(|_| !is_changed), ..file });
        offset += file.stored();
    }
    add(offset + 16 - start);
    (files, DynamicIndex::parse(&index).expect("our own index"))
}
