//! Makes sets.

use std::path::{Path, PathBuf};

use anyhow::bail;
use serde_json::{Value, json};

use super::change::{self, Profile};
use super::linux;
use super::set::Set;
use super::synthetic::{self, Style};

/// Images of COCO's `train2017`, about.
const COCO_FILES: f64 = 118_000.0;

/// A set that is wanted.
#[derive(Clone, Debug)]
pub struct Prepare {
    /// Where the generations come from.
    pub source: Source,
    /// The directory of the set.
    pub target: PathBuf,
}

/// Where the generations of a set come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The Linux sources in these versions of Debian's package; those of the published figures if there are none.
    Linux {
        /// Debian versions, or `newest`.
        versions: Vec<String>,
    },
    /// Incompressible files of the sizes of the COCO images, with edits that replace them.
    Coco {
        /// The number of files, as a part of 118,000.
        scale: f64,
        /// Of generations.
        generations: usize,
        /// Which of many such sets.
        seed: u64,
    },
    /// Text files of 512 to 6144 bytes.
    Small {
        /// The number of files.
        files: u64,
        /// Of generations.
        generations: usize,
        /// Which of many such sets.
        seed: u64,
    },
}

/// Makes a set, or those of its generations that are missing; the same each time. Says on standard error what it does.
///
/// # Errors
/// A package cannot be fetched or holds other files than the published figures belong to, the target holds another set or is used
/// by somebody else, or cannot be written.
pub fn prepare(wanted: &Prepare) -> anyhow::Result<()> {
    let recipe = match &wanted.source {
        Source::Linux { versions } if versions.is_empty() => {
            json!({ "set": "linux", "versions": linux::VERSIONS.map(|(version, _)| version) })
        }
        Source::Linux { versions } => json!({ "set": "linux", "versions": versions }),
        Source::Coco { scale, generations, seed } => {
            let files = (COCO_FILES * scale).round().max(1.0) as u64;
            json!({ "set": "coco", "files": files, "generations": generations, "seed": seed })
        }
        Source::Small { files, generations, seed } => {
            json!({ "set": "small", "files": files, "generations": generations, "seed": seed })
        }
    };
    if !Set::is_set(&wanted.target) && !is_free(&wanted.target)? {
        bail!("{} is not empty and no set; name another directory", wanted.target.display());
    }
    let mut set = Set::open_or_begin(&wanted.target, recipe)?;
    let generations = own_generations(&set)?;
    grow(&mut set, generations)?;
    set.move_to(0)
}

/// Whether nothing is in the way: a directory of packages may be there already.
fn is_free(target: &Path) -> anyhow::Result<bool> {
    match target.read_dir() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => bail!("cannot read {}: {error}", target.display()),
        Ok(entries) => Ok(entries.flatten().all(|entry| entry.file_name() == "downloads")),
    }
}

/// What a set is asked to be, read back.
struct Recipe {
    versions: Vec<String>,
    style: Style,
    files: u64,
    generations: usize,
    seed: u64,
}

impl Recipe {
    fn of(set: &Set) -> anyhow::Result<Self> {
        let recipe = set.recipe();
        let number = |key: &str| recipe[key].as_u64().unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let versions: Vec<String> =
            recipe["versions"].as_array().into_iter().flatten().filter_map(text).collect();
        let style = match recipe["set"].as_str() {
            Some("linux" | "small") => Style::Text,
            Some("coco") => Style::Images,
            _ => bail!("{} holds a set that this program does not know: {recipe}", set.dir().display()),
        };
        let generations = versions.len().max(number("generations") as usize).max(1);
        Ok(Self { versions, style, files: number("files"), generations, seed: number("seed") })
    }
}

/// The number of generations that were asked for when the set was prepared.
pub(super) fn own_generations(set: &Set) -> anyhow::Result<usize> {
    Ok(Recipe::of(set)?.generations)
}

/// Makes the set have so many generations: behind those that packages give, with edits like those of the packages.
pub(super) fn grow(set: &mut Set, generations: usize) -> anyhow::Result<()> {
    let recipe = Recipe::of(set)?;
    let profile = if recipe.versions.is_empty() { recipe.style.profile() } else { Profile::of_linux() };
    let downloads = set.dir().join("downloads");
    let done = set.generations().len().min(recipe.versions.len());
    if done < recipe.versions.len() {
        linux::fetch(&recipe.versions[done..], &downloads)?;
    }
    for at in set.generations().len()..generations {
        match recipe.versions.get(at) {
            Some(version) => linux::push(set, version, &downloads)?,
            None if at == 0 => synthetic::begin(set, recipe.style, recipe.files, recipe.seed)?,
            None => change::push(set, &profile, recipe.seed)?,
        }
    }
    Ok(())
}
