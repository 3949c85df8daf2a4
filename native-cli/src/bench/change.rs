//! A generation made from the one before by edits that a seed determines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::RangeInclusive;

use anyhow::Context as _;

use super::manifest::{Entry, Manifest, Node, join, pairs};
use super::random::Random;
use super::set::Set;
use super::synthetic::Style;

/// How much changes, and where.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    /// Files whose contents change, of 100,000.
    pub changed: RangeInclusive<u64>,
    /// Files that come, of 100,000.
    pub added: u64,
    /// Files that go, of 100,000.
    pub removed: u64,
    /// Directories that all of this happens in, of 100 changed files.
    pub directories: u64,
    /// How many of 100 changed files changed in the generation before, too.
    pub again: RangeInclusive<u64>,
    /// Of so many files drawn the largest is changed: changed files are larger than others.
    pub candidates: u64,
    /// What the files are like.
    pub style: Style,
}

impl Profile {
    /// As in successive packages of the Linux sources.
    pub fn of_linux() -> Self {
        Self {
            changed: 1680..=2530,
            added: 12,
            removed: 22,
            directories: 33,
            again: 20..=27,
            candidates: 3,
            style: Style::Text,
        }
    }
}

/// Adds a generation to a set that has some.
pub(super) fn push(set: &mut Set, profile: &Profile, seed: u64) -> anyhow::Result<()> {
    let at = set.generations().len();
    set.move_to(at - 1)?;
    let old = set.manifest(at - 1)?;
    let before = if at >= 2 { set.manifest(at - 2)? } else { old.clone() };
    let time = old.entries().iter().map(|entry| entry.mtime).max().unwrap_or_default() + 60;

    let mut random = Random::new(seed, at as u64);
    let choice = Choice::draw(&before, &old, profile, &mut random);
    let mut entries: Vec<Entry> = Vec::with_capacity(old.entries().len());
    for entry in old.entries().iter().filter(|entry| !choice.removed.contains(entry.path.as_slice())) {
        let mut entry = entry.clone();
        if choice.changed.contains(entry.path.as_slice()) {
            let place = entry.place(&set.tree());
            let contents = fs::read(&place).with_context(|| format!("cannot read {}", place.display()))?;
            (entry.mtime, entry.node) = (time, kept(set, profile.style.edited(contents, &mut random))?);
        }
        if entry.node == Node::Directory {
            entry.mtime = time;
        }
        entries.push(entry);
    }
    for (number, directory) in choice.added.iter().enumerate() {
        let path = join(directory, format!("added-{at:03}-{number:05}").as_bytes());
        let node = kept(set, profile.style.fresh(&mut random))?;
        entries.push(Entry { path, mode: 0o644, mtime: time, node });
    }
    let manifest = Manifest::new(entries).over(&old);
    set.push(&format!("{}", at + 1), &manifest)
}

fn kept(set: &Set, contents: Vec<u8>) -> anyhow::Result<Node> {
    Ok(Node::File { size: contents.len() as u64, digest: set.pool().insert(&contents)? })
}

/// What happens to which files.
#[derive(Debug, PartialEq, Eq)]
struct Choice<'a> {
    changed: BTreeSet<&'a [u8]>,
    removed: BTreeSet<&'a [u8]>,
    /// The directory of each new file.
    added: Vec<&'a [u8]>,
}

impl<'a> Choice<'a> {
    fn draw(before: &'a Manifest, old: &'a Manifest, profile: &Profile, random: &mut Random) -> Self {
        let files: Vec<&Entry> = old.files().collect();
        let mut choice = Self { changed: BTreeSet::new(), removed: BTreeSet::new(), added: Vec::new() };
        if files.is_empty() {
            return choice;
        }
        let share = |of_100_000: u64| (files.len() as u64 * of_100_000).div_ceil(100_000) as usize;
        let wanted = share(random.within(profile.changed.clone()));

        let mut hot: Vec<&[u8]> =
            pairs(before, old).iter().filter_map(|pair| Some(pair.changed_file()?.path.as_slice())).collect();
        let again = wanted * random.within(profile.again.clone()) as usize / 100;
        while choice.changed.len() < again && !hot.is_empty() {
            choice.changed.insert(hot.swap_remove(random.below(hot.len() as u64) as usize));
        }

        let places = places(&files, (wanted * profile.directories as usize).div_ceil(100), random);
        // Places may have fewer files than are wanted.
        for _ in 0..20 * wanted {
            if choice.changed.len() >= wanted {
                break;
            }
            let drawn = (0..profile.candidates).map(|_| draw(&places, random));
            choice.changed.extend(drawn.max_by_key(|file| file.size()).map(|file| file.path.as_slice()));
        }
        for _ in 0..share(profile.removed).min(files.len() - choice.changed.len()) {
            choice.removed.insert(&draw(&places, random).path);
        }
        choice.changed.retain(|path| !choice.removed.contains(path));
        choice.added = (0..share(profile.added)).map(|_| random.pick(&places).0).collect();
        choice
    }
}

/// Directories, each with its files.
type Places<'a> = Vec<(&'a [u8], Vec<&'a Entry>)>;

/// So many directories, drawn by their number of files.
fn places<'a>(files: &[&'a Entry], wanted: usize, random: &mut Random) -> Places<'a> {
    let mut all: BTreeMap<&[u8], Vec<&Entry>> = BTreeMap::new();
    for file in files {
        all.entry(file.parent().unwrap_or_default()).or_default().push(file);
    }
    let wanted = wanted.clamp(1, all.len());
    let mut drawn = BTreeSet::new();
    while drawn.len() < wanted {
        drawn.insert(random.pick(files).parent().unwrap_or_default());
    }
    all.retain(|directory, _| drawn.contains(directory));
    all.into_iter().collect()
}

fn draw<'a>(places: &Places<'a>, random: &mut Random) -> &'a Entry {
    let (_, files) = random.pick(places);
    random.pick::<&Entry>(files)
}

#[cfg(test)]
mod tests {
    use pxkit_core::format::Digest;

    use super::*;

    /// 30,000 files, 15 in a directory, one in ten large; with `version` in those whose number `changed` takes.
    fn manifest(version: u8, changed: impl Fn(u64) -> bool) -> Manifest {
        let file = |at: u64| Entry {
            path: format!("{:05}/{at}", at / 15).into_bytes(),
            mode: 0o644,
            mtime: 0,
            node: Node::File {
                size: if at.is_multiple_of(10) { 50_000 } else { 5_000 },
                digest: Digest([if changed(at) { version } else { 0 }; 32]),
            },
        };
        Manifest::new((0..30_000).map(file).collect())
    }

    #[test]
    fn edits_are_like_those_of_packages() {
        let (before, old) = (manifest(0, |_| false), manifest(1, |at| at.is_multiple_of(50)));
        let profile = Profile::of_linux();
        for seed in 0..8 {
            let choice = Choice::draw(&before, &old, &profile, &mut Random::new(seed, 0));
            assert_eq!(choice, Choice::draw(&before, &old, &profile, &mut Random::new(seed, 0)));
            let changed: Vec<&Entry> =
                old.files().filter(|file| choice.changed.contains(file.path.as_slice())).collect();
            // Some of those chosen go instead.
            assert!((504 - 7..=759).contains(&changed.len()), "{}", changed.len());
            let again = changed.iter().filter(|file| file.node != before_node(&before, &file.path)).count();
            assert!((19..=32).contains(&(100 * again / changed.len())), "{again} of {}", changed.len());
            let directories: BTreeSet<_> = changed.iter().map(|file| file.parent()).collect();
            assert!((25..=60).contains(&(100 * directories.len() / changed.len())), "{}", directories.len());
            let mean = changed.iter().map(|file| file.size()).sum::<u64>() / changed.len() as u64;
            assert!((15_000..30_000).contains(&mean), "{mean} where the mean of all is 9,500");
            assert_eq!(choice.added.len(), 4);
            assert!((1..=7).contains(&choice.removed.len()));
        }
    }

    fn before_node(before: &Manifest, path: &[u8]) -> Node {
        before.files().find(|file| file.path == path).unwrap().node.clone()
    }

    #[test]
    fn small_trees_change_too() {
        let old = Manifest::new(manifest(0, |_| false).entries()[..2].to_vec());
        let choice = Choice::draw(&old, &old, &Profile::of_linux(), &mut Random::new(0, 0));
        assert!(choice.changed.len() + choice.removed.len() >= 1);
        assert!(choice.removed.len() < 2);
        let none = Manifest::default();
        let choice = Choice::draw(&none, &none, &Profile::of_linux(), &mut Random::new(0, 0));
        assert!(choice.changed.is_empty() && choice.added.is_empty());
    }
}
