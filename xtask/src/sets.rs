//! Trees to measure on, made by `pxkit bench prepare` in the cache folder.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::{args::Args, demo, paths, shell};

/// `cargo xtask linux-tree`
pub fn linux_tree(mut args: Args) -> Result<()> {
    let dir = args.path("--dir")?;
    args.finish()?;
    println!("{}", newest_linux(&demo::release_build()?, dir)?.display());
    Ok(())
}

/// The five generations of the Linux sources: the folder of the set, which `pxkit bench run` takes.
pub fn linux(pxkit: &Path, dir: Option<PathBuf>) -> Result<PathBuf> {
    let dir = place(dir, "linux-generations")?;
    prepare(pxkit, &dir, &["linux"])?;
    Ok(dir)
}

/// The tree of the newest Linux sources that Debian has.
pub fn newest_linux(pxkit: &Path, dir: Option<PathBuf>) -> Result<PathBuf> {
    let dir = place(dir, "linux-newest")?;
    prepare(pxkit, &dir, &["linux", "--versions", "newest"])?;
    Ok(dir.join("tree"))
}

/// A tree of 500,000 small files; any other tree that is at its place is taken as it is.
pub fn small(pxkit: &Path, dir: Option<PathBuf>) -> Result<PathBuf> {
    let dir = place(dir, "small500k")?;
    if dir.exists() && !dir.join("set.json").exists() {
        return Ok(dir);
    }
    prepare(pxkit, &dir, &["small", "--files", "500000", "--generations", "1"])?;
    Ok(dir.join("tree"))
}

fn place(dir: Option<PathBuf>, name: &str) -> Result<PathBuf> {
    match dir {
        Some(dir) => Ok(std::path::absolute(dir)?),
        None => Ok(paths::data()?.join(name)),
    }
}

/// What is there already stays.
fn prepare(pxkit: &Path, dir: &Path, set: &[&str]) -> Result<()> {
    eprintln!("preparing {}", dir.display());
    shell::quietly(Command::new(pxkit).args(["bench", "prepare"]).args(set).arg("--target").arg(dir))
}
