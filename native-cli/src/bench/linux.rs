//! Generations of the Linux sources, from Debian's packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, bail};

use super::manifest::{Manifest, pairs};
use super::set::Set;

const PACKAGE: &str = "linux-source-6.1";

/// The version that stands for whatever the package lists have as the newest.
pub(super) const NEWEST: &str = "newest";

/// The versions that the published figures belong to, each with the digest of its manifest.
pub(super) const VERSIONS: [(&str, &str); 5] = [
    ("6.1.170-3", "4c7307252db11cfb0ea1be75540b3e0dada9cf6bb3e65fca3ce01ef7858c44aa"),
    ("6.1.176-1", "396e64689d1db71dcc9171efc589adfc3f1f429ac63a43c0d90e0e951adf40d1"),
    ("6.1.187-1", "90f43a753b627f031bc87fc3b2aec59665ba9d76740409ca1cf93ccdac3df393"),
    ("6.1.190-1", "715e0900a8939ca2e18896d116fb27bc1476b1ae75cfea11cf2db023feaf2bac"),
    ("6.1.192-1", "e64c758116db0b739b66a3ea21b9e93b1d4b5d88b535befb9f7b021a4dc5ff4a"),
];

/// Fetches the packages that are not in the directory yet, all before the first is unpacked: it costs little and tells at once
/// what cannot be had.
pub(super) fn fetch(versions: &[String], downloads: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(downloads).with_context(|| format!("cannot make {}", downloads.display()))?;
    let mut missing = Vec::new();
    for version in versions {
        if package(version, downloads)?.is_none() && !download(version, downloads)? {
            missing.push(version.as_str());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "the Debian mirror does not give {PACKAGE} in version {}; is the network up, and Debian 12 (bookworm) in the package \
         lists? Packages that went from the mirror are on snapshot.debian.org; put {PACKAGE}_VERSION_all.deb into {}",
        missing.join(", "),
        downloads.display()
    );
}

fn package(version: &str, downloads: &Path) -> anyhow::Result<Option<PathBuf>> {
    if version != NEWEST {
        let place = downloads.join(format!("{PACKAGE}_{version}_all.deb"));
        return Ok(place.exists().then_some(place));
    }
    find(downloads, |name| name.starts_with(PACKAGE) && name.ends_with(".deb"))
}

/// Whether the mirror has it.
fn download(version: &str, downloads: &Path) -> anyhow::Result<bool> {
    // A package beside this folder is whole.
    let partial = fresh(&downloads.join("partial"))?;
    let wanted = if version == NEWEST { PACKAGE.to_owned() } else { format!("{PACKAGE}={version}") };
    eprintln!("fetching the Debian package {wanted} (140 MB)");
    let mut apt = Command::new("apt-get");
    if rustix::process::geteuid().is_root() {
        // The unprivileged user that downloads may not enter private directories.
        apt.args(["-o", "APT::Sandbox::User=root"]);
    }
    let result = output(apt.args(["-q", "download", &wanted]).current_dir(&partial))
        .context("the Linux sources come from Debian packages")?;
    let found = find(&partial, |name| name.ends_with(".deb"))?.filter(|_| result.status.success());
    if let Some(package) = &found {
        let name = package.file_name().context("the package has no name")?;
        fs::rename(package, downloads.join(name))
            .with_context(|| format!("cannot move {}", package.display()))?;
    } else {
        eprintln!("{}", String::from_utf8_lossy(&result.stderr).trim_end());
    }
    fs::remove_dir_all(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    Ok(found.is_some())
}

/// Adds the generation of a package that was fetched.
pub(super) fn push(set: &mut Set, version: &str, downloads: &Path) -> anyhow::Result<()> {
    let at = set.generations().len();
    let scratch = fresh(&set.dir().join("scratch"))?;
    let package = package(version, downloads)?
        .with_context(|| format!("{} lacks {PACKAGE} in version {version}", downloads.display()))?;
    eprintln!("unpacking {}", package.display());
    let unpacked = unpack(&package, &scratch)?;
    let mut manifest = Manifest::scan(&unpacked)?;
    check(version, &manifest)?;
    if at == 0 {
        let tree = set.tree();
        fs::remove_dir_all(&tree)
            .and_then(|()| fs::rename(&unpacked, &tree))
            .with_context(|| format!("cannot move {} to {}", unpacked.display(), tree.display()))?;
    } else {
        let before = set.manifest(at - 1)?;
        manifest = manifest.over(&before);
        for file in pairs(&before, &manifest).iter().filter_map(|pair| pair.changed_file()) {
            let place = file.place(&unpacked);
            let contents = fs::read(&place).with_context(|| format!("cannot read {}", place.display()))?;
            set.pool().insert(&contents)?;
        }
    }
    set.push(version, &manifest)?;
    fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))
}

/// Figures of one tree are not to be taken for those of another.
fn check(version: &str, manifest: &Manifest) -> anyhow::Result<()> {
    let found = manifest.digest().to_string();
    match VERSIONS.iter().find(|(known, _)| *known == version) {
        Some((_, digest)) if *digest != found => {
            bail!(
                "the files of {PACKAGE} {version} are not those of the published figures: digest {found}, expected {digest}"
            )
        }
        _ => Ok(()),
    }
}

fn unpack(package: &Path, scratch: &Path) -> anyhow::Result<PathBuf> {
    let files = scratch.join("package");
    succeeds(Command::new("dpkg-deb").arg("-x").arg(package).arg(&files))?;
    let sources = find(&files.join("usr/src"), |name| name.ends_with(".tar.xz"))?
        .with_context(|| format!("{} holds no sources", package.display()))?;
    succeeds(Command::new("tar").arg("xf").arg(&sources).arg("-C").arg(scratch))?;
    fs::remove_dir_all(&files).with_context(|| format!("cannot remove {}", files.display()))?;
    Ok(scratch.join(PACKAGE))
}

fn succeeds(command: &mut Command) -> anyhow::Result<()> {
    let result = output(command)?;
    if !result.status.success() {
        let program = command.get_program().display();
        bail!(
            "{program} ended with {}: {}",
            result.status,
            String::from_utf8_lossy(&result.stderr).trim_end()
        );
    }
    Ok(())
}

fn output(command: &mut Command) -> anyhow::Result<Output> {
    command.output().with_context(|| format!("cannot start {}", command.get_program().display()))
}

/// An empty directory.
fn fresh(place: &Path) -> anyhow::Result<PathBuf> {
    if place.exists() {
        fs::remove_dir_all(place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
    Ok(place.to_owned())
}

fn find(dir: &Path, wanted: impl Fn(&str) -> bool) -> anyhow::Result<Option<PathBuf>> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry.with_context(|| format!("cannot read {}", dir.display()))?;
        if wanted(&entry.file_name().to_string_lossy()) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}
