use alloc::vec::Vec;

use super::join::OldEntry;
use crate::decode::Event;
use crate::format::Kind;

/// All of a previous archive whose names are not in order, so that no pass can join it: some 200 bytes an entry. Archives are like that
/// if they were written in append order (change detection 10.13), or by a foreign writer.
#[derive(Clone, Debug, Default)]
pub struct Table {
    entries: Vec<OldEntry>,
    /// For each entry the number of the first that is not in it.
    ends: Vec<usize>,
    /// Directories that are open while the table is made.
    open: Vec<usize>,
    /// The directories that a walk is in, as far as the table has them: their children, sorted by name.
    levels: Vec<Vec<usize>>,
    /// Directories of the walk below those.
    foreign: usize,
    found: Option<usize>,
}

impl Table {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what comes next in the archive.
    pub fn add(&mut self, event: &Event<'_>) {
        match event {
            Event::Entry(entry) => {
                let number = self.entries.len();
                let mut old = OldEntry::default();
                old.set(entry, number as u64);
                self.entries.push(old);
                self.ends.push(number + 1);
                if entry.kind == Kind::Directory {
                    self.open.push(number);
                }
            }
            Event::Leave { .. } => {
                if let Some(directory) = self.open.pop() {
                    self.ends[directory] = self.entries.len();
                }
            }
            _ => {}
        }
    }

    /// Ends an archive that is damaged where it stands.
    pub fn cut_off(&mut self) {
        while let Some(directory) = self.open.pop() {
            self.ends[directory] = self.entries.len();
        }
    }

    /// What the archive has under `name` in the directory that the walk is in; see [`super::Join::find`]. Names may come in any order.
    pub fn find(&mut self, name: &[u8]) -> Option<&OldEntry> {
        self.found = None;
        if self.foreign > 0 || self.entries.is_empty() {
            return None;
        }
        let number = match self.levels.last() {
            None => 0,
            Some(children) => {
                let at = children.binary_search_by(|&child| self.entries[child].name().cmp(name)).ok()?;
                children[at]
            }
        };
        self.found = Some(number);
        self.entries.get(number)
    }

    /// All entries in the order of the archive.
    pub fn entries(&self) -> impl Iterator<Item = &OldEntry> {
        self.entries.iter()
    }

    /// The walk enters the directory that [`Table::find`] was asked for last.
    pub fn enter(&mut self) {
        let found = self.found.take().filter(|&at| self.entries[at].kind == Some(Kind::Directory));
        let Some(directory) = found else {
            self.foreign += 1;
            return;
        };
        let mut children = Vec::new();
        let mut next = directory + 1;
        while next < self.ends[directory] {
            children.push(next);
            next = self.ends[next];
        }
        // Stable: of several of one name it is always the same that is found.
        children.sort_by(|&a, &b| self.entries[a].name().cmp(self.entries[b].name()));
        self.levels.push(children);
    }

    /// The walk leaves a directory.
    pub fn leave(&mut self) {
        self.found = None;
        if self.foreign > 0 {
            self.foreign -= 1;
        } else {
            self.levels.pop();
        }
    }
}
