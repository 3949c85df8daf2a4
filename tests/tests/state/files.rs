//! The file itself: who may read it, when it is replaced, and what it costs to lose it.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use pxkit::backup::{Mode, Options, StatePolicy, States};
use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::random::Rng;
use pxkit_tests::skip::needs_root_and_ext4;

use super::{AUTO, World, edit_behind_time, looked_into, number, read, settle};

const FILES: [(&str, usize); 4] = [("a", 5000), ("b/c", 70_000), ("b/d", 300), ("e", 7000)];

#[test]
fn there_is_one_for_each_archive_and_only_its_owner_reads_it() {
    if !needs_root_and_ext4("state: there_is_one_for_each_archive_and_only_its_owner_reads_it") {
        return;
    }
    let mut world = World::new(AUTO, &FILES);
    world.backup();
    let state = world.state();
    assert_eq!(fs::metadata(&state).expect("a file").permissions().mode() & 0o7777, 0o600);
    let first = fs::read(&state).expect("readable");
    world.write("new", 9, 10);
    world.backup();
    assert_eq!(world.state(), state);
    assert_ne!(fs::read(&state).expect("readable"), first);
    // In `data` mode, too; unified archives have none, nor have rehearsals.
    world.snapshots.backup(world.tree.path(), &world.options(Mode::Data));
    let data = fs::read(&state).expect("readable");
    world.snapshots.backup(world.tree.path(), &world.options(Mode::Legacy));
    let dry = Options { dry_run: true, ..world.options(Mode::Metadata) };
    world.snapshots.backup(world.tree.path(), &dry);
    assert_eq!(fs::read(world.state()).expect("readable"), data);
}

#[test]
fn a_snapshot_in_data_mode_leaves_one() {
    if !needs_root_and_ext4("state: a_snapshot_in_data_mode_leaves_one") {
        return;
    }
    let mut world = World::new(AUTO, &FILES);
    settle();
    world.snapshots.backup(world.tree.path(), &world.options(Mode::Data));
    let made = world.backup();
    assert_eq!((read(&made), looked_into(&made)), (0, 0), "{}", made.json);
}

/// Backs up twice, the second time with another state in place: the files are the same, and edits behind the time are as well found or not.
#[track_caller]
fn survives(what: &str, is_known: Option<bool>, meddle: impl FnOnce(&Path)) {
    let mut world = World::new(AUTO, &FILES);
    world.backup();
    meddle(&world.state());
    world.write("b/d", 70, 300);
    let made = world.backup();
    world.is_whole(&made);
    assert_eq!(read(&made), 1, "{what}: {}", made.json);
    if let Some(is_known) = is_known {
        assert_eq!(looked_into(&made) < 4, is_known, "{what}: {}", made.json);
    }
    // Whatever it was, it is whole again.
    let state = world.state();
    assert!(fs::symlink_metadata(&state).expect("a file").is_file(), "{what}");
    let made = world.backup();
    assert_eq!((read(&made), looked_into(&made)), (0, 0), "{what}: {}", made.json);
}

#[test]
fn losing_it_costs_only_time() {
    if !needs_root_and_ext4("state: losing_it_costs_only_time") {
        return;
    }
    survives("nothing", Some(true), |_| ());
    survives("lost", Some(false), |state| fs::remove_file(state).expect("removed"));
    survives("empty", Some(false), |state| fs::write(state, "").expect("written"));
    survives("something else", Some(false), |state| fs::write(state, [b'x'; 4000]).expect("written"));
    survives("a symlink", Some(false), |state| {
        fs::remove_file(state).expect("removed");
        symlink("/dev/zero", state).expect("a symlink");
    });
    survives("no permission to speak of", None, |state| {
        fs::set_permissions(state, fs::Permissions::from_mode(0o000)).expect("a mode");
    });
    let len = {
        let mut world = World::new(AUTO, &FILES);
        world.backup();
        fs::metadata(world.state()).expect("a file").len()
    };
    for cut in [1, len / 2, len - 1] {
        survives("cut off", Some(false), |state| {
            fs::File::options().write(true).open(state).and_then(|file| file.set_len(cut)).expect("cut");
        });
    }
    for at in (0..len).step_by(13) {
        survives("damaged", Some(false), |state| {
            let file = fs::File::options().read(true).write(true).open(state).expect("a file");
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).expect("a byte");
            file.write_all_at(&[byte[0] ^ 0x10], at).expect("a byte");
        });
    }
}

#[test]
fn one_of_another_snapshot_or_tree_is_not_used() {
    if !needs_root_and_ext4("state: one_of_another_snapshot_or_tree_is_not_used") {
        return;
    }
    // Rule 88. That of the snapshot before the last, as if two backups had run at once and this one had been the later to finish.
    let mut world = World::new(AUTO, &FILES);
    world.backup();
    let old = fs::read(world.state()).expect("readable");
    edit_behind_time(&world.path("a"));
    world.backup();
    fs::write(world.state(), old).expect("written");
    let made = world.backup();
    assert!(looked_into(&made) > 0 && made.json["state"].is_null(), "{}", made.json);
    world.is_whole(&made);

    // That of another machine, repository, archive or directory: it has another name, and says so inside as well.
    let mut other = World::new(AUTO, &FILES);
    other.backup();
    fs::write(world.state(), fs::read(other.state()).expect("readable")).expect("written");
    let made = world.backup();
    assert!(looked_into(&made) > 0 && made.json["state"].is_null(), "{}", made.json);
    world.is_whole(&made);
    let before = world.state();
    let elsewhere = |world: &World| {
        let options = world.options(Mode::Metadata);
        let states = options.state.clone().map(|states| States { repository: "another".into(), ..states });
        Options { state: states, ..options }
    };
    settle();
    let made = world.snapshots.backup(world.tree.path(), &elsewhere(&world));
    assert!(made.json["state"].is_null());
    assert_eq!(fs::read_dir(world.states.path()).expect("a directory").count(), 2);
    assert!(before.exists());
}

#[test]
fn rule_92_a_backup_that_fails_leaves_it_alone() {
    if !needs_root_and_ext4("state: rule_92_a_backup_that_fails_leaves_it_alone") {
        return;
    }
    let mut world = World::new(AUTO, &FILES);
    world.backup();
    let before = fs::read(world.state()).expect("readable");
    world.write("new", 12, 90_000);
    let options = world.options(Mode::Metadata);
    for fails in 0..4 {
        let result = world.snapshots.backup_failing(world.tree.path(), &options, fails);
        if result.is_ok() {
            break;
        }
        // `state` also says that there is nothing beside it.
        assert_eq!(fs::read(world.state()).expect("readable"), before);
    }
    fs::write(world.state(), &before).expect("written");
    let made = world.backup();
    world.is_whole(&made);
}

#[test]
fn a_directory_that_cannot_be_made_ends_no_backup() {
    let mut world = World::new(AUTO, &FILES);
    let options = world.options(Mode::Metadata);
    let states = |directory: &str| States {
        policy: StatePolicy::Auto,
        directory: directory.into(),
        repository: String::new(),
    };
    for directory in ["/proc/nowhere", "/dev/null/nowhere"] {
        let options = Options { state: Some(states(directory)), ..options.clone() };
        let made = world.snapshots.backup(world.tree.path(), &options);
        world.is_whole(&made);
    }
}

#[test]
fn the_command_line_chooses() {
    if !needs_root_and_ext4("state: the_command_line_chooses") {
        return;
    }
    let (scratch, cache) = (Scratch::new(), Scratch::new());
    let tree = scratch.join("tree");
    fs::create_dir(&tree).expect("a directory");
    fs::write(tree.join("file"), Rng::new(1).bytes(5000)).expect("written");
    pxkit_tests::churn::set_time(&tree.join("file"), 1_000_000_000, 0);
    let mut time = 1_700_000_000;
    let mut backup = |more: &[&str]| {
        settle();
        time += 1;
        let mut command = cli::command();
        command.env("XDG_CACHE_HOME", cache.path()).arg("backup");
        command.arg(format!("root.pxar:{}", tree.display())).arg("--repository").arg(scratch.join("store"));
        command.args(["--json", "--backup-id", "a"]).arg(format!("--backup-time={time}")).args(more);
        Run::of(command).exits(0).json().remove(0)["archives"][0].clone()
    };
    let files = || fs::read_dir(cache.join("pxkit/state")).map_or(0, Iterator::count);
    backup(&["--state=off"]);
    assert_eq!(files(), 0);
    backup(&["--dry-run"]);
    assert_eq!(files(), 0);
    assert!(backup(&[])["state"].is_null());
    assert_eq!(files(), 1);
    // A rehearsal reads it.
    assert_eq!(backup(&["--dry-run"])["state"]["untouched"], 2);
    edit_behind_time(&tree.join("file"));
    for (policy, is_read) in [("strict", 1), ("auto", 1), ("loose", 0), ("compat", 0), ("off", 0)] {
        let archive = backup(&["--dry-run", &format!("--state={policy}")]);
        assert_eq!(archive["reencoded"]["touched"]["files"], is_read, "{policy}");
    }
    assert_eq!(backup(&[])["unchanged"]["files"], 0);
    assert_eq!(backup(&["--quiet"])["unchanged"]["files"], 1);
    assert_eq!(number_of(&cache), 1);
}

fn number_of(cache: &Scratch) -> usize {
    let names = fs::read_dir(cache.join("pxkit/state")).expect("a directory");
    names
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name.to_string_lossy().ends_with(".state"))
        .count()
}

#[test]
fn numbers_of_damaged_blocks_are_told() {
    if !needs_root_and_ext4("state: numbers_of_damaged_blocks_are_told") {
        return;
    }
    let files: Vec<(String, usize)> = (0..2100).map(|number| (format!("{number:04}"), 10)).collect();
    let files: Vec<(&str, usize)> = files.iter().map(|(path, size)| (path.as_str(), *size)).collect();
    let mut world = World::new(AUTO, &files);
    world.backup();
    let state = world.state();
    let file = fs::File::options().write(true).open(&state).expect("a file");
    // In the second of three blocks.
    file.write_all_at(&[0xff; 8], 132 + 36_868 + 100).expect("written");
    let made = world.backup();
    assert_eq!((read(&made), number(&made, "/state/damaged_blocks")), (0, 1), "{}", made.json);
    assert_eq!(looked_into(&made), 1024);
    world.is_whole(&made);
}
