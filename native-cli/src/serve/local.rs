//! A datastore in a local directory, read by the names that belong into one.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, statat};

use super::beneath;
use super::place::Place;
use super::tree::{Content, Listed, Served};
use crate::source::FileSource;

/// Most entries of a directory that are listed. A group with a snapshot each hour would need 30 years.
const MOST_LISTED: usize = 1 << 18;

/// The datastore in a directory.
#[derive(Debug)]
pub struct LocalTree {
    path: PathBuf,
    root: OwnedFd,
    /// `.chunks`, which may be a symlink to another disk: whoever made the store put it there.
    chunks: OwnedFd,
}

impl LocalTree {
    /// Opens the datastore in a directory.
    ///
    /// # Errors
    /// There is none, or nobody may look into it.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let open = |path: &Path| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            openat(CWD, path, flags, Mode::empty()).with_context(|| format!("cannot open {}", path.display()))
        };
        Ok(Self { path: path.to_owned(), root: open(path)?, chunks: open(&path.join(".chunks"))? })
    }
}

impl Served for LocalTree {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&self, directory: &Place) -> io::Result<Vec<Listed>> {
        let open = beneath::directory(&self.root, &directory.components())?;
        let mut listed = Vec::new();
        for entry in Dir::read_from(&open)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let Some(place) = directory.child(name) else { continue };
            if place == Place::Chunks {
                listed.push(Listed { name: name.to_owned(), is_directory: true, size: Some(0) });
                continue;
            }
            // One that vanished meanwhile is none.
            let Ok(stat) = statat(&open, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let size = match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory if place.is_directory() => 0,
                FileType::RegularFile if !place.is_directory() => stat.st_size as u64,
                _ => continue,
            };
            if listed.len() == MOST_LISTED {
                return Err(io::Error::other(format!("more than {MOST_LISTED} entries")));
            }
            listed.push(Listed {
                name: name.to_owned(),
                is_directory: place.is_directory(),
                size: Some(size),
            });
        }
        listed.sort_unstable();
        Ok(listed)
    }

    fn open(&self, file: &Place) -> io::Result<Content> {
        let path = file.components();
        let (open, stat) = match file {
            Place::Chunk(..) => beneath::file(&self.chunks, &path[1..])?,
            _ => beneath::file(&self.root, &path)?,
        };
        Ok(content(open, &stat, file.to_string()))
    }
}

/// The bytes of a file.
pub(super) fn content(file: File, stat: &Stat, name: String) -> Content {
    let size = stat.st_size as u64;
    Content { source: Arc::new(FileSource::new(file, size, name)), tag: tag_of(stat) }
}

/// For the entity tag of a file: another size, time or inode is another file.
pub(super) fn tag_of(stat: &Stat) -> String {
    format!("{:x}-{:x}.{:x}-{:x}", stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn place(path: &str) -> Place {
        Place::of(path.split('/').filter(|name| !name.is_empty())).unwrap()
    }

    fn names(tree: &LocalTree, path: &str) -> Vec<String> {
        let show = |entry: Listed| {
            if entry.is_directory {
                entry.name + "/"
            } else {
                format!("{} {}", entry.name, entry.size.unwrap())
            }
        };
        tree.list(&place(path)).unwrap().into_iter().map(show).collect()
    }

    #[test]
    fn what_belongs_into_a_store_is_listed_and_read() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("store");
        let digest = "0a".repeat(32);
        let snapshot = "host/web/2026-11-20T02:00:00Z";
        for directory in [".chunks/0a0a", ".pxkit-locks", snapshot, "ns/a/vm/1", "lost+found", "ns/-x"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        for (file, text) in [
            (".lock", ""),
            ("host/web/owner", "root@pam\n"),
            ("host/web/other", "x"),
            ("host/file", "x"),
            (&*format!("{snapshot}/index.json.blob"), "manifest"),
            (&*format!("{snapshot}/.protected"), ""),
            (&*format!("{snapshot}/a.tmp_didx"), "x"),
            (&*format!(".chunks/0a0a/{digest}"), "chunk"),
        ] {
            fs::write(root.join(file), text).unwrap();
        }
        fs::create_dir(root.join(snapshot).join("folder.blob")).unwrap();
        fs::write(temp.path().join("secret"), "secret").unwrap();
        symlink("../../../../secret", root.join(snapshot).join("link.blob")).unwrap();
        symlink("web", root.join("host/other")).unwrap();
        symlink("../../secret", root.join("host/web/notes")).unwrap();

        let tree = LocalTree::open(&root).unwrap();
        assert_eq!(names(&tree, ""), [".chunks/", "host/", "ns/"]);
        assert_eq!(names(&tree, "ns"), ["a/"]);
        assert_eq!(names(&tree, "ns/a"), ["vm/"]);
        assert_eq!(names(&tree, "host"), ["web/"]);
        assert_eq!(names(&tree, "host/web"), ["2026-11-20T02:00:00Z/", "owner 9"]);
        assert_eq!(names(&tree, snapshot), ["index.json.blob 8"]);
        let read = |path: &str| {
            tree.open(&place(path)).map(|content| {
                let mut bytes = vec![0; content.source.size() as usize];
                content.source.read_exact_at(&mut bytes, 0).unwrap();
                (String::from_utf8(bytes).unwrap(), content.tag)
            })
        };
        let manifest = format!("{snapshot}/index.json.blob");
        let (text, tag) = read(&manifest).unwrap();
        assert_eq!(text, "manifest");
        assert_eq!(read(&format!(".chunks/0a0a/{digest}")).unwrap().0, "chunk");
        for missing in [
            format!("{snapshot}/link.blob"),
            format!("{snapshot}/folder.blob"),
            "host/web/notes".to_owned(),
            "host/other/owner".to_owned(),
            format!(".chunks/0a0a/{digest}.0.bad"),
        ] {
            assert_eq!(read(&missing).unwrap_err().kind(), io::ErrorKind::NotFound, "{missing}");
        }
        for missing in ["vm", "host/other", "host/file", "host/none"] {
            assert_eq!(tree.list(&place(missing)).unwrap_err().kind(), io::ErrorKind::NotFound, "{missing}");
        }

        // Another file under the same name, though of the same size.
        fs::write(root.join("new"), "manifesT").unwrap();
        fs::rename(root.join("new"), root.join(&manifest)).unwrap();
        assert_ne!(read(&manifest).unwrap().1, tag);
    }

    #[test]
    fn chunks_may_lie_elsewhere() {
        let temp = tempfile::tempdir().unwrap();
        let (root, digest) = (temp.path().join("store"), "ff".repeat(32));
        fs::create_dir_all(temp.path().join("disk/ffff")).unwrap();
        fs::create_dir(&root).unwrap();
        fs::write(temp.path().join("disk/ffff").join(&digest), "chunk").unwrap();
        symlink("../disk", root.join(".chunks")).unwrap();
        let tree = LocalTree::open(&root).unwrap();
        assert_eq!(tree.open(&place(&format!(".chunks/ffff/{digest}"))).unwrap().source.size(), 5);
        assert_eq!(names(&tree, ""), [".chunks/"]);
        assert!(LocalTree::open(temp.path()).unwrap_err().to_string().contains(".chunks"));
    }
}
