//! What colours mean: the category of every entry or of every chunk, found once, a byte for each.

use pxkit_core::access::Tree;
use pxkit_core::format::Kind;
use pxkit_core::layout::{ChunkTable, Layout, sort_things};

use super::colour::{self, Tone};
use super::endings::{Group, group};
use crate::protocol::layout::{Category, Colouring, Legend};

/// Directories with a colour of their own.
const DIRECTORIES: usize = colour::CATEGORIES.len();

/// The category of each entry, or of each chunk.
#[derive(Clone, Copy, Debug)]
pub enum Categories<'a> {
    /// By entry; those behind the end have category 0.
    Entries(&'a [u8]),
    /// By chunk.
    Chunks(&'a [u8]),
}

/// A colouring of one layout.
#[derive(Clone, Debug)]
pub struct Colours {
    of: Vec<u8>,
    by_chunk: bool,
    names: Vec<String>,
    tones: Vec<Tone>,
}

impl Colours {
    /// Finds the categories. `ages` tells for each chunk how many snapshots ago it first appears; without earlier ones it is not known.
    pub fn new(layout: &Layout<'_>, colouring: Colouring, chunks: &ChunkTable, ages: Option<&[u16]>) -> Self {
        match colouring {
            Colouring::FileType => by_type(layout.tree()),
            Colouring::Directory => by_directory(layout),
            Colouring::ChunkUse => by_use(layout, chunks),
            Colouring::Age => by_age(chunks, ages),
        }
    }

    /// Of what.
    pub fn categories(&self) -> Categories<'_> {
        if self.by_chunk { Categories::Chunks(&self.of) } else { Categories::Entries(&self.of) }
    }

    /// The colours of the categories, in the order of their numbers.
    pub fn tones(&self) -> &[Tone] {
        &self.tones
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        self.of.capacity()
    }

    /// The categories with what is in them. A file with contents in chunks of several categories counts in each.
    pub fn legend(&self, layout: &Layout<'_>, chunks: &ChunkTable) -> Legend {
        let mut sums = vec![(0, 0); self.names.len()];
        let mut count = |category: u8, bytes: u64, files: u64| {
            let sum: &mut (u64, u64) = &mut sums[usize::from(category)];
            sum.0 += bytes;
            sum.1 += files;
        };
        match self.categories() {
            Categories::Entries(of) => {
                let category = |id: u32| of.get(id as usize).copied().unwrap_or_default();
                for &id in layout.map().order() {
                    count(category(id), 0, 1);
                }
                for span in layout.spans(0..layout.size()) {
                    if let pxkit_core::layout::Owner::Payload(id) = span.owner {
                        count(category(id), span.range.end - span.range.start, 0);
                    }
                }
            }
            Categories::Chunks(of) => {
                // A file in several chunks of the same category counts once there.
                let mut last = vec![usize::MAX; self.names.len()];
                for chunk in chunks.iter(layout) {
                    let category = of[chunk.number];
                    let last = &mut last[usize::from(category)];
                    let seen = usize::from(
                        *last != usize::MAX && chunk.files.start == *last && !chunk.files.is_empty(),
                    );
                    count(category, chunk.live, (chunk.files.len() - seen) as u64);
                    if !chunk.files.is_empty() {
                        *last = chunk.files.end - 1;
                    }
                }
            }
        }
        let categories = self.names.iter().zip(&self.tones).zip(sums);
        let category = |((name, tone), (bytes, files)): ((&String, &Tone), (u64, u64))| Category {
            name: name.clone(),
            light: tone.light.css(),
            dark: tone.dark.css(),
            bytes,
            files,
        };
        Legend { categories: categories.map(category).collect() }
    }
}

fn by_type(tree: &Tree) -> Colours {
    let of = |id| {
        let is_file = tree.kind(id) == Kind::File;
        if is_file { group(tree.name(id), tree.mode(id) & 0o111 != 0) as u8 } else { Group::Other as u8 }
    };
    Colours {
        of: (0..tree.len() as u32).map(of).collect(),
        by_chunk: false,
        names: Group::ALL.map(|group| group.name().to_owned()).to_vec(),
        tones: vec![
            colour::BLUE,
            colour::SKY,
            colour::GREEN,
            colour::PURPLE,
            colour::ORANGE,
            colour::VERMILLION,
            colour::YELLOW,
            colour::GREY,
        ],
    }
}

/// The largest directories of the root, and all else. A directory has the colour that its name asks for, unless a larger one took
/// it, so that it keeps it in other snapshots.
fn by_directory(layout: &Layout<'_>) -> Colours {
    let tree = layout.tree();
    let mut sizes: Vec<(u64, u32)> = Vec::new();
    if !tree.is_empty() {
        for id in tree.children(0).filter(|&id| tree.kind(id) == Kind::Directory) {
            let size = (id..tree.end(id)).map(|id| tree.size(id)).fold(0, u64::saturating_add);
            sizes.push((size, id));
        }
    }
    sort_things(&mut sizes, |a, b| b.0.cmp(&a.0));
    sizes.truncate(DIRECTORIES);

    let mut of = vec![sizes.len() as u8; tree.len()];
    let (mut names, mut tones, mut taken) = (Vec::new(), Vec::new(), [false; DIRECTORIES]);
    for (category, &(_, id)) in sizes.iter().enumerate() {
        of[id as usize..tree.end(id) as usize].fill(category as u8);
        names.push(crate::worker::text::escape(tree.name(id)));
        let wish =
            tree.name(id).iter().fold(0_usize, |hash, &byte| hash.wrapping_mul(31) + usize::from(byte));
        let free = (wish..wish + DIRECTORIES).map(|tone| tone % DIRECTORIES).find(|&tone| !taken[tone]);
        let tone = free.unwrap_or_default();
        taken[tone] = true;
        tones.push(colour::CATEGORIES[tone]);
    }
    names.push("other".to_owned());
    tones.push(colour::GREY);
    Colours { of, by_chunk: false, names, tones }
}

/// Names of the classes of use, and the least thousandths of each.
const USES: [(&str, u32); 6] =
    [("all used", 1000), ("90 % used", 900), ("75 %", 750), ("50 %", 500), ("25 %", 250), ("less", 0)];

fn by_use(layout: &Layout<'_>, chunks: &ChunkTable) -> Colours {
    let class = |per_mille| USES.iter().position(|&(_, least)| per_mille >= least).unwrap_or(USES.len() - 1);
    if chunks.is_empty() {
        return unknown(0, "chunks not known");
    }
    Colours {
        of: chunks.iter(layout).map(|chunk| class(chunk.use_per_mille()) as u8).collect(),
        by_chunk: true,
        names: USES.map(|(name, _)| name.to_owned()).to_vec(),
        tones: colour::USE.to_vec(),
    }
}

/// Names of the classes of age, and the most of each.
const AGES: [(&str, u16); 5] =
    [("1 snapshot ago", 1), ("2 to 3 ago", 3), ("4 to 7 ago", 7), ("8 to 15 ago", 15), ("earlier", u16::MAX)];

fn by_age(chunks: &ChunkTable, ages: Option<&[u16]>) -> Colours {
    let Some(ages) = ages.filter(|_| !chunks.is_empty()) else {
        return unknown(0, "earlier snapshots not open");
    };
    let class = |age: u16| match age {
        0 => 0,
        age => 1 + AGES.iter().position(|&(_, most)| age <= most).unwrap_or_default() as u8,
    };
    let age = |chunk: usize| ages.get(chunk).copied().unwrap_or_default();
    let own = ["new here"].into_iter();
    Colours {
        of: (0..chunks.len()).map(|chunk| class(age(chunk))).collect(),
        by_chunk: true,
        names: own.chain(AGES.map(|age| age.0)).map(str::to_owned).collect(),
        tones: [colour::GREEN].into_iter().chain(colour::AGE).collect(),
    }
}

/// One category for all, where what colours should mean is not known.
fn unknown(chunks: usize, why: &str) -> Colours {
    Colours { of: vec![0; chunks], by_chunk: false, names: vec![why.to_owned()], tones: vec![colour::GREY] }
}
