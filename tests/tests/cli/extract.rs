//! `pxkit extract`: what is restored, over what, and what happens when something cannot be.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use pxkit_core::format::{ItemType, START_MARKER};
use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::handmade::{Maker, raw};
use pxkit_tests::{golden, pxkit, skip};
use rustix::process::Signal;

fn golden_file(name: &str) -> PathBuf {
    golden::path(&format!("archives/{name}"))
}

/// A scratch directory with `a.pxar`: these bytes.
fn archive(bytes: &[u8]) -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let path = scratch.join("a.pxar");
    fs::write(&path, bytes).unwrap();
    (scratch, path)
}

/// One of each kind that needs no root: `dir/file`, `fifo`, `file`, `hard`, `link`.
fn kinds() -> Vec<u8> {
    let mut maker = Maker::rooted();
    maker.directory(b"dir");
    maker.file(b"file", b"inner");
    maker.leave();
    maker.name(b"fifo");
    maker.entry(0o10644);
    let file = maker.file(b"file", b"contents");
    maker.hardlink(b"hard", file, b"file");
    maker.symlink(b"link", b"target");
    maker.finish()
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_target_is_made_and_nothing_but_it() {
    let (scratch, path) = archive(&Maker::rooted().finish());
    let target = scratch.join("new/deep/er");
    pxkit!["extract", &path, &target].exits(0);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&scratch.join("new")), 0o700);
    assert_eq!(mode(&scratch.join("new/deep")), 0o700);
    // The target itself becomes the root of the archive.
    let root = fs::metadata(&target).unwrap();
    assert_eq!((root.mode() & 0o7777, root.mtime(), root.mtime_nsec()), (0o755, 1_700_000_000, 123_456_789));
    // Without target it is the current directory.
    let current = scratch.join("current");
    fs::create_dir(&current).unwrap();
    let mut command = cli::command();
    command.current_dir(&current).arg("extract").arg("../a.pxar");
    Run::of(command).exits(0);
    assert_eq!(fs::metadata(&current).unwrap().mtime(), 1_700_000_000);
    pxkit!["extract", &path, &path].fails(2, &["a.pxar"]);
}

#[test]
fn what_exists_is_replaced_only_if_asked_for() {
    let (scratch, path) = archive(&kinds());
    let out = scratch.join("out");
    pxkit!["extract", &path, &out].exits(0);
    // Everything is an error now, and everything keeps what it is.
    fs::write(out.join("dir/file"), "mine").unwrap();
    fs::remove_file(out.join("hard")).unwrap();
    fs::write(out.join("hard"), "mine").unwrap();
    let run = pxkit!["extract", &path, &out].exits(1);
    for name in ["/dir", "/fifo", "/file", "/hard", "/link"] {
        assert!(run.err.contains(&format!("error: \"{name}\"")), "{name}: {}", run.err);
    }
    assert_eq!((read(out.join("dir/file")), read(out.join("hard"))), ("mine".into(), "mine".into()));

    let errors = |options: &[&str]| {
        let mut command = cli::command();
        command.arg("extract").arg(&path).arg(&out).args(options);
        let run = Run::of(command);
        let names = run
            .err
            .lines()
            .filter_map(|line| line.strip_prefix("error: \""))
            .map(|line| line.split('"').next().unwrap().to_owned());
        let names: Vec<_> = names.collect();
        assert_eq!(run.code, Some(i32::from(!names.is_empty())), "{}", run.err);
        names
    };
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let all = ["/dir/file", "/fifo", "/file", "/hard", "/link"];
    assert_eq!(sorted(errors(&["--allow-existing-dirs"])), all);
    assert_eq!(sorted(errors(&["--allow-existing-dirs", "--overwrite-files"])), ["/hard", "/link"]);
    assert_eq!(read(out.join("dir/file")), "inner");
    assert_eq!(sorted(errors(&["--allow-existing-dirs", "--overwrite-symlinks"])), &all[..4]);
    assert_eq!(
        sorted(errors(&["--allow-existing-dirs", "--overwrite-hardlinks"])),
        ["/dir/file", "/fifo", "/file", "/link"]
    );
    assert_eq!(read(out.join("hard")), "contents");
    assert_eq!(errors(&["--allow-existing-dirs", "--overwrite"]), [""; 0]);
    // Without the directories, the one that exists fails, and what is in it is passed over.
    assert_eq!(errors(&["--overwrite"]), ["/dir"]);

    // Directories are never removed.
    fs::remove_file(out.join("link")).unwrap();
    fs::create_dir(out.join("link")).unwrap();
    assert_eq!(errors(&["--allow-existing-dirs", "--overwrite"]), ["/link"]);
    assert!(out.join("link").is_dir());
}

#[test]
fn symlinks_in_the_way_are_not_followed() {
    let (scratch, path) = archive(&kinds());
    let (out, outside) = (scratch.join("out"), scratch.join("outside"));
    fs::create_dir_all(&out).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(scratch.join("victim"), "untouched").unwrap();
    symlink("../outside", out.join("dir")).unwrap();
    symlink("../victim", out.join("file")).unwrap();
    let run = pxkit!["extract", &path, &out, "--allow-existing-dirs", "--overwrite"].exits(1);
    assert!(run.err.contains("error: \"/dir\"") && run.err.lines().count() == 1, "{}", run.err);
    assert_eq!(read(scratch.join("victim")), "untouched");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(read(out.join("file")), "contents");
}

#[test]
fn strict_stops_at_the_first_error() {
    let (scratch, path) = archive(&kinds());
    let out = scratch.join("out");
    fs::create_dir_all(out.join("dir")).unwrap();
    let run = pxkit!["extract", &path, &out, "--strict", "--threads", "1"].fails(2, &["/dir"]);
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    assert!(!out.join("link").exists());
    let run = pxkit!["extract", &path, &out]
        .fails(1, &["error: \"/dir\"", "note: directories whose place was taken"]);
    assert_eq!(run.err.lines().count(), 2, "{}", run.err);
    assert!(out.join("link").is_symlink());
}

#[test]
fn kinds_and_metadata_can_be_left_out() {
    if !skip::needs_root_and_ext4("kinds_and_metadata_can_be_left_out") {
        return;
    }
    let scratch = Scratch::new();
    for (option, name) in [
        ("--no-device-nodes", "null"),
        ("--no-device-nodes", "loop"),
        ("--no-fifos", "pipe"),
        ("--no-sockets", "sock"),
    ] {
        let out = scratch.join(&format!("{option}-{name}"));
        pxkit!["extract", golden_file("kinds.pxar"), &out, option].succeeds();
        assert!(!out.join(name).exists(), "{option}: {name}");
        assert_eq!(
            fs::symlink_metadata(out.join("pipe")).is_ok_and(|file| file.file_type().is_fifo()),
            option != "--no-fifos"
        );
        assert!(out.join("zz-hard-3").exists());
    }
    let attributes = |option: &str| {
        let out = scratch.join(option);
        pxkit!["extract", golden_file("attributes.pxar"), &out, option].succeeds();
        let mut all = Vec::new();
        for name in ["acl", "capability", "user-xattr"] {
            all.extend(pxkit_tests::describe::attribute_names(&out.join(name)));
        }
        let has = |start: &[u8]| all.iter().any(|name| name.starts_with(start));
        (has(b"user."), has(b"system.posix_acl"), has(b"security."))
    };
    assert_eq!(attributes("--quiet"), (true, true, true));
    assert_eq!(attributes("--no-xattrs"), (false, true, true));
    assert_eq!(attributes("--no-acls"), (true, false, true));
    assert_eq!(attributes("--no-fcaps"), (true, true, false));
}

#[test]
fn zeros_become_holes() {
    let mut maker = Maker::rooted();
    let data = vec![7u8; 4096];
    let contents: Vec<(&str, Vec<u8>)> = vec![
        ("all", vec![0; 1 << 20]),
        ("end", [&data[..], &vec![0; 1 << 20]].concat()),
        ("middle", [&data[..], &vec![0; 1 << 20], &data].concat()),
        ("odd", [&vec![0; (1 << 20) + 1][..], &data, &[0; 5]].concat()),
        ("piped", [&vec![0; 5 << 20][..], b"x", &vec![0; 1 << 20]].concat()),
    ];
    for (name, bytes) in &contents {
        maker.file(name.as_bytes(), bytes);
    }
    let bytes = maker.finish();
    let (scratch, path) = archive(&bytes);
    pxkit!["extract", &path, scratch.join("file")].exits(0);
    let mut command = cli::command();
    command.args(["extract", "-"]).arg(scratch.join("pipe"));
    Run::with_input(command, &bytes).exits(0);
    for way in ["file", "pipe"] {
        for (name, bytes) in &contents {
            let file = scratch.join(way).join(name);
            assert!(&fs::read(&file).unwrap() == bytes, "{way}: {name}");
            let on_disk = fs::metadata(&file).unwrap().blocks() * 512;
            assert!(on_disk <= 3 * 4096, "{way}: {name} has {on_disk} bytes on disk");
        }
    }
}

#[test]
fn read_only_directories_are_filled_without_privileges() {
    use std::os::unix::process::CommandExt as _;
    if !skip::needs_root_and_ext4("read_only_directories_are_filled_without_privileges") {
        return;
    }
    let source = Scratch::new();
    fs::create_dir_all(source.join("src/dir/sub")).unwrap();
    fs::write(source.join("src/dir/sub/file"), "x").unwrap();
    for dir in ["src", "src/dir", "src/dir/sub"] {
        std::os::unix::fs::chown(source.join(dir), Some(65534), Some(65534)).unwrap();
    }
    std::os::unix::fs::chown(source.join("src/dir/sub/file"), Some(65534), Some(65534)).unwrap();
    fs::set_permissions(source.join("src/dir/sub"), Permissions::from_mode(0o500)).unwrap();
    fs::set_permissions(source.join("src/dir"), Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(source.path(), Permissions::from_mode(0o777)).unwrap();
    let (path, binary, out) = (source.join("a.pxar"), source.join("pxkit"), source.join("out"));
    pxkit!["create", &path, source.join("src")].succeeds();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    // Not by this process: another thread's child might hold the copy open for writing, and then it cannot be run.
    std::process::Command::new("cp").arg(cli::binary()).arg(&binary).status().unwrap();
    let mut command = std::process::Command::new(&binary);
    command.uid(65534).gid(65534).arg("extract").arg(&path).arg(&out);
    Run::of(command).succeeds();
    pxkit_tests::describe::assert_same(&source.join("src"), &out);
    // Owners that cannot be given are errors, and the rest is there.
    let out = source.join("kinds");
    let mut command = std::process::Command::new(&binary);
    fs::write(&path, kinds()).unwrap();
    command.uid(65534).gid(65534).arg("extract").arg(&path).arg(&out);
    Run::of(command).fails(1, &["error: \"/file\""]);
    assert_eq!(read(out.join("dir/file")), "inner");
}

#[test]
fn directories_keep_their_times() {
    let (scratch, path) = archive(&kinds());
    for (name, options) in
        [("all", &[][..]), ("some", &["--pattern", "/dir/file"]), ("glob", &["--pattern", "dir/f*"])]
    {
        let out = scratch.join(name);
        let mut command = cli::command();
        command.arg("extract").arg(&path).arg(&out).args(options);
        Run::of(command).exits(0);
        for dir in [out.join("dir"), out] {
            let stat = fs::metadata(&dir).unwrap();
            assert_eq!(
                (stat.mtime(), stat.mtime_nsec()),
                (1_700_000_000, 123_456_789),
                "{name}: {}",
                dir.display()
            );
        }
    }
}

#[test]
fn damage_in_the_middle_leaves_what_comes_before() {
    let mut maker = Maker::rooted();
    maker.directory(b"dir");
    maker.file(b"first", b"contents");
    let at = maker.append(&[0xee; 32]);
    let (scratch, path) = archive(&maker.bytes);
    let run = pxkit!["extract", &path, scratch.join("out")]
        .fails(2, &["error: cannot extract", &format!("offset {at}")]);
    assert_eq!(run.err.lines().count(), 1);
    assert_eq!(read(scratch.join("out/dir/first")), "contents");
    // Through a pipe, too; and a file that is not complete is not left behind.
    let mut maker = Maker::rooted();
    maker.file(b"first", b"contents");
    maker.name(b"second");
    maker.entry(0o100_644);
    maker.append(&raw(ItemType::Payload.htype(), 16 + 8 + (64 << 20), &[1; 5 << 20]));
    let mut command = cli::command();
    command.args(["extract", "-"]).arg(scratch.join("pipe"));
    Run::with_input(command, &maker.bytes).fails(2, &["missing"]);
    assert_eq!(read(scratch.join("pipe/first")), "contents");
    assert!(!scratch.join("pipe/second").exists());
    // What follows the end is only worth a warning.
    fs::write(&path, [&kinds()[..], b"trailing"].concat()).unwrap();
    pxkit!["extract", &path, scratch.join("trailing")].fails(1, &["warning: 8 bytes follow the end"]);
    assert!(scratch.join("trailing/link").is_symlink());
}

#[test]
fn the_payload_file() {
    let scratch = Scratch::new();
    let (meta, wrong) = (golden_file("goodbye.mpxar"), golden_file("names.ppxar"));
    let out = scratch.join("none");
    let run = pxkit!["extract", &meta, &out];
    assert!(matches!(run.code, Some(1 | 2)) && run.err.contains("payload"), "{run:?}");
    let run = pxkit!["extract", &meta, scratch.join("wrong"), "--payload-input", &wrong];
    run.fails(1, &["error: \"/", "payload file"]);
    pxkit!["extract", &meta, scratch.join("self"), "--payload-input", &meta].fails(2, &["no start marker"]);
    pxkit!["extract", golden_file("goodbye.ppxar"), scratch.join("payload")].fails(2, &["--payload-input"]);
    // The metadata may come through a pipe.
    let mut command = cli::command();
    let (piped, whole) = (scratch.join("piped"), scratch.join("whole"));
    command.args(["extract", "-"]).arg(&piped).arg("--payload-input").arg(golden_file("goodbye.ppxar"));
    Run::with_input(command, &golden::archive("goodbye.mpxar"));
    pxkit!["extract", golden_file("goodbye.pxar"), &whole];
    pxkit_tests::describe::assert_same(&piped, &whole);
}

#[test]
fn the_prelude() {
    let scratch = Scratch::new();
    let source = scratch.join("src");
    super::create::plant(&source, &[("file", "x"), ("gone", "")]);
    let (meta, payload, prelude) =
        (scratch.join("a.mpxar"), scratch.join("a.ppxar"), scratch.join("prelude"));
    pxkit!["create", &meta, &source, "--payload-output", &payload, "--exclude", "gone"].succeeds();
    let expected = r#"{"exclude-patterns":"gone\n"}"#;
    let extract = |name: &str, options: &[&str]| {
        let mut command = cli::command();
        command.arg("extract").arg(&meta).arg(scratch.join(name)).arg("--payload-input").arg(&payload);
        command.arg("--prelude-target").arg(&prelude).args(options);
        Run::of(command)
    };
    extract("1", &[]).succeeds();
    assert_eq!(read(&prelude), expected);
    fs::write(&prelude, "mine, and longer than what comes").unwrap();
    extract("2", &[]).fails(2, &["prelude"]);
    assert_eq!(read(&prelude), "mine, and longer than what comes");
    extract("3", &["--overwrite-files"]).succeeds();
    assert_eq!(read(&prelude), expected);
    // By name, too, where nothing is read but what is looked up.
    fs::remove_file(&prelude).unwrap();
    extract("4", &["--pattern", "/file"]).succeeds();
    assert_eq!((read(&prelude), read(scratch.join("4/file"))), (expected.into(), "x".into()));
}

#[test]
fn what_it_says() {
    let (scratch, path) = archive(&kinds());
    let run = pxkit!["extract", &path, scratch.join("1"), "--json"].exits(0);
    let [summary] = &run.json()[..] else { panic!("one line") };
    assert_eq!(
        (&summary["entries"], &summary["contents"], &summary["warnings"]),
        (&7.into(), &13.into(), &0.into())
    );
    let run = pxkit!["extract", &path, scratch.join("2"), "-v"].exits(0);
    assert_eq!(run.text(), "");
    for name in ["\"/\"", "\"/dir\"", "\"/dir/file\"", "\"/hard\"", "\"/link\""] {
        assert!(run.err.lines().any(|line| line == name), "{name}: {}", run.err);
    }
    assert_eq!(pxkit!["extract", &path, scratch.join("3"), "-q"].exits(0).text(), "");
}

#[test]
fn signals_end_it_without_half_a_file() {
    let mut maker = Maker::split();
    maker.reference(b"first", 16, 8);
    // A file of zeros that takes long to restore, and costs no space.
    maker.reference(b"large", 16 + 16 + 8, 1 << 40);
    let (scratch, meta) = archive(&maker.finish());
    let payload = scratch.join("a.ppxar");
    let header = |size: u64, content: &[u8]| raw(ItemType::Payload.htype(), 16 + size, content);
    let start = [START_MARKER.to_vec(), header(8, b"contents"), header(1 << 40, b"")].concat();
    fs::write(&payload, &start).unwrap();
    let file = fs::File::options().write(true).open(&payload).unwrap();
    file.set_len(start.len() as u64 + (1 << 40)).unwrap();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let out = scratch.join(&format!("{code}"));
        let mut command = cli::command();
        command.arg("extract").arg(&meta).arg(&out).arg("--payload-input").arg(&payload);
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        cli::wait_until("the large file is there", || out.join("large").exists());
        cli::send(&child, signal);
        assert_eq!(cli::wait(child), Some(code));
        assert_eq!(read(out.join("first")), "contents");
        assert!(!out.join("large").exists());
    }
}

#[test]
fn signals_end_the_wait_for_a_pipe() {
    use std::io::Write as _;
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let scratch = Scratch::new();
        let mut command = cli::command();
        command.args(["extract", "-"]).arg(scratch.join("out")).stdin(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(&Maker::rooted().bytes).unwrap();
        cli::wait_until("the archive is opened", || scratch.join("out").exists());
        cli::send(&child, signal);
        assert_eq!(cli::wait(child), Some(code));
        drop(pipe);
    }
}

#[test]
fn protected_files_get_all_their_names() {
    if !skip::needs_root_and_ext4("protected_files_get_all_their_names") {
        return;
    }
    let scratch = Scratch::new();
    let source = scratch.join("src");
    super::create::plant(&source, &[("dir/a", "immutable"), ("dir/b", "append")]);
    fs::hard_link(source.join("dir/a"), source.join("z-immutable")).unwrap();
    fs::hard_link(source.join("dir/b"), source.join("z-append")).unwrap();
    for (flag, name) in [("+i", "dir/a"), ("+a", "dir/b")] {
        let run = Run::of(cli::shell(r#"chattr "$1" "$2""#, &[&flag, &source.join(name)]));
        if run.code != Some(0) {
            skip::skip("protected_files_get_all_their_names", "needs chattr");
            return;
        }
    }
    pxkit!["create", scratch.join("a.pxar"), &source].succeeds();
    pxkit!["extract", scratch.join("a.pxar"), scratch.join("out")].succeeds();
    pxkit_tests::describe::assert_same(&source, &scratch.join("out"));
}
