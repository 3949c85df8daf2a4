//! `pxkit compare` against `diff -r` and `rsync --itemize-changes`, in all forms of operands.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::random::Rng;
use pxkit_tests::skip::skip;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use serde_json::Value;

const PAIRS: u64 = 100;

fn run(store: &Path, args: &[&dyn AsRef<std::ffi::OsStr>]) -> Run {
    let mut command = cli::command();
    command.env("PBS_REPOSITORY", store).args(args);
    Run::of(command)
}

/// Gives a node a time that differs from others in nanoseconds only, now and then.
fn touch(path: &Path, rng: &mut Rng) {
    let time =
        Timespec { tv_sec: 1_600_000_000 + rng.below(3) as i64, tv_nsec: rng.below(3) as i64 * 400_000_000 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("a time");
}

/// Makes a node at `path`; of files every second one has contents that some other may have, too.
fn make(path: &Path, rng: &mut Rng, depth: usize) {
    match rng.below(8) {
        0 | 1 if depth < 4 => {
            fs::create_dir(path).expect("a directory");
            for _ in 0..rng.below(7) {
                let name = path.join(name(rng));
                if name.symlink_metadata().is_err() {
                    make(&name, rng, depth + 1);
                }
            }
        }
        2 => symlink(*rng.pick(&["x", "y", "../z"]), path).expect("a symlink"),
        _ => fs::write(path, contents(rng)).expect("a file"),
    }
    touch(path, rng);
}

fn name(rng: &mut Rng) -> String {
    let stem = *rng.pick(&["a", "b", "c", "d", "a-b", "a.b", "A", "é", "x y"]);
    format!("{stem}{}", rng.below(5))
}

fn contents(rng: &mut Rng) -> Vec<u8> {
    match rng.below(4) {
        0 => Vec::new(),
        1 => vec![b'0' + rng.below(3) as u8; 10],
        2 => {
            let size = 100 + rng.below(100_000);
            rng.bytes(size)
        }
        _ => {
            let size = 1 + rng.below(50);
            rng.bytes(size)
        }
    }
}

fn all_below(root: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let mut names: Vec<PathBuf> =
            fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
        names.sort();
        for name in names {
            if name.symlink_metadata().expect("a node").is_dir() {
                open.push(name.clone());
            }
            out.push(name);
        }
    }
    out
}

/// Changes some of the nodes below `root` in all the ways that there are.
fn change(root: &Path, rng: &mut Rng) {
    for _ in 0..rng.below(12) {
        let all = all_below(root);
        if all.is_empty() {
            return;
        }
        let path = rng.pick(&all).clone();
        let metadata = path.symlink_metadata().expect("a node");
        match rng.below(9) {
            // The same size and the same time.
            0 if metadata.is_file() && metadata.len() > 0 => {
                let mut bytes = fs::read(&path).expect("a file");
                let at = rng.below(bytes.len());
                bytes[at] ^= 1;
                fs::write(&path, bytes).expect("a file");
                let time = Timespec { tv_sec: metadata.mtime(), tv_nsec: metadata.mtime_nsec() };
                let times = Timestamps { last_access: time, last_modification: time };
                utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("a time");
            }
            1 if metadata.is_file() => fs::write(&path, contents(rng)).expect("a file"),
            2 if !metadata.is_symlink() => {
                let mode = if metadata.is_dir() { 0o700 } else { 0o600 } | rng.below(0o100) as u32;
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
            }
            3 => touch(&path, rng),
            4 => remove(&path),
            5 => {
                let target = path.with_file_name(name(rng));
                if target.symlink_metadata().is_err() {
                    make(&target, rng, 2);
                }
            }
            6 => {
                let target = path.with_file_name(name(rng));
                if target.symlink_metadata().is_err() {
                    fs::rename(&path, &target).expect("renamed");
                }
            }
            7 => {
                remove(&path);
                make(&path, rng, 2);
            }
            8 if rustix::process::geteuid().is_root() => {
                std::os::unix::fs::lchown(&path, Some(rng.below(3) as u32), Some(rng.below(3) as u32))
                    .expect("an owner");
            }
            _ => {}
        }
    }
}

fn remove(path: &Path) {
    if path.symlink_metadata().expect("a node").is_dir() {
        fs::remove_dir_all(path).expect("removed");
    } else {
        fs::remove_file(path).expect("removed");
    }
}

/// What one of the tools says: by path, in its words.
type Verdicts = BTreeMap<String, BTreeSet<String>>;

fn say(verdicts: &mut Verdicts, path: &str, what: &str) {
    let path = path.trim_start_matches("./").trim_matches('/').to_owned();
    verdicts.entry(path).or_default().insert(what.into());
}

/// Leaves out what is below a node that one side lacks or has as something else.
fn topmost(verdicts: Verdicts) -> Verdicts {
    let is_end = |path: &str| {
        let whats = verdicts.get(path);
        whats.is_some_and(|whats| ["removed", "added", "type"].iter().any(|what| whats.contains(*what)))
    };
    let is_below = |path: &str| path.match_indices('/').any(|(at, _)| is_end(&path[..at]));
    verdicts.iter().filter(|(path, _)| !is_below(path)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn verdicts_of_diff(a: &Path, b: &Path) -> (Verdicts, i32) {
    let mut command = Command::new("diff");
    command.args(["-rq", "--no-dereference"]).args([a, b]).env("LC_ALL", "C.UTF-8");
    let run = Run::of(command);
    let mut out = Verdicts::new();
    let below = |path: &str, root: &Path| {
        let root = root.to_str().expect("text");
        path.strip_prefix(root).unwrap_or_else(|| panic!("{path}")).to_owned()
    };
    for line in run.text().lines() {
        if let Some(rest) = line.strip_prefix("Only in ") {
            let (directory, name) = rest.split_once(": ").expect("a name");
            let is_old =
                directory == a.to_str().unwrap() || directory.starts_with(&format!("{}/", a.display()));
            let directory = below(directory, if is_old { a } else { b });
            say(&mut out, &format!("{directory}/{name}"), if is_old { "removed" } else { "added" });
        } else if let Some(rest) = line
            .strip_prefix("Files ")
            .or(line.strip_prefix("Symbolic links "))
            .and_then(|r| r.strip_suffix(" differ"))
        {
            let (path, _) = rest.split_once(" and ").expect("two names");
            let what = if line.starts_with('F') { "content" } else { "target" };
            say(&mut out, &below(path, a), what);
        } else if let Some(rest) = line.strip_prefix("File ") {
            let (path, _) = rest.split_once(" is a ").expect("a type");
            say(&mut out, &below(path, a), "type");
        } else {
            panic!("{line}");
        }
    }
    (out, run.code.expect("a status"))
}

fn verdicts_of_rsync(a: &Path, b: &Path) -> Verdicts {
    let mut command = Command::new("rsync");
    // Its own words for what to do with the old tree to make it the new one.
    command.args(["-n", "-aic", "--modify-window=-1", "--delete", "--8-bit-output"]);
    command.arg(format!("{}/", b.display())).arg(format!("{}/", a.display()));
    let run = Run::of(command).exits(0);
    let mut out = Verdicts::new();
    for line in run.text().lines() {
        let (code, path) = line.split_at(12);
        let path = path.split(" -> ").next().expect("a path");
        if code.starts_with("*deleting") {
            say(&mut out, path, "removed");
            continue;
        }
        let letters = code.trim_end().as_bytes();
        if letters[2..].contains(&b'+') {
            say(&mut out, path, "added");
            continue;
        }
        for letter in &letters[2..] {
            let what = match letter {
                b'c' if letters[1] == b'L' => "target",
                b'c' => "content",
                b's' => "size",
                b't' => "mtime",
                b'p' => "mode",
                b'o' => "owner",
                b'g' => "group",
                b'.' => continue,
                other => panic!("{other} in {line}"),
            };
            say(&mut out, path, what);
        }
    }
    out
}

/// What pxkit says, with moves as removals and additions.
fn verdicts_of_pxkit(lines: &[Value]) -> Verdicts {
    let mut out = Verdicts::new();
    for line in lines {
        let path = line["path"].as_str().expect("a path");
        match line["change"].as_str().expect("a word") {
            "moved" => {
                say(&mut out, line["from"].as_str().expect("a path"), "removed");
                say(&mut out, path, "added");
            }
            change => {
                if change != "metadata" {
                    say(&mut out, path, change);
                }
                let fields = line["fields"].as_array().map_or(&[][..], Vec::as_slice);
                fields.iter().for_each(|field| say(&mut out, path, field.as_str().expect("a word")));
            }
        }
    }
    out
}

/// Only some of the verdicts.
fn only(verdicts: &Verdicts, words: &[&str]) -> Verdicts {
    let mut out = Verdicts::new();
    for (path, whats) in verdicts {
        for what in whats.iter().filter(|what| words.contains(&&***what)) {
            say(&mut out, path, what);
        }
    }
    out
}

/// Of directories and what replaced them, diff and rsync speak in their own ways: both as the removal and addition of everything below.
fn without_types(verdicts: Verdicts, types: &BTreeSet<String>) -> Verdicts {
    verdicts.into_iter().filter(|(path, _)| !types.contains(path)).collect()
}

#[test]
fn the_verdicts_of_diff_and_rsync() {
    let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !has("rsync") {
        return skip("the_verdicts_of_diff_and_rsync", "needs rsync");
    }
    let mut seen = BTreeSet::new();
    for seed in 0..PAIRS {
        let scratch = Scratch::new();
        let (a, b, store) = (scratch.join("a"), scratch.join("b"), scratch.join("store"));
        let mut rng = Rng::new(seed);
        fs::create_dir(&a).expect("a directory");
        for _ in 0..12 {
            let path = a.join(name(&mut rng));
            if path.symlink_metadata().is_err() {
                make(&path, &mut rng, 0);
            }
        }
        assert!(Command::new("cp").arg("-a").args([&a, &b]).status().expect("cp runs").success());
        change(&b, &mut rng);

        let compared = run(&store, &[&"compare", &"--json", &a, &b]);
        let ours = verdicts_of_pxkit(&compared.json());
        assert_eq!(compared.code, Some(i32::from(!ours.is_empty())), "seed {seed}: {}", compared.err);
        seen.extend(ours.values().flatten().cloned());

        let (theirs, status) = verdicts_of_diff(&a, &b);
        assert_eq!(status, i32::from(!theirs.is_empty()), "seed {seed}");
        let of_diff = only(&topmost(ours.clone()), &["removed", "added", "type", "content", "target"]);
        assert_eq!(of_diff, theirs, "seed {seed}: pxkit and diff");

        let types: BTreeSet<String> = only(&ours, &["type"]).into_keys().collect();
        let theirs = without_types(verdicts_of_rsync(&a, &b), &types);
        assert_eq!(without_types(ours.clone(), &types), theirs, "seed {seed}: pxkit and rsync");

        // The same in every form.
        let same = |old: &dyn AsRef<std::ffi::OsStr>, new: &dyn AsRef<std::ffi::OsStr>| {
            let again = run(&store, &[&"compare", &"--json", old, new]);
            assert_eq!((again.code, &*again.err), (compared.code, &*compared.err), "seed {seed}");
            assert_eq!(again.text(), compared.text(), "seed {seed}");
        };
        let (left, right) = (scratch.join("a.pxar"), scratch.join("b.mpxar"));
        let payload = scratch.join("b.ppxar");
        match seed % 4 {
            0 => {
                run(&store, &[&"create", &left, &a]).exits(0);
                run(&store, &[&"create", &right, &b, &"--payload-output", &payload]).exits(0);
                same(&left, &right);
            }
            1 => {
                run(&store, &[&"create", &left, &a]).exits(0);
                same(&left, &b);
            }
            2 => {
                run(&store, &[&"create", &right, &b, &"--payload-output", &payload]).exits(0);
                same(&a, &right);
            }
            _ => {
                let mode = if seed % 8 == 3 { "data" } else { "legacy" };
                for (tree, time) in [(&a, "1767225600"), (&b, "1767225601")] {
                    let spec = format!("root.pxar:{}", tree.display());
                    let args: [&dyn AsRef<std::ffi::OsStr>; 8] = [
                        &"backup",
                        &spec,
                        &"--backup-id",
                        &"x",
                        &"--backup-time",
                        &time,
                        &"--change-detection-mode",
                        &mode,
                    ];
                    run(&store, &args).exits(0);
                }
                same(&"host/x/2026-01-01T00:00:00Z", &"host/x/latest");
                same(&"host/x/2026-01-01T00:00:00Z/root.pxar", &b);
            }
        }
    }
    for what in ["removed", "added", "type", "content", "target", "size", "mtime", "mode"] {
        assert!(seen.contains(what), "{what} in {seen:?}");
    }
}

#[test]
fn a_pattern_that_matches_nothing_is_told() {
    let place = Scratch::new();
    fs::write(place.join("file"), "text").expect("a file");
    let (tree, store) = (place.path(), place.join("store"));
    run(&store, &[&"compare", &tree, &tree, &"fil?"]).succeeds();
    run(&store, &[&"compare", &tree, &tree, &"flie*"]).fails(2, &["no entry matches the patterns"]);
}

#[test]
fn a_payload_file_that_is_missing_is_one_line() {
    let place = Scratch::new();
    let (tree, store) = (place.join("tree"), place.join("store"));
    fs::create_dir(&tree).expect("a directory");
    for name in ["a", "b", "c"] {
        fs::write(tree.join(name), name).expect("a file");
    }
    let [unified, meta, payload] = ["t.pxar", "t.mpxar", "elsewhere"].map(|name| place.join(name));
    run(&store, &[&"create", &unified, &tree]).exits(0);
    run(&store, &[&"create", &meta, &tree, &"--payload-output", &payload]).exits(0);
    for (old, new, option) in [(&meta, &unified, "--old-payload"), (&unified, &meta, "--new-payload")] {
        let failed = run(&store, &[&"compare", old, new]).fails(2, &["is a split archive", option]);
        assert_eq!((failed.err.lines().count(), failed.text()), (1, ""), "{}", failed.err);
        run(&store, &[&"compare", old, new, &option, &payload]).succeeds();
    }
}
