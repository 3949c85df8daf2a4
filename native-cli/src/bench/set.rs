//! A prepared set on disk.
//!
//! ```text
//! set.json      what was asked for, and the generations there are
//! manifests/0   of the first generation, and so on
//! pool/         contents that not all generations have
//! tree/         the working tree
//! position      the generation that the tree comes from and the one it is to be; the same unless a move was interrupted
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};

use super::advance::advance;
use super::manifest::{Manifest, pairs};
use super::pool::Pool;

/// A set, locked for this process.
#[derive(Debug)]
pub(super) struct Set {
    dir: PathBuf,
    pool: Pool,
    /// What was asked for: the set's kind and what its contents depend on.
    recipe: Value,
    generations: Vec<Generation>,
    _lock: File,
}

/// What there is to know about a generation without its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Generation {
    pub name: String,
    pub files: u64,
    /// Bytes of contents.
    pub bytes: u64,
    /// Files whose contents the generation before had not.
    pub changed_files: u64,
    pub changed_bytes: u64,
    /// Of [`Manifest::digest`].
    pub digest: String,
}

impl Set {
    /// Whether this directory holds a set.
    pub fn is_set(dir: &Path) -> bool {
        dir.join("set.json").is_file()
    }

    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        let file = dir.join("set.json");
        let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let lock = lock(dir)?;
        let parsed = serde_json::from_slice(&text).ok().and_then(|value: Value| {
            let generations = value["generations"].as_array()?.iter().map(Generation::from_json);
            Some((value["recipe"].clone(), generations.collect::<Option<Vec<_>>>()?))
        });
        let Some((recipe, generations)) = parsed else {
            bail!("{} is not of this program; prepare the set again", file.display())
        };
        let set =
            Self { dir: dir.to_owned(), pool: Pool::new(dir.join("pool")), recipe, generations, _lock: lock };
        if !set.generations.is_empty() {
            set.finish_move()?;
        }
        Ok(set)
    }

    /// Opens a set of this recipe, or begins one without generations.
    pub fn open_or_begin(dir: &Path, recipe: Value) -> anyhow::Result<Self> {
        if !Self::is_set(dir) {
            for name in ["manifests", "pool", "tree"] {
                let place = dir.join(name);
                fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
            }
            let _lock = lock(dir)?;
            let pool = Pool::new(dir.join("pool"));
            let begun =
                Self { dir: dir.to_owned(), pool, recipe: recipe.clone(), generations: Vec::new(), _lock };
            begun.write()?;
        }
        let set = Self::open(dir)?;
        if set.recipe != recipe {
            let dir = dir.display();
            bail!("{dir} holds another set, {}; name another directory or remove this one", set.recipe);
        }
        Ok(set)
    }

    pub fn recipe(&self) -> &Value {
        &self.recipe
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn tree(&self) -> PathBuf {
        self.dir.join("tree")
    }

    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    pub fn generations(&self) -> &[Generation] {
        &self.generations
    }

    pub fn manifest(&self, at: usize) -> anyhow::Result<Manifest> {
        let file = self.dir.join(format!("manifests/{at}"));
        fs::read(&file)
            .map_err(Into::into)
            .and_then(|text| Manifest::parse(&text))
            .with_context(|| format!("cannot read the manifest {}", file.display()))
    }

    /// Adds a generation. Contents that are new must be in the pool; of the first generation they are in the tree.
    pub fn push(&mut self, name: &str, manifest: &Manifest) -> anyhow::Result<()> {
        let at = self.generations.len();
        let before = if at == 0 { Manifest::default() } else { self.manifest(at - 1)? };
        let pairs = pairs(&before, manifest);
        let changed: Vec<u64> = pairs.iter().filter_map(|pair| Some(pair.changed_file()?.size())).collect();
        let generation = Generation {
            name: name.to_owned(),
            files: manifest.files().count() as u64,
            bytes: manifest.bytes(),
            changed_files: changed.len() as u64,
            changed_bytes: changed.iter().sum(),
            digest: manifest.digest().to_string(),
        };
        self.write_file(&format!("manifests/{at}"), &manifest.text())?;
        if at == 0 {
            self.write_file("position", b"0 0")?;
        }
        self.generations.push(generation);
        self.write()
    }

    /// Makes the tree what this generation says.
    pub fn move_to(&self, at: usize) -> anyhow::Result<()> {
        let (_, from) = self.position()?;
        if from == at {
            return Ok(());
        }
        self.write_file("position", format!("{from} {at}").as_bytes())?;
        self.finish_move()
    }

    fn finish_move(&self) -> anyhow::Result<()> {
        let (from, to) = self.position()?;
        if from != to {
            advance(&self.tree(), &self.manifest(from)?, &self.manifest(to)?, &self.pool)?;
            self.write_file("position", format!("{to} {to}").as_bytes())?;
        }
        Ok(())
    }

    fn position(&self) -> anyhow::Result<(usize, usize)> {
        let file = self.dir.join("position");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let numbers =
            text.split_once(' ').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
        numbers.ok_or_else(|| anyhow!("{} is damaged; prepare the set again", file.display()))
    }

    fn write(&self) -> anyhow::Result<()> {
        let generations: Vec<Value> = self.generations.iter().map(Generation::json).collect();
        let value = json!({ "recipe": self.recipe, "generations": generations });
        self.write_file("set.json", format!("{value:#}\n").as_bytes())
    }

    fn write_file(&self, name: &str, contents: &[u8]) -> anyhow::Result<()> {
        let (place, partial) = (self.dir.join(name), self.dir.join("partial"));
        fs::write(&partial, contents)
            .and_then(|()| fs::rename(&partial, &place))
            .with_context(|| format!("cannot write {}", place.display()))
    }
}

impl Generation {
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "files": self.files,
            "bytes": self.bytes,
            "changed_files": self.changed_files,
            "changed_bytes": self.changed_bytes,
            "digest": self.digest,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let number = |key: &str| value[key].as_u64();
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        Some(Self {
            name: text("name")?,
            files: number("files")?,
            bytes: number("bytes")?,
            changed_files: number("changed_files")?,
            changed_bytes: number("changed_bytes")?,
            digest: text("digest")?,
        })
    }
}

/// One run at a time moves the tree.
fn lock(dir: &Path) -> anyhow::Result<File> {
    let place = dir.join("lock");
    let file = File::create(&place).with_context(|| format!("cannot write {}", place.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            bail!("another process uses the set in {}", dir.display())
        }
        result => result.with_context(|| format!("cannot lock {}", place.display())).map(|()| file),
    }
}
