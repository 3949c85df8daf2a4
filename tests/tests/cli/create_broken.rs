//! `pxkit create` when something comes between: signals, what may not be read, mount points, full disks.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Stdio;

use pxkit_tests::cli::{self, Run, paths};
use pxkit_tests::pxkit;
use rustix::process::Signal;

use super::create::{names, planted};

#[test]
fn signals_leave_no_file() {
    let (scratch, source) = planted(&[("small", "")]);
    let large = fs::File::create(source.join("large")).unwrap();
    // A hole, so that it costs nothing here; to read it all would take long.
    large.set_len(1 << 40).unwrap();
    let large = large.metadata().unwrap().ino();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let [meta, payload] = ["a.mpxar", "a.ppxar"].map(|name| scratch.join(name));
        let mut command = cli::command();
        command.arg("create").arg(&meta).arg(&source).arg("--payload-output").arg(&payload);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let open = format!("/proc/{}/fd", child.id());
        cli::wait_until("something is written", || {
            // Its loader opens files, too.
            let files = fs::read_dir(&open).into_iter().flatten().flatten().map(|file| file.path());
            let mut ours =
                files.filter(|file| fs::read_link(file).is_ok_and(|to| to.starts_with(scratch.path())));
            ours.any(|file| {
                fs::metadata(file).is_ok_and(|file| file.is_file() && file.len() > 0 && file.ino() != large)
            })
        });
        cli::send(&child, signal);
        assert_eq!(cli::wait(child), Some(code));
        assert_eq!(names(scratch.path()), ["src"]);
    }
}

#[test]
fn unreadable_files_are_left_out_with_a_warning() {
    use std::os::unix::process::CommandExt as _;
    if !pxkit_tests::skip::needs_root_and_ext4("unreadable_files_are_left_out_with_a_warning") {
        return;
    }
    let (scratch, source) = planted(&[("secret", "x"), ("open", "y"), ("closed/inside", "z"), ("after", "")]);
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(source.join("secret"), Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(source.join("closed"), Permissions::from_mode(0o700)).unwrap();
    let binary = scratch.join("pxkit");
    // Not by this process: another thread's child might hold the copy open for writing, and then it cannot be run.
    std::process::Command::new("cp").arg(cli::binary()).arg(&binary).status().unwrap();
    let mut command = std::process::Command::new(&binary);
    command.uid(65534).gid(65534).arg("create").arg(scratch.join("a.pxar")).arg(&source);
    let run = Run::of(command).fails(1, &["warning: secret: left out", "warning: closed: left out"]);
    assert_eq!(run.err.lines().count(), 2);
    assert_eq!(paths(&cli::read(&scratch.join("a.pxar"))), ["after", "open"]);
}

/// Runs `script` where it may mount; says whether that is possible.
fn with_mounts(name: &str, script: &str, args: &[&dyn AsRef<std::ffi::OsStr>]) -> Option<Run> {
    let mut probe = std::process::Command::new("unshare");
    if !probe.args(["-m", "true"]).output().is_ok_and(|output| output.status.success()) {
        pxkit_tests::skip::skip(name, "needs unshare -m");
        return None;
    }
    let mut command = std::process::Command::new("unshare");
    command.env("PXKIT", cli::binary()).args(["-m", "bash", "-ec", script, "bash"]).args(args);
    Some(Run::of(command))
}

#[test]
fn mount_points() {
    let (scratch, source) = planted(&[("mnt/hidden", ""), ("proc/", ""), ("file", "")]);
    let script = r#"
        mount -t tmpfs none "$1/mnt"; echo x > "$1/mnt/visible"; chmod 700 "$1/mnt"; mount -t proc none "$1/proc"
        "$PXKIT" create "$2/plain" "$1"
        "$PXKIT" create "$2/all" "$1" --all-file-systems
        "$PXKIT" create "$2/include" "$1" --include-dev "$1/mnt""#;
    let out = scratch.join("out");
    fs::create_dir(&out).unwrap();
    let Some(run) = with_mounts("mount_points", script, &[&source, &out]) else { return };
    // Notes, not warnings: this is what was asked for.
    let run = run.fails(
        0,
        &["note: mnt: contents left out: another file system", "note: proc: contents left out: virtual"],
    );
    assert_eq!(run.err.matches("note: mnt").count(), 1, "{}", run.err);
    let mut plain = cli::read(&out.join("plain"));
    assert_eq!(paths(&plain), ["file", "mnt", "proc"]);
    // The directory is the one that is mounted.
    assert_eq!(plain.at_mut(b"mnt").unwrap().stat.mode, 0o40700);
    for name in ["all", "include"] {
        assert_eq!(paths(&cli::read(&out.join(name))), ["file", "mnt", "mnt/visible", "proc"], "{name}");
    }
    pxkit!["create", "-", &source, "--all-file-systems", "--include-dev", "/"].fails(64, &["--include-dev"]);
}

#[test]
fn no_file_is_left_when_the_disk_is_full() {
    let (scratch, source) = planted(&[("file", "")]);
    fs::write(source.join("large"), vec![1; 3 << 20]).unwrap();
    let script = r#"
        mkdir "$2/mnt"; mount -t tmpfs -o size=2m none "$2/mnt"
        code=0; "$PXKIT" create "$2/mnt/a.pxar" "$1" || code=$?
        [ -z "$(ls "$2/mnt")" ]; exit $code"#;
    let Some(run) = with_mounts("no_file_is_left_when_the_disk_is_full", script, &[&source, &scratch.path()])
    else {
        return;
    };
    run.fails(2, &["a.pxar", "No space left"]);
}

#[test]
fn errors_of_reading_name_the_file() {
    let (scratch, source) = planted(&[("dir/file", ""), ("before", "")]);
    // There is nothing at the start of a process's memory.
    let script = r#"mount --bind "/proc/$$/mem" "$1/dir/file"; "$PXKIT" create "$2/a.pxar" "$1""#;
    let Some(run) = with_mounts("errors_of_reading_name_the_file", script, &[&source, &scratch.path()])
    else {
        return;
    };
    run.fails(2, &["dir/file: cannot read the file: Input/output error"]);
    assert_eq!(names(scratch.path()), ["src"]);
}
