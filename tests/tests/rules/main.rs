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
use pxkit_tests::observe;

/// Position of the first child of a unified archive whose root has no attributes.
const FIRST: u64 = 56;

/// Why the decoders refuse an archive; both must say the same, with one window and with windows that grow byte by byte.
#[track_caller]
fn refused(archive: &[u8]) -> Error {
    let (_, outcome) = observe::item_lines(archive);
    let error = outcome.result.expect_err("the archive must be refused");
    assert_eq!(observe::entry_lines(archive).1.result, Err(error), "entries");
    assert_eq!(observe::items(archive, &mut (), &mut || 1).result, Err(error), "one byte at a time");
    error
}

/// What the decoders find irregular about an archive that they must accept.
#[track_caller]
fn accepted(archive: &[u8]) -> Vec<Finding> {
    let (_, items) = observe::item_lines(archive);
    assert_eq!(items.result, Ok(()));
    let (_, entries) = observe::entry_lines(archive);
    assert_eq!(entries.result, Ok(()), "entries");
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
