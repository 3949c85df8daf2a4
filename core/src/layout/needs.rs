use alloc::vec::Vec;
use core::ops::Range;

use super::sorted::{sort_ids, sort_things};
use super::spans::Layout;
use crate::decode::Content;
use crate::format::Kind;
use crate::index::DynamicIndex;

/// Which chunks have to be read for the contents of some entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Numbers of the chunks, ascending, in runs that do not touch.
    pub runs: Vec<Range<usize>>,
    /// Chunks.
    pub chunks: u64,
    /// Bytes of those chunks.
    pub bytes: u64,
    /// Files whose contents are needed; several names of one are one.
    pub files: u64,
    /// Bytes of their payloads, headers included.
    pub live: u64,
}

impl Layout<'_> {
    /// What it takes to read the contents of `entries`: for a directory and all below, `id..tree.end(id)`. Hard links count as the files
    /// that they are names of, since a restore of them needs those. Without an index there are no chunks.
    pub fn needs(&self, entries: Range<u32>) -> Needs {
        let mut needs = Needs::default();
        let mut runs = Runs { index: self.index(), runs: Vec::new(), sorted: true };
        let mut targets = Vec::new();
        let entries = entries.start..entries.end.min(self.tree().len() as u32);
        for id in entries.clone() {
            match self.tree().kind(id) {
                Kind::File => self.need(id, &mut needs, &mut runs),
                Kind::Hardlink => {
                    targets.extend(self.linked(id).filter(|target| !entries.contains(target)));
                }
                _ => {}
            }
        }
        sort_ids(&mut targets, &mut |a, b| a.cmp(&b));
        targets.dedup();
        for id in targets {
            self.need(id, &mut needs, &mut runs);
        }
        runs.merge();
        needs.runs = runs.runs;
        needs.chunks = needs.runs.iter().map(|run| run.len() as u64).sum();
        if let Some(index) = self.index() {
            let start = |at: usize| index.extent(at).map_or(0, |extent| extent.start);
            let end = |at: usize| index.chunks()[at - 1].end;
            needs.bytes = needs.runs.iter().map(|run| end(run.end) - start(run.start)).sum();
        }
        needs
    }

    /// The entry of the file that an entry is a name of; the entry itself, if it is no hard link, or one that leads nowhere.
    pub fn file_of(&self, id: u32) -> u32 {
        if self.tree().kind(id) == Kind::Hardlink { self.linked(id).unwrap_or(id) } else { id }
    }

    fn linked(&self, link: u32) -> Option<u32> {
        let Content::Hardlink { distance, .. } = self.tree().content(link) else { return None };
        let target = self.tree().find(self.tree().filename(link).checked_sub(distance)?)?;
        (self.tree().kind(target) == Kind::File).then_some(target)
    }

    fn need(&self, id: u32, needs: &mut Needs, runs: &mut Runs<'_>) {
        let Some(payload) = self.map().payload(self.tree(), id) else { return };
        let payload = payload.start.min(self.size())..payload.end.min(self.size());
        if !payload.is_empty() {
            needs.files += 1;
            // Files of an archive that lies may all claim the same bytes.
            needs.live = needs.live.saturating_add(payload.end - payload.start);
            runs.add(payload);
        }
    }
}

/// Runs of chunks; not more than the index can have, whatever the order of payloads.
struct Runs<'a> {
    index: Option<&'a DynamicIndex>,
    runs: Vec<Range<usize>>,
    /// Whether they are ascending and apart already.
    sorted: bool,
}

impl Runs<'_> {
    fn add(&mut self, payload: Range<u64>) {
        let Some(index) = self.index else { return };
        let chunks = index.chunks();
        let last = self.runs.last().map_or(0, |run| run.end.saturating_sub(1));
        // Mostly the chunk of the file before, or the next.
        let near = (last..chunks.len().min(last + 2)).find(|&at| payload.start < chunks[at].end);
        let near = near.filter(|&at| index.extent(at).is_some_and(|extent| extent.start <= payload.start));
        let Some(first) = near.or_else(|| index.find(payload.start)) else { return };
        let mut end = first + 1;
        if chunks[first].end < payload.end {
            end = index.find(payload.end - 1).map_or(chunks.len(), |last| last + 1);
        }
        match self.runs.last_mut() {
            Some(run) if first >= run.start && first <= run.end => run.end = run.end.max(end),
            last => {
                self.sorted &= last.is_none_or(|run| first > run.end);
                self.runs.push(first..end);
            }
        }
        if self.runs.len() > 2 * chunks.len() {
            self.merge();
        }
    }

    fn merge(&mut self) {
        if core::mem::replace(&mut self.sorted, true) {
            return;
        }
        sort_things(&mut self.runs, |a, b| (a.start, a.end).cmp(&(b.start, b.end)));
        let mut kept = 0;
        for at in 1..self.runs.len() {
            let run = self.runs[at].clone();
            if run.start <= self.runs[kept].end {
                self.runs[kept].end = self.runs[kept].end.max(run.end);
            } else {
                kept += 1;
                self.runs[kept] = run;
            }
        }
        self.runs.truncate(kept + 1);
    }
}
