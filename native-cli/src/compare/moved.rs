//! Files that are the same under another path.

use std::collections::{BTreeMap, HashMap, VecDeque};

use pxkit_core::compare::same_parts;
use pxkit_core::format::{Digest, Kind};
use sha2::{Digest as _, Sha256};

use super::contents::{Comparer, Contents};
use super::item::Item;
use super::side::Side;
use crate::report::check_signals;

/// Bytes of memory for the files of one side that the other lacks.
const MOST: usize = 64 << 20;
/// Bytes of contents that are looked at first.
const HEAD: u64 = 64 << 10;
/// Bytes that are hashed at once.
const BLOCK: u64 = 256 << 10;
/// Stands for a file that was paired.
const TAKEN: usize = usize::MAX;

/// Files of one side that the other lacks.
#[derive(Debug, Default)]
pub struct Candidates {
    items: Vec<Item>,
    memory: usize,
}

impl Candidates {
    /// Adds a file; nothing else can be moved, and nothing can be said of empty files.
    pub fn add(&mut self, item: &Item) {
        if item.kind != Kind::File || item.size == 0 || item.link.is_some() {
            return;
        }
        self.memory += size_of::<Item>() + item.path.len() + item.attributes.as_bytes().len();
        if !self.is_over() {
            self.items.push(item.clone());
        }
    }

    /// Whether there are more than could be kept.
    pub const fn is_over(&self) -> bool {
        self.memory > MOST
    }
}

/// What was moved.
#[derive(Debug, Default)]
pub struct Moved {
    /// New paths by old ones.
    old: HashMap<Vec<u8>, Vec<u8>>,
    /// What files were, by their new paths.
    new: HashMap<Vec<u8>, Item>,
}

impl Moved {
    /// Whether the file with this path has another one now.
    pub fn is_old(&self, path: &[u8]) -> bool {
        self.old.contains_key(path)
    }

    /// What the file that has this path now was before.
    pub fn of_new(&self, path: &[u8]) -> Option<&Item> {
        self.new.get(path)
    }
}

/// Finds files with the same contents, first by the chunks that they lie in, then, of those whose sizes both sides have, by reading them. Files that cannot be read
/// were not moved.
///
/// # Errors
/// The end by a signal.
pub fn find(
    (old, removed): (&Side, Candidates),
    (new, added): (&Side, Candidates),
    comparer: &mut Comparer,
) -> anyhow::Result<Moved> {
    let (mut removed, mut added) = (removed.items, added.items);
    removed.sort_by_key(|item| item.size);
    added.sort_by_key(|item| item.size);
    let mut moved = Moved::default();
    let (mut left, mut right) = (&mut removed[..], &mut added[..]);
    while let (Some(a), Some(b)) = (left.first(), right.first()) {
        let (a, b) = (a.size, b.size);
        let len_of = |items: &[Item], size| items.iter().take_while(|item| item.size == size).count();
        let (in_left, in_right) = if a == b {
            (len_of(left, a), len_of(right, b))
        } else {
            (usize::from(a < b), usize::from(a > b))
        };
        let (first, rest_of_left) = left.split_at_mut(in_left);
        let (second, rest_of_right) = right.split_at_mut(in_right);
        if a == b {
            let group = Group { old, new, removed: first, added: second };
            group.find(&mut moved, comparer)?;
        }
        (left, right) = (rest_of_left, rest_of_right);
    }
    Ok(moved)
}

/// Files of one size.
struct Group<'a> {
    old: &'a Side,
    new: &'a Side,
    removed: &'a [Item],
    added: &'a [Item],
}

impl Group<'_> {
    fn find(&self, moved: &mut Moved, comparer: &mut Comparer) -> anyhow::Result<()> {
        let mut left: Vec<usize> = (0..self.removed.len()).collect();
        let mut right: Vec<usize> = (0..self.added.len()).collect();
        self.pair_by(
            &mut left,
            &mut right,
            moved,
            |side, item| Ok(trace(&side.contents(item)?)),
            |a, b| self.lie_in_the_same_chunks(a, b),
        )?;
        let mut hash = |side: &Side, item: &Item, most: u64| {
            let contents = side.contents(item)?;
            let len = contents.size.min(most);
            comparer.read += len;
            Ok(Some(digest(&contents, len)?))
        };
        let is_long = self.removed.first().is_some_and(|item| item.size > HEAD);
        if !is_long {
            return self.pair_by(
                &mut left,
                &mut right,
                moved,
                |side, item| hash(side, item, HEAD),
                |_, _| true,
            );
        }
        // Long files that differ mostly do so in their first bytes; only those that do not are read as a whole.
        let mut heads = HashMap::<[u8; 32], (Vec<usize>, Vec<usize>)>::new();
        for &at in &left {
            if let Some(head) = tolerate(hash(self.old, &self.removed[at], HEAD))? {
                heads.entry(head).or_default().0.push(at);
            }
        }
        for &at in &right {
            if let Some(head) = tolerate(hash(self.new, &self.added[at], HEAD))? {
                heads.entry(head).or_default().1.push(at);
            }
        }
        let mut heads: Vec<_> = heads.into_values().filter(|(a, b)| !a.is_empty() && !b.is_empty()).collect();
        heads.sort();
        for (mut left, mut right) in heads {
            self.pair_by(&mut left, &mut right, moved, |side, item| hash(side, item, u64::MAX), |_, _| true)?;
        }
        Ok(())
    }

    /// Pairs the files that have the same key, and of which `are_same` holds: those with the same name first, then as they come. What was paired
    /// is taken out of both lists.
    fn pair_by<K: Ord + Clone>(
        &self,
        left: &mut Vec<usize>,
        right: &mut Vec<usize>,
        moved: &mut Moved,
        mut key: impl FnMut(&Side, &Item) -> anyhow::Result<Option<K>>,
        are_same: impl Fn(&Item, &Item) -> bool,
    ) -> anyhow::Result<()> {
        let mut keys_of = |side: &Side, items: &[Item], which: &[usize]| {
            let keys = which.iter().map(|&at| tolerate(key(side, &items[at])));
            keys.collect::<anyhow::Result<Vec<Option<K>>>>()
        };
        let keys_of_left = keys_of(self.old, self.removed, left)?;
        if keys_of_left.iter().all(Option::is_none) {
            return Ok(());
        }
        let keys_of_right = keys_of(self.new, self.added, right)?;
        for by_name in [true, false] {
            let name = |item: &'_ Item| if by_name { item.name().to_vec() } else { Vec::new() };
            let mut places = BTreeMap::<(&K, Vec<u8>), VecDeque<&mut usize>>::new();
            for (at, key) in left.iter_mut().zip(&keys_of_left).filter(|(at, _)| **at != TAKEN) {
                if let Some(key) = key {
                    places.entry((key, name(&self.removed[*at]))).or_default().push_back(at);
                }
            }
            for (at, key) in right.iter_mut().zip(&keys_of_right).filter(|(at, _)| **at != TAKEN) {
                let Some(key) = key else { continue };
                let item = &self.added[*at];
                let Some(found) = places.get_mut(&(key, name(item))) else { continue };
                let Some(of_old) = found.front().filter(|of_old| are_same(&self.removed[***of_old], item))
                else {
                    continue;
                };
                let before = &self.removed[**of_old];
                moved.old.insert(before.path.clone(), item.path.clone());
                moved.new.insert(item.path.clone(), before.clone());
                *at = TAKEN;
                if let Some(of_old) = found.pop_front() {
                    *of_old = TAKEN;
                }
            }
        }
        for list in [left, right] {
            // The keys do not matter any more.
            list.retain(|&at| at != TAKEN);
        }
        Ok(())
    }

    fn lie_in_the_same_chunks(&self, a: &Item, b: &Item) -> bool {
        let (Ok(a), Ok(b)) = (self.old.contents(a), self.new.contents(b)) else { return false };
        let (Some((left, key)), Some((right, other_key))) = (a.parts(), b.parts()) else { return false };
        key == other_key && same_parts(left, right) == Some(true)
    }
}

/// A file that cannot be read was not moved, as far as anybody can tell.
fn tolerate<T>(result: anyhow::Result<Option<T>>) -> anyhow::Result<Option<T>> {
    check_signals()?;
    Ok(result.unwrap_or(None))
}

/// Where contents begin: the digest of their chunk, and the place in it. Others may have the same, which does not matter, since all their
/// chunks are compared.
fn trace(contents: &Contents) -> Option<(Digest, u64)> {
    let part = contents.parts()?.0.next()?;
    Some((part.digest, part.within.start))
}

fn digest(contents: &Contents, len: u64) -> anyhow::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut buffer = Vec::new();
    let mut at = 0;
    while at < len {
        check_signals()?;
        let end = len.min(at + BLOCK);
        contents.read(at..end, &mut buffer)?;
        hasher.update(&buffer);
        at = end;
    }
    Ok(hasher.finalize().into())
}
