//! `cargo xtask bench`: pxkit against tar, in pairs on the same machine, tree and disk.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    args::Args,
    demo::{self, KINDS, Kind},
    linux,
    measure::{Sample, measure},
    paths, shell,
};

const MILLION_FOLDERS: usize = 1000;
const FILES_PER_FOLDER: usize = 1000;

pub fn run(mut args: Args) -> Result<()> {
    let runs = args.number("--runs", 5usize)?.max(1);
    let million = args.flag("--million");
    let decode = !args.flag("--no-decode");
    let tree = args.path("--tree")?;
    let output = args.path("--output")?;
    args.finish()?;

    let pxkit = demo::release_build()?;
    let mut report = machine()?;
    let tree = match tree {
        Some(tree) => std::path::absolute(tree)?,
        None => linux::tree(None)?,
    };
    report.push_str(&Bench::new(&pxkit, tree, runs)?.table()?);
    if million {
        // One run is enough for the memory, which is what this tree is for.
        report.push_str(&Bench::new(&pxkit, million_tree()?, 1)?.table()?);
    }
    println!("{report}");
    if let Some(output) = output {
        fs::write(&output, &report).with_context(|| format!("cannot write {}", output.display()))?;
    }
    if decode && paths::root().join("core/benches/decode.rs").exists() {
        shell::run(
            Command::new("cargo")
                .args(["bench", "-p", "pxkit-core", "--bench", "decode"])
                .current_dir(paths::root()),
        )?;
    }
    Ok(())
}

/// What the numbers belong to.
fn machine() -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> = cpus.lines().filter_map(|line| line.strip_prefix("model name")).collect();
    let model = models.first().map_or("unknown processor", |line| line.trim_start_matches([' ', '\t', ':']));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let tar = shell::output(Command::new("tar").arg("--version"))?;
    let tar = String::from_utf8_lossy(&tar.stdout);
    Ok(format!(
        "Machine: {} × {model}, Linux {}, {}.\n\n",
        models.len(),
        kernel.trim(),
        tar.lines().next().unwrap_or_default()
    ))
}

struct Bench<'a> {
    pxkit: &'a Path,
    tree: PathBuf,
    runs: usize,
    /// Archives and extracted trees; on the same disk as the tree.
    dir: PathBuf,
}

/// What is cleared away before each run, so that clearing it is not measured.
enum Clear {
    Nothing,
    Files(Vec<PathBuf>),
    Tree(PathBuf),
}

struct Side {
    command: Command,
    clear: Clear,
    /// What the command reads, as far as clearing and waiting for the disk may have driven it out of the page cache.
    warm: Vec<PathBuf>,
}

impl<'a> Bench<'a> {
    fn new(pxkit: &'a Path, tree: PathBuf, runs: usize) -> Result<Self> {
        let dir = paths::data()?.join("bench");
        shell::fresh_dir(&dir)?;
        Ok(Bench { pxkit, tree, runs, dir })
    }

    fn table(&self) -> Result<String> {
        let (entries, bytes) = extent(&self.tree)?;
        let mut table = format!(
            "Tree `{}`: {entries} entries, {:.1} MiB in files. Runs of each: {}, alternating, after one that is \
             not counted.\n\n",
            self.tree.file_name().unwrap_or_default().display(),
            bytes as f64 / 1048576.0,
            self.runs
        );
        table.push_str(
            "| job | pxkit, seconds (min / median / max) | tar, seconds | pxkit : tar | processor seconds, pxkit | tar | \
             peak MiB, pxkit | tar |\n|---|---|---|---|---|---|---|---|\n",
        );
        for kind in &KINDS {
            self.row(&mut table, &format!("create, {}", kind.name), self.create(kind), self.tar_create())?;
        }
        for kind in &KINDS {
            self.row(&mut table, &format!("list, {}", kind.name), self.list(kind), self.tar_list())?;
        }
        for kind in &KINDS {
            self.row(&mut table, &format!("extract, {}", kind.name), self.extract(kind), self.tar_extract())?;
        }
        shell::remove_tree(&self.dir)?;
        table.push('\n');
        Ok(table)
    }

    fn row(&self, table: &mut String, job: &str, ours: Side, theirs: Side) -> Result<()> {
        eprintln!("{job}: {}\n    against {}", shell::shown(&ours.command), shell::shown(&theirs.command));
        let (mut ours_samples, mut theirs_samples) = (Vec::new(), Vec::new());
        for round in 0..=self.runs {
            let samples = (self.sample(&theirs)?, self.sample(&ours)?);
            // The first round warms the page cache.
            if round > 0 {
                theirs_samples.push(samples.0);
                ours_samples.push(samples.1);
            }
        }
        for side in [&ours, &theirs] {
            // Archives stay for the rows that read them.
            if let Clear::Tree(tree) = &side.clear {
                shell::remove_tree(tree)?;
            }
        }
        let (ours, theirs) = (Summary::of(&ours_samples), Summary::of(&theirs_samples));
        writeln!(
            table,
            "| {job} | {} | {} | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} |",
            ours.times(),
            theirs.times(),
            ours.median / theirs.median,
            ours.cpu,
            theirs.cpu,
            ours.peak_mib,
            theirs.peak_mib
        )?;
        eprintln!("    {} against {}", ours.times(), theirs.times());
        Ok(())
    }

    fn sample(&self, side: &Side) -> Result<Sample> {
        self.clear(&side.clear)?;
        // What earlier runs wrote must not be written back during this one.
        shell::quietly(&mut Command::new("sync"))?;
        for file in &side.warm {
            let mut file = fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
            io::copy(&mut file, &mut io::sink())?;
        }
        measure(&side.command, &self.dir.join("report"))
    }

    fn create(&self, kind: &Kind) -> Side {
        Side {
            command: kind.create(self.pxkit, &self.dir, &self.tree),
            clear: Clear::Files(kind.files(&self.dir)),
            warm: Vec::new(),
        }
    }

    fn list(&self, kind: &Kind) -> Side {
        Side {
            command: kind.list(self.pxkit, &self.dir, &[]),
            clear: Clear::Nothing,
            warm: kind.files(&self.dir),
        }
    }

    fn extract(&self, kind: &Kind) -> Side {
        let target = self.dir.join("pxkit-tree");
        let command = kind.extract(self.pxkit, &self.dir, &target);
        Side { command, clear: Clear::Tree(target), warm: kind.files(&self.dir) }
    }

    fn tarball(&self) -> PathBuf {
        self.dir.join("tree.tar")
    }

    fn tar_create(&self) -> Side {
        let mut command = Command::new("tar");
        command.arg("cf").arg(self.tarball()).arg("-C").arg(&self.tree).arg(".");
        Side { command, clear: Clear::Files(vec![self.tarball()]), warm: Vec::new() }
    }

    fn tar_list(&self) -> Side {
        let mut command = Command::new("tar");
        command.arg("tf").arg(self.tarball());
        Side { command, clear: Clear::Nothing, warm: vec![self.tarball()] }
    }

    fn tar_extract(&self) -> Side {
        let target = self.dir.join("tar-tree");
        let mut command = Command::new("tar");
        command.arg("xf").arg(self.tarball()).arg("-C").arg(&target);
        Side { command, clear: Clear::Tree(target), warm: vec![self.tarball()] }
    }

    fn clear(&self, clear: &Clear) -> Result<()> {
        match clear {
            Clear::Nothing => Ok(()),
            Clear::Files(files) => files.iter().try_for_each(|file| match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(error).with_context(|| format!("cannot remove {}", file.display()))
                }
                _ => Ok(()),
            }),
            // Both sides extract into an empty folder that is there.
            Clear::Tree(tree) => shell::fresh_dir(tree),
        }
    }
}

struct Summary {
    min: f64,
    median: f64,
    max: f64,
    /// Median.
    cpu: f64,
    peak_mib: f64,
}

impl Summary {
    fn of(samples: &[Sample]) -> Self {
        let sorted = |value: fn(&Sample) -> f64| {
            let mut values: Vec<f64> = samples.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let median = |values: &[f64]| (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0;
        let times = sorted(|sample| sample.seconds);
        let cpu = median(&sorted(|sample| sample.cpu_seconds));
        let peak = samples.iter().map(|sample| sample.peak_kib).max().unwrap_or_default();
        Summary {
            min: times[0],
            median: median(&times),
            max: times[times.len() - 1],
            cpu,
            peak_mib: peak as f64 / 1024.0,
        }
    }

    fn times(&self) -> String {
        format!("{:.3} / {:.3} / {:.3}", self.min, self.median, self.max)
    }
}

/// The number of entries below and including a folder, and the bytes in its files.
fn extent(path: &Path) -> Result<(u64, u64)> {
    let metadata = path.symlink_metadata().with_context(|| format!("cannot read {}", path.display()))?;
    if !metadata.is_dir() {
        return Ok((1, if metadata.is_file() { metadata.len() } else { 0 }));
    }
    let mut sum = (1, 0);
    for entry in fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
        let (entries, bytes) = extent(&entry?.path())?;
        sum = (sum.0 + entries, sum.1 + bytes);
    }
    Ok(sum)
}

/// A tree of 1,000,000 small files; made once.
fn million_tree() -> Result<PathBuf> {
    let tree = paths::data()?.join("million");
    if tree.exists() {
        return Ok(tree);
    }
    eprintln!("making a tree of {} files", MILLION_FOLDERS * FILES_PER_FOLDER);
    let partial = paths::data()?.join("million.partial");
    shell::fresh_dir(&partial)?;
    for folder in 0..MILLION_FOLDERS {
        let dir = partial.join(format!("folder-{folder:04}"));
        fs::create_dir(&dir)?;
        for file in 0..FILES_PER_FOLDER {
            fs::write(dir.join(format!("file-{file:06}")), format!("{folder} {file}\n"))?;
        }
    }
    fs::rename(&partial, &tree)?;
    Ok(tree)
}
