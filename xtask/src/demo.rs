//! `cargo xtask demo`: the main job on a real tree, shown command by command.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};

use crate::{args::Args, compare, inspect, paths, shell, web};

/// A kind of archive and its files.
pub struct Kind {
    pub name: &'static str,
    archive: &'static str,
    payload: Option<&'static str>,
}

pub const KINDS: [Kind; 2] = [
    Kind { name: "unified", archive: "tree.pxar", payload: None },
    Kind { name: "split", archive: "tree.mpxar", payload: Some("tree.ppxar") },
];

impl Kind {
    /// The files of this kind in a folder.
    pub fn files(&self, dir: &Path) -> Vec<PathBuf> {
        [Some(self.archive), self.payload].into_iter().flatten().map(|name| dir.join(name)).collect()
    }

    pub fn create(&self, pxkit: &Path, dir: &Path, source: &Path) -> Command {
        let mut command = Command::new(pxkit);
        command.arg("create").arg(dir.join(self.archive)).arg(source);
        if let Some(payload) = self.payload {
            command.arg("--payload-output").arg(dir.join(payload));
        }
        command
    }

    pub fn extract(&self, pxkit: &Path, dir: &Path, target: &Path) -> Command {
        let mut command = Command::new(pxkit);
        command.arg("extract").arg(dir.join(self.archive)).arg(target);
        self.with_payload(&mut command, dir);
        command
    }

    pub fn list(&self, pxkit: &Path, dir: &Path, options: &[&str]) -> Command {
        let mut command = Command::new(pxkit);
        command.arg("list").args(options).arg(dir.join(self.archive));
        command
    }

    fn dump(&self, pxkit: &Path, dir: &Path) -> Command {
        let mut command = Command::new(pxkit);
        command.arg("dump").arg(dir.join(self.archive));
        command
    }

    fn with_payload(&self, command: &mut Command, dir: &Path) {
        if let Some(payload) = self.payload {
            command.arg("--payload-input").arg(dir.join(payload));
        }
    }
}

pub fn run(mut args: Args) -> Result<()> {
    let is_check = args.flag("--check");
    args.finish()?;
    println!("=== build the inspector, and pxkit with it");
    web::build(web::Kind::Release)?;
    let pxkit = release_build()?;

    let dir = paths::target().join("demo");
    shell::fresh_dir(&dir)?;
    let source = dir.join("checkout");
    println!("\n=== copy this checkout to {}", source.display());
    copy_checkout(&source)?;
    let snapshots = backups(&pxkit, &dir, &source)?;
    for kind in KINDS {
        archive(&kind, &pxkit, &dir, &source)?;
    }
    println!("\nThe datastore, the archives and the trees are in {}", dir.display());

    println!("\n=== both snapshots side by side in the browser");
    let (store, snapshots) = (dir.join("store"), snapshots.each_ref().map(String::as_str));
    if is_check {
        inspect::check(&pxkit, &store, snapshots)
    } else {
        inspect::serve(&pxkit, &store, snapshots)
    }
}

/// Two backups with a change in between; what the datastore then holds; both trees back. Returns the names of the snapshots.
fn backups(pxkit: &Path, dir: &Path, source: &Path) -> Result<[String; 2]> {
    // Seconds, so that both have a time of their own without waiting.
    let first = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let store = dir.join("store");
    let with_store = |args: &[&str]| {
        let mut command = Command::new(pxkit);
        command.args(args).arg("--repository").arg(&store);
        command
    };
    let backup = |time: u64| {
        let archive = format!("checkout.pxar:{}", source.display());
        with_store(&["backup", &archive, "--backup-id=demo", &format!("--backup-time={time}")])
    };

    println!("\n=== the first backup reads everything");
    shell::run(&mut backup(first))?;
    let before = dir.join("before");
    shell::run(Command::new("cp").arg("-a").arg(source).arg(&before))?;

    println!("\n=== a few changes, and the second backup");
    change(source)?;
    shell::run(&mut backup(first + 1))?;

    println!("\n=== what the datastore holds");
    shell::run(&mut with_store(&["snapshots"]))?;
    shell::run(&mut with_store(&["files", "host/demo/latest"]))?;
    head(&mut with_store(&["list", "-l", "host/demo/latest/checkout.pxar"]), 8)?;
    shell::run(&mut with_store(&["verify"]))?;

    println!("\n=== both trees come back");
    let table = shell::output(&mut with_store(&["snapshots"]))?;
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    let names: Vec<&str> = table.split_whitespace().filter(|word| word.starts_with("host/demo/")).collect();
    let [older, newer] = names[..] else { bail!("expected two snapshots, got {names:?}") };
    for (snapshot, tree, target) in [(older, &*before, "back-first"), (newer, source, "back-second")] {
        let back = dir.join(target);
        let mut restore = with_store(&["restore", snapshot, "checkout.pxar"]);
        shell::run(restore.arg(&back))?;
        compare::both_ways(tree, &back)?;
    }
    Ok([older.to_owned(), newer.to_owned()])
}

/// Changes the copy of the checkout: a file is changed, one is added, one removed, a folder renamed.
fn change(source: &Path) -> Result<()> {
    let mut readme = OpenOptions::new().append(true).open(source.join("README.md"))?;
    readme.write_all(b"This line was added by the demo.\n")?;
    fs::write(source.join("added"), "A file that was not there before.\n")?;
    fs::remove_file(source.join("rustfmt.toml"))?;
    fs::rename(source.join("docs"), source.join("book"))?;
    println!("README.md changed, `added` added, rustfmt.toml removed, docs renamed to book");
    Ok(())
}

/// An archive in files: made, listed, dumped, extracted, compared.
fn archive(kind: &Kind, pxkit: &Path, dir: &Path, source: &Path) -> Result<()> {
    println!("\n=== a {} archive", kind.name);
    shell::run(&mut kind.create(pxkit, dir, source))?;
    for file in kind.files(dir) {
        let size = file.metadata().with_context(|| format!("cannot find {}", file.display()))?.len();
        println!("{}: {size} bytes", file.display());
    }
    let mut long = kind.list(pxkit, dir, &["-l"]);
    kind.with_payload(&mut long, dir);
    head(&mut long, 8)?;
    head(&mut kind.dump(pxkit, dir), 16)?;
    let back = dir.join(format!("back-{}", kind.name));
    shell::run(&mut kind.extract(pxkit, dir, &back))?;
    compare::both_ways(source, &back)
}

/// Builds pxkit with optimisation and returns its place.
pub fn release_build() -> Result<PathBuf> {
    let mut build = Command::new("cargo");
    shell::run(build.args(["build", "--quiet", "--release", "-p", "pxkit"]).current_dir(paths::root()))?;
    Ok(paths::target().join("release/pxkit"))
}

/// Copies the checkout without what was built or belongs to git.
fn copy_checkout(to: &Path) -> Result<()> {
    shell::fresh_dir(to)?;
    let mut pack = Command::new("tar")
        .args(["cf", "-", "--exclude=./.git", "--exclude=./target", "--exclude=./fuzz/target"])
        .args(["--exclude=./fuzz/artifacts", "--exclude=./docs/book", "."])
        .current_dir(paths::root())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start tar")?;
    let stream = pack.stdout.take().context("tar gave no output")?;
    let unpacked = Command::new("tar").args(["xpf", "-", "-C"]).arg(to).stdin(stream).status()?;
    if !pack.wait()?.success() || !unpacked.success() {
        bail!("tar could not copy the checkout to {}", to.display());
    }
    Ok(())
}

/// Shows the command and the first lines of what it prints, and wants it to succeed.
fn head(command: &mut Command, lines: usize) -> Result<()> {
    println!("$ {} | head -n {lines}", shell::shown(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", shell::shown(command)))?;
    let stdout = child.stdout.take().context("the command gave no output")?;
    let mut more = 0;
    // All of it is read, so that the exit status is the command's own and not that of a closed pipe.
    for (at, line) in BufReader::new(stdout).split(b'\n').enumerate() {
        let line = line?;
        if at < lines {
            println!("{}", String::from_utf8_lossy(&line));
        } else {
            more += 1;
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{} ended with {status}", shell::shown(command));
    }
    println!("(and {more} more lines)");
    Ok(())
}
