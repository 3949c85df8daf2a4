//! Directories that files are looked up in: a folder of the browser, a list of files, a folder that a server offers.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use futures::future::LocalBoxFuture;
use pxkit_core::layout::sort_things;

use super::Source;
use crate::protocol::{Problem, ProblemKind};
use crate::worker::{Handle, problem};

/// What looking into a directory gives; `None` if there is nothing of that name.
pub type Looking<'a, T> = LocalBoxFuture<'a, Result<Option<T>, Problem>>;

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The name.
    pub name: String,
    /// It is a directory.
    pub is_directory: bool,
}

/// A directory with all that is below. Paths have `/` between their names; the empty path is the directory itself.
pub trait Directory {
    /// What it is called.
    fn name(&self) -> &str;

    /// The names in the directory at `path`, in any order.
    fn list<'a>(&'a self, path: &'a str) -> Looking<'a, Vec<Listed>>;

    /// The file at `path`.
    fn file<'a>(&'a self, path: &'a str) -> Looking<'a, Rc<dyn Source>>;

    /// Whether there is a directory at `path`.
    fn has<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, Result<bool, Problem>>;

    /// Whether names with colons cannot be seen in it, as those of snapshots are.
    fn hides_colons(&self) -> bool {
        false
    }

    /// All bytes of the file at `path`, which has at most `limit`.
    fn read<'a>(&'a self, path: &'a str, limit: u64) -> Looking<'a, Vec<u8>> {
        Box::pin(async move {
            let Some(file) = self.file(path).await? else { return Ok(None) };
            check_limit(path, file.size(), limit)?;
            Ok(Some(file.bytes(0, file.size() as usize).await?))
        })
    }
}

/// Refuses files that are larger than they should be.
pub(super) fn check_limit(path: &str, size: u64, limit: u64) -> Result<(), Problem> {
    if size <= limit {
        return Ok(());
    }
    let message = format!("{path} has {size} bytes; at most {limit} were expected.");
    Err(problem::about(ProblemKind::Limit, path, message))
}

/// A directory of which all paths are known: the files of a folder that was picked.
pub struct Paths {
    name: String,
    files: BTreeMap<String, Handle>,
}

impl Paths {
    /// Files by their paths below the directory.
    pub fn new(name: String, files: impl IntoIterator<Item = (String, Handle)>) -> Self {
        Self { name, files: files.into_iter().collect() }
    }
}

/// A folder of the browser with files that it hides, which were given one by one.
pub struct Unhidden {
    folder: Rc<dyn Directory>,
    hidden: Paths,
}

impl Unhidden {
    /// The folder, and files by their paths below it.
    pub fn new(folder: Rc<dyn Directory>, hidden: impl IntoIterator<Item = (String, Handle)>) -> Self {
        let hidden = Paths::new(folder.name().to_owned(), hidden);
        Self { folder, hidden }
    }
}

impl Directory for Unhidden {
    fn name(&self) -> &str {
        self.folder.name()
    }

    fn list<'a>(&'a self, path: &'a str) -> Looking<'a, Vec<Listed>> {
        Box::pin(async move {
            let seen = self.folder.list(path).await?;
            if !self.hidden.has(path).await? {
                return Ok(seen);
            }
            let mut names = self.hidden.list(path).await?.unwrap_or_default();
            names.extend(seen.unwrap_or_default());
            sort_things(&mut names, Ord::cmp);
            names.dedup();
            Ok(Some(names))
        })
    }

    fn file<'a>(&'a self, path: &'a str) -> Looking<'a, Rc<dyn Source>> {
        Box::pin(async move {
            match self.hidden.file(path).await? {
                Some(file) => Ok(Some(file)),
                None => self.folder.file(path).await,
            }
        })
    }

    fn has<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, Result<bool, Problem>> {
        Box::pin(async move { Ok(self.hidden.has(path).await? || self.folder.has(path).await?) })
    }
}

/// What paths below the directory at `path` start with.
fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}/") }
}

impl Directory for Paths {
    fn name(&self) -> &str {
        &self.name
    }

    fn list<'a>(&'a self, path: &'a str) -> Looking<'a, Vec<Listed>> {
        let prefix = prefix(path);
        let mut names = Vec::new();
        let mut from = prefix.clone();
        // Jumps over all that is in a subdirectory: the number of names counts, not that of files.
        while let Some((found, _)) =
            self.files.range::<str, _>((Bound::Included(&*from), Bound::Unbounded)).next()
        {
            let Some(rest) = found.strip_prefix(&prefix) else { break };
            let (name, is_directory) = rest.split_once('/').map_or((rest, false), |(name, _)| (name, true));
            names.push(Listed { name: name.to_owned(), is_directory });
            // The character behind the slash; and the least that sorts behind a name.
            from = format!("{prefix}{name}{}", if is_directory { '0' } else { '\0' });
        }
        let is_there = !names.is_empty() || path.is_empty();
        Box::pin(async move { Ok(is_there.then_some(names)) })
    }

    fn file<'a>(&'a self, path: &'a str) -> Looking<'a, Rc<dyn Source>> {
        Box::pin(async move {
            let name = path.rsplit('/').next().unwrap_or(path);
            self.files.get(path).map(|handle| handle.file(name)).transpose()
        })
    }

    fn has<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, Result<bool, Problem>> {
        let prefix = prefix(path);
        let next = self.files.range::<str, _>((Bound::Included(&*prefix), Bound::Unbounded)).next();
        let has = next.is_some_and(|(found, _)| found.starts_with(&prefix));
        Box::pin(async move { Ok(has) })
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::worker::source::memory::Memory;

    fn directory(paths: &[&str]) -> Paths {
        let handle = |path: &str| {
            let bytes = path.as_bytes().to_vec();
            Handle::Source(Rc::new(Memory::new(path.to_owned(), bytes)))
        };
        Paths::new("d".to_owned(), paths.iter().map(|path| ((*path).to_owned(), handle(path))))
    }

    fn names(directory: &dyn Directory, path: &str) -> Option<String> {
        let listed = block_on(directory.list(path)).unwrap()?;
        let text = |one: Listed| one.name + if one.is_directory { "/" } else { "" };
        Some(listed.into_iter().map(text).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn hidden_files_are_among_the_others() {
        let handle =
            |path: &str| Handle::Source(Rc::new(Memory::new(path.to_owned(), path.as_bytes().to_vec())));
        let hidden = ["host/a/t:1/i", "host/a/owner"].map(|path| (path.to_owned(), handle(path)));
        let both =
            Unhidden::new(Rc::new(directory(&[".chunks/0/x", "host/a/owner", "host/b/owner"])), hidden);
        assert_eq!(names(&both, "").as_deref(), Some(".chunks/ host/"));
        assert_eq!(names(&both, "host").as_deref(), Some("a/ b/"));
        assert_eq!(names(&both, "host/a").as_deref(), Some("owner t:1/"));
        assert_eq!(names(&both, "host/a/t:1").as_deref(), Some("i"));
        assert_eq!(names(&both, ".chunks/0").as_deref(), Some("x"));
        assert_eq!(names(&both, "no"), None);
        assert!(block_on(both.has("host/a/t:1")).unwrap() && block_on(both.has(".chunks")).unwrap());
        assert!(!block_on(both.has("ns")).unwrap() && !both.hides_colons());
        assert_eq!(block_on(both.read("host/a/t:1/i", 99)).unwrap().as_deref(), Some(&b"host/a/t:1/i"[..]));
        assert_eq!(block_on(both.read(".chunks/0/x", 99)).unwrap().as_deref(), Some(&b".chunks/0/x"[..]));
        assert_eq!(block_on(both.read("host/b/t", 99)).unwrap(), None);
    }

    #[test]
    fn names_of_each_level_once() {
        let directory = directory(&["a/x", "a/y/z", "a-b", "a0", "b", "c/d/e", "c/d/f"]);
        assert_eq!(names(&directory, "").as_deref(), Some("a-b a/ a0 b c/"));
        assert_eq!(names(&directory, "a").as_deref(), Some("x y/"));
        assert_eq!(names(&directory, "c/d").as_deref(), Some("e f"));
        assert_eq!(names(&directory, "c/d/e"), None);
        assert_eq!(names(&directory, "no"), None);
        assert!(block_on(directory.has("c/d")).unwrap() && !block_on(directory.has("b")).unwrap());
        assert_eq!(block_on(directory.read("a/y/z", 5)).unwrap().as_deref(), Some(&b"a/y/z"[..]));
        assert_eq!(block_on(directory.read("a/y/z", 4)).unwrap_err().kind, ProblemKind::Limit);
        assert_eq!(block_on(directory.read("a/y", 5)).unwrap(), None);
    }
}
