//! Memory of a backup does not depend on how large the tree is (rule 87). In a process of its own: everything allocated counts.

use std::fs;
use std::os::unix::fs::FileExt as _;

use peak_alloc::PeakAlloc;
use pxkit::backup::{Mode, Options};
use pxkit_core::chunk::Sizes;
use pxkit_tests::disk::Scratch;
use pxkit_tests::snapshots::{Snapshots, options};

#[global_allocator]
static PEAK: PeakAlloc = PeakAlloc;

/// Contents in flight are bounded by 96 MiB; the rest is what threads, spool and indexes take.
const BOUND: usize = 128 << 20;

/// Sparse files, so that nobody waits for a disk; a number in each megabyte, so that no two chunks are equal.
fn large(tree: &Scratch, name: &str, megabytes: u64) {
    let file = fs::File::create(tree.join(name)).expect("a file");
    file.set_len(megabytes << 20).expect("resized");
    for at in 0..megabytes {
        file.write_all_at(&(at + 1).to_le_bytes(), at << 20).expect("written");
    }
}

#[test]
fn rule_87_memory_stays_below_its_bound() {
    let tree = Scratch::new();
    large(&tree, "a", 300);
    for number in 0..40 {
        large(&tree, &format!("b{number}"), 10);
    }
    for number in 0..3000 {
        fs::write(tree.join(&format!("c{number}")), vec![number as u8; 20_000]).expect("written");
    }
    let mut snapshots = Snapshots::new();
    for mode in [Mode::Data, Mode::Legacy] {
        let sizes = Sizes::new(4 << 20).expect("a size");
        let mut options = Options { threads: 16, sizes, ..options(mode) };
        options.walk.threads = Some(16);
        PEAK.reset_peak_usage();
        let before = PEAK.current_usage();
        let made = snapshots.backup(tree.path(), &options);
        let peak = PEAK.peak_usage() - before;
        assert!(made.json["read"]["bytes"].as_u64() > Some(700 << 20));
        assert!(peak < BOUND, "{} MiB", peak >> 20);
    }
}
