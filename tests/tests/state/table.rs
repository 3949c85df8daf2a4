//! The rows of the table of failure modes.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::num::NonZeroU32;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use pxkit::backup::Mode;
use pxkit_tests::churn::set_time;
use pxkit_tests::disk::Scratch;
use pxkit_tests::random::Rng;
use pxkit_tests::skip::{needs_root_and_ext4, skip};

use super::{AUTO, COMPAT, LOOSE, STRICT, World, edit_behind_time, number, read, settle};

const FILES: [(&str, usize); 5] =
    [("a", 5000), ("b/c", 70_000), ("b/d", 300), ("e", 700_000), ("f/g", 20_000)];

#[test]
fn an_edit_that_restores_the_time_is_found() {
    if !needs_root_and_ext4("state: an_edit_that_restores_the_time_is_found") {
        return;
    }
    for (policy, is_found) in [(AUTO, true), (STRICT, true), (LOOSE, false), (COMPAT, false)] {
        for name in ["a", "b/c", "e"] {
            let mut world = World::new(policy, &FILES);
            world.backup();
            edit_behind_time(&world.path(name));
            let made = world.backup();
            assert_eq!(read(&made), u64::from(is_found), "{policy:?} {name}: {}", made.json);
            assert_eq!(number(&made, "/reencoded/touched/files"), u64::from(is_found));
            if is_found {
                world.is_whole(&made);
                assert_eq!(read(&world.backup()), 0);
            }
        }
    }
}

#[test]
fn a_file_replaced_by_another_of_its_size_and_time_is_found() {
    if !needs_root_and_ext4("state: a_file_replaced_by_another_of_its_size_and_time_is_found") {
        return;
    }
    for (policy, is_found) in [(AUTO, true), (STRICT, true), (LOOSE, true), (COMPAT, false)] {
        let mut world = World::new(policy, &FILES);
        world.backup();
        let time = fs::metadata(world.path("b/c")).expect("a file").mtime();
        fs::write(world.path("new"), Rng::new(99).bytes(70_000)).expect("written");
        set_time(&world.path("new"), time, 7);
        fs::rename(world.path("new"), world.path("b/c")).expect("renamed");
        let made = world.backup();
        assert_eq!(read(&made), u64::from(is_found), "{policy:?}: {}", made.json);
        if is_found {
            assert_eq!(number(&made, "/reencoded/replaced/files"), 1);
            world.is_whole(&made);
        }
    }
}

#[test]
fn two_directories_that_were_swapped_are_told_apart() {
    if !needs_root_and_ext4("state: two_directories_that_were_swapped_are_told_apart") {
        return;
    }
    for policy in [AUTO, STRICT, LOOSE] {
        let mut world = World::new(policy, &FILES);
        for (directory, seed) in [("x", 20), ("y", 21)] {
            for name in ["1", "2", "3"] {
                world.write(&format!("{directory}/{name}"), seed, 4000 + name.len());
                // Alike but for their contents.
                set_time(&world.path(&format!("{directory}/{name}")), 1_200_000_000, 0);
            }
        }
        world.backup();
        fs::rename(world.path("x"), world.path("z")).expect("renamed");
        fs::rename(world.path("y"), world.path("x")).expect("renamed");
        fs::rename(world.path("z"), world.path("y")).expect("renamed");
        let made = world.backup();
        world.is_whole(&made);
        // They are even found where they were.
        assert_eq!((read(&made), number(&made, "/moved/files")), (0, 6), "{}", made.json);
    }
}

#[test]
fn names_that_come_and_go_cost_nothing() {
    if !needs_root_and_ext4("state: names_that_come_and_go_cost_nothing") {
        return;
    }
    for policy in [AUTO, STRICT, LOOSE, COMPAT] {
        let mut world = World::new(policy, &FILES);
        world.backup();
        fs::hard_link(world.path("a"), world.path("z")).expect("a hard link");
        let made = world.backup();
        assert_eq!((read(&made), number(&made, "/hardlinks")), (0, 1), "{policy:?}: {}", made.json);
        world.is_whole(&made);
        fs::remove_file(world.path("z")).expect("removed");
        let made = world.backup();
        assert_eq!((read(&made), number(&made, "/hardlinks")), (0, 0), "{policy:?}: {}", made.json);
        world.is_whole(&made);
    }
}

/// As `cp -a` does it, with times and owners.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-aT").arg(from).arg(to).status().expect("cp runs");
    assert!(status.success());
}

/// Puts a copy of the tree in its place.
fn replace_by_copy(world: &World) {
    let other = Scratch::new();
    copy(world.tree.path(), &other.join("copy"));
    for entry in fs::read_dir(world.tree.path()).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("removed");
    }
    copy(&other.join("copy"), world.tree.path());
}

#[test]
fn rule_89_a_copy_of_the_tree_is_not_read() {
    if !needs_root_and_ext4("state: rule_89_a_copy_of_the_tree_is_not_read") {
        return;
    }
    let files: Vec<(String, usize)> =
        (0..1300).map(|number| (format!("{}/{number:04}", number % 7), 100 + number)).collect();
    let files: Vec<(&str, usize)> = files.iter().map(|(path, size)| (path.as_str(), *size)).collect();
    for policy in [AUTO, STRICT, COMPAT] {
        let mut world = World::new(policy, &files);
        world.backup();
        replace_by_copy(&world);
        let made = world.backup();
        assert_eq!(made.json["state"]["void"], policy == AUTO);
        let expected = if policy == STRICT { 1300 } else { 0 };
        assert_eq!(read(&made), expected, "{policy:?}: {}", made.json);
        assert_eq!(number(&made, "/unchanged/files"), 1300 - expected);
        world.is_whole(&made);
        // The new state is that of the copy.
        let after = world.backup();
        assert_eq!((read(&after), after.json["state"]["void"].as_bool()), (0, Some(false)));
        assert_eq!(number(&after, "/state/untouched"), 1300 + 8);
        edit_behind_time(&world.path("3/0003"));
        assert_eq!(read(&world.backup()), u64::from(policy != COMPAT));
    }
}

#[test]
fn a_copy_of_a_small_tree_is_read() {
    if !needs_root_and_ext4("state: a_copy_of_a_small_tree_is_read") {
        return;
    }
    let mut world = World::new(AUTO, &FILES);
    world.backup();
    replace_by_copy(&world);
    let made = world.backup();
    assert_eq!((read(&made), made.json["state"]["void"].as_bool()), (5, Some(false)));
    world.is_whole(&made);
}

/// Numbers of inodes are given again; in trees whose times are all the same, only the time at which the inode was made tells.
#[test]
fn an_inode_number_that_was_used_before_is_no_proof() {
    const NAME: &str = "state: an_inode_number_that_was_used_before_is_no_proof";
    if !needs_root_and_ext4(NAME) {
        return;
    }
    for is_same_path in [true, false] {
        let mut world = World::new(STRICT, &FILES);
        world.write("victim", 30, 4000);
        set_time(&world.path("victim"), 1, 0);
        let before = fs::metadata(world.path("victim")).expect("a file").ino();
        world.backup();
        fs::remove_file(world.path("victim")).expect("removed");
        let name = if is_same_path { "victim" } else { "another" };
        let mut spare = Vec::new();
        let is_given_again = (0..100_000).any(|number| {
            fs::write(world.path(name), Rng::new(31).bytes(4000)).expect("written");
            let is_same = fs::metadata(world.path(name)).expect("a file").ino() == before;
            if !is_same {
                let path = world.states.join(&format!("spare-{number}"));
                fs::rename(world.path(name), &path).expect("renamed");
                spare.push(path);
            }
            is_same || number > 2000
        });
        spare.into_iter().for_each(|path| fs::remove_file(path).expect("removed"));
        if !is_given_again || fs::metadata(world.path(name)).is_ok_and(|file| file.ino() != before) {
            return skip(NAME, "needs a file system that gives numbers of inodes again soon");
        }
        set_time(&world.path(name), 1, 0);
        let made = world.backup();
        assert_eq!((read(&made), number(&made, "/moved/files")), (1, 0), "{}", made.json);
        world.is_whole(&made);
    }
}

#[test]
fn a_time_in_the_future_is_no_reason_to_read() {
    if !needs_root_and_ext4("state: a_time_in_the_future_is_no_reason_to_read") {
        return;
    }
    let mut world = World::new(AUTO, &FILES);
    set_time(&world.path("a"), 4_000_000_000, 0);
    world.backup();
    let made = world.backup();
    assert_eq!(read(&made), 0, "{}", made.json);
    // Without state it is, in every run.
    let stateless = pxkit::backup::Options { state: None, ..world.options(Mode::Metadata) };
    assert_eq!(read(&world.snapshots.backup(world.tree.path(), &stateless)), 1);
    edit_behind_time(&world.path("a"));
    let made = world.backup();
    // That snapshot has no state, so nothing else is known.
    assert_eq!(read(&made), 1);
    world.is_whole(&made);
}

/// What is done in the moment in which a file is looked at may leave no trace: such files are read once more.
#[test]
fn what_changed_a_moment_before_the_backup_is_read_once_more() {
    if !needs_root_and_ext4("state: what_changed_a_moment_before_the_backup_is_read_once_more") {
        return;
    }
    for policy in [AUTO, STRICT] {
        let mut world = World::new(policy, &FILES);
        world.backup();
        for _ in 0..10 {
            edit_behind_time(&world.path("a"));
            world.backup_at_once();
            // In the same step of the clock, if it has any.
            edit_behind_time(&world.path("a"));
            let made = world.backup();
            assert_eq!(read(&made), 1, "{}", made.json);
            world.is_whole(&made);
        }
        edit_behind_time(&world.path("a"));
        world.backup_at_once();
        let made = world.backup();
        assert_eq!((read(&made), number(&made, "/reencoded/racy/files")), (1, 1), "{}", made.json);
        assert_eq!(read(&world.backup()), 0);
    }
}

/// As multigrain timestamps do not help where a file is not looked at in between, and as `mtime` alone would not show it.
#[test]
fn what_changes_while_it_is_backed_up_is_read_again() {
    if !needs_root_and_ext4("state: what_changes_while_it_is_backed_up_is_read_again") {
        return;
    }
    let mut world = World::new(STRICT, &FILES);
    world.backup();
    edit_behind_time(&world.path("a"));
    settle();
    let (options, path) = (world.options(Mode::Metadata), world.path("a"));
    let made = world.snapshots.backup_with(world.tree.path(), &options, move || edit_behind_time(&path));
    world.is_whole(&made.expect("a backup"));
    // Its metadata was read a moment after it had changed.
    let made = world.backup();
    assert_eq!(read(&made), 1, "{}", made.json);
    world.is_whole(&made);
    assert_eq!(read(&world.backup()), 0);
}

#[test]
fn the_clock_of_this_machine_is_not_compared_with_anything_older() {
    if !needs_root_and_ext4("state: the_clock_of_this_machine_is_not_compared_with_anything_older") {
        return;
    }
    // The last walk began in the future, as after the clock was set back: times are compared for equality, so edits are found.
    let mut world = World::new(STRICT, &FILES);
    world.backup();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs() as i64;
    let id = world.snapshots.finished().pop().expect("a snapshot");
    let meta = world.snapshots.stream(&id, "root.mpxar.didx");
    world.snapshots.forge(&id, &meta, |manifest| manifest.set_walk_start((now + 1000) * 1_000_000_000));
    edit_behind_time(&world.path("a"));
    let made = world.backup();
    world.is_whole(&made);
    assert_eq!(read(&made), 1, "{}", made.json);
}

/// The first store to a page moves the times of the file, later ones do not until the kernel has written the page: only the contents tell of them.
#[test]
fn stores_to_a_memory_map_are_found_by_time_or_by_contents() {
    if !needs_root_and_ext4("state: stores_to_a_memory_map_are_found_by_time_or_by_contents") {
        return;
    }
    let mut world = World::new(AUTO, &FILES);
    let Some(mut map) = Mapped::open(&world.path("e")) else {
        return skip("state: stores_to_a_memory_map_are_found_by_time_or_by_contents", "needs python3");
    };
    world.backup();
    let times = |world: &World| {
        let metadata = fs::metadata(world.path("e")).expect("a file");
        (metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec())
    };
    let first = times(&world);
    map.flip(5);
    assert_ne!(times(&world), first);
    let made = world.backup();
    assert_eq!(read(&made), 1, "{}", made.json);
    world.is_whole(&made);

    let before = times(&world);
    settle();
    map.flip(6);
    let is_told = times(&world) != before;
    settle();
    let mut options = world.options(Mode::Metadata);
    options.verify_reused = NonZeroU32::new(1);
    let made = world.snapshots.backup(world.tree.path(), &options);
    assert_eq!(read(&made), u64::from(is_told), "{}", made.json);
    assert_eq!(number(&made, "/verified/differing") > 0, !is_told, "{}", made.json);
    world.is_whole(&made);
}

/// A file that another process has mapped.
struct Mapped {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Mapped {
    fn open(path: &Path) -> Option<Self> {
        const PROGRAM: &str = "import mmap, sys\n\
            file = open(sys.argv[1], 'r+b')\n\
            map = mmap.mmap(file.fileno(), 0)\n\
            for line in sys.stdin:\n    map[int(line)] ^= 1\n    print(flush=True)\n";
        let mut command = Command::new("python3");
        command.arg("-c").arg(PROGRAM).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let (commands, answers) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        Some(Self { child, commands, answers })
    }

    /// Stores another byte.
    fn flip(&mut self, at: usize) {
        writeln!(self.commands, "{at}").expect("a command");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("an answer");
        assert_eq!(answer, "\n");
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
