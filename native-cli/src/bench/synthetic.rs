//! Trees that a seed determines.

use std::fs;

use anyhow::Context as _;

use super::advance::settle;
use super::change::Profile;
use super::manifest::{Entry, Manifest, Node, digest};
use super::random::Random;
use super::set::Set;

/// When the first generation was made; the others follow by the minute. All are past, so no run finds a file too young to trust.
pub(super) const BEGIN: i64 = 1_700_000_000;

/// What files of a tree are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Text of 512 to 6144 bytes; edits are small.
    Text,
    /// Incompressible, of the sizes of the images of COCO's `train2017` (118,000 of 163 kB in the mean): log-normal with
    /// deviation 0.4, between 10 and 500 kB. Edits replace them.
    Images,
}

impl Style {
    /// Contents of a new file.
    pub fn fresh(self, random: &mut Random) -> Vec<u8> {
        match self {
            Self::Text => {
                let size = random.within(512..=6144);
                random.text(size as usize)
            }
            Self::Images => {
                let size = 150_500.0 * (0.4 * random.normal()).exp();
                random.noise(size.clamp(10_000.0, 500_000.0) as usize)
            }
        }
    }

    /// Contents after an edit; never the same.
    pub fn edited(self, mut contents: Vec<u8>, random: &mut Random) -> Vec<u8> {
        if self == Self::Images {
            return self.fresh(random);
        }
        for _ in 0..random.within(1..=4) {
            let at = random.below(contents.len() as u64 + 1) as usize;
            let end = contents.len().min(at + random.below(200) as usize);
            let len = random.within(1..=400) as usize;
            // Marks that text has nowhere else: what is put in differs from what was there.
            let put =
                format!("/* {:016x} {} */\n", random.next(), String::from_utf8_lossy(&random.text(len)));
            contents.splice(at..end, put.into_bytes());
        }
        contents
    }

    fn suffix(self) -> &'static str {
        if self == Self::Text { "c" } else { "jpg" }
    }

    fn files_per_directory(self) -> u64 {
        if self == Self::Text { 250 } else { 1000 }
    }

    /// One in a hundred files changes in a generation, two in a thousand come and as many go, thirty in one directory.
    pub fn profile(self) -> Profile {
        Profile {
            changed: 1000..=1000,
            added: 200,
            removed: 200,
            directories: 3,
            again: 0..=0,
            candidates: 1,
            style: self,
        }
    }
}

/// Makes the first generation in the empty tree of a set: files in directories `00/000` and so on.
pub(super) fn begin(set: &mut Set, style: Style, files: u64, seed: u64) -> anyhow::Result<()> {
    let tree = set.tree();
    fs::remove_dir_all(&tree)
        .and_then(|()| fs::create_dir(&tree))
        .with_context(|| format!("cannot empty {}", tree.display()))?;
    let directory =
        |path: &str| Entry { path: path.into(), mode: 0o755, mtime: BEGIN, node: Node::Directory };
    let mut entries = vec![directory("")];
    let mut random = Random::new(seed, 0);
    for at in 0..files {
        let below = at / style.files_per_directory();
        let (upper, lower) = (format!("{:02}", below / 50), format!("{:02}/{:03}", below / 50, below % 50));
        if at.is_multiple_of(style.files_per_directory()) {
            if below.is_multiple_of(50) {
                entries.push(directory(&upper));
            }
            entries.push(directory(&lower));
            fs::create_dir_all(tree.join(&lower))
                .with_context(|| format!("cannot make {lower} in {}", tree.display()))?;
        }
        let contents = style.fresh(&mut random);
        let node = Node::File { size: contents.len() as u64, digest: digest(&contents) };
        let path = format!("{lower}/{at:06}.{}", style.suffix()).into_bytes();
        let entry = Entry { path, mode: 0o644, mtime: BEGIN, node };
        let place = entry.place(&tree);
        fs::write(&place, contents).with_context(|| format!("cannot write {}", place.display()))?;
        entries.push(entry);
    }
    let manifest = Manifest::new(entries);
    for entry in manifest.entries() {
        settle(&tree, entry)?;
    }
    set.push("1", &manifest)
}
