//! `pxkit` where something runs out: descriptors, memory, space; or is forbidden.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use pxkit_core::format::ItemType;
use pxkit_tests::cli::{Run, binary};
use pxkit_tests::handmade::{Maker, terminated};
use pxkit_tests::skip::skip;
use pxkit_tests::{odd, pxkit};

/// Deeper than the longest path of the kernel, 4096 bytes, can name.
const DEEP: usize = 3500;

/// Runs a script of bash, in `dir`, with the program as `$PXKIT`; no longer than five minutes.
fn script(dir: &Path, script: &str) -> Run {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=1", "300", "bash", "-c", script]).current_dir(dir).env("PXKIT", binary());
    Run::of(command)
}

/// Runs a script in mount and user namespaces of its own; `None` (and counted as skipped) where that is not possible.
fn private(test: &str, dir: &Path, text: &str) -> Option<Run> {
    if !rustix::process::geteuid().is_root() || !script(dir, "unshare --mount true").err.is_empty() {
        skip(test, "needs root and mount namespaces");
        return None;
    }
    Some(script(dir, &format!("unshare --mount --propagation private bash -c '{text}'")))
}

#[test]
fn deep_trees_are_created_listed_and_extracted() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let archive = dir.path().join("deep.pxar");
    fs::write(&archive, odd::deep(DEEP)).expect("an archive");
    let target = dir.path().join("target");
    pxkit!("extract", &archive, &target).exits(0);
    let list = pxkit!("list", &archive).succeeds();
    assert_eq!(list.text().lines().count(), DEEP + 2);
    // The tree that came out is that which went in.
    let again = dir.path().join("again.pxar");
    pxkit!("create", &again, &target).succeeds();
    assert!(pxkit!("list", &again).succeeds().out == list.out, "another list");
    assert_eq!(pxkit!("dump", "--findings", &again).succeeds().text(), "");
}

#[test]
fn directories_deeper_than_descriptors_are_an_error_of_their_own() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut maker = Maker::rooted();
    maker.directory(b"a");
    for _ in 0..DEEP {
        maker.directory(b"d");
    }
    maker.file(b"f", b"at the bottom");
    for _ in 0..=DEEP {
        maker.leave();
    }
    maker.file(b"z", b"after it");
    fs::write(dir.path().join("deep.pxar"), maker.finish()).expect("an archive");
    for input in ["$PXKIT extract deep.pxar target", "cat deep.pxar | $PXKIT extract - target-2"] {
        let run = script(dir.path(), &format!("ulimit -n 256; {input}"));
        let run = run.fails(1, &["cannot make the directory", "ulimit -n"]);
        assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    }
    // What does not lie in it is there, and what was made is complete.
    assert_eq!(fs::read(dir.path().join("target/z")).expect("a file"), b"after it");
    assert_eq!(dir.path().join("target/a/d").metadata().expect("a directory").mode() & 0o7777, 0o755);
    for command in ["list", "dump"] {
        script(dir.path(), &format!("ulimit -n 64; $PXKIT {command} deep.pxar")).succeeds();
    }
}

/// Files that wait for a worker keep all directories above them open.
#[test]
fn many_directories_with_few_descriptors() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut maker = Maker::rooted();
    for n in 0..300 {
        maker.directory(format!("d{n:03}").as_bytes());
        for _ in 0..10 {
            maker.directory(b"d");
        }
        maker.file(b"f", b"contents");
        for _ in 0..11 {
            maker.leave();
        }
    }
    fs::write(dir.path().join("a.pxar"), maker.finish()).expect("an archive");
    script(dir.path(), "ulimit -n 64; $PXKIT extract --threads 2 a.pxar target").succeeds();
    let found = script(dir.path(), "find target -name f -size 8c | wc -l").succeeds();
    assert_eq!(found.text().trim(), "300");
}

/// Long names in depth: a path for each level would be gigabytes.
#[test]
fn memory_does_not_grow_with_the_square_of_depth() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut maker = Maker::rooted();
    for _ in 0..4000 {
        maker.directory(&[b'd'; 255]);
    }
    fs::write(dir.path().join("a.pxar"), maker.finish()).expect("an archive");
    for pattern in ["", "--pattern=nothing"] {
        let run = script(
            dir.path(),
            &format!("ulimit -v 600000; $PXKIT extract --threads 2 a.pxar target {pattern}"),
        );
        assert!(!run.err.contains("memory") && matches!(run.code, Some(0 | 1)), "{run:?}");
        script(dir.path(), "rm -r target").succeeds();
    }
}

#[test]
fn attributes_of_nested_directories_are_bounded() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut maker = Maker::rooted();
    for _ in 0..40 {
        maker.name(b"d");
        maker.entry(0o40_755);
        for n in 0..50 {
            let attribute = [terminated(format!("user.{n}").as_bytes()), vec![b'v'; 65_000]].concat();
            maker.item(ItemType::Xattr, &attribute);
        }
        maker.enter();
    }
    fs::write(dir.path().join("a.pxar"), maker.finish()).expect("an archive");
    for pattern in ["", "--pattern=nothing"] {
        let run = script(dir.path(), &format!("$PXKIT extract --no-xattrs a.pxar target {pattern}"));
        run.fails(2, &["attributes", "more than 67108864 bytes"]);
    }
}

/// 40 files of 100,000 bytes.
fn files() -> Vec<u8> {
    let mut maker = Maker::rooted();
    for n in 0..40 {
        maker.file(format!("f{n:02}").as_bytes(), &vec![b'x'; 100_000]);
    }
    maker.finish()
}

#[test]
fn a_full_disk_ends_it_and_leaves_no_half_files() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut large = Maker::rooted();
    large.file(b"a", b"small");
    large.file(b"b", &vec![b'x'; 6 << 20]);
    for (name, archive) in [("files.pxar", files()), ("large.pxar", large.finish())] {
        fs::write(dir.path().join(name), archive).expect("an archive");
    }
    for (archive, size) in [("files.pxar", 100_000), ("large.pxar", 5)] {
        for input in [format!("$PXKIT extract {archive} m"), format!("cat {archive} | $PXKIT extract - m")] {
            let text = format!(
                "mkdir -p m; mount -t tmpfs -o size=2m tmpfs m; {input}; code=$?; find m -type f -printf \"%s\\n\"; exit $code"
            );
            let Some(run) = private("a_full_disk_ends_it_and_leaves_no_half_files", dir.path(), &text) else {
                return;
            };
            let sizes: Vec<u64> = run.text().lines().map(|line| line.parse().expect("a size")).collect();
            let run = run.fails(2, &["No space left on device"]);
            assert_eq!(run.err.lines().count(), 1, "{}", run.err);
            // Files that wait for a worker when the work ends are not made at all.
            assert!(archive == "large.pxar" || !sizes.is_empty());
            assert!(sizes.iter().all(|&there| there == size), "{input}: {sizes:?}");
        }
    }
}

#[test]
fn no_space_for_nodes_ends_it_too() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    type Make = fn(&mut Maker, &[u8]);
    let make: [(&str, Make); 3] = [
        ("directories", |maker, name| {
            maker.directory(name);
            maker.leave();
        }),
        ("symlinks", |maker, name| _ = maker.symlink(name, b"x")),
        ("fifos", |maker, name| {
            maker.name(name);
            maker.entry(0o10_644);
        }),
    ];
    for (kind, make) in make {
        let mut maker = Maker::rooted();
        for n in 0..40 {
            make(&mut maker, format!("n{n:02}").as_bytes());
        }
        fs::write(dir.path().join("a.pxar"), maker.finish()).expect("an archive");
        let text = "mkdir -p m; mount -t tmpfs -o nr_inodes=20 tmpfs m; $PXKIT extract a.pxar m";
        let Some(run) = private("no_space_for_nodes_ends_it_too", dir.path(), text) else { return };
        let run = run.fails(2, &["No space left on device"]);
        assert_eq!(run.err.lines().count(), 1, "{kind}: {}", run.err);
    }
}

#[test]
fn a_read_only_target_ends_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("a.pxar"), files()).expect("an archive");
    let text = "mkdir -p m; mount -t tmpfs -o ro tmpfs m; $PXKIT extract a.pxar m";
    let Some(run) = private("a_read_only_target_ends_it", dir.path(), text) else { return };
    let run = run.fails(2, &["Read-only file system"]);
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    let text = "mkdir -p m; mount -t tmpfs -o ro tmpfs m; $PXKIT extract a.pxar m/new";
    private("", dir.path(), text).expect("as before").fails(2, &["cannot make the directory m/new"]);
}

/// Without root: what may not be done is reported, and a program does not become one that runs as whoever extracts it.
#[test]
fn an_ordinary_user_gets_no_set_id_programs_of_others() {
    let name = "an_ordinary_user_gets_no_set_id_programs_of_others";
    if !rustix::process::geteuid().is_root() {
        return skip(name, "needs root, to be somebody else");
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut maker = Maker::rooted();
    for (name, mode) in [(b"a", 0o104_755), (b"b", 0o102_755), (b"c", 0o106_711)] {
        maker.name(name);
        maker.entry(mode);
        maker.item(ItemType::Payload, b"program");
    }
    fs::write(dir.path().join("a.pxar"), maker.finish()).expect("an archive");
    fs::copy(binary(), dir.path().join("pxkit")).expect("a copy of the program");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
    let run = |target: &str| {
        let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups";
        script(dir.path(), &format!("{nobody} ./pxkit extract a.pxar {target}"))
    };
    script(dir.path(), "mkdir of-root of-nobody; chown 65534:65534 of-nobody").succeeds();
    run("of-nobody").fails(1, &["cannot set owner and group"]);
    let mode = |name: &str| dir.path().join(name).metadata().expect("a file").mode() & 0o7777;
    assert_eq!(["of-nobody/a", "of-nobody/b", "of-nobody/c"].map(mode), [0o755, 0o755, 0o711]);
    run("of-root").fails(1, &["\"/a\": cannot create the file: Permission denied"]);
    run("of-root/new").fails(2, &["cannot make the directory of-root/new"]);
}
