//! The sampled check of what is used again (change detection 10.10): chunks of the previous payload stream are rebuilt from the files on disk that are said
//! to be in them. So an edit that restored the time of its file, a disk that has decayed, or a defect of the change detection itself is found, and the
//! contents are stored anew.
//!
//! A chunk that unchanged files fill is hashed; of one with other bytes in it, the stored chunk is fetched and what files have of it is compared. Files
//! that were changed since they were listed say nothing of their chunks. Each run looks at one chunk of N, in the end at all.

use std::collections::HashMap;
use std::fs::File as StdFile;
use std::num::NonZeroU32;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use anyhow::Context as _;
use pxkit_core::blob::Manifest;
use pxkit_core::format::{HEADER_SIZE, Header, ItemType, Kind};
use pxkit_core::index::DynamicIndex;
use pxkit_core::plan::{Listing, Record};
use pxkit_core::reuse::File;
use serde_json::json;

use super::ahead::{Ahead, Opened};
use super::detect::Tally;
use super::reference::Reference;
use crate::crypt::Crypt;
use crate::report::{Report, check_signals};
use crate::store::Snapshot;
use crate::walk::{DisplayPath, WalkError};

/// Bytes of chunks that are being rebuilt. Files come in the order of their chunks, but for archives in another order; there, chunks beyond this are not
/// looked at.
const IN_MEMORY: u64 = 64 << 20;
/// Chunks with other bytes in them that are fetched from a server in one run.
const MOST_FETCHED: u64 = 64;
/// Files of one chunk that are named.
const NAMED: usize = 20;

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Chunks that were compared.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of which nothing can be said: files in them changed meanwhile or cannot be read.
    pub skipped: u64,
    /// Those that differ.
    pub differing: u64,
    /// Files that are read because their chunks differ.
    pub files: Tally,
}

/// Which chunks are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// One of so many.
    pub one_in: NonZeroU32,
    /// Others in each of as many turns.
    pub turn: u64,
}

/// The turn of a backup: that after the previous one's, which snapshots note. Of one that another program made nobody knows it; the time does as well.
pub fn note_turn(previous: Option<&Manifest>, manifest: &mut Manifest) -> u64 {
    const NAME: &str = "verify-turn";
    let before = |manifest: &Manifest| manifest.unprotected.get("pxkit")?.get(NAME)?.as_u64();
    let turn = match previous {
        Some(previous) => {
            before(previous).map_or(manifest.backup_time.unsigned_abs(), |turn| turn.wrapping_add(1))
        }
        None => 0,
    };
    let pxkit = manifest.unprotected.entry("pxkit").or_insert_with(|| json!({}));
    pxkit[NAME] = turn.into();
    turn
}

/// The check of one archive.
pub struct Recheck<'a> {
    listing: &'a Listing,
    index: &'a DynamicIndex,
    snapshot: &'a Snapshot,
    crypt: &'a Crypt,
    report: &'a Report,
    /// Of each chunk, how many bytes unchanged files have of it; 0 if it is not looked at.
    used: Vec<u64>,
    /// Which files of the listing are in chunks that are looked at.
    is_wanted: Vec<bool>,
    open: HashMap<usize, Rebuilt>,
    /// Bytes of those.
    held: u64,
    /// Chunks that had to be fetched.
    fetched: u64,
    checked: Checked,
    /// Chunks that differ.
    bad: Vec<bool>,
}

/// A chunk that is being rebuilt.
struct Rebuilt {
    /// Its bytes, as far as they are there; none at all if nothing can be said of it.
    bytes: Vec<u8>,
    is_void: bool,
    filled: u64,
    /// Which bytes are whose.
    parts: Vec<(Range<usize>, Vec<u8>)>,
}

impl<'a> Recheck<'a> {
    /// Chooses chunks of the reference in which the unchanged files of `listing` lie.
    pub fn new(
        listing: &'a Listing,
        reference: &'a Reference,
        crypt: &'a Crypt,
        report: &'a Report,
        sample: Sample,
    ) -> Self {
        let (index, snapshot) = (&reference.payload, reference.snapshot());
        let Sample { one_in, turn } = sample;
        let sample = u64::from(one_in.get());
        let mut used = vec![0; index.count()];
        // Most files are in none of these, which a search among few tells at once.
        let chosen: Vec<Range<u64>> = (index.chunks().iter().enumerate())
            .filter(|(_, chunk)| lot(&chunk.digest.0) % sample == turn % sample)
            .filter_map(|(number, _)| index.extent(number))
            .collect();
        let is_chosen = |range: &Range<u64>| {
            let next = chosen.partition_point(|extent| extent.end <= range.start);
            chosen.get(next).is_some_and(|extent| extent.start < range.end)
        };
        let mut is_wanted = vec![false; listing.files().len()];
        for (number, file) in listing.files().iter().enumerate() {
            if !place(file).is_some_and(|range| is_chosen(&range)) {
                continue;
            }
            for part in parts(index, file).filter(|part| is_chosen(&part.extent)) {
                used[part.index] += part.within.end - part.within.start;
                is_wanted[number] = true;
            }
        }
        let bad = vec![false; index.count()];
        let (open, held, fetched, checked) = Default::default();
        Self { listing, index, snapshot, crypt, report, used, is_wanted, open, held, fetched, checked, bad }
    }

    /// Whether there is anything to do.
    pub fn is_empty(&self) -> bool {
        !self.is_wanted.contains(&true)
    }

    /// Reads the files in question; returns what was found, and which chunks differ.
    ///
    /// # Errors
    /// The list of files cannot be read, or a signal asked for the end.
    pub fn run(mut self, ahead: &mut Ahead<'_, '_>) -> anyhow::Result<(Checked, Vec<bool>)> {
        let is_wanted = std::mem::take(&mut self.is_wanted);
        let mut numbers = (0..is_wanted.len()).filter(|&number| is_wanted[number]);
        let (mut path, mut levels) = (Vec::new(), Vec::new());
        while let Some((records, mut batch)) = ahead.next(&|number| is_wanted[number])? {
            check_signals()?;
            let mut rest = records.as_slice();
            while !rest.is_empty() {
                let (bytes, later) = rest.split_at(Record::length(rest)?.min(rest.len()));
                rest = later;
                let Some((kind, name)) = Record::glance(bytes)? else {
                    levels.pop();
                    continue;
                };
                path.truncate(levels.last().copied().unwrap_or_default());
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(name);
                match kind {
                    Kind::Directory => levels.push(path.len()),
                    Kind::File => {
                        let opened = batch.files.pop_front().zip(numbers.next());
                        let (opened, number) =
                            opened.context("a defect of pxkit: a file that nobody opened")?;
                        self.file(self.listing.files().get(number), &path, opened, &batch.bytes);
                    }
                    _ => {}
                }
            }
        }
        self.checked.skipped += self.open.len() as u64;
        Ok((self.checked, self.bad))
    }

    /// Puts a file into its chunks.
    fn file(&mut self, file: File, path: &[u8], opened: Opened, bytes: &[u8]) {
        let Some(old) = file.old else { return };
        let header = Header::new(ItemType::Payload, file.size).to_bytes();
        let contents = match opened {
            Opened::Read { bytes: range, fresh: None, change: None } => Ok(Source::Bytes(&bytes[range])),
            Opened::Open(file, None) => Ok(Source::File(file.into())),
            // What was changed since it was listed is read as any other file, or left out with a warning.
            Opened::Read { .. } | Opened::Open(..) | Opened::Gone(_) => Err(None),
            Opened::Failed(problem) => Err(Some(problem)),
        };
        if let Err(Some(problem)) = &contents {
            let error = WalkError { path: path.to_vec(), problem: problem.clone() };
            self.report.warn(format_args!("{error}; what the last snapshot has of it is kept"));
        }
        for part in parts(self.index, file).filter(|part| self.used[part.index] > 0).collect::<Vec<_>>() {
            // Which bytes of header and contents the chunk has.
            let start = part.extent.start + part.within.start - old;
            let range = start..start + (part.within.end - part.within.start);
            let len = part.extent.end - part.extent.start;
            let rebuilt = self.open.entry(part.index).or_insert_with(|| {
                let is_void = self.held + len > IN_MEMORY && self.held > 0;
                let bytes = if is_void { Vec::new() } else { vec![0; len as usize] };
                self.held += bytes.len() as u64;
                Rebuilt { bytes, is_void, filled: 0, parts: Vec::new() }
            });
            rebuilt.filled += range.end - range.start;
            if !rebuilt.is_void {
                let at = part.within.start as usize..part.within.end as usize;
                let is_there = match &contents {
                    Ok(source) => source.copy(&header, range, &mut rebuilt.bytes[at.clone()]),
                    Err(_) => false,
                };
                rebuilt.is_void = !is_there;
                rebuilt.parts.push((at, path.to_vec()));
            }
            if rebuilt.filled >= self.used[part.index]
                && let Some(rebuilt) = self.open.remove(&part.index)
            {
                self.held -= rebuilt.bytes.len() as u64;
                self.compare(part.index, &rebuilt);
            }
        }
    }

    /// Compares a chunk of which all is there that files have.
    fn compare(&mut self, number: usize, rebuilt: &Rebuilt) {
        if rebuilt.is_void {
            self.checked.skipped += 1;
            return;
        }
        let (digest, len) = (self.index.chunks()[number].digest, rebuilt.bytes.len() as u64);
        if rebuilt.filled < len && self.snapshot.stored().is_far() {
            if self.fetched == MOST_FETCHED {
                self.checked.skipped += 1;
                return;
            }
            self.fetched += 1;
        }
        self.checked.chunks += 1;
        self.checked.bytes += rebuilt.filled;
        if rebuilt.filled == len && self.crypt.digest(&rebuilt.bytes) == digest {
            return;
        }
        let stored = self.snapshot.chunk(&digest, len, self.crypt.mode());
        let is_same = |at: &Range<usize>| {
            stored.as_ref().is_ok_and(|stored| stored[at.clone()] == rebuilt.bytes[at.clone()])
        };
        let differing: Vec<&(Range<usize>, Vec<u8>)> =
            rebuilt.parts.iter().filter(|(at, _)| !is_same(at)).collect();
        if differing.is_empty() {
            return;
        }
        self.checked.differing += 1;
        self.bad[number] = true;
        if let Err(error) = &stored {
            self.report.warn(format_args!("the files in it are read: {error:#}"));
            return;
        }
        for (_, path) in differing.iter().take(NAMED) {
            self.report.warn(format_args!(
                "{}: its contents changed and its metadata did not; they are stored anew",
                DisplayPath(path)
            ));
        }
        if differing.len() > NAMED {
            self.report.warn(format_args!("and {} more files of that chunk", differing.len() - NAMED));
        }
    }
}

/// The contents of a file.
enum Source<'a> {
    Bytes(&'a [u8]),
    File(StdFile),
}

impl Source<'_> {
    /// Fills `out` with a range of header and contents; false if they cannot be read.
    fn copy(&self, header: &[u8; HEADER_SIZE], range: Range<u64>, out: &mut [u8]) -> bool {
        let in_header = HEADER_SIZE.saturating_sub(range.start as usize).min(out.len());
        let (first, rest) = out.split_at_mut(in_header);
        if in_header > 0 {
            let start = range.start as usize;
            first.copy_from_slice(&header[start..start + in_header]);
        }
        let at = (range.start + in_header as u64).saturating_sub(HEADER_SIZE as u64);
        match self {
            Self::Bytes(bytes) => {
                let found = bytes.get(at as usize..).and_then(|bytes| bytes.get(..rest.len()));
                found.is_some_and(|found| {
                    rest.copy_from_slice(found);
                    true
                })
            }
            Self::File(file) => file.read_exact_at(rest, at).is_ok(),
        }
    }
}

/// The parts of chunks that a file has in the previous payload stream, if it is unchanged.
fn parts(index: &DynamicIndex, file: File) -> impl Iterator<Item = pxkit_core::index::Part> + '_ {
    place(file).and_then(|range| index.parts(range).ok()).into_iter().flatten()
}

/// Where an unchanged file lies in the previous payload stream, header and contents.
fn place(file: File) -> Option<Range<u64>> {
    let old = file.old?;
    Some(old..old.checked_add(file.stored())?)
}

/// A number that decides in which turn a chunk is looked at.
fn lot(digest: &[u8; 32]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(bytes)
}
