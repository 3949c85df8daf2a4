//! What is stored and what is not (specification 8).

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::Errno;
use tempfile::TempDir;

use super::*;
use crate::testing::{Mount, is_root, skip};

#[test]
fn patterns_and_exclude_files() {
    let dir = TempDir::new().unwrap();
    let root = dir.path();
    for name in
        ["a.o", "keep.o", "lost+found/x", "sub/a.o", "sub/deep/b.o", "sub/top", "top", ".pxarexclude-cli"]
    {
        write(root, name, b"");
    }
    write(root, ".pxarexclude", b"*.o\n!keep.o\n");
    write(root, "sub/.pxarexclude", b"/top\n!b.o\n[x\n");
    write(root, "sub/.pxarexclude-cli", b"");
    for threads in [0, 2] {
        let options = Options {
            patterns: patterns(&["a.o", "nothing/"]),
            skip_lost_and_found: true,
            ..with_threads(threads)
        };
        let warning = "warning sub/.pxarexclude: line 3 is not used: ";
        let mut lines = outline(root, options);
        assert!(lines.iter_mut().any(|line| line.starts_with(warning)));
        lines.retain(|line| !line.starts_with(warning));
        let expected = [
            "./",
            ".pxarexclude",
            "keep.o",
            "sub/",
            "sub/.pxarexclude",
            "sub/.pxarexclude-cli",
            "sub/deep/",
            "sub/deep/b.o",
            "top",
        ];
        assert_eq!(lines, expected);
    }
    // An excluded directory is not entered; "directories only" spares the file.
    let options = Options { patterns: patterns(&["sub/", "top/"]), ..with_threads(1) };
    let lines = outline(root, options);
    assert!(lines.contains(&"top".to_owned()) && !lines.iter().any(|line| line.starts_with("sub")));
}

#[test]
fn exclude_files_that_cannot_be_read_are_reported() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "a/.pxarexclude/x", b"");
    write(dir.path(), "b/x", b"");
    std::os::unix::fs::symlink("x", dir.path().join("b/.pxarexclude")).unwrap();
    let lines = outline(dir.path(), with_threads(1));
    assert_eq!(lines.iter().filter(|line| line.contains("its patterns are not used")).count(), 2);
    assert_eq!(lines.len(), 9);
}

#[test]
fn entries_are_counted_with_the_listings_above() {
    let dir = TempDir::new().unwrap();
    // Two in the root, three in `a`, two in `a/b`: at most 7 at once; `c` comes after they are forgotten.
    for name in ["a/b/1", "a/b/2", "a/x", "a/y", "c/1", "c/2", "c/3", "c/4", "c/5"] {
        write(dir.path(), name, b"");
    }
    for threads in [0, 4] {
        let run = |entries_max| lines(dir.path(), Options { entries_max, ..with_threads(threads) });
        assert!(!run(7).last().unwrap().starts_with("error"));
        let failed = run(6);
        let error = "error a/b: more than 6 entries in this directory and those above it, see --entries-max";
        assert_eq!(failed.last().unwrap(), error);
        // The root and `a` were given, always.
        assert_eq!(failed.len(), 3);
        assert!(run(1).last().unwrap().starts_with("error .: more than 1 "));
        let patterns = patterns(&["/a/b/2"]);
        let options = Options { entries_max: 6, patterns, ..with_threads(threads) };
        assert!(!lines(dir.path(), options).last().unwrap().starts_with("error a"));
    }
}

#[test]
fn kinds_of_nodes() {
    const NAME: &str = "walk::kinds_of_nodes (device nodes)";
    let dir = TempDir::new().unwrap();
    let root = dir.path();
    mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    std::os::unix::fs::symlink("target", root.join("link")).unwrap();
    let device = mknodat(CWD, root.join("device"), FileType::CharacterDevice, Mode::RUSR, 0x103);
    if let Err(errno) = device {
        assert!(skip(NAME, &format!("cannot make one: {errno}")));
        std::fs::write(root.join("device"), b"").unwrap();
    }
    let mut walk = start(root, with_threads(2));
    let mut seen = Vec::new();
    while let Some(step) = walk.next().unwrap() {
        if let Step::Node(node) = step {
            assert!(node.attributes.is_empty() && node.stat.flags == 0 || node.kind == Kind::File);
            if node.kind == Kind::Device {
                assert_eq!(node.rdev, 0x103);
            }
            if let Content::Target(target) = node.content {
                assert_eq!((node.kind, target), (Kind::Symlink, &b"target"[..]));
            }
            seen.push(node.kind);
        }
    }
    let first = if device.is_ok() { Kind::Device } else { Kind::File };
    assert_eq!(seen, [first, Kind::Fifo, Kind::Symlink, Kind::Socket]);
    let options = Options { no_device_nodes: true, no_fifos: true, no_sockets: true, ..with_threads(1) };
    assert_eq!(outline(root, options).last().unwrap(), "link");
}

#[test]
fn metadata_alone_opens_no_file() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "sub/file", b"abc");
    std::os::unix::fs::symlink("target", dir.path().join("link")).unwrap();
    let mut walk = start(dir.path(), Options { prepare: Prepare::Metadata, ..with_threads(1) });
    let mut files = 0;
    loop {
        let is_file = match walk.next().unwrap() {
            Some(Step::Node(node)) => match node.content {
                Content::Unread => node.name == b"file" && node.size == 3,
                Content::Target(target) => target != b"target",
                _ => panic!("{node:?}"),
            },
            Some(_) => false,
            None => break,
        };
        if is_file {
            files += 1;
            rustix::fs::statat(&**walk.directory().unwrap(), "file", rustix::fs::AtFlags::empty()).unwrap();
        }
    }
    assert_eq!(files, 1);
    let reading = walk.reading();
    assert_eq!(reading.by_name + reading.opened, 1);
}

#[test]
fn sources_that_are_refused() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "file", b"");
    std::os::unix::fs::symlink(".", dir.path().join("link")).unwrap();
    assert_eq!(open_source(&dir.path().join("link")).unwrap_err(), Errno::LOOP);
    assert_eq!(open_source(&dir.path().join("file")).unwrap_err(), Errno::NOTDIR);
    assert_eq!(open_source(&dir.path().join("none")).unwrap_err(), Errno::NOENT);
    let proc = Walk::new(open_source("/proc".as_ref()).unwrap(), Options::default());
    assert_eq!(proc.unwrap_err().problem, Problem::VirtualRoot);
}

#[test]
fn what_may_not_be_read_is_left_out() {
    const NAME: &str = "walk::what_may_not_be_read_is_left_out";
    if is_root() {
        assert!(skip(NAME, "root may read everything"));
        return;
    }
    let dir = TempDir::new().unwrap();
    for name in ["a", "b/c", "d"] {
        write(dir.path(), name, b"");
    }
    for name in ["a", "b"] {
        std::fs::set_permissions(dir.path().join(name), PermissionsExt::from_mode(0o000)).unwrap();
    }
    let lines = outline(dir.path(), with_threads(1));
    std::fs::set_permissions(dir.path().join("b"), PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(lines.len(), 4);
    assert!(lines[1].starts_with("warning a: left out: ") && lines[2].starts_with("warning b: left out: "));
}

#[test]
fn other_file_systems_are_entered_if_wanted() {
    const NAME: &str = "walk::other_file_systems_are_entered_if_wanted";
    let dir = TempDir::new().unwrap();
    let (tmpfs, proc) = (dir.path().join("a"), dir.path().join("b"));
    let Some(_tmpfs) = Mount::kind("tmpfs", &tmpfs) else {
        assert!(skip(NAME, "cannot mount"));
        return;
    };
    let mounted_proc = Mount::kind("proc", &proc);
    let has_proc = mounted_proc.is_some();
    write(&tmpfs, "file", b"");
    let dev = tmpfs.metadata().unwrap().dev();
    let not_entered = [
        "./",
        "a/",
        "warning a: contents left out: another file system",
        "b/",
        "warning b: contents left out: virtual file system",
    ];
    let entered = ["./", "a/", "a/file", "b/", "warning b: contents left out: virtual file system"];
    let count = if has_proc { 5 } else { 4 };
    let run = |options: Options| {
        let mut lines = outline(dir.path(), options);
        lines.truncate(count);
        lines
    };
    assert_eq!(run(with_threads(2)), not_entered[..count]);
    assert_eq!(run(Options { all_file_systems: true, ..with_threads(2) }), entered[..count]);
    assert_eq!(run(Options { include_devs: vec![dev], ..with_threads(2) }), entered[..count]);
}
