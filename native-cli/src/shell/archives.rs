//! Archives side by side: of a snapshot with several, each is a directory of a root that is in none of them.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use pxkit_core::access::Resolved;

use super::archive::{Archive, Name};
use super::path::{pattern_of, shown};
use crate::report::Outcome;

/// The pattern of all that an archive has.
const ALL: &[u8] = b"/*";

/// One archive, or several below a root. Paths have no slashes at their ends.
#[derive(Debug)]
pub struct Archives {
    all: Vec<Archive>,
}

/// Where a path leads.
enum Place<'a> {
    /// The root above all archives.
    Root,
    /// A path in an archive.
    In(&'a Archive, &'a [u8]),
}

impl Archives {
    /// Takes one archive without label, or several with different ones.
    pub const fn new(all: Vec<Archive>) -> Self {
        Self { all }
    }

    /// The only archive, which is its own root.
    fn single(&self) -> Option<&Archive> {
        self.all.first().filter(|archive| archive.label().is_empty())
    }

    fn place<'a>(&'a self, path: &'a [u8]) -> anyhow::Result<Place<'a>> {
        if let Some(archive) = self.single() {
            return Ok(Place::In(archive, path));
        }
        if path.is_empty() {
            return Ok(Place::Root);
        }
        let (label, below) = split(path);
        let found = self.all.iter().find(|archive| archive.label().as_bytes() == label);
        let found = found.with_context(|| format!("there is no {}", shown(&[b"/", label].concat())))?;
        Ok(Place::In(found, below))
    }

    /// The path from the root of its archive, which is what patterns are about.
    pub fn inside<'a>(&self, path: &'a [u8]) -> &'a [u8] {
        if self.single().is_some() { path } else { split(path).1 }
    }

    /// The entry at a path.
    ///
    /// # Errors
    /// There is none: of the root above all archives nothing is stored. An archive cannot be read or is damaged.
    pub fn entry(&self, path: &[u8]) -> anyhow::Result<Resolved> {
        match self.place(path)? {
            Place::Root => bail!("/ is no entry: its directories are the archives of the snapshot"),
            Place::In(archive, path) => archive.entry(path),
        }
    }

    /// Whether there is a directory at a path.
    ///
    /// # Errors
    /// There is nothing; an archive cannot be read or is damaged.
    pub fn is_directory(&self, path: &[u8]) -> anyhow::Result<bool> {
        match self.place(path)? {
            Place::Root => Ok(true),
            Place::In(archive, path) => archive.is_directory(path),
        }
    }

    /// The names of a directory, in the order of the archive.
    ///
    /// # Errors
    /// There is no such directory; it cannot be read or is damaged.
    pub fn list(&self, path: &[u8]) -> anyhow::Result<Vec<Name>> {
        match self.place(path)? {
            Place::Root => {
                let name = |archive: &Archive| Name { name: archive.label().into(), is_dir: true };
                Ok(self.all.iter().map(name).collect())
            }
            Place::In(archive, path) => archive.list(path),
        }
    }

    /// Calls `visit` with the path of everything below a directory, which is not among it; nor are archives themselves.
    ///
    /// # Errors
    /// There is no such directory; it cannot be read or is damaged; those of `visit`.
    pub fn walk(
        &self,
        path: &[u8],
        visit: &mut dyn FnMut(&[u8], bool) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self.place(path)? {
            Place::Root => self.all.iter().try_for_each(|archive| walk(archive, b"", visit)),
            Place::In(archive, path) => walk(archive, path, visit),
        }
    }

    /// Restores what patterns select, everything if there are none. Patterns and places on disk have the path from the root.
    ///
    /// # Errors
    /// A directory cannot be made; those of [`Archive::restore`].
    pub fn restore(&self, target: &Path, patterns: &[OsString], overwrite: bool) -> anyhow::Result<Outcome> {
        if let Some(archive) = self.single() {
            return archive.restore(target, patterns, overwrite);
        }
        let mut is_complete = true;
        for archive in &self.all {
            let own = patterns_in(archive.label(), patterns);
            if own.is_empty() && !patterns.is_empty() {
                continue;
            }
            std::fs::create_dir_all(target)
                .with_context(|| format!("cannot make the directory {}", target.display()))?;
            let outcome = archive.restore(&target.join(archive.label()), &own, overwrite)?;
            is_complete &= outcome == Outcome::Complete;
        }
        ensure!(!self.all.is_empty(), "there is no archive");
        Ok(if is_complete { Outcome::Complete } else { Outcome::Incomplete })
    }
}

/// Walks through an archive with paths from the root above it.
fn walk(
    archive: &Archive,
    path: &[u8],
    visit: &mut dyn FnMut(&[u8], bool) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if archive.label().is_empty() {
        return archive.walk(path, visit);
    }
    let mut full = [archive.label().as_bytes(), b"/"].concat();
    let above = full.len();
    archive.walk(path, &mut |path, is_dir| {
        full.truncate(above);
        full.extend_from_slice(path);
        visit(&full, is_dir)
    })
}

/// The first component of a path, and what is below it.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let end = path.iter().position(|&byte| byte == b'/').unwrap_or(path.len());
    (&path[..end], path.get(end + 1..).unwrap_or_default())
}

/// Those patterns that are about one archive, from its root. Each is the path of something, with `!` in front or not.
fn patterns_in(label: &str, patterns: &[OsString]) -> Vec<OsString> {
    let label = pattern_of(label.as_bytes());
    let own = |pattern: &OsString| {
        let bytes = pattern.as_bytes();
        let (sign, path) = if bytes.starts_with(b"!") { bytes.split_at(1) } else { (&b""[..], bytes) };
        let below = path.strip_prefix(label.as_bytes())?;
        let below = if below.is_empty() { ALL } else { Some(below).filter(|rest| rest.starts_with(b"/"))? };
        Some(OsString::from_vec([sign, below].concat()))
    };
    patterns.iter().filter_map(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_belong_to_one_archive() {
        let patterns =
            ["/root.pxar/etc", "!/root.pxar/etc/x", "/root.pxar2/a", "/home.pxar"].map(OsString::from);
        assert_eq!(patterns_in("root.pxar", &patterns), ["/etc", "!/etc/x"]);
        assert_eq!(patterns_in("root.pxar2", &patterns), ["/a"]);
        assert_eq!(patterns_in("home.pxar", &patterns), ["/*"]);
        assert_eq!(patterns_in("other.pxar", &patterns), [""; 0]);
    }

    #[test]
    fn paths_begin_with_the_archive() {
        assert_eq!(split(b"root.pxar"), (&b"root.pxar"[..], &b""[..]));
        assert_eq!(split(b"root.pxar/a/b"), (&b"root.pxar"[..], &b"a/b"[..]));
    }
}
