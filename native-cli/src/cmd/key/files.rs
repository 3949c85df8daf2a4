//! Files of keys: made whole or not at all, and durable, since whatever is encrypted is lost with its key.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// Mode of what nobody else may read.
pub const SECRET: u32 = 0o600;
/// Mode of what everybody may read.
pub const PUBLIC: u32 = 0o644;

/// Refuses to go on if there is something at `path`.
///
/// # Errors
/// There is.
pub fn check_absent(path: &Path) -> anyhow::Result<()> {
    ensure!(path.symlink_metadata().is_err(), "{} exists already; keys are not replaced", path.display());
    Ok(())
}

/// Writes a file that must not exist, with its directory if need be.
///
/// # Errors
/// It exists, or cannot be written; there is nothing of it then.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    check_absent(path)?;
    let what = || format!("cannot create {}", path.display());
    let directory = directory_of(path);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).with_context(what)?;
    write(path, bytes, mode).with_context(what)?;
    sync(directory).with_context(what)
}

/// Writes a file in place of the one of that name. If that is a symlink, the file that it leads to is replaced.
///
/// # Errors
/// It cannot be written; the old one stays then.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let what = || format!("cannot replace {}", path.display());
    let old = fs::metadata(path);
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let directory = directory_of(path);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).with_context(what)?;
    let mut name = path.file_name().with_context(what)?.to_owned();
    name.push(format!(".pxkit-{}", std::process::id()));
    let temporary = directory.join(name);
    let swap = || {
        write(&temporary, bytes, mode)?;
        // Root may change what belongs to somebody else, who still wants to read it.
        if let Ok(old) = old {
            let _ = std::os::unix::fs::chown(&temporary, Some(old.uid()), Some(old.gid()));
        }
        fs::rename(&temporary, path).inspect_err(|_| _ = fs::remove_file(&temporary))?;
        sync(directory)
    };
    swap().with_context(what)
}

/// Writes a new file; there is none if that fails.
fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.inspect_err(|_| _ = fs::remove_file(path))
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Reads a file that is not large, and may be secret.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> anyhow::Result<zeroize::Zeroizing<Vec<u8>>> {
    let name = path.display().to_string();
    let mut file = File::open(path).with_context(|| format!("cannot open {name}"))?;
    crate::secret::read(&mut file, &name)
}

/// Removes files that were made in vain.
pub fn undo(paths: &[PathBuf]) {
    for path in paths {
        // There is a better error to tell.
        let _ = fs::remove_file(path);
    }
}
