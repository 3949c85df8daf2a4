//! `cargo xtask bench`: pxkit against others, in pairs on the same machine, tree and disk.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::{
    args::Args,
    demo::{self, KINDS, Kind},
    mounted,
    pairs::{Before, Pairs, Side},
    paths,
    rivals::{self, Rivals},
    sets, shell,
};

const MILLION_FOLDERS: usize = 1000;
const FILES_PER_FOLDER: usize = 1000;

pub fn run(mut args: Args) -> Result<()> {
    let runs = args.number("--runs", 5usize)?.max(1);
    let million = args.flag("--million");
    let decode = !args.flag("--no-decode");
    let rivals = args.flag("--rivals");
    let mount = args.flag("--mount");
    let state = args.flag("--state");
    let tree = args.path("--tree")?;
    let small = args.path("--small")?;
    let only = args.value("--only")?.map(|word| word.to_string_lossy().into_owned());
    let output = args.path("--output")?;
    let json = args.path("--json")?;
    args.finish()?;

    let pxkit = demo::release_build()?;
    let mut report = Report { text: machine()?, json: Map::new() };
    let tree = match tree {
        Some(tree) => std::path::absolute(tree)?,
        None => sets::newest_linux(&pxkit, None)?,
    };
    let bench = Bench { pxkit: &pxkit, runs, only: only.as_deref() };
    if rivals {
        report.text.push_str(&format!("Others: {}.\n\n", rivals::versions()?));
        bench.rivals(&mut report, "rivals", &tree, true)?;
        bench.rivals(&mut report, "small", &sets::small(&pxkit, small)?, false)?;
    } else if mount {
        bench.mount(&mut report, "mount", &tree)?;
    } else if state {
        bench.state(&mut report, "state", &tree)?;
        bench.state(&mut report, "small-state", &sets::small(&pxkit, small)?)?;
    } else {
        bench.tar(&mut report, "tar", &tree, runs)?;
    }
    if million {
        // One run is enough for the memory, which is what this tree is for.
        bench.tar(&mut report, "million", &million_tree()?, 1)?;
    }
    println!("{}", report.text);
    for (file, text) in [(output, report.text), (json, format!("{:#}\n", Value::Object(report.json)))] {
        if let Some(file) = file {
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    if decode && !rivals && !mount && !state && paths::root().join("core/benches/decode.rs").exists() {
        shell::run(
            Command::new("cargo")
                .args(["bench", "-p", "pxkit-core", "--bench", "decode"])
                .current_dir(paths::root()),
        )?;
    }
    Ok(())
}

/// What was measured, to paste and to keep.
struct Report {
    text: String,
    json: Map<String, Value>,
}

impl Report {
    fn add(&mut self, key: &str, tree: &Path, pairs: &Pairs) -> Result<()> {
        let (entries, bytes) = extent(tree)?;
        self.text.push_str(&format!(
            "Tree `{}`: {entries} entries, {:.1} MiB in files. Runs of each: {}, alternating, after one that is \
             not counted.\n\n{}\n",
            tree.display(),
            bytes as f64 / 1048576.0,
            pairs.runs,
            pairs.table(),
        ));
        let value = json!({ "entries": entries, "bytes": bytes, "runs": pairs.runs, "jobs": pairs.json() });
        self.json.insert(key.to_owned(), value);
        Ok(())
    }
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
    runs: usize,
    only: Option<&'a str>,
}

impl Bench<'_> {
    /// Backups against other programs; `contents`: with those jobs that read or write contents.
    fn rivals(&self, report: &mut Report, key: &str, tree: &Path, contents: bool) -> Result<()> {
        let dir = scratch()?;
        let mut pairs = Pairs::new(dir.clone(), self.runs, self.only);
        let jobs = Rivals { pxkit: self.pxkit, tree, dir: &dir };
        if contents {
            jobs.contents(&mut pairs)?;
        }
        jobs.unchanged(&mut pairs)?;
        shell::remove_tree(&dir)?;
        report.add(key, tree, &pairs)
    }

    /// Backups of an unchanged tree with and without state, against `find`.
    fn state(&self, report: &mut Report, key: &str, tree: &Path) -> Result<()> {
        let dir = scratch()?;
        let mut pairs = Pairs::new(dir.clone(), self.runs, self.only);
        Rivals { pxkit: self.pxkit, tree, dir: &dir }.state(&mut pairs)?;
        shell::remove_tree(&dir)?;
        report.add(key, tree, &pairs)
    }

    /// Reading through a mount against `restore`.
    fn mount(&self, report: &mut Report, key: &str, tree: &Path) -> Result<()> {
        let dir = scratch()?;
        let mut pairs = Pairs::new(dir.clone(), self.runs, self.only);
        mounted::measure(&mut pairs, self.pxkit, tree, &dir)?;
        shell::remove_tree(&dir)?;
        report.add(key, tree, &pairs)
    }

    /// Archives against tar.
    fn tar(&self, report: &mut Report, key: &str, tree: &Path, runs: usize) -> Result<()> {
        let dir = scratch()?;
        let mut pairs = Pairs::new(dir.clone(), runs, self.only);
        let tarball = dir.join("tree.tar");
        for kind in &KINDS {
            let clear = Before::NoFiles(kind.files(&dir));
            let ours = Side::new("pxkit", kind.create(self.pxkit, &dir, tree)).before(clear);
            let mut create = Command::new("tar");
            create.arg("cf").arg(&tarball).arg("-C").arg(tree).arg(".");
            let theirs = Side::new("tar", create).before(Before::NoFiles(vec![tarball.clone()]));
            pairs.measure(&format!("create, {}", kind.name), vec![ours, theirs])?;
        }
        let warm = |side: Side, kind: Option<&Kind>| {
            side.warm(kind.map_or(vec![tarball.clone()], |kind| kind.files(&dir)))
        };
        for kind in &KINDS {
            let ours = warm(Side::new("pxkit", kind.list(self.pxkit, &dir, &[])), Some(kind));
            let mut list = Command::new("tar");
            list.arg("tf").arg(&tarball);
            pairs.measure(&format!("list, {}", kind.name), vec![ours, warm(Side::new("tar", list), None)])?;
        }
        for kind in &KINDS {
            let (target, tar_target) = (dir.join("pxkit-tree"), dir.join("tar-tree"));
            let ours =
                Side::new("pxkit", kind.extract(self.pxkit, &dir, &target)).before(Before::EmptyDir(target));
            let mut extract = Command::new("tar");
            extract.arg("xf").arg(&tarball).arg("-C").arg(&tar_target);
            let theirs = Side::new("tar", extract).before(Before::EmptyDir(tar_target));
            pairs.measure(
                &format!("extract, {}", kind.name),
                vec![warm(ours, Some(kind)), warm(theirs, None)],
            )?;
        }
        shell::remove_tree(&dir)?;
        report.add(key, tree, &pairs)
    }
}

/// An empty folder for what the jobs write.
fn scratch() -> Result<PathBuf> {
    let dir = paths::data()?.join("bench");
    shell::fresh_dir(&dir)?;
    Ok(dir)
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
