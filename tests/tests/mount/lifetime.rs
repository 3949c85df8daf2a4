//! Beginning and end of mounts.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use pxkit_tests::cli::{self, send, wait, wait_until};
use pxkit_tests::disk::Scratch;
use pxkit_tests::{golden, pxkit};
use rustix::process::Signal;

use super::support::{Mount, is_mounted, needs_fuse, umount};

/// A mount whose process is a child of this one.
fn foreground(path: &Path) -> Child {
    fs::create_dir_all(path).unwrap();
    let mut command = cli::command();
    command.args(["mount", "--foreground"]).arg(golden::path("archives/kinds.pxar")).arg(path);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the mount stands", || is_mounted(path) && path.join("a-text").exists());
    child
}

#[test]
fn it_stands_when_the_command_returns_and_umount_ends_it() {
    if !needs_fuse("it_stands_when_the_command_returns_and_umount_ends_it") {
        return;
    }
    let mount = Mount::new(golden::path("archives/kinds.pxar"), &[]);
    let path = mount.path();
    assert!(path.join("a-text").exists());
    // Nothing can be changed.
    let error = File::create(path.join("new")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = table.lines().find(|line| line.contains(path.to_str().unwrap())).unwrap();
    for word in [" fuse.pxkit ", "kinds.pxar", "nosuid", "nodev", "default_permissions", " ro,"] {
        assert!(line.contains(word), "{word} in {line}");
    }
    umount(&path, &[]).succeeds();
    assert!(!is_mounted(&path));
    umount(&path, &[]).fails(2, &["nothing is mounted on"]);
    // The process ends by itself.
    let mut child = foreground(&path);
    umount(&path, &[]).succeeds();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((wait(child), &*said), (Some(0), ""));
}

#[test]
fn signals_end_it_also_if_somebody_reads() {
    if !needs_fuse("signals_end_it_also_if_somebody_reads") {
        return;
    }
    let scratch = Scratch::new();
    let path = scratch.join("mnt");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let child = foreground(&path);
        let open = File::open(path.join("a-text")).unwrap();
        send(&child, signal);
        assert_eq!(wait(child), Some(code));
        assert!(!is_mounted(&path));
        drop(open);
    }
}

#[test]
fn what_is_in_use_stays_unless_lazy() {
    if !needs_fuse("what_is_in_use_stays_unless_lazy") {
        return;
    }
    let scratch = Scratch::new();
    let path = scratch.join("mnt");
    let child = foreground(&path);
    let mut open = File::open(path.join("a-text")).unwrap();
    umount(&path, &[]).fails(2, &["somebody uses it", "--lazy"]);
    umount(&path, &["--lazy"]).succeeds();
    assert!(!is_mounted(&path));
    // Whoever has it open reads on, and then it ends.
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert!(!text.is_empty());
    drop(open);
    assert_eq!(wait(child), Some(0));
}

#[test]
fn what_a_killed_process_leaves_can_be_taken_away() {
    if !needs_fuse("what_a_killed_process_leaves_can_be_taken_away") {
        return;
    }
    let scratch = Scratch::new();
    let path = scratch.join("mnt");
    let kill = || {
        let child = foreground(&path);
        send(&child, Signal::KILL);
        assert_eq!(wait(child), None);
        assert!(is_mounted(&path) && fs::read_dir(&path).is_err());
    };
    kill();
    umount(&path, &[]).succeeds();
    assert!(!is_mounted(&path) && fs::read_dir(&path).unwrap().count() == 0);
    kill();
    let status =
        Command::new("fusermount3").arg("-u").arg(&path).status().expect("fusermount3 of package fuse3");
    assert!(status.success() && !is_mounted(&path));
    // And the place can be used again.
    let child = foreground(&path);
    umount(&path, &[]).succeeds();
    assert_eq!(wait(child), Some(0));
}

#[test]
fn what_is_wrong_is_told_before_the_command_returns() {
    if !needs_fuse("what_is_wrong_is_told_before_the_command_returns") {
        return;
    }
    let scratch = Scratch::new();
    let (place, log) = (scratch.join("mnt"), scratch.join("log"));
    fs::create_dir(&place).unwrap();
    let run = |source: &Path, place: &Path| pxkit!["mount", source, place, "--log", &log];
    let good = golden::path("archives/kinds.pxar");
    run(&good, &scratch.join("none")).fails(2, &["cannot mount on", "none"]);
    run(&good, &log).fails(2, &["cannot mount on", "no directory"]);
    run(Path::new("/none.pxar"), &place).fails(2, &["cannot open /none.pxar"]);
    run(&golden::path("key.json"), &place).fails(2, &["is not a pxar archive"]);
    run(&golden::path("archives/kinds.ppxar"), &place).fails(2, &["payload file of a split archive"]);
    run(Path::new("-"), &place).fails(2, &["standard input"]);
    let alone = scratch.join("alone.mpxar");
    fs::copy(golden::path("archives/kinds.mpxar"), &alone).unwrap();
    run(&alone, &place).fails(2, &["--payload-input"]);
    let store = golden::path("datastore");
    for name in
        ["host/none", "host/meta/2001-01-01T00:00:00Z", "host/meta/latest/none.pxar", "host/x/y/z.pxar"]
    {
        pxkit!["mount", name, &place, "--log", &log, "--repository", &store].exits(2);
    }
    pxkit!["mount", "host/meta/latest/index.json", &place, "--log", &log, "--repository", &store]
        .fails(2, &["no file archive"]);
    pxkit!["mount", "--foreground", "--log", &log, &good, &place].exits(64);
    assert!(!is_mounted(&place));
    umount(Path::new("/proc"), &[]).fails(2, &["is not mounted by pxkit"]);
    umount(&place, &[]).fails(2, &["nothing is mounted on"]);
}
