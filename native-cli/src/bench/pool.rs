//! Contents of files by digest: those that some generation of a set has and another has not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pxkit_core::format::Digest;

use super::manifest;

/// A directory with a file for each of the contents.
#[derive(Debug)]
pub(super) struct Pool {
    dir: PathBuf,
}

impl Pool {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    fn place(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.dir.join(&name[..2]).join(name)
    }

    /// Keeps these contents.
    pub fn insert(&self, contents: &[u8]) -> anyhow::Result<Digest> {
        let digest = manifest::digest(contents);
        let place = self.place(&digest);
        if !place.exists() {
            // A file with its final name is whole.
            let partial = self.dir.join("partial");
            make_parent(&place)
                .and_then(|()| fs::write(&partial, contents))
                .and_then(|()| fs::rename(&partial, &place))
                .with_context(|| format!("cannot write {}", place.display()))?;
        }
        Ok(digest)
    }

    /// Takes a file that is to leave a tree, unless its contents are kept already or it is not there.
    pub fn take(&self, file: &Path, digest: &Digest) -> anyhow::Result<()> {
        let place = self.place(digest);
        if place.exists() {
            return Ok(());
        }
        match make_parent(&place).and_then(|()| fs::rename(file, &place)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot move {} to {}", file.display(), place.display()))
            }
            _ => Ok(()),
        }
    }

    /// The contents with this digest.
    pub fn read(&self, digest: &Digest) -> anyhow::Result<Vec<u8>> {
        let place = self.place(digest);
        fs::read(&place).with_context(|| {
            format!("cannot read {}; prepare the set again in another directory", place.display())
        })
    }
}

fn make_parent(place: &Path) -> io::Result<()> {
    place.parent().map_or(Ok(()), fs::create_dir_all)
}
