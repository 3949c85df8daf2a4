//! What the state of the previous snapshot tells of the nodes that the walk comes to.

use pxkit_core::decode::{Content, Entry, Event};
use pxkit_core::format::{Kind, PayloadRef, Stat, Timestamp};
use pxkit_core::reuse::state::{Devices, Doubt, Kinship, Marks, Moved, Trace};
use pxkit_core::reuse::{OldEntry, Table, Verdict, Why};

use super::old::StateUse;
use super::state::{Policy, State};
use crate::walk;

/// The state, and what it has told so far.
pub struct Known {
    state: State,
    devices: Devices,
    moved: Moved,
    /// Whether it is void, as long as that is not decided.
    doubt: Option<Doubt>,
    /// Why files are read that may yet turn out to be somewhere else, by their number in the listing.
    reasons: Vec<(usize, Why)>,
    /// Entries of the archive so far, and the last one, if it is a file that was not found in the tree yet.
    count: u64,
    latest: Option<Former>,
    /// The files that were found, if the archive is in memory as a whole.
    found: Vec<bool>,
    /// It is void.
    is_void: bool,
}

/// A file of the previous archive.
struct Former {
    number: u64,
    mtime: Timestamp,
    payload: PayloadRef,
}

/// A node as it is now, and what it is to the one that was there.
#[derive(Clone, Copy, Debug)]
pub struct Looked {
    trace: Trace,
    /// What it is to the one that the previous archive has at its path.
    pub kinship: Kinship,
    /// That one, by its number in the archive.
    pub former: Option<(u64, Trace)>,
}

impl Looked {
    /// Whether nothing about a node changed since it was read, so that what the archive has of it holds.
    pub fn is_untouched(&self, node: &walk::Node<'_>, old: &OldEntry) -> bool {
        let stat = Stat { flags: old.stat.flags, ..node.stat };
        // The archive and the file system must agree in what `stat` tells; they do unless somebody meddled with the state.
        self.kinship == Kinship::Untouched
            && self.former.is_some_and(|(_, former)| former.marks.has(Marks::WHOLE))
            && old.kind == Some(node.kind)
            && stat == old.stat
            && (node.kind != Kind::File || old.payload.is_some_and(|payload| payload.size == node.size))
    }
}

/// A file of the listing of which it turned out that it need not be read.
#[derive(Clone, Copy, Debug)]
pub struct Revision {
    /// Its number in the listing.
    pub number: usize,
    /// Where the previous payload stream has it.
    pub old: u64,
    /// Why it was to be read.
    pub why: Why,
}

impl Known {
    /// What a state tells under a policy.
    pub fn new(state: State, policy: Policy) -> Self {
        let doubt = (policy == Policy::Auto).then(Doubt::new);
        let (devices, moved, reasons, found) = Default::default();
        Self { state, devices, moved, doubt, reasons, count: 0, latest: None, found, is_void: false }
    }

    /// The previous archive goes on with this.
    pub fn pass(&mut self, event: &Event<'_>) {
        let Event::Entry(Entry { stat, content, .. }) = event else { return };
        self.settle();
        if let Content::Reference(payload) = *content {
            self.latest = Some(Former { number: self.count, mtime: stat.mtime, payload });
        }
        self.count += 1;
    }

    /// The last file of the archive is not to be found in the tree any more.
    fn settle(&mut self) {
        if let Some(Former { number, mtime, payload }) = self.latest.take()
            && let Some(trace) = self.state.get(number)
        {
            self.moved.gone(&trace, mtime, payload);
        }
    }

    /// From here on the archive is in memory.
    pub fn turn_to_table(&mut self) {
        // What was found before cannot be told from what was not. If that leads to files that share contents, it will be noticed.
        (self.moved, self.latest, self.found) = (Moved::new(), None, Vec::new());
    }

    /// Looks at a node of the walk, and what the archive has at its path. `enters`: another file system begins there.
    pub fn look(&mut self, node: &walk::Node<'_>, old: Option<&OldEntry>, enters: bool) -> Looked {
        let former = self.former(old);
        let there = former.as_ref().map(|(_, trace)| trace);
        let device = self.devices.number(node.dev);
        if enters {
            self.devices.enter(device, there);
        }
        let trace = trace(node, device);
        let kinship = self.devices.relate(&trace, there);
        Looked { trace, kinship, former }
    }

    /// What the state has of an entry of the archive, with its number.
    pub fn former(&mut self, old: Option<&OldEntry>) -> Option<(u64, Trace)> {
        let number = old?.number;
        Some((number, self.state.get(number)?))
    }

    /// The file `number` of the listing was compared with what the archive has at its path. If that shows that the state is void, returns
    /// the files that need not be read after all.
    pub fn compared(
        &mut self,
        (number, node): (usize, &walk::Node<'_>),
        looked: &Looked,
        old: Option<&OldEntry>,
        verdict: Verdict,
        in_table: bool,
    ) -> Option<Vec<Revision>> {
        let Verdict::Read(why) = verdict else {
            self.latest = None;
            if let (true, Some(old)) = (in_table, old) {
                let at = old.number as usize;
                self.found.resize(self.found.len().max(at + 1), false);
                self.found[at] = true;
            }
            return self.candidate(None);
        };
        let is_doubtful = matches!(why, Why::Touched | Why::Replaced);
        // Of a further name of a file, which is the first one now, the archive has the contents elsewhere, too.
        let is_another = why == Why::New || matches!(looked.kinship, Kinship::Other | Kinship::Unknown);
        let may_be_elsewhere =
            is_another && self.moved.come(number, &looked.trace, node.size, node.stat.mtime, &self.devices);
        if may_be_elsewhere || (is_doubtful && self.doubt.is_some()) {
            self.reasons.push((number, why));
        }
        match why {
            _ if looked.kinship == Kinship::Unknown => None,
            Why::Touched | Why::Replaced => {
                let offset = old.and_then(|old| old.payload).map(|payload| (number, payload.offset));
                self.candidate(offset)
            }
            Why::Metadata | Why::Racy => self.candidate(None),
            _ => None,
        }
    }

    fn candidate(&mut self, doubtful: Option<(usize, u64)>) -> Option<Vec<Revision>> {
        let doubt = self.doubt.as_mut()?;
        let outcome = doubt.candidate(doubtful);
        if doubt.is_decided() {
            self.doubt = None;
        }
        let revisions = outcome?;
        self.is_void = true;
        Some(self.revisions(revisions.into_iter()))
    }

    fn revisions(&self, files: impl Iterator<Item = (usize, u64)>) -> Vec<Revision> {
        let reason = |number| {
            let at = self.reasons.binary_search_by_key(&number, |reason| reason.0).ok()?;
            Some(self.reasons[at].1)
        };
        files.filter_map(|(number, old)| reason(number).map(|why| Revision { number, old, why })).collect()
    }

    /// Whether the state proved to be void.
    pub fn is_void(&self) -> bool {
        self.is_void
    }

    /// The walk and the archive are at their end: the files that were found at another path, and what came of the state.
    pub fn finish(mut self, table: Option<&Table>) -> (Vec<Revision>, StateUse) {
        self.settle();
        for old in table.into_iter().flat_map(Table::entries) {
            let is_found = self.found.get(old.number as usize).copied().unwrap_or(false);
            if let (false, Some(payload)) = (is_found, old.payload)
                && let Some(trace) = self.state.get(old.number)
            {
                self.moved.gone(&trace, old.stat.mtime, payload);
            }
        }
        let moved = std::mem::take(&mut self.moved);
        let (is_void, lost, count) = (self.is_void, self.state.lost(), self.state.count());
        (self.revisions(moved.matches()), StateUse { is_void, lost, count })
    }
}

/// What a node was when it was looked at.
fn trace(node: &walk::Node<'_>, device: u16) -> Trace {
    let links = if node.kind == Kind::File { u32::try_from(node.nlink).unwrap_or(u32::MAX) } else { 0 };
    Trace { device, ino: node.ino, birth: node.birth, ctime: node.ctime, links, marks: node.marks }
}
