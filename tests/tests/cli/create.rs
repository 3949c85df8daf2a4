//! `pxkit create`: what goes into an archive, and what a run leaves behind.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use pxkit_tests::cli::{self, Run, contents, paths};
use pxkit_tests::disk::Scratch;
use pxkit_tests::pxkit;
use pxkit_tests::tree::Kind;
use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat};

/// Makes files below `root`, with the directories above them; a slash at the end makes a directory.
pub fn plant(root: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(root).unwrap();
    for (path, text) in files {
        let path = root.join(path);
        if path.to_str().unwrap().ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
}

pub fn names(dir: &Path) -> Vec<String> {
    pxkit_tests::describe::names(dir).into_iter().map(|name| String::from_utf8(name).unwrap()).collect()
}

/// A scratch directory with a tree in `src`.
pub fn planted(files: &[(&str, &str)]) -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let source = scratch.join("src");
    plant(&source, files);
    (scratch, source)
}

/// Paths of the archive that `create` makes of `source` with these options.
fn archived(source: &Path, options: &[&str]) -> Vec<String> {
    let scratch = Scratch::new();
    let mut command = cli::command();
    command.arg("create").arg(scratch.join("a.pxar")).arg(source).args(options);
    Run::of(command).succeeds();
    paths(&cli::read(&scratch.join("a.pxar")))
}

#[test]
fn children_are_in_byte_order() {
    let (_scratch, source) = planted(&["a", "a-", "a.b", "a0", "B", "ä", "_", "~"].map(|name| (name, "")));
    assert_eq!(archived(&source, &[]), ["B", "_", "a", "a-", "a.b", "a0", "~", r"\xc3\xa4"]);
}

#[test]
fn exclude_patterns_are_kept_in_the_archive() {
    let (scratch, source) = planted(&[
        ("sub/deep/x", ""),
        ("sub/y", ""),
        ("keep", ""),
        ("lost", ""),
        (".pxarexclude-cli", "real"),
        ("~", ""),
    ]);
    let [unified, meta, payload] = ["a.pxar", "a.mpxar", "a.ppxar"].map(|name| scratch.join(name));
    let excludes = ["--exclude", "sub/deep/", "--exclude", "!keep", "--exclude", "/lost"];
    let mut command = cli::command();
    command.arg("create").arg(&unified).arg(&source).args(excludes);
    Run::of(command).succeeds();
    let mut root = cli::read(&unified);
    // The last one, although `~` comes after it; and not the real one.
    assert_eq!(paths(&root), ["keep", "sub", "sub/y", "~", ".pxarexclude-cli"]);
    assert_eq!(contents(&mut root, ".pxarexclude-cli"), b"sub/deep/\n!keep\n/lost\n");
    let stat = root.at_mut(b".pxarexclude-cli").unwrap().stat;
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    assert_eq!((stat.mode, stat.flags, stat.uid, stat.gid), (0o100_600, 0, uid, gid));
    assert_eq!((stat.mtime.secs, stat.mtime.nanos), (0, 0));

    let mut command = cli::command();
    command.arg("create").arg(&meta).arg(&source).args(excludes).arg("--payload-output").arg(&payload);
    Run::of(command).succeeds();
    assert_eq!(paths(&cli::read_split(&meta, &payload)), ["keep", "sub", "sub/y", "~"]);
    let dump = pxkit!["dump", "--json", &meta].succeeds().json();
    let prelude = dump.iter().find_map(|line| line["exclude_patterns"].as_str());
    assert_eq!(prelude, Some("sub/deep/\n!keep\n/lost\n"));

    // Without patterns there is neither, and the real one is left out all the same.
    assert_eq!(archived(&source, &[]), ["keep", "lost", "sub", "sub/deep", "sub/deep/x", "sub/y", "~"]);
}

#[test]
fn patterns_of_the_command_line() {
    let (_scratch, source) = planted(&[
        ("x", ""),
        ("a/x", ""),
        ("a/b/x", ""),
        ("a/b/xy", ""),
        ("d/e/f", ""),
        ("k/1", ""),
        ("k/2", ""),
        ("lost+found/z", ""),
    ]);
    let check = |excludes: &[&str], gone: &[&str]| {
        let options: Vec<&str> = excludes.iter().flat_map(|pattern| ["--exclude", pattern]).collect();
        let left = archived(&source, &options);
        let all = archived(&source, &[]);
        let missing: Vec<_> = all.iter().filter(|path| !left.contains(path)).collect();
        assert_eq!(missing, gone, "{excludes:?}");
    };
    check(&["x"], &["a/b/x", "a/x", "x"]);
    check(&["/x"], &["x"]);
    check(&["b/x"], &["a/b/x"]);
    check(&["a/*"], &["a/b", "a/b/x", "a/b/xy", "a/x"]);
    check(&["x?"], &["a/b/xy"]);
    check(&["x/"], &[]);
    check(&["e/"], &["d/e", "d/e/f"]);
    check(&["a/**/x"], &["a/b/x", "a/x"]);
    check(&["[^a-l]"], &["a/b/x", "a/x", "k/1", "k/2", "lost+found/z", "x"]);
    check(&["[!a-l]"], &["a", "a/b", "a/b/x", "a/b/xy", "a/x", "d", "d/e", "d/e/f", "k", "k/1", "k/2"]);
    check(&["/k/*", "!2"], &["k/1"]);
    // What is in a directory that is left out does not come back.
    check(&["k", "!k/2"], &["k", "k/1", "k/2"]);
    check(&["!x", "x", "!/a/x"], &["a/b/x", "x"]);
    let left = archived(&source, &["--skip-lost-and-found"]);
    assert!(!left.contains(&"lost+found".into()) && left.contains(&".pxarexclude-cli".into()));
    let run = pxkit!["create", "/nowhere/a.pxar", &source, "--exclude", "a[b"];
    run.fails(64, &["a[b"]);
    let run = pxkit!["create", "/nowhere/a.mpxar", &source];
    run.fails(64, &["metadata of a split archive", "--payload-output"]);
}

#[test]
fn exclude_files_count_below_their_directory() {
    let (_scratch, source) = planted(&[
        (".pxarexclude", "# a comment\n\n  *.o \n/only-here\nsub/deep/gone\n"),
        ("1.o", ""),
        ("only-here", ""),
        ("sub/only-here", ""),
        ("sub/.pxarexclude", "/p\n!2.o\n"),
        ("sub/p", ""),
        ("sub/2.o", ""),
        ("sub/3.o", ""),
        ("sub/q/p", ""),
        ("sub/deep/gone", ""),
        ("p", ""),
        ("2.o", ""),
    ]);
    let expected = [
        ".pxarexclude",
        "p",
        "sub",
        "sub/.pxarexclude",
        "sub/2.o",
        "sub/deep",
        "sub/only-here",
        "sub/q",
        "sub/q/p",
    ];
    assert_eq!(archived(&source, &[]), expected);
    // A line that is no pattern is warned about.
    fs::write(source.join("sub/.pxarexclude"), "fine\n[\n").unwrap();
    let run = pxkit!["create", "-", &source];
    run.fails(1, &["warning: sub/.pxarexclude: line 2"]);
}

#[test]
fn entries_max_counts_open_directories() {
    // At most there are the three of the root and the two of `b`.
    let (scratch, source) = planted(&[("a/1", ""), ("b/1", ""), ("b/2", ""), ("c/1", "")]);
    let archive = scratch.join("a.pxar");
    pxkit!["create", &archive, &source, "--entries-max", "4"].fails(2, &["entries"]);
    assert!(!archive.exists());
    pxkit!["create", &archive, &source, "--entries-max", "5"].succeeds();
}

#[test]
fn output_is_new_private_and_whole() {
    let (scratch, source) = planted(&[("file", "contents")]);
    let archive = scratch.join("a.pxar");
    Run::of(cli::shell(r#"umask 022; "$PXKIT" create "$1" "$2""#, &[&archive, &source])).succeeds();
    assert_eq!(fs::metadata(&archive).unwrap().mode() & 0o7777, 0o640);
    let before = fs::read(&archive).unwrap();
    // What exists stays as it is: the archive as well as the payload file, and no half of a pair appears.
    pxkit!["create", &archive, &source].fails(2, &["exists", "a.pxar"]);
    let meta = scratch.join("a.mpxar");
    pxkit!["create", &meta, &source, "--payload-output", &archive].fails(2, &["exists"]);
    assert_eq!(fs::read(&archive).unwrap(), before);
    symlink(scratch.path(), source.join("up")).unwrap();
    let same = [meta.clone(), scratch.join("./src/../a.mpxar"), source.join("up/a.mpxar")];
    // A source that is missing would be told later.
    for (source, same) in same.iter().flat_map(|same| [(source.clone(), same), (scratch.join("no"), same)]) {
        let run = pxkit!["create", &meta, &source, "--payload-output", same];
        let words = if source.exists() { "different names" } else { "cannot open the directory" };
        run.fails(2, &[words]);
    }
    fs::remove_file(source.join("up")).unwrap();
    assert!(!meta.exists());
    symlink("nowhere", scratch.join("dangling")).unwrap();
    pxkit!["create", scratch.join("dangling"), &source].fails(2, &["exists"]);

    let private = scratch.join("private.pxar");
    Run::of(cli::shell(r#"umask 077; "$PXKIT" create "$1" "$2""#, &[&private, &source])).succeeds();
    assert_eq!(fs::metadata(&private).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(names(scratch.path()), ["a.pxar", "dangling", "private.pxar", "src"]);
}

#[test]
fn sources_that_are_refused() {
    let (scratch, source) = planted(&[("file", "")]);
    let link = scratch.join("link");
    symlink(&source, &link).unwrap();
    for (source, words) in [
        (link.as_path(), "link"),
        (&source.join("file"), "file"),
        (&scratch.join("missing"), "missing"),
        (Path::new("/proc"), "virtual"),
    ] {
        pxkit!["create", scratch.join("a.pxar"), source].fails(2, &["error: ", words]);
        assert_eq!(names(scratch.path()), ["link", "src"]);
    }
    pxkit!["create", scratch.join("no/a.pxar"), &source].fails(2, &["no/a.pxar"]);
}

#[test]
fn output_within_the_source_is_not_in_itself() {
    let (_scratch, source) = planted(&[("file", "contents")]);
    pxkit!["create", source.join("a.pxar"), &source].succeeds();
    assert_eq!(paths(&cli::read(&source.join("a.pxar"))), ["file"]);
    let run = pxkit!["create", source.join("a.mpxar"), &source, "--payload-output", source.join("a.ppxar")];
    run.succeeds();
    let root = cli::read_split(&source.join("a.mpxar"), &source.join("a.ppxar"));
    assert_eq!(paths(&root), ["a.pxar", "file"]);
    // This one is there before the walk begins, as are all on file systems that know no files without names.
    let script = r#""$PXKIT" create - "$1" --payload-output "$1/b.ppxar" > "$1/b.mpxar""#;
    Run::of(cli::shell(script, &[&source])).succeeds();
    let root = cli::read_split(&source.join("b.mpxar"), &source.join("b.ppxar"));
    assert_eq!(paths(&root), ["a.mpxar", "a.ppxar", "a.pxar", "file"]);
}

#[test]
fn hard_links_to_paths_that_are_too_long() {
    let (scratch, source) = planted(&[("z1", "contents")]);
    fs::hard_link(source.join("z1"), source.join("z2")).unwrap();
    fs::hard_link(source.join("z1"), source.join("z3")).unwrap();
    // No path of this length can be given to the system, so the tree is moved below itself piece by piece.
    let piece = "d".repeat(250);
    fs::hard_link(source.join("z1"), source.join("file")).unwrap();
    for _ in 0..17 {
        let above = scratch.join("above");
        fs::create_dir(&above).unwrap();
        let below = if source.join(&piece).exists() { piece.as_str() } else { "file" };
        fs::rename(source.join(below), above.join(below)).unwrap();
        fs::rename(above, source.join(&piece)).unwrap();
    }
    let archive = scratch.join("a.pxar");
    let run = pxkit!["create", &archive, &source];
    let run = run.fails(1, &["warning: z1: stored as a file of its own", "too long for a hard link"]);
    assert_eq!(run.err.lines().count(), 1);
    let mut root = cli::read(&archive);
    assert_eq!(contents(&mut root, "z1"), b"contents");
    for name in ["z2", "z3"] {
        let kind = &root.at_mut(name.as_bytes()).unwrap().kind;
        assert!(matches!(kind, Kind::Hardlink { target } if target == b"z1"), "{kind:?}");
    }
    // The scratch directory could not be removed otherwise.
    assert!(std::process::Command::new("rm").arg("-rf").arg(source).status().unwrap().success());
}

#[test]
fn hard_links_lead_to_the_first_name() {
    let (scratch, source) = planted(&[("b/two", "contents"), ("z", "")]);
    fs::hard_link(source.join("b/two"), source.join("a-one")).unwrap();
    fs::hard_link(source.join("b/two"), source.join("c-three")).unwrap();
    let target =
        |root: &mut pxkit_tests::tree::Node, path: &str| match &root.at_mut(path.as_bytes()).unwrap().kind {
            Kind::Hardlink { target } => String::from_utf8(target.clone()).unwrap(),
            _ => "a file".into(),
        };
    let archive = scratch.join("a.pxar");
    pxkit!["create", &archive, &source].succeeds();
    let mut root = cli::read(&archive);
    assert_eq!(
        ["a-one", "b/two", "c-three"].map(|path| target(&mut root, path)),
        ["a file", "a-one", "a-one"]
    );
    assert_eq!(contents(&mut root, "a-one"), b"contents");

    // The first name that is not left out.
    let archive = scratch.join("b.pxar");
    pxkit!["create", &archive, &source, "--exclude", "/a-one"].succeeds();
    let mut root = cli::read(&archive);
    assert_eq!(["b/two", "c-three"].map(|path| target(&mut root, path)), ["a file", "b/two"]);
    // A file whose other name lies outside is a file.
    fs::hard_link(source.join("z"), scratch.join("outside")).unwrap();
    let archive = scratch.join("c.pxar");
    pxkit!["create", &archive, &source].succeeds();
    assert_eq!(target(&mut cli::read(&archive), "z"), "a file");
}

#[test]
fn kinds_and_metadata_can_be_left_out() {
    let (scratch, source) = planted(&[("file", "x")]);
    for (name, kind) in [("fifo", FileType::Fifo), ("socket", FileType::Socket)] {
        mknodat(CWD, source.join(name), kind, Mode::from_raw_mode(0o600), 0).unwrap();
    }
    assert_eq!(archived(&source, &[]), ["fifo", "file", "socket"]);
    assert_eq!(archived(&source, &["--no-fifos"]), ["file", "socket"]);
    assert_eq!(archived(&source, &["--no-sockets"]), ["fifo", "file"]);
    if !pxkit_tests::skip::needs_root_and_ext4("kinds_and_metadata_can_be_left_out") {
        return;
    }
    mknodat(CWD, source.join("null"), FileType::CharacterDevice, Mode::from_raw_mode(0o600), 0x103).unwrap();
    assert_eq!(archived(&source, &["--no-device-nodes"]), ["fifo", "file", "socket"]);
    let set = |name: &str, value: &[u8]| {
        rustix::fs::lsetxattr(source.join("file"), name, value, XattrFlags::empty()).unwrap();
    };
    set("user.x", b"value");
    let mut acl = pxkit_tests::acl::Acl::of_mode(0o644);
    acl.modify("u:1000:rwx");
    set("system.posix_acl_access", &acl.to_xattr());
    set("security.capability", &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let seen = |option: Option<&str>| {
        let archive = scratch.join("a.pxar");
        let mut command = cli::command();
        command.arg("create").arg(&archive).arg(&source).args(option);
        Run::of(command).succeeds();
        let attributes = cli::read(&archive).at_mut(b"file").unwrap().attributes.clone();
        fs::remove_file(archive).unwrap();
        let has_fcaps = attributes.iter().any(|a| format!("{a:?}").starts_with("Fcaps"));
        (attributes.has_xattr(), attributes.has_acl(), has_fcaps)
    };
    assert_eq!(seen(None), (true, true, true));
    // Capabilities and ACLs are extended attributes to the kernel.
    assert_eq!(seen(Some("--no-xattrs")), (false, false, false));
    assert_eq!(seen(Some("--no-acls")), (true, false, true));
    assert_eq!(seen(Some("--no-fcaps")), (true, true, false));
}

#[test]
fn archives_go_to_standard_output() {
    let (scratch, source) = planted(&[("file", "contents"), ("dir/other", "more")]);
    pxkit!["create", scratch.join("a.pxar"), &source].succeeds();
    let run = pxkit!["create", "-", &source].succeeds();
    assert_eq!(run.out, fs::read(scratch.join("a.pxar")).unwrap());
    let run = pxkit!["create", "-", &source, "--payload-output", scratch.join("a.ppxar")].succeeds();
    fs::write(scratch.join("a.mpxar"), run.out).unwrap();
    let mut root = cli::read_split(&scratch.join("a.mpxar"), &scratch.join("a.ppxar"));
    assert_eq!(contents(&mut root, "dir/other"), b"more");
    pxkit!["create", "a", &source, "--payload-output", "-"].fails(2, &["standard output"]);
    let run = pxkit!["create", "-", &source, "--payload-output", scratch.join("-")].succeeds();
    assert!(!run.out.is_empty());
    // Not to a person, though.
    if Path::new("/usr/bin/script").exists() {
        let script = r#"script -qec '"$PXKIT" create - "$SOURCE"' /dev/null"#;
        let mut command = cli::shell(script, &[]);
        command.env("SOURCE", &source);
        let run = Run::of(command).exits(2);
        assert!(run.text().contains("standard output is a terminal"), "{:?}", run.text());
    } else {
        pxkit_tests::skip::skip("archives_go_to_standard_output", "needs script for a terminal");
    }
    // An archive that nobody reads to its end is none.
    let script = r#"set -o pipefail; "$PXKIT" create - "$1" | head -c 1 > /dev/null"#;
    fs::write(source.join("large"), vec![1; 1 << 22]).unwrap();
    Run::of(cli::shell(script, &[&source])).fails(2, &["Broken pipe"]);
}

#[test]
fn what_it_says() {
    let (scratch, source) = planted(&[("dir/file", "contents"), ("other", "12")]);
    let run = pxkit!["create", scratch.join("a.pxar"), &source, "--json"].succeeds();
    let [summary] = &run.json()[..] else { panic!("one line") };
    let size = fs::metadata(scratch.join("a.pxar")).unwrap().len();
    assert_eq!(
        (&summary["entries"], &summary["contents"], &summary["warnings"]),
        (&4.into(), &10.into(), &0.into())
    );
    assert_eq!(
        (&summary["archive_size"], &summary["payload_size"]),
        (&size.into(), &serde_json::Value::Null)
    );
    assert!(summary["seconds"].is_number());
    let run = pxkit!["create", scratch.join("b.pxar"), &source, "-v"].exits(0);
    assert_eq!((run.text(), &*run.err), ("", "\"/\"\n\"/dir\"\n\"/dir/file\"\n\"/other\"\n"));
    let run = pxkit!["create", scratch.join("c.pxar"), &source, "--quiet"].succeeds();
    assert_eq!(run.text(), "");
    assert_eq!(fs::read(scratch.join("b.pxar")).unwrap(), fs::read(scratch.join("c.pxar")).unwrap());
}
