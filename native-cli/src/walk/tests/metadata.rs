//! Metadata read by name is that of open files, to the byte.

use std::ffi::CString;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;

use pxkit_core::format::{Attribute, Attributes, CHATTR_FLAGS, Features, Stat};
use rustix::fs::{IFlags, XattrFlags, fsetxattr, ioctl_getflags, ioctl_setflags};
use rustix::io::Errno;
use tempfile::TempDir;

use super::*;
use crate::linux::{Applier, Known, ReadOptions, Target};
use crate::testing::{Mount, is_root, skip};

/// With everything that is compared, and nothing of contents.
fn metadata(root: &Path, options: Options) -> (Vec<String>, Reading, Counts) {
    let mut walk = start(root, options);
    let mut lines = Vec::new();
    while let Some(step) = walk.next().unwrap() {
        lines.push(match step {
            Step::Enter(node) | Step::Node(node) => {
                let target = if let Content::Target(target) = node.content { target } else { b"" };
                let Node { kind, stat, size, dev, ino, nlink, rdev, .. } = node;
                let path = DisplayPath(node.path);
                let (ctime, attributes) = (node.ctime, node.attributes.as_bytes().escape_ascii());
                format!(
                    "{path} {kind:?} {stat:?} {ctime:?} {size} {dev} {ino} {nlink} {rdev} {target:?} {attributes}"
                )
            }
            Step::Leave => "leave".into(),
            Step::Warning(warning) => format!("warning {warning}"),
        });
    }
    (lines, walk.reading(), walk.counts())
}

/// Reads a tree in every way and compares; gives the lines, and how many files were read by name.
fn read_in_every_way(root: &Path, options: &Options) -> (Vec<String>, u64) {
    let with =
        |prepare, by_name, threads| Options { prepare, by_name, threads: Some(threads), ..options.clone() };
    let (everything, none, counts) = metadata(root, with(Prepare::Everything, true, 1));
    assert_eq!(none.by_name, 0);
    let (opened, all, opened_counts) = metadata(root, with(Prepare::Metadata, false, 2));
    assert_eq!((&opened, opened_counts), (&everything, counts));
    let mut by_name = 0;
    for threads in [0, 2] {
        let (named, reading, named_counts) = metadata(root, with(Prepare::Metadata, true, threads));
        assert_eq!((&named, named_counts), (&everything, counts));
        assert_eq!(reading.by_name + reading.opened, all.opened);
        assert!(reading.by_name == 0 || reading.opened == 0);
        by_name = reading.by_name;
    }
    (everything, by_name)
}

/// Fills a directory with one file for everything that may be stored of files, as far as the file system takes it.
fn one_of_each(root: &Path) {
    let new = |name: &str| File::create_new(root.join(name)).unwrap();
    new("plain");
    symlink("plain", root.join("link")).unwrap();
    for flag in CHATTR_FLAGS {
        let file = new(&format!("flag-{}", flag.name));
        let flags = ioctl_getflags(&file).unwrap_or(IFlags::empty());
        let _ = ioctl_setflags(&file, flags | IFlags::from_bits_retain(flag.native));
    }
    let set = |file: &File, name: &str, value: &[u8]| fsetxattr(file, name, value, XattrFlags::empty());
    let fcaps = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let acl = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\xe8\x03\0\0\x04\0\0\0\xff\xff\xff\xff\
        \x10\0\x04\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff";
    let cases: [(&str, &str, &[u8]); 8] = [
        ("user", "user.small", b"value"),
        ("empty", "user.empty", b""),
        ("large", "user.large", &[7; 3000]),
        ("trusted", "trusted.t", b"a\0b"),
        ("ntacl", "security.NTACL", b"windows"),
        ("foreign", "security.selinux", b"unconfined"),
        ("fcaps", "security.capability", &fcaps),
        ("acl", "system.posix_acl_access", acl),
    ];
    let everything = new("everything");
    for (file, name, value) in cases {
        let _ = set(&new(file), name, value);
        let _ = set(&everything, name, value);
    }
    let many = new("many");
    for n in 0..60 {
        let _ = set(&many, &format!("user.attribute-with-a-name-{n}"), b"1");
    }
    fs::create_dir(root.join("directory")).unwrap();
    let directory = File::open(root.join("directory")).unwrap();
    let _ = set(&directory, "system.posix_acl_default", acl);
    // It inherits the ACL.
    new("directory/file");
    for file in [new("project"), everything] {
        let mut attributes = Attributes::new();
        attributes.push(Attribute::QuotaProjid(4711)).unwrap();
        let stat = Stat { mode: 0o100_600, ..Stat::default() };
        let mut applier = Applier::new(Features::DEFAULT.without(Features::ACL));
        let ignore = &mut |_| ControlFlow::Continue(());
        let _ = applier.apply(Target::Open(file.as_fd()), &stat, &attributes, Known::default(), ignore);
    }
}

/// Lets files be removed in the end, whatever their flags.
struct Removable<'a>(&'a Path);

impl Drop for Removable<'_> {
    fn drop(&mut self) {
        for entry in fs::read_dir(self.0).into_iter().flatten().flatten() {
            if let Ok(file) = File::open(entry.path()) {
                let _ = ioctl_setflags(&file, IFlags::empty());
            }
        }
    }
}

/// How many lines show another flags or attributes than a plain file's.
fn special(lines: &[String]) -> (usize, usize) {
    let files = || lines.iter().filter(|line| line.contains(" File "));
    let flags = files().filter(|line| !line.contains("flags: 0,")).count();
    (flags, files().filter(|line| !line.ends_with("[] ")).count())
}

#[test]
fn every_way_of_reading_gives_the_same() {
    const NAME: &str = "walk::every_way_of_reading_gives_the_same";
    let dir = TempDir::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let make = |at: &Path| {
        let _removable = Removable(at);
        one_of_each(at);
        let result = read_in_every_way(at, &Options::default());
        for features in [Features::XATTRS, Features::ACL, Features::FCAPS, Features::QUOTA_PROJID] {
            let features = Features::DEFAULT.without(features);
            read_in_every_way(at, &Options { features, ..Options::default() });
        }
        result
    };
    let here = dir.path().join("here");
    fs::create_dir(&here).unwrap();
    let (lines, _) = make(&here);
    let files = lines.iter().filter(|line| line.contains(" File ")).count() as u64;

    // How many files have flags and attributes that a file system takes, at least.
    let (image, at) = (dir.path().join("image"), dir.path().join("ext4"));
    let ext4 = Mount::ext4(&image, &at).or_else(|| Mount::plain_ext4(&image, &at));
    let kinds: [(&str, Option<Mount>, usize, usize); 3] = [
        ("ext4", ext4, 6, 9),
        ("xfs", Mount::xfs(&dir.path().join("xfs-image"), &dir.path().join("xfs")), 5, 10),
        ("tmpfs", Mount::kind("tmpfs", &dir.path().join("tmpfs")), 4, 0),
    ];
    let root = File::open(dir.path()).unwrap();
    let can = crate::linux::can_read_by_name(root.as_fd());
    for (kind, mount, least_flags, least_attributes) in kinds {
        let Some(_mount) = mount else {
            assert!(skip(NAME, &format!("cannot mount {kind}")));
            continue;
        };
        let (lines, by_name) = make(&dir.path().join(kind));
        let (flags, attributes) = special(&lines);
        assert!(flags >= least_flags && attributes >= least_attributes, "{kind}: {flags}, {attributes}");
        assert_eq!(by_name, if can { files } else { 0 }, "{kind}");
    }
}

#[test]
fn a_file_that_is_a_mount_point_is_opened() {
    const NAME: &str = "walk::a_file_that_is_a_mount_point_is_opened";
    let dir = TempDir::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let Some(_tmpfs) = Mount::kind("tmpfs", &dir.path().join("tmpfs")) else {
        assert!(skip(NAME, "cannot mount"));
        return;
    };
    let (below, at) = (dir.path().join("tmpfs/below"), dir.path().join("file"));
    fs::write(&below, b"below").unwrap();
    fs::write(&at, b"").unwrap();
    let mount = Mount::file(&below, &at).unwrap();
    let options = Options { prepare: Prepare::Metadata, ..with_threads(1) };
    let (lines, reading, _) = metadata(dir.path(), options);
    drop(mount);
    assert_eq!((reading.by_name, reading.opened), (0, 1));
    assert!(lines[1].starts_with("file File ") && lines[1].contains(" 5 "));
}

#[test]
fn attributes_that_are_too_many_are_an_error_or_a_warning() {
    const NAME: &str = "walk::attributes_that_are_too_many_are_an_error_or_a_warning";
    let dir = TempDir::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let root = dir.path().join("mounted");
    let Some(_mount) = Mount::xfs(&dir.path().join("image"), &root) else {
        assert!(skip(NAME, "cannot mount XFS"));
        return;
    };
    fs::create_dir(root.join("dir")).unwrap();
    for name in ["dir/file", "other"] {
        fs::write(root.join(name), b"123").unwrap();
    }
    for path in ["dir", "dir/file"] {
        let file = File::open(root.join(path)).unwrap();
        for n in 0..300 {
            let name = CString::new(format!("user.{n:0240}")).unwrap();
            fsetxattr(&file, &name, b"", XattrFlags::empty()).unwrap();
        }
    }
    for (prepare, by_name) in
        [(Prepare::Everything, true), (Prepare::Metadata, true), (Prepare::Metadata, false)]
    {
        let mut walk = start(&root, Options { prepare, by_name, ..with_threads(1) });
        let error = loop {
            match walk.next() {
                Ok(step) => assert!(step.is_some()),
                Err(error) => break error,
            }
        };
        let Problem::Call(call) = error.problem else { panic!("{error}") };
        assert_eq!((&error.path[..], call.errno), (&b"dir"[..], Errno::TOOBIG));
    }
    let options = Options { read: ReadOptions { skip_e2big_xattr: true }, ..Options::default() };
    let (lines, _) = read_in_every_way(&root, &options);
    let warning = "extended attributes left out: too many or too large to be read";
    let starts: Vec<_> = lines.iter().map(|line| line.split(" Stat").next().unwrap()).collect();
    let expected = [
        ". Directory",
        "dir Directory",
        &format!("warning dir: {warning}"),
        &format!("warning dir/file: {warning}"),
        "dir/file File",
        "leave",
        "other File",
        "leave",
    ];
    assert_eq!(starts, expected);
    let (_, _, counts) = metadata(&root, options);
    assert_eq!(counts, Counts { nodes: 4, losses: 2 });
}

/// Walks for metadata without workers; `change` happens after the root was listed.
fn changed_after_listing(root: &Path, change: impl FnOnce()) -> (Vec<(String, u64)>, Vec<What>) {
    let mut walk = start(root, Options { prepare: Prepare::Metadata, ..with_threads(0) });
    walk.next().unwrap();
    change();
    let (mut nodes, mut warnings) = (Vec::new(), Vec::new());
    while let Some(step) = walk.next().unwrap() {
        match step {
            Step::Node(node) => {
                // What has attributes has its own, see below.
                let has_own = !node.attributes.is_empty();
                nodes.push((format!("{} {:?} {has_own}", DisplayPath(node.path), node.kind), node.ino));
            }
            Step::Warning(warning) => warnings.push(warning.what),
            Step::Enter(_) | Step::Leave => {}
        }
    }
    (nodes, warnings)
}

#[test]
fn what_vanished_or_was_replaced_before_it_was_read() {
    use std::os::unix::fs::MetadataExt as _;
    const NAME: &str = "walk::what_vanished_or_was_replaced_before_it_was_read";
    let dir = TempDir::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let root = dir.path().join("root");
    for name in ["a", "b", "c", "d", "e", "f"] {
        write(&root, name, b"123");
    }
    let set = |path: &Path| {
        fsetxattr(File::open(path).unwrap(), "user.new", b"of another", XattrFlags::empty()).is_ok()
    };
    write(dir.path(), "new", b"1234");
    fs::create_dir(dir.path().join("directory")).unwrap();
    if !(set(&dir.path().join("new")) && set(&dir.path().join("directory"))) {
        assert!(skip(NAME, "needs extended attributes"));
        return;
    }
    let ino = |name: &str| fs::symlink_metadata(root.join(name)).unwrap().ino();
    let (c, e) = (ino("c"), ino("e"));
    let (nodes, warnings) = changed_after_listing(&root, || {
        fs::remove_file(root.join("a")).unwrap();
        // Attributes of another node never stand with the metadata of the one that was listed: a file is taken as it is
        // now, anything else is left out.
        fs::rename(dir.path().join("new"), root.join("b")).unwrap();
        fs::remove_file(root.join("d")).unwrap();
        fs::rename(dir.path().join("directory"), root.join("d")).unwrap();
        // Without attributes nothing can be mixed up. Who wants the contents finds out.
        fs::remove_file(root.join("e")).unwrap();
        fs::create_dir(root.join("e")).unwrap();
        // Not all kinds have flags, so some show even so.
        fs::remove_file(root.join("f")).unwrap();
        symlink("c", root.join("f")).unwrap();
    });
    let mut expected = vec![("b File true".to_owned(), ino("b")), ("c File false".to_owned(), c)];
    let by_name = crate::linux::can_read_by_name(File::open(&root).unwrap().as_fd());
    if by_name {
        expected.push(("e File false".to_owned(), e));
    }
    assert_eq!(nodes, expected);
    assert!(matches!(&warnings[0], What::LeftOut(error) if error.errno == Errno::NOENT));
    assert!(warnings[1..].iter().all(|what| *what == What::Replaced));
    assert_eq!(warnings.len(), if by_name { 3 } else { 4 });
}

#[test]
fn files_that_may_not_be_opened_have_metadata() {
    use std::os::unix::fs::PermissionsExt;
    const NAME: &str = "walk::files_that_may_not_be_opened_have_metadata";
    if is_root() {
        assert!(skip(NAME, "root may open everything"));
        return;
    }
    let dir = TempDir::new().unwrap();
    write(dir.path(), "file", b"123");
    fs::set_permissions(dir.path().join("file"), PermissionsExt::from_mode(0o000)).unwrap();
    let options = |by_name| Options { prepare: Prepare::Metadata, by_name, ..with_threads(1) };
    let (lines, reading, _) = metadata(dir.path(), options(true));
    assert_eq!(reading.by_name, u64::from(lines[1].starts_with("file File ")));
    let (lines, _, _) = metadata(dir.path(), options(false));
    assert!(lines[1].starts_with("warning file: left out: cannot open the file: "));
}
