//! Whether two trees are the same: contents by diff(1), metadata by a walk over both.

use std::{
    fs::{self, Metadata},
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::shell;

/// Compares contents and metadata, and prints what was done.
pub fn both_ways(left: &Path, right: &Path) -> Result<()> {
    shell::run(Command::new("diff").args(["-r", "--no-dereference"]).arg(left).arg(right))?;
    let mut entries = 0;
    compare(left, right, &mut entries)?;
    println!(
        "the trees are the same: {entries} entries with kind, mode, owner, mtime, links, size and contents"
    );
    Ok(())
}

fn compare(left: &Path, right: &Path, entries: &mut u64) -> Result<()> {
    let read = |path: &Path| {
        path.symlink_metadata().with_context(|| format!("cannot read the metadata of {}", path.display()))
    };
    let (a, b) = (read(left)?, read(right)?);
    *entries += 1;
    if facts(&a) != facts(&b) {
        bail!("{} and {} differ:\n  {}\n  {}", left.display(), right.display(), facts(&a), facts(&b));
    }
    if !a.is_dir() {
        return Ok(());
    }
    let (names, others) = (names(left)?, names(right)?);
    if names != others {
        bail!("{} and {} hold different names", left.display(), right.display());
    }
    names.iter().try_for_each(|name| compare(&left.join(name), &right.join(name), entries))
}

/// Everything that an archive keeps of an entry and that diff does not look at.
fn facts(metadata: &Metadata) -> String {
    let kind = metadata.file_type();
    // The size and link count of a folder are the file system's own business.
    let (size, links) = if kind.is_dir() { (0, 0) } else { (metadata.len(), metadata.nlink()) };
    let device = if kind.is_block_device() || kind.is_char_device() { metadata.rdev() } else { 0 };
    format!(
        "mode {:o}, owner {}:{}, mtime {}.{:09}, size {size}, links {links}, device {device:x}",
        metadata.mode(),
        metadata.uid(),
        metadata.gid(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    )
}

fn names(dir: &Path) -> Result<Vec<std::ffi::OsString>> {
    let list = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut names = list.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}
