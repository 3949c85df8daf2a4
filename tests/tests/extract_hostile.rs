//! `pxkit extract` on archives that try to get out of the target, to make it hang, or to make it lose files.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::process::Command;

use pxkit_core::format::ItemType;
use pxkit_tests::canary::Place;
use pxkit_tests::cli::{Run, binary};
use pxkit_tests::handmade::{Maker, stat};
use pxkit_tests::traps::{self, Trap};

/// A run of `pxkit extract` that is killed, with status 124, if it takes too long.
fn extract() -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=1", "300"]).arg(binary()).arg("extract");
    command
}

/// How archives are handed over, and with which options.
#[derive(Clone, Debug)]
struct Way {
    piped: bool,
    options: Vec<OsString>,
}

fn ways() -> Vec<Way> {
    let existing: [&[&str]; 6] = [
        &[],
        &["--allow-existing-dirs"],
        &["--overwrite"],
        &["--overwrite", "--allow-existing-dirs"],
        &["--overwrite-files", "--overwrite-symlinks", "--allow-existing-dirs", "--threads=1"],
        &["--overwrite-hardlinks", "--strict"],
    ];
    let names = ["d", "f", "l", "l0", "l1", "m", "n", "x/secret", "x/y", "z", "up/canary", "s", "p", "a"];
    let literal = names.map(|name| format!("--pattern=/{name}"));
    let patterns = [vec![], vec!["--pattern=**/*".to_owned(), "--pattern=!a".to_owned()], literal.to_vec()];
    let mut ways = Vec::new();
    for options in existing {
        for patterns in &patterns {
            let options: Vec<OsString> =
                options.iter().map(OsString::from).chain(patterns.iter().map(OsString::from)).collect();
            for piped in [false, true] {
                ways.push(Way { piped, options: options.clone() });
            }
        }
    }
    ways
}

fn run(place: &Place, trap: &Trap, way: &Way) -> Run {
    let mut command = extract();
    command.args(&way.options).current_dir(place.path());
    if trap.payload.is_some() {
        command.args(["--payload-input", "a.ppxar"]);
    }
    if way.piped {
        command.args(["-", "target"]);
        Run::with_input(command, &trap.meta)
    } else {
        command.args(["a.pxar", "target"]);
        Run::of(command)
    }
}

/// Runs every trap in every way, twice into the same target, which then holds what the trap could plant.
fn spring(split: bool) {
    let place = Place::new();
    let outside = place.join("canary");
    let target = place.join("target");
    let mut runs = 0;
    for trap in traps::all(outside.as_os_str().as_bytes(), split) {
        fs::write(place.join("a.pxar"), &trap.meta).expect("an archive");
        if let Some(payload) = &trap.payload {
            fs::write(place.join("a.ppxar"), payload).expect("a payload file");
        }
        for way in ways() {
            for round in 0..2 {
                let run = run(&place, &trap, &way);
                let context = || format!("{} {way:?} round {round}: {run:?}", trap.name);
                assert!(matches!(run.code, Some(0..=2)), "{}", context());
                assert!(!run.err.contains("defect") && !run.err.contains("panicked"), "{}", context());
                place
                    .check(&["target", "a.pxar", "a.ppxar"])
                    .unwrap_or_else(|error| panic!("{error}\n{}", context()));
                runs += 1;
            }
            fs::remove_dir_all(&target).expect("the target");
        }
    }
    println!("{runs} runs");
}

#[test]
fn nothing_leaves_the_target() {
    spring(false);
}

#[test]
fn nothing_leaves_the_target_from_split_archives() {
    spring(true);
}

/// Extracts an archive into `place`/target, where things may be already.
fn into(place: &Place, archive: &[u8], options: &[&str]) -> Run {
    fs::write(place.join("a.pxar"), archive).expect("an archive");
    let mut command = extract();
    command.args(options).arg(place.join("a.pxar")).arg(place.join("target"));
    Run::of(command)
}

#[test]
fn a_link_to_itself_does_not_remove_the_file() {
    let place = Place::new();
    let mut maker = Maker::rooted();
    let file = maker.file(b"a", b"contents");
    maker.hardlink(b"a", file, b"a");
    maker.hardlink(b"b", file, b"a");
    maker.hardlink(b"b", file, b"a");
    into(&place, &maker.finish(), &["--overwrite"]);
    for name in ["a", "b"] {
        assert_eq!(fs::read(place.join("target").join(name)).expect("it is there"), b"contents");
    }
}

#[test]
fn of_two_entries_with_a_name_the_later_one_stays() {
    let place = Place::new();
    let mut maker = Maker::rooted();
    for n in 0..100 {
        let name = format!("n{n:03}");
        maker.file(name.as_bytes(), &vec![1; 100_000]);
        maker.symlink(name.as_bytes(), b"elsewhere");
        let other = format!("o{n:03}");
        maker.symlink(other.as_bytes(), b"elsewhere");
        maker.file(other.as_bytes(), b"x");
    }
    let archive = maker.finish();
    into(&place, &archive, &["--overwrite", "--threads=4", "--quiet"]);
    for n in 0..100 {
        let kind = |letter| {
            let path = place.join("target").join(format!("{letter}{n:03}"));
            path.symlink_metadata().expect("it is there").file_type()
        };
        assert!(kind('n').is_symlink() && kind('o').is_file(), "{n}");
    }
}

/// The second time a directory comes it must not be filled before the first is finished: what is made in it then gets the group
/// that the first gave it.
#[test]
fn a_directory_that_comes_twice_is_one_after_the_other() {
    let place = Place::new();
    let mut maker = Maker::rooted();
    for _ in 0..2 {
        maker.name(b"d");
        maker.entry(0o42_755);
        maker.enter();
        for n in 0..50 {
            maker.name(format!("f{n:02}").as_bytes());
            // Owned by root, as they are when they are made: nothing is left to be set if nothing was inherited.
            let mut stat = stat(0o100_644);
            stat[16..24].fill(0);
            maker.item(ItemType::Entry, &stat);
            maker.item(ItemType::Payload, &vec![1; 50_000]);
        }
        maker.leave();
    }
    if !rustix::process::geteuid().is_root() {
        pxkit_tests::skip::skip("a_directory_that_comes_twice_is_one_after_the_other", "needs root");
        return;
    }
    into(&place, &maker.finish(), &["--overwrite", "--allow-existing-dirs", "--threads=4"]).exits(1);
    for entry in fs::read_dir(place.join("target/d")).expect("a directory") {
        let metadata = entry.expect("an entry").metadata().expect("a file");
        assert_eq!((metadata.uid(), metadata.gid(), metadata.len()), (0, 0, 50_000));
        assert_eq!(metadata.mode() & 0o7777, 0o644);
    }
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

#[test]
fn what_exists_is_replaced_only_when_asked_and_never_opened() {
    let place = Place::new();
    let target = place.join("target");
    fs::create_dir(&target).expect("a directory");
    let mut maker = Maker::rooted();
    maker.file(b"f", b"contents");
    let archive = maker.finish();
    // A FIFO that nobody reads would block whoever opens it.
    fifo(&target.join("f"));
    into(&place, &archive, &[]).fails(1, &["/f", "exists"]);
    assert!(target.join("f").symlink_metadata().expect("it is there").file_type().is_fifo());
    into(&place, &archive, &["--overwrite"]).exits(0);
    assert_eq!(fs::read(target.join("f")).expect("it is there"), b"contents");
    // A further name of the file that is replaced keeps what it has.
    fs::remove_file(target.join("f")).expect("a file");
    fs::hard_link(place.join("canary/secret"), target.join("f")).expect("a link");
    into(&place, &archive, &["--overwrite"]).exits(0);
    assert_eq!(fs::read(place.join("canary/secret")).expect("it is there"), b"a secret");
    // Directories stay.
    fs::remove_file(target.join("f")).expect("a file");
    fs::create_dir(target.join("f")).expect("a directory");
    into(&place, &archive, &["--overwrite"]).fails(1, &["/f"]);
    assert!(target.join("f").is_dir());
}

#[test]
fn paths_in_one_directory_can_be_asked_for_together() {
    let place = Place::new();
    let mut maker = Maker::rooted();
    maker.directory(b"a");
    for name in [b"b", b"c", b"d"] {
        maker.file(name, name);
    }
    maker.leave();
    maker.file(b"a.b", b"x");
    let archive = maker.finish();
    for (patterns, expected) in [
        (&["--pattern=/a/b", "--pattern=/a/c"][..], &["a/b", "a/c"][..]),
        (&["--pattern=/a/d", "--pattern=/a.b", "--pattern=/a"], &["a/b", "a/c", "a/d", "a.b"]),
        (&["--pattern=/a/", "--pattern=/a/b", "--pattern=/a"], &["a/b", "a/c", "a/d"]),
    ] {
        into(&place, &archive, patterns).succeeds();
        let target = place.join("target");
        for name in ["a/b", "a/c", "a/d", "a.b"] {
            assert_eq!(target.join(name).exists(), expected.contains(&name), "{patterns:?}: {name}");
        }
        fs::remove_dir_all(target).expect("the target");
    }
    into(&place, &archive, &["--pattern=/a/b", "--pattern=/a//c"]).exits(0);
}
