//! Backs up generation after generation in every mode, each mode into a store of its own.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use super::prepare::{grow, own_generations};
use super::result::{Figures, Mode, Outcome};
use super::set::{Generation, Set};
use super::summary::Summary;
use crate::report::check_signals;

/// Size of an index without entries, and of an entry (specification of the datastore, dynamic index).
const INDEX_HEADER: u64 = 4096;
const INDEX_ENTRY: u64 = 40;

/// A benchmark that is wanted.
#[derive(Clone, Debug)]
pub struct Run {
    /// The archive's name, with `.pxar`.
    pub archive: String,
    /// A set, or any directory, which is then backed up twice.
    pub source: PathBuf,
    /// Where the stores of the modes go, and stay; without it they are made beside the set's tree and removed at the end.
    pub repository: Option<PathBuf>,
    /// Change detection modes.
    pub modes: Vec<String>,
    /// Further options of each `pxkit backup`.
    pub options: Vec<OsString>,
    /// How often everything is done; figures are medians.
    pub runs: usize,
    /// Generations made behind those that the set has by itself.
    pub extend: usize,
    /// Whether the last generation is restored from each store, too.
    pub restore: bool,
}

/// Runs a benchmark and gives its figures, as a table in Markdown and as JSON. Says on standard error how far it is.
///
/// # Errors
/// The source is neither a set nor a directory, a store is there already, or a backup or a restore fails.
pub fn run(wanted: &Run) -> anyhow::Result<(String, Value)> {
    let subject = Subject::open(wanted)?;
    let bench = Bench { wanted, subject, program: env::current_exe().context("cannot find this program")? };
    let outcome = bench.run()?;
    Ok((outcome.table(), outcome.json()))
}

/// What is backed up.
enum Subject {
    Set(Box<Set>, usize),
    Plain(PathBuf, [Generation; 2]),
}

impl Subject {
    fn open(wanted: &Run) -> anyhow::Result<Self> {
        let source = &wanted.source;
        if Set::is_set(source) {
            let mut set = Set::open(source)?;
            let generations = own_generations(&set)? + wanted.extend;
            grow(&mut set, generations)?;
            return Ok(Self::Set(Box::new(set), generations));
        }
        if wanted.extend > 0 {
            bail!(
                "{} is no set that `pxkit bench prepare` made; only those can be extended",
                source.display()
            );
        }
        let (files, bytes) = extent(source)?;
        let generation = |name: &str, changed_files, changed_bytes| Generation {
            name: name.to_owned(),
            files,
            bytes,
            changed_files,
            changed_bytes,
            digest: String::new(),
        };
        Ok(Self::Plain(source.clone(), [generation("first", files, bytes), generation("unchanged", 0, 0)]))
    }

    fn tree(&self) -> PathBuf {
        match self {
            Self::Set(set, _) => set.tree(),
            Self::Plain(tree, _) => tree.clone(),
        }
    }

    fn generations(&self) -> &[Generation] {
        match self {
            Self::Set(set, generations) => &set.generations()[..*generations],
            Self::Plain(_, generations) => generations,
        }
    }

    fn move_to(&self, at: usize) -> anyhow::Result<()> {
        if let Self::Set(set, _) = self { set.move_to(at) } else { Ok(()) }
    }

    fn about(&self) -> Value {
        match self {
            Self::Set(set, _) => set.recipe().clone(),
            Self::Plain(tree, _) => json!({ "directory": tree.to_string_lossy() }),
        }
    }
}

struct Bench<'a> {
    wanted: &'a Run,
    subject: Subject,
    program: PathBuf,
}

impl Bench<'_> {
    fn run(&self) -> anyhow::Result<Outcome> {
        let stores = self.stores()?;
        let generations = self.subject.generations();
        let mode = |name: &String| Mode {
            name: name.clone(),
            backups: vec![Vec::new(); generations.len()],
            restores: Vec::new(),
        };
        let mut modes: Vec<Mode> = self.wanted.modes.iter().map(mode).collect();
        // No mode is to pay for the first reading.
        read_all(&self.subject.tree())?;
        for run in 1..=self.wanted.runs {
            let mut last = vec![String::new(); modes.len()];
            for (at, generation) in generations.iter().enumerate() {
                self.subject.move_to(at)?;
                for (mode, last) in modes.iter_mut().zip(&mut last) {
                    check_signals()?;
                    let store = stores.join(&mode.name);
                    if at == 0 && run > 1 {
                        remove(&store)?;
                    }
                    eprint!(
                        "run {run} of {}, generation {}, {}: ",
                        self.wanted.runs, generation.name, mode.name
                    );
                    let figures = self.backup(&store, &mode.name, at, last)?;
                    eprintln!("{:.3} s", figures.seconds);
                    mode.backups[at].push(figures);
                }
            }
            for (mode, snapshot) in modes.iter_mut().zip(&last).filter(|_| self.wanted.restore) {
                let seconds = self.restore(&stores, &mode.name, snapshot)?;
                eprintln!("run {run} of {}, restore, {}: {seconds:.3} s", self.wanted.runs, mode.name);
                mode.restores.push(seconds);
            }
        }
        if self.wanted.repository.is_none() {
            remove(&stores)?;
        }
        Ok(Outcome { about: self.about(), generations: generations.to_vec(), modes })
    }

    /// The directory of the stores, in which there are none of these modes.
    fn stores(&self) -> anyhow::Result<PathBuf> {
        let stores = match (&self.wanted.repository, &self.subject) {
            (Some(directory), _) => {
                for mode in &self.wanted.modes {
                    if directory.join(mode).exists() {
                        bail!("{} exists already; name another directory", directory.join(mode).display());
                    }
                }
                std::path::absolute(directory)?
            }
            (None, Subject::Set(set, _)) => {
                let stores = set.dir().join("stores");
                remove(&stores)?;
                stores
            }
            (None, Subject::Plain(..)) => {
                bail!("where do the stores go? Name a directory outside of the source with --repository")
            }
        };
        fs::create_dir_all(&stores).with_context(|| format!("cannot make {}", stores.display()))?;
        Ok(stores)
    }

    fn backup(&self, store: &Path, mode: &str, at: usize, snapshot: &mut String) -> anyhow::Result<Figures> {
        let mut source = OsString::from(format!("{}:", self.wanted.archive));
        source.push(self.subject.tree());
        // Snapshots are named by the second, and small trees need less. All are in the past, and in order.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is wrong")?.as_secs();
        let time = now - 60 * (self.subject.generations().len() - at) as u64;
        let mut command = Command::new(&self.program);
        command.arg("backup").arg(source).arg("--repository").arg(store).arg("--json");
        command.args(["--backup-type", "host", "--backup-id", "bench"]).arg(format!("--backup-time={time}"));
        command.arg(format!("--change-detection-mode={mode}")).args(&self.wanted.options);

        let (seconds, printed) = timed(&mut command)?;
        let summary = Summary::parse(&printed)?;
        let (index_bytes, chunks) = indexes(&store.join(&summary.snapshot))?;
        let changed = self.subject.generations()[at].changed_bytes;
        *snapshot = summary.snapshot;
        let counts = [
            summary.bytes_read,
            // What changed has to be read in every mode.
            summary.bytes_read.saturating_sub(changed),
            summary.bytes_new,
            summary.bytes_new_compressed,
            summary.padding,
            index_bytes,
            chunks,
        ];
        Ok(Figures { seconds, counts, inherited: summary.padding_inherited })
    }

    fn restore(&self, stores: &Path, mode: &str, snapshot: &str) -> anyhow::Result<f64> {
        let target = stores.join("restored");
        remove(&target)?;
        let mut command = Command::new(&self.program);
        command.args(["restore", snapshot, &self.wanted.archive]).arg(&target);
        command.arg("--repository").arg(stores.join(mode));
        let (seconds, _) = timed(&mut command)?;
        remove(&target)?;
        Ok(seconds)
    }

    fn about(&self) -> Map<String, Value> {
        let options = self.wanted.options.iter().map(|option| option.to_string_lossy());
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let mut about = Map::new();
        about.insert("set".into(), self.subject.about());
        about.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
        about.insert("options".into(), options.map(|option| json!(option)).collect());
        about.insert("runs".into(), json!(self.wanted.runs));
        about.insert("kernel".into(), json!(kernel.trim()));
        about.insert("processors".into(), json!(thread::available_parallelism().map_or(1, usize::from)));
        about
    }
}

/// Runs a command that may leave something out, and gives the time that it took and what it printed.
fn timed(command: &mut Command) -> anyhow::Result<(f64, Vec<u8>)> {
    // What was written before must not be written back during this.
    rustix::fs::sync();
    let start = Instant::now();
    let result = command.stdin(Stdio::null()).output().context("cannot start this program again")?;
    let seconds = start.elapsed().as_secs_f64();
    if !matches!(result.status.code(), Some(0 | 1)) {
        let text = String::from_utf8_lossy(&result.stderr);
        bail!("{command:?} ended with {}: {}", result.status, text.trim_end());
    }
    Ok((seconds, result.stdout))
}

/// Bytes of all indexes of a snapshot, and the chunks of the one that holds the contents of files.
fn indexes(snapshot: &Path) -> anyhow::Result<(u64, u64)> {
    let failed = || format!("cannot read the snapshot {}", snapshot.display());
    let (mut bytes, mut chunks) = (0, 0);
    for entry in snapshot.read_dir().with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".didx") {
            let size = entry.metadata().with_context(failed)?.len();
            bytes += size;
            if name.ends_with(".ppxar.didx") || name.ends_with(".pxar.didx") {
                chunks += size.saturating_sub(INDEX_HEADER) / INDEX_ENTRY;
            }
        }
    }
    Ok((bytes, chunks))
}

/// Files below a directory, and bytes in them.
fn extent(path: &Path) -> anyhow::Result<(u64, u64)> {
    let mut sum = (0, 0);
    visit(path, &mut |_, size| {
        sum = (sum.0 + 1, sum.1 + size);
        Ok(())
    })?;
    Ok(sum)
}

fn read_all(path: &Path) -> anyhow::Result<()> {
    visit(path, &mut |file, _| {
        io::copy(&mut fs::File::open(file)?, &mut io::sink())?;
        Ok(())
    })
}

/// Shows all files with their sizes.
fn visit(path: &Path, each: &mut impl FnMut(&Path, u64) -> io::Result<()>) -> anyhow::Result<()> {
    let failed = || format!("cannot read {}", path.display());
    let metadata = path.symlink_metadata().with_context(failed)?;
    if metadata.is_file() {
        each(path, metadata.len()).with_context(failed)?;
    } else if metadata.is_dir() {
        for entry in path.read_dir().with_context(failed)? {
            visit(&entry.with_context(failed)?.path(), each)?;
        }
    }
    Ok(())
}

fn remove(directory: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", directory.display()))
        }
        _ => Ok(()),
    }
}
