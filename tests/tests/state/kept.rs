//! A state that would not change is not written again.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use pxkit::backup::{Mode, Options};
use pxkit_core::format::Digest;
use pxkit_core::pattern::{MatchType, Pattern};
use pxkit_core::reuse::state::{Header, Marks, Trace};
use pxkit_tests::churn::set_time;
use pxkit_tests::skip::{needs_root_and_ext4, skip};
use pxkit_tests::snapshots::Made;
use rustix::fs::{CWD, FileType, Mode as Permissions, XattrFlags, makedev, mknodat, setxattr};

use super::{AUTO, World, edit_behind_time, looked_into, number, read};

/// A tree with one of each kind, backed up twice: the second archive may refer to other places than the first.
fn world() -> World {
    let mut world = World::new(AUTO, &[("a", 5000), ("b/c", 70_000), ("b/d", 300), ("e/f", 7000)]);
    symlink("b/c", world.path("link")).expect("a link");
    fs::hard_link(world.path("a"), world.path("e/second")).expect("a link");
    mknodat(CWD, world.path("pipe"), FileType::Fifo, Permissions::RUSR, 0).expect("a pipe");
    world.backup();
    world.backup();
    world
}

/// Something that is done to the tree.
type Change = fn(&World);

/// The inode of the state file.
fn inode(world: &World) -> u64 {
    fs::metadata(world.state()).expect("a file").ino()
}

/// All traces in it, which fit into one block; without marks of files with several names, as metadata of further ones may be read or not.
fn traces(world: &World) -> Vec<Trace> {
    let bytes = fs::read(world.state()).expect("readable");
    let (traces, rest) = bytes[Header::SIZE..bytes.len() - 4].as_chunks();
    assert!(rest.is_empty() && traces.len() < 1024);
    let marks = |trace: &Trace| if trace.links > 1 { Marks::default() } else { trace.marks };
    traces.iter().map(Trace::parse).map(|trace| Trace { marks: marks(&trace), ..trace }).collect()
}

#[test]
fn where_nothing_changed_it_stays() {
    if !needs_root_and_ext4("state: where_nothing_changed_it_stays") {
        return;
    }
    let mut world = world();
    let before = inode(&world);
    let long_ago = SystemTime::now() - Duration::from_secs(100 * 24 * 3600);
    File::options().write(true).open(world.state()).expect("a file").set_modified(long_ago).expect("set");
    for _ in 0..2 {
        let made = world.backup();
        assert_eq!((inode(&world), read(&made), looked_into(&made)), (before, 0, 0), "{}", made.json);
        world.is_whole(&made);
    }
    // Nobody takes it for forgotten.
    let age = fs::metadata(world.state()).expect("a file").modified().expect("a time").elapsed();
    assert!(age.is_ok_and(|age| age < Duration::from_secs(3600)));
    edit_behind_time(&world.path("b/d"));
    let made = world.backup();
    assert_eq!(read(&made), 1, "{}", made.json);
    assert_ne!(inode(&world), before);
}

/// The checksums of the indexes of a snapshot: metadata, payload.
fn checksums(world: &World, made: &Made) -> [Digest; 2] {
    ["root.mpxar.didx", "root.ppxar.didx"].map(|name| world.snapshots.index(&made.id, name).checksum())
}

#[test]
fn what_nobody_touched_is_not_encoded_again() {
    if !needs_root_and_ext4("state: what_nobody_touched_is_not_encoded_again") {
        return;
    }
    let mut world = world();
    // A hole in the payload stays where it is.
    fs::remove_file(world.path("b/d")).expect("removed");
    world.backup();
    let made = world.backup();
    let before = checksums(&world, &made);
    assert_eq!(number(&made, "/metadata/injected_bytes"), number(&made, "/metadata/bytes"), "{}", made.json);
    assert_eq!(number(&made, "/hardlinks"), 1, "{}", made.json);
    world.is_whole(&made);
    // Encoding gives the same.
    let options = Options { state: None, ..world.options(Mode::Metadata) };
    let encoded = world.snapshots.backup(world.tree.path(), &options);
    assert_eq!(number(&encoded, "/metadata/injected_bytes"), 0, "{}", encoded.json);
    assert_eq!(checksums(&world, &encoded), before);
    for same in ["/files", "/reused", "/unchanged", "/hardlinks", "/entries", "/padding", "/payload"] {
        assert_eq!(made.json.pointer(same), encoded.json.pointer(same), "{same}");
    }
    // What was touched a moment ago may be touched again without a trace, so it is.
    world.backup();
    set_time(&world.path("a"), 1_000_000_000, 7);
    let made = world.backup_at_once();
    let again = world.backup_at_once();
    let injected = [&made, &again].map(|made| number(made, "/metadata/injected_bytes"));
    assert_eq!(injected, [0, 0], "{}", again.json);
}

#[test]
fn what_is_forgotten_goes() {
    if !needs_root_and_ext4("state: what_is_forgotten_goes") {
        return;
    }
    let mut world = world();
    let (old, recent) = (Duration::from_secs(200 * 24 * 3600), Duration::from_secs(100 * 24 * 3600));
    let files = [
        ("a.state", old, false),
        ("a.0123.new", old, false),
        ("a.txt", old, true),
        ("b.state", recent, true),
        ("b.4.new", recent, true),
    ];
    for (name, age, _) in files {
        let file = File::create(world.states.path().join(name)).expect("a file");
        file.set_modified(SystemTime::now() - age).expect("set");
    }
    world.backup();
    for (name, _, stays) in files {
        assert_eq!(world.states.path().join(name).exists(), stays, "{name}");
    }
}

/// Writing to a terminal sets the time of its node and leaves that of the last change.
#[test]
fn terminals_that_were_written_to_are_encoded() {
    let name = "state: terminals_that_were_written_to_are_encoded";
    if !needs_root_and_ext4(name) {
        return;
    }
    let mut world = world();
    let terminal = world.path("terminal");
    mknodat(CWD, &terminal, FileType::CharacterDevice, Permissions::RUSR | Permissions::WUSR, makedev(5, 0))
        .expect("a node");
    set_time(&terminal, 1_000_000_000, 7);
    world.backup();
    let made = world.backup();
    assert_eq!(number(&made, "/metadata/injected_bytes"), number(&made, "/metadata/bytes"), "{}", made.json);
    let before = fs::metadata(&terminal).expect("a node");
    let mut command = Command::new("script");
    command.args(["-qec", &format!("echo x > {}", terminal.display()), "/dev/null"]);
    let written = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let after = fs::metadata(&terminal).expect("a node");
    let is_as_said = after.mtime() != before.mtime() && after.ctime() == before.ctime();
    if !(written.is_ok_and(|status| status.success()) && is_as_said) {
        return skip(name, "needs script and a kernel that leaves the other time");
    }
    let made = world.backup();
    assert_eq!(number(&made, "/metadata/injected_bytes"), 0, "{}", made.json);
    world.is_whole(&made);
}

#[test]
fn whatever_changed_it_is_as_if_made_anew() {
    if !needs_root_and_ext4("state: whatever_changed_it_is_as_if_made_anew") {
        return;
    }
    let mut world = world();
    let changes: [(&str, Change); 12] = [
        ("mode of a file", |world| {
            fs::set_permissions(world.path("b/c"), fs::Permissions::from_mode(0o600)).expect("set");
        }),
        ("attribute of a directory", |world| {
            setxattr(world.path("e"), "user.colour", b"red", XattrFlags::CREATE).expect("set");
        }),
        ("another link in place of a link", |world| {
            fs::remove_file(world.path("link")).expect("removed");
            symlink("b/d", world.path("link")).expect("a link");
        }),
        ("another pipe", |world| {
            fs::remove_file(world.path("pipe")).expect("removed");
            mknodat(CWD, world.path("pipe"), FileType::Fifo, Permissions::RUSR, 0).expect("a pipe");
        }),
        ("a third name", |world| fs::hard_link(world.path("a"), world.path("third")).expect("a link")),
        ("the first name gone", |world| fs::remove_file(world.path("a")).expect("removed")),
        ("a file more", |world| world.write("b/new", 50, 100)),
        ("an empty directory", |world| fs::create_dir(world.path("z")).expect("a directory")),
        ("it is gone", |world| fs::remove_dir(world.path("z")).expect("removed")),
        ("a pipe renamed", |world| fs::rename(world.path("pipe"), world.path("tube")).expect("renamed")),
        ("the last entry gone", |world| fs::remove_file(world.path("tube")).expect("removed")),
        ("other contents", |world| world.write("b/d", 51, 300)),
    ];
    for (what, change) in changes {
        let before = traces(&world);
        change(&world);
        world.backup();
        let after = traces(&world);
        assert_ne!(after, before, "{what}");
        world.backup();
        assert_eq!(traces(&world), after, "{what}: nothing changed since");
        fs::remove_file(world.state()).expect("removed");
        world.backup();
        assert_eq!(traces(&world), after, "{what}: without what was there");
    }
}

#[test]
fn for_another_archive_of_the_same_entries_it_is_copied() {
    if !needs_root_and_ext4("state: for_another_archive_of_the_same_entries_it_is_copied") {
        return;
    }
    let mut world = world();
    let (before, all) = (inode(&world), traces(&world));
    // The archive tells of the pattern, which nothing matches.
    let mut options: Options = world.options(Mode::Metadata);
    options.walk.patterns.push(Pattern::parse(b"*.nothing", MatchType::Exclude).expect("a pattern"));
    let again = |world: &mut World| {
        let made = world.snapshots.backup(world.tree.path(), &options);
        assert_eq!((read(&made), looked_into(&made)), (0, 0), "{}", made.json);
        (inode(world), traces(world))
    };
    let copied = again(&mut world);
    assert_ne!(copied.0, before);
    assert_eq!(copied.1, all);
    // It belongs to that archive, so it is used, and stays.
    assert_eq!(again(&mut world), copied);
}
