//! The Linux source tree of Debian, a large real tree for tests and benchmarks.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{args::Args, paths, shell, tools};

const PACKAGE: &str = "linux-source-6.1";

pub fn run(mut args: Args) -> Result<()> {
    let dir = args.path("--dir")?;
    args.finish()?;
    println!("{}", tree(dir.as_deref())?.display());
    Ok(())
}

/// The tree's folder; fetched and unpacked when it is not there yet.
pub fn tree(dir: Option<&Path>) -> Result<PathBuf> {
    let home = match dir {
        Some(dir) => std::path::absolute(dir)?,
        None => paths::data()?.join("linux-6.1"),
    };
    let tree = home.join(PACKAGE);
    if tree.join("Kbuild").exists() {
        return Ok(tree);
    }
    fs::create_dir_all(&home).with_context(|| format!("cannot make the folder {}", home.display()))?;

    // Everything happens in a folder beside the final place, so that a tree that is there is whole.
    let partial = home.join("partial");
    shell::fresh_dir(&partial)?;
    let unpacked = download(&partial).and_then(|package| unpack(&package, &partial))?;
    shell::remove_tree(&tree)?;
    fs::rename(&unpacked, &tree)
        .with_context(|| format!("cannot move {} to {}", unpacked.display(), tree.display()))?;
    shell::remove_tree(&partial)?;
    Ok(tree)
}

fn download(into: &Path) -> Result<PathBuf> {
    if !shell::succeeds(Command::new("apt-get").arg("--version")) {
        bail!("the Debian package {PACKAGE} is needed, and this machine has no apt-get to fetch it");
    }
    let fetch = || {
        let mut command = Command::new("apt-get");
        if tools::is_root() {
            // The unprivileged download user may not enter the cache folder.
            command.args(["-o", "APT::Sandbox::User=root"]);
        }
        eprintln!("fetching the Debian package {PACKAGE} (140 MB)");
        shell::output(command.args(["-q", "download", PACKAGE]).current_dir(into))
    };
    let mut result = fetch()?;
    if !result.status.success() && tools::apt_update() {
        result = fetch()?;
    }
    if !result.status.success() {
        bail!(
            "cannot fetch the Debian package {PACKAGE}; it is in Debian 12 (bookworm), section main\n{}",
            String::from_utf8_lossy(&result.stderr).trim_end()
        );
    }
    find(into, |name| name.starts_with(PACKAGE) && name.ends_with(".deb"))
}

fn unpack(package: &Path, dir: &Path) -> Result<PathBuf> {
    eprintln!("unpacking {}", package.display());
    let files = dir.join("package");
    shell::quietly(Command::new("dpkg-deb").arg("-x").arg(package).arg(&files))?;
    let sources = find(&files.join("usr/src"), |name| name.ends_with(".tar.xz"))?;
    shell::quietly(Command::new("tar").arg("xf").arg(&sources).arg("-C").arg(dir))?;
    let tree = dir.join(PACKAGE);
    if !tree.join("Kbuild").exists() {
        bail!("{} does not hold the folder {PACKAGE}", sources.display());
    }
    Ok(tree)
}

fn find(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<PathBuf> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let entry = entry?;
        if wanted(&entry.file_name().to_string_lossy()) {
            return Ok(entry.path());
        }
    }
    bail!("{} does not hold the file that was expected there", dir.display())
}
