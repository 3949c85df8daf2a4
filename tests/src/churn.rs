//! Trees on disk that change at random from one backup to the next. Needs root, and a file system with extended attributes.
//!
//! Contents never change under the same path, size and time of modification, which no change detection by metadata can see. There is one
//! exception: files whose time lies in the future.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, FileType, Gid, IFlags, Mode, Timespec, Timestamps, Uid, XattrFlags};

use crate::acl::Acl;
use crate::random::Rng;

/// Who changes a tree.
#[derive(Debug)]
pub struct Churn {
    rng: Rng,
    root: PathBuf,
    /// Counts times and names, so that none comes twice.
    clock: i64,
    /// What was done, for whoever looks for a failure.
    pub log: Vec<String>,
}

impl Churn {
    /// Makes a tree of about `files` files in the directory `root`.
    pub fn plant(seed: u64, root: &Path, files: usize) -> Self {
        let mut churn = Self { rng: Rng::new(seed), root: root.to_owned(), clock: 0, log: Vec::new() };
        for _ in 0..files / 12 + 1 {
            let parent = churn.directory();
            fs::create_dir(churn.name_in(&parent)).expect("a directory");
        }
        for _ in 0..files {
            let parent = churn.directory();
            let path = churn.name_in(&parent);
            churn.write(&path);
        }
        churn
    }

    /// Makes some changes.
    pub fn step(&mut self) {
        self.log.clear();
        for _ in 0..1 + self.rng.below(12) {
            self.change();
        }
    }

    fn change(&mut self) {
        let directory = self.directory();
        let Some(file) = self.file() else { return self.create(&directory) };
        let what = match self.rng.below(24) {
            0 | 1 => self.edit(&file),
            2 => self.grow(&file, false),
            3 => self.grow(&file, true),
            4 => self.truncate(&file),
            5 => self.rename(&file, &directory),
            6 => self.rename_directory(&directory),
            7 => self.change_type(&file),
            8 => self.change_directory_to_file(&directory),
            9 => self.touch_later(&file),
            10 => self.link(&file, &directory),
            11 => self.unlink(&file),
            12 => self.relabel(&file),
            13 => self.own(&file),
            14 => self.attribute(&file),
            15 => self.flag(&file),
            16 => self.acl(&file),
            17 => self.remove(&directory),
            18 => self.subtree(&directory),
            19 => self.special(&directory),
            20 => self.postdate(&file),
            21 => self.edit_in_the_future(),
            22 => self.copy(&file, &directory),
            _ => {
                self.create(&directory);
                "create"
            }
        };
        self.log.push(format!("{what} {} (in {})", file.display(), directory.display()));
    }

    // Files.

    fn create(&mut self, directory: &Path) {
        for _ in 0..1 + self.rng.below(4) {
            let path = self.name_in(directory);
            self.write(&path);
        }
    }

    fn write(&mut self, path: &Path) {
        let size = match self.rng.below(10) {
            0 => 0,
            1 => self.rng.below(400_000),
            2 | 3 => self.rng.below(60_000),
            _ => self.rng.below(6000),
        };
        fs::write(path, self.rng.bytes(size)).expect("written");
        self.settle(path);
    }

    fn edit(&mut self, path: &Path) -> &'static str {
        let (file, size) = open(path);
        if size > 0 {
            let at = self.rng.below(size as usize);
            file.write_all_at(
                &self.rng.bytes(1 + self.rng.clone().below(500).min(size as usize - at - 1)),
                at as u64,
            )
            .expect("written");
        }
        self.settle(path);
        "edit"
    }

    fn grow(&mut self, path: &Path, restores_time: bool) -> &'static str {
        let (file, size) = open(path);
        let before = path.metadata().expect("a file");
        let more = 1 + self.rng.below(if self.rng.clone().one_in(4) { 100_000 } else { 300 });
        file.write_all_at(&self.rng.bytes(more), size).expect("written");
        if restores_time {
            set_time(path, before.mtime(), before.mtime_nsec());
            return "grow, as if nothing was";
        }
        self.settle(path);
        "grow"
    }

    fn truncate(&mut self, path: &Path) -> &'static str {
        let (file, size) = open(path);
        file.set_len(self.rng.below(size as usize + 1) as u64).expect("truncated");
        self.settle(path);
        "truncate"
    }

    fn copy(&mut self, path: &Path, directory: &Path) -> &'static str {
        let copy = self.name_in(directory);
        fs::copy(path, &copy).expect("copied");
        self.settle(&copy);
        "copy"
    }

    fn touch_later(&mut self, path: &Path) -> &'static str {
        self.settle(path);
        "touch"
    }

    fn postdate(&mut self, path: &Path) -> &'static str {
        self.clock += 1;
        set_time(path, now() + 100_000 + self.clock, 5);
        "future"
    }

    /// A file whose time cannot be trusted changes without a sign.
    fn edit_in_the_future(&mut self) -> &'static str {
        let later =
            |path: &PathBuf| path.metadata().is_ok_and(|found| found.mtime() > now() && found.size() > 0);
        let files: Vec<PathBuf> = self.all(|found| found.is_file()).into_iter().filter(later).collect();
        if files.is_empty() {
            return "nothing";
        }
        let path = self.rng.pick(&files).clone();
        let before = path.metadata().expect("a file");
        let (file, size) = open(&path);
        file.write_all_at(&self.rng.bytes(1), self.rng.clone().below(size as usize) as u64).expect("written");
        set_time(&path, before.mtime(), before.mtime_nsec());
        "edit without a sign"
    }

    // Names.

    fn rename(&mut self, path: &Path, directory: &Path) -> &'static str {
        fs::rename(path, self.name_in(directory)).expect("renamed");
        "rename"
    }

    fn rename_directory(&mut self, directory: &Path) -> &'static str {
        if directory == self.root {
            return "nothing";
        }
        let target = self.directory();
        if target.starts_with(directory) {
            return "nothing";
        }
        fs::rename(directory, self.name_in(&target)).expect("renamed");
        "rename directory"
    }

    fn link(&mut self, path: &Path, directory: &Path) -> &'static str {
        for _ in 0..1 + self.rng.below(3) {
            fs::hard_link(path, self.name_in(directory)).expect("linked");
        }
        "link"
    }

    /// Preferably one of several names, so that first names vanish and links break.
    fn unlink(&mut self, path: &Path) -> &'static str {
        let linked = self.all(|found| found.is_file() && found.nlink() > 1);
        let path = if linked.is_empty() { path.to_owned() } else { self.rng.pick(&linked).clone() };
        fs::remove_file(&path).expect("removed");
        if self.rng.one_in(2) {
            // Another file of that name.
            self.write(&path);
        }
        "unlink"
    }

    fn remove(&mut self, directory: &Path) -> &'static str {
        if directory == self.root || self.rng.one_in(2) {
            return "nothing";
        }
        fs::remove_dir_all(directory).expect("removed");
        "remove directory"
    }

    fn subtree(&mut self, directory: &Path) -> &'static str {
        let mut path = directory.to_owned();
        for _ in 0..1 + self.rng.below(3) {
            path = self.name_in(&path);
            fs::create_dir(&path).expect("a directory");
            self.create(&path);
        }
        "subtree"
    }

    fn special(&mut self, directory: &Path) -> &'static str {
        let path = self.name_in(directory);
        self.node(&path);
        "special"
    }

    fn node(&mut self, path: &Path) {
        let make =
            |kind, dev| rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), dev).expect("made");
        match self.rng.below(4) {
            0 => symlink(format!("target{}", self.rng.below(9)), path).expect("a symlink"),
            1 => make(FileType::Fifo, 0),
            2 => make(FileType::Socket, 0),
            _ => make(FileType::CharacterDevice, rustix::fs::makedev(1, 3)),
        }
        self.settle(path);
    }

    fn change_type(&mut self, path: &Path) -> &'static str {
        fs::remove_file(path).expect("removed");
        if self.rng.one_in(2) {
            fs::create_dir(path).expect("a directory");
            self.create(path);
        } else {
            self.node(path);
        }
        "change type"
    }

    fn change_directory_to_file(&mut self, directory: &Path) -> &'static str {
        if directory == self.root || self.rng.one_in(2) {
            return "nothing";
        }
        fs::remove_dir_all(directory).expect("removed");
        self.write(directory);
        "directory to file"
    }

    // Metadata.

    fn relabel(&mut self, path: &Path) -> &'static str {
        let bits = *self.rng.pick(&[0o600, 0o644, 0o755, 0o4711, 0o440]);
        fs::set_permissions(path, fs::Permissions::from_mode(bits)).expect("permissions");
        "chmod"
    }

    fn own(&mut self, path: &Path) -> &'static str {
        let mut id = || self.rng.below(3) as u32 * 1000;
        let (uid, gid) = (Uid::from_raw(id()), Gid::from_raw(id()));
        rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).expect("owned");
        "chown"
    }

    fn attribute(&mut self, path: &Path) -> &'static str {
        let name = *self.rng.pick(&["user.a", "user.b", "trusted.c"]);
        if self.rng.one_in(3) {
            _ = rustix::fs::removexattr(path, name);
            return "remove attribute";
        }
        let value = self.rng.bytes(self.rng.clone().below(60));
        rustix::fs::setxattr(path, name, &value, XattrFlags::empty()).expect("set");
        "attribute"
    }

    fn flag(&mut self, path: &Path) -> &'static str {
        let file = fs::File::open(path).expect("a file");
        let flags = rustix::fs::ioctl_getflags(&file).expect("flags");
        rustix::fs::ioctl_setflags(&file, flags ^ IFlags::NODUMP).expect("flags");
        "flag"
    }

    fn acl(&mut self, path: &Path) -> &'static str {
        let mut acl = Acl::of_mode(0o640);
        acl.users.insert(self.rng.below(50) as u64, self.rng.below(8) as u64);
        acl.mask = Some(7);
        rustix::fs::setxattr(path, "system.posix_acl_access", &acl.to_xattr(), XattrFlags::empty())
            .expect("set");
        "acl"
    }

    // Choosing.

    /// All nodes of a kind, in the order of their paths.
    fn all(&self, mut is_wanted: impl FnMut(&fs::Metadata) -> bool) -> Vec<PathBuf> {
        let (mut out, mut open) = (Vec::new(), vec![self.root.clone()]);
        while let Some(path) = open.pop() {
            let found = path.symlink_metadata().expect("a node");
            if found.is_dir() {
                open.extend(
                    fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()),
                );
            }
            if is_wanted(&found) {
                out.push(path);
            }
        }
        out.sort();
        out
    }

    fn file(&mut self) -> Option<PathBuf> {
        let files = self.all(fs::Metadata::is_file);
        (!files.is_empty()).then(|| self.rng.pick(&files).clone())
    }

    fn directory(&mut self) -> PathBuf {
        let directories = self.all(fs::Metadata::is_dir);
        self.rng.pick(&directories).clone()
    }

    /// A name that was never there.
    fn name_in(&mut self, directory: &Path) -> PathBuf {
        self.clock += 1;
        let mut name = format!("{:02x}", self.rng.below(256)).into_bytes();
        if self.rng.one_in(10) {
            name.push(0xff);
        }
        name.extend(format!("-{}", self.clock).bytes());
        directory.join(OsString::from_vec(name))
    }

    /// Gives a node a time of long ago that none had before.
    fn settle(&mut self, path: &Path) {
        self.clock += 1;
        set_time(path, 1_000_000_000 + self.clock, self.rng.below(1_000_000_000) as i64);
    }
}

fn open(path: &Path) -> (fs::File, u64) {
    let file = fs::File::options().write(true).open(path).expect("a file");
    let size = file.metadata().expect("a file").len();
    (file, size)
}

/// Sets the time of modification.
pub fn set_time(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("times");
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
