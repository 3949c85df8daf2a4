//! Entries of any bytes, split at any place: the first two bytes of the input say where. The result is that of one window, and
//! the columnar tree holds what the entries say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxkit_core::access::TreeBuilder;
use pxkit_tests::observe::{self, Digest};

fuzz_target!(|data: &[u8]| {
    let Some((split, archive)) = data.split_first_chunk::<2>() else { return };
    let split = usize::from(u16::from_le_bytes(*split));
    let run = |arrive: observe::Arrive<'_>| {
        let mut digest = Digest::default();
        let mut builder = TreeBuilder::new();
        let mut paths = Vec::new();
        let outcome = observe::entries(archive, &mut digest, arrive, &mut |entry| match entry {
            Some(entry) => {
                builder.add(entry).expect("no tree of 2^32 entries");
                paths.push((entry.path.to_vec(), entry.kind, entry.size()));
            }
            None => builder.leave(),
        });
        let tree = builder.finish();
        assert_eq!(tree.len(), paths.len());
        let mut path = Vec::new();
        for (id, (expected, kind, size)) in (0..).zip(&paths) {
            path.clear();
            tree.path(id, &mut path);
            assert_eq!((&path, tree.kind(id), tree.size(id)), (expected, *kind, *size));
        }
        (digest.value(), outcome)
    };
    let mut first = Some(split);
    let parts = run(&mut || first.take().unwrap_or(usize::MAX));
    assert_eq!(parts, run(&mut observe::one_window()));
});
