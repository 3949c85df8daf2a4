//! The checklist of the specification (section 11), rule by rule, as far as core can break it: 1 to 68 without those of walking
//! and restoring. Archives are made by hand, so that a mistake shared by encoder and decoder would show.

mod entries;
mod findings;
mod framing;
mod goodbye;
mod links;
mod split;

use pxkit_core::decode::{Finding, Irregularity};
use pxkit_core::format::{Error, ItemType, Problem};
use pxkit_tests::observe::{self, Arrive, Outcome};
use pxkit_tests::random::Rng;
use pxkit_tests::windows::SIZES;

/// Position of the first child of a unified archive whose root has no attributes.
const FIRST: u64 = 56;

/// What both decoders say of an archive, which must not depend on where windows end.
#[track_caller]
fn decode(archive: &[u8]) -> (Outcome, Outcome) {
    let items = |arrive: Arrive<'_>| observe::items(archive, &mut (), arrive);
    let entries = |arrive: Arrive<'_>| observe::entries(archive, &mut (), arrive, &mut |_| {});
    let whole = (items(&mut observe::one_window()), entries(&mut observe::one_window()));
    for size in SIZES {
        let parts = (items(&mut || size), entries(&mut || size));
        assert_eq!(parts, whole, "windows of {size}");
    }
    for seed in 0..5 {
        let mut rng = Rng::new(seed);
        let mut sizes = || 1 + rng.below(100);
        assert_eq!(items(&mut sizes), whole.0, "random windows with seed {seed}");
        assert_eq!(entries(&mut sizes), whole.1, "random windows with seed {seed}");
    }
    whole
}

/// Why the decoders refuse an archive; both must say the same.
#[track_caller]
fn refused(archive: &[u8]) -> Error {
    let (items, entries) = decode(archive);
    let error = items.result.expect_err("the archive must be refused");
    assert_eq!(entries.result, Err(error), "entries");
    error
}

/// What the decoders find irregular about an archive that they must accept.
#[track_caller]
fn accepted(archive: &[u8]) -> Vec<Finding> {
    let (items, entries) = decode(archive);
    assert_eq!((items.result, entries.result), (Ok(()), Ok(())));
    // Entries know names and paths, the check of tables knows tables; together they are what there is.
    let mut findings = items.findings;
    for finding in entries.findings {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings.sort_by_key(|finding| finding.offset);
    findings
}

/// The archive is accepted and nothing about it is irregular.
#[track_caller]
fn clean(archive: &[u8]) {
    assert_eq!(accepted(archive), []);
}

/// The lines that the decoder of items says about an archive, tables and skips left out.
#[track_caller]
fn lines(archive: &[u8]) -> Vec<String> {
    let (lines, outcome) = observe::item_lines(archive);
    assert_eq!(outcome.result, Ok(()));
    lines
}

fn error(offset: u64, item: ItemType, problem: Problem) -> Error {
    Error::new(offset, Some(item), problem)
}

fn finding(offset: u64, what: Irregularity) -> Finding {
    Finding { offset, what }
}
