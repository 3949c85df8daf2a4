//! What there is to look into, in the order in which it was named; the page opens all of it together.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::{CWD, Mode, OFlags, openat};
use serde_json::{Value, json};

use super::beneath;
use super::local::content;
use super::place::Place;
use super::tree::{Content, Listed, Served};
use crate::store::{Group, Namespace, SnapshotId};

/// Version of the list that the page gets.
const VERSION: u32 = 1;

/// Files, and trees that look like datastores.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<File>,
    trees: Vec<Tree>,
    /// In which order they were named.
    order: Vec<Source>,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    File(usize),
    Tree(usize),
}

#[derive(Debug)]
struct File {
    /// Without symlinks, and independent of the working directory.
    path: PathBuf,
    /// Bytes when it was named.
    size: u64,
}

#[derive(Debug)]
struct Tree {
    served: Box<dyn Served>,
    open: Vec<Open>,
}

/// What the page shows of a tree first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Where.
    pub namespace: Namespace,
    /// A group or one of its snapshots.
    pub what: What,
}

/// A group, a snapshot, or one of its archives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A group.
    Group(Group),
    /// A snapshot.
    Snapshot(SnapshotId),
    /// A file of a snapshot by its name in the manifest; the metadata of a split archive.
    Archive(SnapshotId, String),
}

impl Sources {
    /// Adds a file, unless it was named already.
    ///
    /// # Errors
    /// It is not a regular file, or cannot be read.
    pub fn add_file(&mut self, path: &Path) -> anyhow::Result<()> {
        let cannot = || format!("cannot open {}", path.display());
        let path = fs::canonicalize(path).with_context(cannot)?;
        if self.files.iter().any(|file| file.path == path) {
            return Ok(());
        }
        let size = match open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("{} is neither a file nor a datastore", path.display())
            }
            result => result.with_context(cannot)?.source.size(),
        };
        self.order.push(Source::File(self.files.len()));
        self.files.push(File { path, size });
        Ok(())
    }

    /// Adds a tree; returns its number, with which [`Sources::open`] can be called.
    pub fn add_tree(&mut self, served: Box<dyn Served>) -> usize {
        self.order.push(Source::Tree(self.trees.len()));
        self.trees.push(Tree { served, open: Vec::new() });
        self.trees.len() - 1
    }

    /// Says what the page shows of a tree.
    pub fn open(&mut self, tree: usize, open: Open) {
        let all = &mut self.trees[tree].open;
        if !all.contains(&open) {
            all.push(open);
        }
    }

    /// A file.
    ///
    /// # Errors
    /// There is none of this number, or it is gone ([`io::ErrorKind::NotFound`]); it cannot be opened.
    pub fn file(&self, number: usize) -> io::Result<Content> {
        open(&self.files.get(number).ok_or(io::ErrorKind::NotFound)?.path)
    }

    /// What is in a directory of a tree.
    ///
    /// # Errors
    /// There is no such tree ([`io::ErrorKind::NotFound`]), or as for [`Served::list`].
    pub fn list(&self, tree: usize, place: &Place) -> io::Result<Vec<Listed>> {
        self.trees.get(tree).ok_or(io::ErrorKind::NotFound)?.served.list(place)
    }

    /// A file of a tree.
    ///
    /// # Errors
    /// There is no such tree ([`io::ErrorKind::NotFound`]), or as for [`Served::open`].
    pub fn content(&self, tree: usize, place: &Place) -> io::Result<Content> {
        self.trees.get(tree).ok_or(io::ErrorKind::NotFound)?.served.open(place)
    }

    /// The list for the page.
    pub fn to_json(&self) -> Value {
        let names = distinct_names(&self.files);
        let sources: Vec<Value> = self.order.iter().map(|&source| self.source_json(source, &names)).collect();
        json!({ "version": VERSION, "title": self.to_string(), "sources": sources })
    }

    fn source_json(&self, source: Source, names: &[String]) -> Value {
        match source {
            Source::File(number) => {
                let file = &self.files[number];
                // Of one that is gone the page is told when it opens it.
                let size = fs::metadata(&file.path).map_or(file.size, |metadata| metadata.len());
                json!({ "name": names[number], "url": format!("f/{number}"), "size": size })
            }
            Source::Tree(number) => {
                let tree = &self.trees[number];
                let open: Vec<Value> = tree.open.iter().map(Open::to_json).collect();
                let name = tree.served.name();
                json!({ "name": name, "directory": format!("d/{number}/"), "open": open })
            }
        }
    }
}

/// In a few words, for people.
impl fmt::Display for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Vec::new();
        for source in &self.order {
            match source {
                Source::File(number) => names.push(name_of(&self.files[*number].path, 1)),
                Source::Tree(number) => match &self.trees[*number] {
                    tree if tree.open.is_empty() => names.push(tree.served.name()),
                    tree => names.extend(tree.open.iter().map(ToString::to_string)),
                },
            }
        }
        match &names[..] {
            [] => f.write_str("nothing yet"),
            [name] => f.write_str(name),
            [first, second] => write!(f, "{first} and {second}"),
            [first, second, rest @ ..] => write!(f, "{first}, {second} and {} more", rest.len()),
        }
    }
}

impl Open {
    fn to_json(&self) -> Value {
        let (group, snapshot, archive) = match &self.what {
            What::Group(group) => (group, None, None),
            What::Snapshot(id) => (&id.group, Some(id.to_string()), None),
            What::Archive(id, archive) => (&id.group, Some(id.to_string()), Some(archive)),
        };
        json!({
            "namespace": self.namespace.to_string(),
            "group": group.to_string(),
            "snapshot": snapshot,
            "archive": archive,
        })
    }
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Group(group) => group.fmt(f),
            What::Snapshot(id) => id.fmt(f),
            What::Archive(id, archive) => write!(f, "{id}/{archive}"),
        }
    }
}

/// Opens a regular file wherever it is: the user named it.
fn open(path: &Path) -> io::Result<Content> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let (file, stat) = beneath::regular(openat(CWD, path, flags, Mode::empty())?)?;
    Ok(content(file, &stat, path.display().to_string()))
}

/// The last `count` components of a path.
fn name_of(path: &Path, count: usize) -> String {
    let all: Vec<_> = path.iter().collect();
    let last: PathBuf = all[all.len().saturating_sub(count)..].iter().collect();
    last.display().to_string()
}

/// Names of files: the last component, and of those that would be alike as many as tell them apart.
fn distinct_names(files: &[File]) -> Vec<String> {
    let mut counts = vec![1; files.len()];
    loop {
        let names: Vec<String> =
            files.iter().zip(&counts).map(|(file, &count)| name_of(&file.path, count)).collect();
        let is_ambiguous = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
        let mut more = 0;
        for (at, count) in counts.iter_mut().enumerate() {
            if is_ambiguous(&names[at]) && *count < files[at].path.iter().count() {
                *count += 1;
                more += 1;
            }
        }
        if more == 0 {
            return names;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str]) -> Vec<String> {
        distinct_names(&paths.iter().map(|path| File { path: path.into(), size: 0 }).collect::<Vec<_>>())
    }

    #[test]
    fn names_tell_files_apart() {
        assert_eq!(names(&[]), [""; 0]);
        assert_eq!(names(&["/a/b/x", "/a/b/y"]), ["x", "y"]);
        assert_eq!(names(&["/a/b/x", "/a/c/x", "/a/c/y"]), ["b/x", "c/x", "y"]);
        assert_eq!(names(&["/a/b/x", "/c/b/x"]), ["a/b/x", "c/b/x"]);
        assert_eq!(names(&["/x", "/a/x"]), ["/x", "a/x"]);
        // The same file twice is not added, but would not hang this either.
        assert_eq!(names(&["/x", "/x"]), ["/x", "/x"]);
    }

    #[test]
    fn titles() {
        let temp = tempfile::tempdir().unwrap();
        let mut sources = Sources::default();
        assert_eq!(sources.to_string(), "nothing yet");
        for (name, title) in [("a", "a"), ("b", "a and b"), ("c", "a, b and 1 more")] {
            let path = temp.path().join(name);
            fs::write(&path, name).unwrap();
            sources.add_file(&path).unwrap();
            sources.add_file(&path).unwrap();
            assert_eq!(sources.to_string(), title);
        }
        assert_eq!(sources.to_json()["sources"][2], json!({ "name": "c", "url": "f/2", "size": 1 }));
        assert!(sources.add_file(temp.path()).unwrap_err().to_string().contains("neither a file nor"));
        assert!(sources.add_file(&temp.path().join("none")).is_err());
    }
}
