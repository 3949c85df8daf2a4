//! `pxkit shell` with commands from standard input.

use std::fs;
use std::process::Command;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::golden;

use super::{ENCRYPTED, LEGACY, META, key, run_with};

/// What commands print that go well.
#[track_caller]
fn shell(source: &str, commands: &[&str]) -> String {
    let key = key();
    let args = ["shell", source, "--keyfile", key.to_str().expect("text")];
    // A key that is given for snapshots without a signature is refused.
    let args = if source.starts_with(ENCRYPTED) { &args[..] } else { &args[..2] };
    run_with(args, &(commands.join("\n") + "\n")).exits(0).text().to_owned()
}

#[test]
fn the_same_with_and_without_a_catalog() {
    let commands = [
        "pwd",
        "ls",
        "cd dir2",
        "pwd",
        "ls",
        "ls ../dir1 /dir0/medium",
        "stat new-file .",
        "find small1",
        "cd",
        "find '*/new-*' --select",
        "list-selected",
    ];
    let legacy = shell(LEGACY, &commands);
    assert_eq!(shell(META, &commands), legacy);
    assert_eq!(shell(ENCRYPTED, &commands), legacy);
    assert_eq!(shell(&format!("{META}/tree.pxar"), &commands), legacy);
    let start: String = legacy.lines().take(5).map(|line| format!("{line}\n")).collect();
    assert!(start.starts_with("/\ndir0/\ndir1/\ndir2/\n"), "{legacy}");
    assert!(legacy.contains("\n/dir2\nmedium\nnew-file\nsmall00\n"), "{legacy}");
    assert!(
        legacy
            .contains("  File: /dir2/new-file\n  Size: 66000         Type: file\nAccess: (0644/-rw-r--r--)")
    );
    assert!(legacy.contains("Modify: 2023-11-14 22:14:20\n"));
    assert!(legacy.contains("  File: /dir2\n  Size: 0             Type: directory\n"));
    assert!(legacy.ends_with("/dir2/new-file\n/dir2/new-file\n"), "{legacy}");
}

#[test]
fn names_come_from_the_catalog() {
    // A copy of the datastore whose archive nobody can read.
    let scratch = Scratch::new();
    let copy = scratch.join("store");
    let copied = Command::new("cp").arg("-r").args([golden::path("datastore"), copy.clone()]).status();
    assert!(copied.expect("cp runs").success());
    let catalog = copy.join("host/legacy/2026-11-22T21:15:58Z/catalog.pcat1.didx");
    let bytes = fs::read(&catalog).expect("an index");
    let ids = bytes[4096..].chunks(40);
    let kept: Vec<String> =
        ids.map(|id| id[8..].iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    let archive = fs::read(copy.join("host/legacy/2026-11-22T21:15:58Z/tree.pxar.didx")).expect("an index");
    let all: Vec<&[u8]> = archive[4096..].chunks(40).collect();
    // The first and the last chunk hold the start and the table of the root; between them is the rest.
    for id in &all[1..all.len() - 1] {
        let digest: String = id[8..].iter().map(|byte| format!("{byte:02x}")).collect();
        if !kept.contains(&digest) {
            let _ = fs::remove_file(copy.join(".chunks").join(&digest[..4]).join(digest));
        }
    }
    let mut command = cli::command();
    command.env("PBS_REPOSITORY", &copy).args(["shell", LEGACY]);
    let run = Run::with_input(command, b"find new-f\nls dir1\nstat dir1/medium\nls\n");
    assert!(run.text().starts_with("/dir2/new-file\n"), "{} {}", run.text(), run.err);
    assert!(run.text().contains("\nsmall07\n"), "{}", run.text());
    assert!(run.text().ends_with("large\nlink\ntext\n"), "{}", run.text());
    run.fails(1, &["chunk"]);
}

#[test]
fn errors_do_not_end_it() {
    let run = run_with(
        &["shell", META],
        "nonsense\ncd nowhere\ncd dir0/medium\nls 'open\nselect nothing\ndeselect dir0\nrestore-selected /x\nrestore\nfind\nfind x --what\nstat\npwd /\nhelp nonsense\npwd\n",
    );
    assert_eq!(run.text(), "/\n");
    assert_eq!(run.err.lines().count(), 13, "{}", run.err);
    assert!(run.err.lines().all(|line| line.starts_with("error: ")), "{}", run.err);
    run.fails(
        1,
        &[
            "no command nonsense",
            "no /nowhere",
            "no directory",
            "quote",
            "/nothing",
            "not selected",
            "usage: restore TARGET",
        ],
    );
    // What comes after exit is not read.
    let run = run_with(&["shell", META], "pwd\nexit\nnonsense\n").succeeds();
    assert_eq!(run.text(), "/\n");
    run_with(&["shell", META], "\n  \n").succeeds();
    run_with(&["shell", "host/none/latest"], "pwd\n").fails(2, &["host/none"]);
    run_with(&["shell", ENCRYPTED], "pwd\n").fails(2, &["key"]);
}

#[test]
fn selections_are_restored() {
    let scratch = Scratch::new();
    for (number, source) in [LEGACY, META, ENCRYPTED].into_iter().enumerate() {
        let target = scratch.join(&number.to_string());
        let target = target.to_str().expect("text");
        let lines = shell(
            source,
            &[
                "select dir0 dir1/medium",
                "select dir2/small00",
                "deselect dir2/small00",
                "deselect dir0/small00",
                "list-selected",
                &format!("restore-selected {target}/selected"),
                "cd dir2",
                &format!("restore {target}/here"),
                &format!("restore {target}/found 'new-*' small05"),
                &format!("restore {target}/found new-file --overwrite"),
                "clear-selected",
                "list-selected",
                "cd",
                &format!("restore {target}/all"),
            ],
        );
        assert_eq!(lines, "/dir0\n/dir1/medium\n\"!/dir0/small00\"\n");
        let names = |path: &str| {
            let mut names = Vec::new();
            let mut open = vec![format!("{target}/{path}")];
            while let Some(path) = open.pop() {
                for entry in fs::read_dir(path).expect("a directory") {
                    let path = entry.expect("an entry").path();
                    if path.is_dir() {
                        open.push(path.to_str().expect("text").to_owned());
                    } else {
                        names.push(path.to_str().expect("text").to_owned());
                    }
                }
            }
            names.sort();
            let start = format!("{target}/{path}/");
            names.into_iter().map(|name| name[start.len()..].to_owned()).collect::<Vec<_>>()
        };
        let selected = names("selected");
        assert_eq!(selected.len(), 20, "{selected:?}");
        assert!(
            selected.contains(&"dir1/medium".to_owned()) && !selected.contains(&"dir0/small00".to_owned())
        );
        assert_eq!(names("found"), ["dir2/new-file", "dir2/small05"]);
        let here = names("here");
        assert!(here.iter().all(|name| name.starts_with("dir2/")) && here.len() > 10, "{here:?}");
        assert!(names("all").len() > here.len() + 20);
        let expected = fs::read(format!("{target}/all/dir2/new-file")).expect("a file");
        assert_eq!(fs::read(format!("{target}/here/dir2/new-file")).expect("a file"), expected);
        assert_eq!(expected.len(), 66_000);
    }
}

#[test]
fn archives_in_files_with_every_name() {
    let path = golden::path("archives/names.mpxar");
    let source = path.to_str().expect("text");
    let listed = run_with(&["list", source], "").text().to_owned();
    let lines = shell(source, &["find '*'"]);
    // All but the root.
    assert_eq!(lines.lines().count() + 1, listed.lines().count());
    assert!(lines.chars().all(|c| c == '\n' || !c.is_control()), "nothing that a terminal would obey");
    let kinds = golden::path("archives/kinds.pxar");
    let all = shell(kinds.to_str().expect("text"), &["find '*' --select", "ls"]);
    assert!(all.contains("\ndir/\n") && all.contains("/dir/deep/er/leaf\n"), "{all}");
}
