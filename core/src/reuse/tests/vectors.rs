//! The worked examples of change detection 4.3. Where they begin at 0, in the start marker, they begin at 16 here: that is 16 bytes
//! more padding, and offsets that are 16 higher.

use super::emission::{Emission, emit};
use super::*;

fn index_a() -> DynamicIndex {
    index(&core::array::from_fn::<_, 10, _>(|at| 1000 * (at as u64 + 1)))
}

fn look_ahead(index: &DynamicIndex, ranges: &[Range<u64>], limit: usize) -> (Vec<bool>, Emission) {
    let files = files(ranges);
    let decision = decide(&files, index, &Policy::Threshold { limit });
    assert_eq!(decision.price, None);
    (chosen(&decision, &files), emit(&files, index, &decision))
}

#[test]
fn v1_normal() {
    let (chosen, out) = look_ahead(&index_a(), &[16..4711, 4711..9500], 512);
    assert_eq!(chosen, [true, true]);
    assert_eq!((out.offsets, out.end), (vec![32, 4727], 10016));
}

#[test]
fn v1_chunks() {
    let out = look_ahead(&index_a(), core::slice::from_ref(&(16..9500)), 512).1;
    let padding = |at| [16, 0, 0, 0, 0, 0, 0, 0, 0, 500][at];
    let expected: Vec<_> = (0..10).map(|at| (at, 16 + 1000 * at as u64, padding(at))).collect();
    assert_eq!(out.chunks(), expected);
}

#[test]
fn v2_too_much_padding() {
    let (chosen, out) = look_ahead(&index_a(), &[500..2000, 2000..3500], 512);
    assert_eq!(chosen, [false, false]);
    assert_eq!((out.chunks(), out.end), (vec![], 16 + 3000));
}

/// Differs from the reference by intent: its lookup takes the chunk behind a range that ends where a chunk ends (change detection
/// 10.1). Checklist 41: no chunk is injected that is padding only; `emit` holds that for all tests.
#[test]
fn v3_end_on_a_boundary() {
    for (range, reference) in [(16..1000, false), (1000..9000, false), (16..9000, true), (1000..10000, true)]
    {
        let (chosen, out) = look_ahead(&index_a(), core::slice::from_ref(&range), 512);
        assert_eq!(chosen, [true], "{range:?}; the reference: {reference}");
        let last = range.end as usize / 1000 - 1;
        let first = range.start as usize / 1000;
        let padding = |at| if at == 0 { 16 } else { 0 };
        let expected: Vec<_> =
            (first..=last).map(|at| (at, 16 + 1000 * (at - first) as u64, padding(at))).collect();
        assert_eq!(out.chunks(), expected);
    }
}

#[test]
fn v4_continuation_after_a_full_cache() {
    let (chosen, out) = look_ahead(&index_a(), &[16..3950, 3950..7980], 1);
    assert_eq!(chosen, [true, true]);
    assert_eq!(out.offsets, [32, 3966]);
    let expected = [(0, 16), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 20)];
    let expected: Vec<_> =
        expected.iter().map(|&(at, padding)| (at, 16 + 1000 * at as u64, padding)).collect();
    assert_eq!((out.chunks(), out.end), (expected, 8016));
}

#[test]
fn v4_what_is_injected_when() {
    let index = index_a();
    let mut placement = Placement::new(&index);
    let mut out = Vec::new();
    let numbers =
        |out: &mut Vec<Injection>| out.drain(..).map(|chunk| (chunk.at, chunk.used)).collect::<Vec<_>>();
    assert_eq!(placement.reuse(16, 3934, 16, &mut out), Ok(32));
    assert_eq!((numbers(&mut out), placement.pending()), (vec![(0, 984), (1, 1000), (2, 1000)], 1000));
    assert_eq!(placement.reuse(3950, 4030, 3016, &mut out), Ok(3966));
    assert_eq!((numbers(&mut out)), [(3, 1000), (4, 1000), (5, 1000), (6, 1000)]);
    placement.flush(&mut out);
    assert_eq!((numbers(&mut out), placement.pending()), (vec![(7, 980)], 0));
    placement.flush(&mut out);
    assert_eq!(out, []);
}

#[test]
fn v5_hole_inside_a_chunk() {
    let (chosen, out) = look_ahead(&index_a(), &[16..3950, 3970..7980, 7990..9990], 512);
    assert_eq!(chosen, [true; 3]);
    assert_eq!((&out.offsets[..], out.end), (&[32, 3986, 8006][..], 10016));
    let paddings: Vec<_> = out.chunks().iter().map(|&(at, _, padding)| (at, padding)).collect();
    let expected = [(0, 16), (1, 0), (2, 0), (3, 20), (4, 0), (5, 0), (6, 0), (7, 10), (8, 0), (9, 10)];
    assert_eq!(paddings, expected);
}

#[test]
fn v6_continuation_fails() {
    let (chosen, out) = look_ahead(&index_a(), &[16..3950, 3950..4050], 1);
    assert_eq!(chosen, [true, false]);
    assert_eq!(out.chunks()[3], (3, 3016, 50));
    assert_eq!((&out.offsets[..], out.end), (&[32, 4016][..], 4116));
}

/// Raw bytes come behind the chunk, so nobody can continue it.
#[test]
fn v6_a_changed_file_ends_the_chunk() {
    let mut files = files(&[16..3950, 3950..7980]);
    let index = index_a();
    let policy = Policy::Threshold { limit: 1 };
    assert_eq!(decide(&files, &index, &policy).totals.reused, 2);
    files = self::files(&[16..3950, 0..16, 3950..7980]);
    let decision = decide(&files, &index, &policy);
    assert_eq!(chosen(&decision, &files), [true, false, false]);
}

#[test]
fn v7_hole_into_another_chunk() {
    let (chosen, out) = look_ahead(&index_a(), &[16..3950, 5000..9990], 512);
    assert_eq!(chosen, [true, true]);
    assert_eq!((&out.offsets[..], out.end), (&[32, 4016][..], 9016));
    assert_eq!(out.chunks()[3..5], [(3, 3016, 50), (5, 4016, 0)]);
    assert_eq!(out.chunks()[8], (9, 8016, 10));
}

#[test]
fn v8_exact_threshold() {
    assert_eq!(look_ahead(&index_a(), core::slice::from_ref(&(100..1900)), 512).0, [true]);
    assert_eq!(look_ahead(&index_a(), core::slice::from_ref(&(100..1899)), 512).0, [false]);
}

#[test]
fn v9_one_chunk_three_ranges() {
    let (chosen, out) = look_ahead(&index(&[100_000]), &[16..90016, 90016..95000, 95100..99984], 1);
    assert_eq!(chosen, [true; 3]);
    assert_eq!((&out.offsets[..], out.end), (&[32, 90032, 95116][..], 100_016));
    assert_eq!(out.chunks(), [(0, 16, 132)]);
    // With room for two in a run the first two are one range of 94984 bytes.
    assert_eq!(
        look_ahead(&index(&[100_000]), &[16..90016, 90016..95000, 95100..99984], 2).1.offsets,
        out.offsets
    );
}

#[test]
fn v9_padding_of_the_first_range_decides_by_itself() {
    assert_eq!(look_ahead(&index(&[100_000]), &[16..90015, 90016..95000], 1).0, [false, false]);
}

#[test]
fn v10_equal_digests_at_other_positions_are_other_chunks() {
    let digests = [(1024, Digest([0xaa; 32])), (2048, Digest([0xbb; 32])), (3072, Digest([0xaa; 32]))];
    let index = index_of(digests.into_iter());
    let ranges = [16..1000, 2064..3072];
    let (chosen, out) = look_ahead(&index, &ranges, 512);
    assert_eq!(chosen, [true, true]);
    assert_eq!(out.offsets, [32, 16 + 1024 + 16]);
    assert_eq!(out.chunks(), [(0, 16, 40), (2, 1040, 16)]);
    let all = look_ahead(&index, core::slice::from_ref(&(16..3072)), 512).1;
    assert_eq!(all.chunks(), [(0, 16, 16), (1, 1040, 0), (2, 2064, 0)]);
}

/// The reference's own regression data: 100 files of 1 MiB.
fn index_v11() -> (DynamicIndex, Vec<Range<u64>>) {
    let mut ends: Vec<u64> = (0..100).map(|at| 1_048_608 + 1_048_592 * at).collect();
    ends[99] = 104_859_232;
    let file = |at: u64| 16 + at * 1_048_592..16 + (at + 1) * 1_048_592;
    (index(&ends), (0..100).map(file).collect())
}

#[test]
fn v11_all_reusable() {
    let (index, ranges) = index_v11();
    let (chosen, out) = look_ahead(&index, &ranges, 512);
    assert_eq!(chosen, [true; 100]);
    assert_eq!((out.offsets[0], out.chunks().len(), out.end), (32, 100, 104_859_248));
    assert_eq!((out.chunks()[0].2, out.chunks()[99].2), (16, 16));
}

#[test]
fn v11_first_changed() {
    let (index, ranges) = index_v11();
    let mut files = files(&ranges);
    files.set_old(0, None);
    let decision = decide(&files, &index, &Policy::Threshold { limit: 512 });
    let out = emit(&files, &index, &decision);
    assert_eq!((out.offsets[0], out.offsets[1]), (16, 1_048_608));
    assert_eq!((decision.totals.reused, decision.padding()), (99, 16));
}

/// Differs from the reference by intent: it carries the old content of file 98 along as padding.
#[test]
fn v11_one_before_the_last_changed() {
    let (index, ranges) = index_v11();
    let mut files = files(&ranges);
    files.set_old(98, None);
    let decision = decide(&files, &index, &Policy::Threshold { limit: 512 });
    let out = emit(&files, &index, &decision);
    assert_eq!((decision.totals.reused, decision.totals.injected), (99, 99));
    // 16 bytes of the start marker in front of the first range, 16 of the tail marker behind the last file.
    assert_eq!(decision.padding(), 32);
    assert!(out.chunks().iter().all(|&(at, ..)| at != 98));
}

/// Checklist 42: start marker, one file, tail marker in one chunk; the markers are 32 bytes of padding.
#[test]
fn tiny_payloads_are_encoded_again() {
    for (file, reused) in [(16, false), (287, false), (288, true)] {
        let (chosen, _) = look_ahead(&index(&[file + 32]), core::slice::from_ref(&(16..16 + file)), 512);
        assert_eq!(chosen, [reused], "{file}");
    }
}

/// Checklist 43: the markers of the old archive are padding, whatever the policy; new ones are written around the chunks.
#[test]
fn first_and_last_file_cost_the_markers() {
    let index = index_a();
    for policy in
        [Policy::Threshold { limit: 512 }, Policy::Optimal(Optimal { fragment: 0, ..Optimal::default() })]
    {
        let files = files(&[16..5000, 5000..9984]);
        let decision = decide(&files, &index, &policy);
        let out = emit(&files, &index, &decision);
        assert_eq!((out.chunks()[0], out.chunks()[9]), ((0, 16, 16), (9, 9016, 16)));
        assert_eq!((decision.padding(), decision.totals.partial), (32, 2));
    }
}

/// Checklist 24, 2.5: one old position that is too low does not lower the mark, and flushes do not reset it.
#[test]
fn old_positions_must_increase_for_the_look_ahead() {
    let (chosen, _) = look_ahead(&index_a(), &[5000..7000, 1000..2000, 3000..5000, 7000..10000], 512);
    assert_eq!(chosen, [true, false, false, true]);
    // The default policy takes them all: each is aligned to chunks.
    let files = files(&[5000..7000, 1000..2000, 3000..5000, 7000..10000]);
    let decision =
        decide(&files, &index_a(), &Policy::Optimal(Optimal { fragment: 0, ..Optimal::default() }));
    assert_eq!(decision.totals.reused, 4);
    assert_eq!(emit(&files, &index_a(), &decision).offsets, [16, 2016, 3016, 5016]);
}

/// Checklist 32; and a limit of 0 is one of 1.
#[test]
fn smallest_caches() {
    let ranges = [16..1500, 1500..3000, 3000..9990];
    let one = look_ahead(&index_a(), &ranges, 1);
    assert_eq!(one.0, look_ahead(&index_a(), &ranges, 0).0);
    assert_eq!(one.0, [false, false, true]);
    assert_eq!(look_ahead(&index_a(), &ranges, 3).0, [true; 3]);
}
