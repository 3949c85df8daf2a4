//! A store to be maltreated, and what must hold of it afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::generations;

use crate::Job;

/// The snapshots of `host/a` in a new store, by their times in seconds since 1970, with the generations of the tree that they hold.
const SNAPSHOTS: [(i64, u32); 3] = [(1000, 0), (2000, 1), (3000, 0)];
/// The generation that backups of tests make.
const NEXT: u32 = 2;

/// A store of a test: a copy of one with three snapshots and garbage, in which everything is old.
pub struct Store {
    scratch: Scratch,
    pub root: PathBuf,
    origin: Arc<Origin>,
}

impl Store {
    pub fn new() -> Self {
        let store = Self::absent();
        copy(&store.origin.scratch.join("store"), &store.root);
        store.age();
        store
    }

    /// One that is not made yet.
    pub fn absent() -> Self {
        let scratch = new_scratch();
        Self { root: scratch.join("store"), scratch, origin: Origin::get() }
    }

    /// The same at another place.
    pub fn moved_to(self, root: &Path) -> Self {
        copy(&self.root, root);
        age(root);
        Self { root: root.to_owned(), ..self }
    }

    /// A run of the program with this store as its repository.
    pub fn command(&self, args: &[&str]) -> Command {
        command(&self.root, args)
    }

    pub fn run(&self, args: &[&str]) -> Run {
        Run::of(self.command(args))
    }

    pub fn run_with(&self, job: Job, fault: &str) -> Run {
        let mut command = job.command(self);
        command.env("PXKIT_FAULT", fault);
        Run::of(command)
    }

    /// A run that stops before an operation.
    pub fn stopped_at(&self, mut command: Command, operation: u64) -> Child {
        command.env("PXKIT_FAULT", format!("stop:{operation}"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
        let stat = format!("/proc/{}/stat", child.id());
        cli::wait_until("the program stops", || {
            let stat = fs::read_to_string(&stat).expect("a process");
            let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
            assert_ne!(state, Some('Z'), "the program ended");
            state == Some('T')
        });
        child
    }

    /// A backup of generation 2.
    pub fn backup_of(&self, id: &str, time: i64) -> Command {
        self.origin.backup(&self.root, id, time, NEXT)
    }

    /// The times of the finished snapshots of `host/a`.
    pub fn finished(&self) -> BTreeSet<i64> {
        let lines = self.run(&["snapshots", "host/a", "--json"]).succeeds().json();
        let finished = lines.iter().filter(|line| line["finished"] == true);
        finished.map(|line| line["time"].as_i64().expect("a time")).collect()
    }

    /// Verifies everything, restores every finished snapshot of `host/a` and compares it with the tree that it was made of.
    #[track_caller]
    pub fn check(&self, finished: &BTreeSet<i64>) {
        assert_eq!(&self.finished(), finished);
        let verified = self.run(&["verify"]).exits(0);
        let is_ok = |line: &&str| line.starts_with("ok ") && line.contains(" host/a/");
        let ok = verified.text().lines().filter(is_ok).count();
        assert_eq!(ok, finished.len(), "{}", verified.text());
        for &time in finished {
            self.check_restore(&snapshot(time), generation(time));
        }
        let latest = *finished.last().expect("some snapshot");
        self.check_restore("host/a/latest", generation(latest));
    }

    #[track_caller]
    pub fn check_restore(&self, id: &str, generation: u32) {
        self.run(&["restore", id, "root.pxar", &self.target()]).exits(0);
        self.check_target(generation, id);
    }

    /// Where restores go.
    pub fn target(&self) -> String {
        self.scratch.join("back").to_str().expect("text").to_owned()
    }

    /// What was restored, and goes away now, is this generation.
    #[track_caller]
    pub fn check_target(&self, generation: u32, what: &str) {
        let target = self.scratch.join("back");
        assert!(
            facts(&target) == self.origin.facts[generation as usize],
            "{what}: other than generation {generation}"
        );
        fs::remove_dir_all(&target).expect("removable");
    }

    /// The next backup works and is complete, and takes up what another one left; the store has no locks left then.
    #[track_caller]
    pub fn check_next_backup(&self, finished: &BTreeSet<i64>, time: i64) {
        Run::of(self.backup_of("a", time)).exits(0);
        assert_eq!(self.finished(), finished.iter().copied().chain([time]).collect());
        self.run(&["verify"]).exits(0);
        self.check_restore(&snapshot(time), NEXT);
        self.check_restore("host/a/latest", NEXT);
        self.run(&["forget", &snapshot(time)]).exits(0);
    }

    /// Once everything that a crash left is old, housekeeping removes it.
    #[track_caller]
    pub fn check_housekeeping(&self) {
        // What is not finished may be a backup that is running, until there is a later one.
        Run::of(self.backup_of("a", 6000)).exits(0);
        self.run(&["prune", "host/a", "--keep-last", "1"]).exits(0);
        self.age();
        self.run(&["gc", "--cutoff", "1"]).exits(0);
        self.check(&[6000].into());
        let group = names(&self.root.join("host/a"));
        let id = snapshot(6000);
        let directory = id.rsplit('/').next().expect("a time").to_owned();
        assert_eq!(group, [directory, "owner".to_owned()].into());
        assert_eq!(self.temporary(), Vec::<PathBuf>::new());
    }

    /// Everything was last used long ago.
    pub fn age(&self) {
        age(&self.root);
    }

    /// Unfinished files.
    pub fn temporary(&self) -> Vec<PathBuf> {
        let is_temporary = |path: &PathBuf| path.to_string_lossy().contains(".tmp_");
        files(&self.root).into_iter().filter(is_temporary).collect()
    }

    /// All files and directories but chunks and locks.
    pub fn names(&self) -> Vec<PathBuf> {
        let hidden = [".chunks", ".pxkit-locks", ".lock"].map(|name| self.root.join(name));
        files(&self.root)
            .into_iter()
            .filter(|path| !hidden.iter().any(|hidden| path.starts_with(hidden)))
            .collect()
    }

    /// How many chunks there are. A crash may leave a file that was to become one; it is young, so it stays for now.
    pub fn whole_chunks(&self) -> usize {
        let is_chunk =
            |path: &&PathBuf| path.is_file() && path.file_name().is_some_and(|name| name.len() == 64);
        files(&self.root.join(".chunks")).iter().filter(is_chunk).count()
    }

    /// How many files there are among the chunks.
    pub fn chunks(&self) -> usize {
        files(&self.root.join(".chunks")).iter().filter(|path| path.is_file()).count()
    }
}

pub fn command(store: &Path, args: &[&str]) -> Command {
    let mut command = cli::command();
    command.args(args).env("PBS_REPOSITORY", store).env_remove("PXKIT_FAULT");
    command
}

/// The name of the snapshot of `host/a` at a time.
pub fn snapshot(time: i64) -> String {
    let time = pxkit::store::SnapshotId { group: "host/a".parse().expect("a group"), time };
    time.to_string()
}

fn generation(time: i64) -> u32 {
    SNAPSHOTS.iter().find(|(known, _)| *known == time).map_or(NEXT, |(_, generation)| *generation)
}

/// Stores lie in memory where they can: each backup waits for the whole file system, which takes long where others write.
pub fn new_scratch() -> Scratch {
    let memory = Path::new("/dev/shm");
    let is_chosen = std::env::var_os("TMPDIR").is_some();
    if is_chosen || !memory.is_dir() { Scratch::new() } else { Scratch::new_in(memory) }
}

/// The trees of the generations, and the store that all others are copies of.
struct Origin {
    scratch: Scratch,
    facts: Vec<Facts>,
}

impl Origin {
    /// There is one while there are stores.
    fn get() -> Arc<Self> {
        static ORIGIN: Mutex<Weak<Origin>> = Mutex::new(Weak::new());
        let mut known = ORIGIN.lock().unwrap_or_else(PoisonError::into_inner);
        known.upgrade().unwrap_or_else(|| {
            let origin = Arc::new(Self::make());
            *known = Arc::downgrade(&origin);
            origin
        })
    }

    fn make() -> Self {
        let mut origin = Self { scratch: new_scratch(), facts: Vec::new() };
        for generation in 0..=NEXT {
            let tree = origin.tree(generation);
            fs::create_dir(&tree).expect("a directory");
            generations::make(&tree, generation).expect("a tree");
            origin.facts.push(facts(&tree));
        }
        let root = origin.scratch.join("store");
        for (time, generation) in SNAPSHOTS {
            Run::of(origin.backup(&root, "a", time, generation)).exits(0);
        }
        // What it alone has is garbage.
        Run::of(origin.backup(&root, "b", 1000, NEXT)).exits(0);
        Run::of(command(&root, &["forget", "host/b/1970-01-01T00:16:40Z"])).exits(0);
        origin
    }

    fn tree(&self, generation: u32) -> PathBuf {
        self.scratch.join(&format!("tree{generation}"))
    }

    fn backup(&self, store: &Path, id: &str, time: i64, generation: u32) -> Command {
        let source = format!("root.pxar:{}", self.tree(generation).display());
        let time = time.to_string();
        let mut command = command(store, &["backup", &source, "--chunk-size", "64"]);
        command.args(["--backup-id", id, "--backup-time", &time]);
        command
    }
}

/// What a tree holds: mode, owner, time of modification and contents by path.
type Facts = BTreeMap<PathBuf, (u32, u32, u32, i64, i64, Vec<u8>)>;

fn facts(root: &Path) -> Facts {
    let describe = |path: PathBuf| {
        let metadata = path.symlink_metadata().expect("there");
        let contents = match metadata.file_type() {
            kind if kind.is_file() => fs::read(&path).expect("readable"),
            kind if kind.is_symlink() => {
                fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes()
            }
            _ => Vec::new(),
        };
        let m = metadata;
        let facts = (m.mode(), m.uid(), m.gid(), m.mtime(), m.mtime_nsec(), contents);
        (path.strip_prefix(root).expect("below").to_owned(), facts)
    };
    files(root).into_iter().chain([root.to_owned()]).map(describe).collect()
}

/// All files and directories below a directory.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(root).expect("a directory") {
        let path = entry.expect("readable").path();
        if path.is_dir() && !path.is_symlink() {
            out.extend(files(&path));
        }
        out.push(path);
    }
    out.sort();
    out
}

/// Everything below was last used and changed in 2001.
fn age(root: &Path) {
    for path in files(root).iter().filter(|path| path.is_file()) {
        set_times(path, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    }
}

fn set_times(path: &Path, time: SystemTime) {
    let times = FileTimes::new().set_accessed(time).set_modified(time);
    File::options().write(true).open(path).and_then(|file| file.set_times(times)).expect("times");
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("readable").path();
        let to = to.join(path.file_name().expect("a name"));
        if path.is_dir() { copy(&path, &to) } else { _ = fs::copy(&path, &to).expect("a copy") }
    }
}

/// The names in a directory.
fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("readable").file_name().into_string().expect("text")).collect()
}
