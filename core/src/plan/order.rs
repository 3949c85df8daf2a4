use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::listing::Listing;

/// Sorts the records of a spool into append order (change detection 10.13): in each directory first what the previous archive has, in
/// its order there, then the rest by name. So what is unchanged stays together, and the files that are read form one segment.
///
/// Memory: 40 bytes for each node.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// In the order of the spool.
    nodes: Vec<Node>,
    /// Directories that are open.
    open: Vec<usize>,
    /// Files with several names, by node.
    linked: Vec<(usize, (u64, u64))>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// Its position in the spool.
    at: u64,
    /// Number of the node behind it and all that is in it.
    end: usize,
    /// Where the previous archive has it.
    place: u64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A directory; where its end is in the spool.
    Directory(u64),
    /// A file: its number in the listing.
    File(usize),
    Other,
}

/// A record of the spool, when its turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its position in the spool.
    pub at: u64,
    /// It is a file of which another name came before, hence a hard link.
    pub is_link: bool,
}

impl Order {
    /// No nodes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The record at `at` is a directory. `place` is [`crate::reuse::OldEntry::place`] if the previous archive has it.
    pub fn enter(&mut self, at: u64, place: Option<u64>) {
        self.open.push(self.nodes.len());
        self.add(at, place, What::Directory(0));
    }

    /// The record at `at` ends the innermost directory.
    pub fn leave(&mut self, at: u64) {
        if let Some(directory) = self.open.pop() {
            self.nodes[directory].end = self.nodes.len();
            self.nodes[directory].what = What::Directory(at);
        }
    }

    /// The record at `at` is the file `number` of the listing, with a place if it did not change. If it has several names, `inode` says
    /// which file it is, and every name is a file of the listing.
    pub fn file(&mut self, at: u64, place: Option<u64>, number: usize, inode: Option<(u64, u64)>) {
        if let Some(inode) = inode {
            self.linked.push((self.nodes.len(), inode));
        }
        self.add(at, place, What::File(number));
    }

    /// The record at `at` is anything else.
    pub fn node(&mut self, at: u64, place: Option<u64>) {
        self.add(at, place, What::Other);
    }

    fn add(&mut self, at: u64, place: Option<u64>, what: What) {
        let end = self.nodes.len() + 1;
        self.nodes.push(Node { at, end, place: place.unwrap_or(u64::MAX), what });
    }

    /// The records in append order, ends of directories included, and the listing in that order, without the files that have become hard
    /// links.
    pub fn sort(&self, listing: &Listing) -> (Vec<Turn>, Listing) {
        let mut sorted = Sorted { turns: Vec::with_capacity(self.nodes.len()), ..Sorted::default() };
        // Nodes that come, the next one last; a directory comes twice, the second time to be left.
        let mut coming = Vec::new();
        if !self.nodes.is_empty() {
            coming.push((0, false));
        }
        while let Some((number, is_end)) = coming.pop() {
            let node = self.nodes[number];
            let is_root = number == 0;
            let mut turn = Turn { at: node.at, is_link: false };
            match node.what {
                What::Directory(at) if is_end => {
                    turn.at = at;
                    if !is_root {
                        sorted.listing.leave();
                    }
                }
                What::Directory(_) => {
                    if !is_root {
                        sorted.listing.enter();
                    }
                    coming.push((number, true));
                    coming.extend(self.children(number).into_iter().rev().map(|child| (child, false)));
                }
                What::File(file) => {
                    let linked = self.linked.binary_search_by_key(&number, |linked| linked.0);
                    turn.is_link = linked.is_ok_and(|at| !sorted.seen.insert(self.linked[at].1));
                    if !turn.is_link {
                        sorted.listing.take(listing, file);
                    }
                }
                What::Other => {}
            }
            sorted.turns.push(turn);
        }
        (sorted.turns, sorted.listing)
    }

    /// The children of a directory in append order.
    fn children(&self, directory: usize) -> Vec<usize> {
        let mut children = Vec::new();
        let mut next = directory + 1;
        while next < self.nodes[directory].end {
            children.push(next);
            next = self.nodes[next].end;
        }
        children.sort_by_key(|&child| self.nodes[child].place);
        children
    }
}

#[derive(Default)]
struct Sorted {
    turns: Vec<Turn>,
    listing: Listing,
    /// Files with several names of which one came.
    seen: BTreeSet<(u64, u64)>,
}
