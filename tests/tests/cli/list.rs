//! `pxkit list`: which lines, and what is said of files that are no archives.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use pxkit_tests::churn::set_time;
use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::handmade::Maker;
use pxkit_tests::skip::skip;
use pxkit_tests::{golden, odd, pxkit};
use serde_json::Value;

fn golden_file(name: &str) -> PathBuf {
    golden::path(&format!("archives/{name}"))
}

/// A scratch directory with an archive of these bytes.
fn archive(bytes: &[u8]) -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let path = scratch.join("a.pxar");
    fs::write(&path, bytes).unwrap();
    (scratch, path)
}

#[test]
fn patterns_select_with_what_is_below() {
    let kinds = golden_file("kinds.pxar");
    let run = |patterns: &[&str]| {
        let mut command = cli::command();
        command.arg("list").arg(&kinds).args(patterns);
        Run::of(command)
    };
    let listed = |patterns: &[&str]| {
        run(patterns).succeeds().text().replace('"', "").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(listed(&["/dir/deep"]), ["/dir/deep", "/dir/deep/er", "/dir/deep/er/leaf"]);
    assert_eq!(listed(&["deep", "!er"]), ["/dir/deep"]);
    // The last hit decides.
    assert_eq!(listed(&["!/dir/deep", "deep"]), ["/dir/deep", "/dir/deep/er", "/dir/deep/er/leaf"]);
    assert_eq!(listed(&["hard*"]), ["/dir/hard-1", "/hard-2"]);
    assert_eq!(listed(&["/hard*"]), ["/hard-2"]);
    assert_eq!(listed(&["empty*/"]), ["/dir/empty-dir"]);
    for patterns in [&["nothing"][..], &["deep", "!/dir/deep"]] {
        let run = run(patterns).fails(1, &["warning: no entry matches the patterns"]);
        assert_eq!(run.text(), "");
    }
    pxkit!["list", &kinds, "a[b"].fails(64, &["a[b", "malformed"]);
}

#[test]
fn json_lines_hold_all_metadata() {
    let lines = pxkit!["list", "--json", golden_file("kinds.mpxar")].succeeds().json();
    assert_eq!(lines.len(), 28);
    let at = |lines: &[Value], path: &str| {
        lines.iter().find(|line| line["path"] == path).unwrap_or_else(|| panic!("no {path}")).clone()
    };
    assert_eq!(at(&lines, "/")["type"], "directory");
    let file = at(&lines, "/dir/file");
    assert_eq!(
        (&file["type"], &file["size"], &file["payload_offset"]),
        (&"file".into(), &100_000.into(), &58.into())
    );
    let link = at(&lines, "/link-rel");
    assert_eq!((&link["type"], &link["target"]), (&"symlink".into(), &"a-text".into()));
    let link = at(&lines, "/hard-2");
    assert_eq!((&link["target"], &link["mode"]), (&"dir/file".into(), &Value::Null));
    assert_eq!(at(&lines, "/null")["device"], serde_json::json!([1, 3]));

    let lines = pxkit!["list", "--json", golden_file("kinds.pxar")].succeeds().json();
    let file = at(&lines, "/dir/file");
    let offset = file["content_offset"].as_u64().unwrap() as usize;
    let bytes = golden::archive("kinds.pxar");
    let mut root = cli::read(&golden_file("kinds.pxar"));
    assert!(bytes[offset..].starts_with(&cli::contents(&mut root, "dir/file")));

    // Each path, also those that are no text, and each kind of metadata is there.
    let lines = pxkit!["list", "--json", golden_file("names.pxar")].succeeds().json();
    let mut expected = Vec::new();
    cli::read(&golden_file("names.pxar")).walk(&mut |path, visit| {
        if matches!(visit, pxkit_tests::tree::Visit::Node(_)) {
            expected.push([b"/", path].concat());
        }
    });
    let path = |line: &Value| match line["path_hex"].as_str() {
        Some(hex) => {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        }
        None => line["path"].as_str().unwrap().as_bytes().to_vec(),
    };
    assert_eq!(lines.iter().map(path).collect::<Vec<_>>(), expected);
    assert!(lines.iter().any(|line| line["path_hex"].is_string()));
    let lines = pxkit!["list", "--json", golden_file("attributes.pxar")].succeeds().json();
    for (path, word) in [("/acl", "ACL_GROUP_OBJ"), ("/capability", "FCAPS"), ("/user-xattr", "user.")] {
        let attributes = at(&lines, path)["attributes"].to_string();
        assert!(attributes.contains(word), "{path}: {attributes}");
    }
    assert!(at(&lines, "/immutable").to_string().contains("immutable"));
}

#[test]
fn the_payload_file_is_checked_if_it_is_given() {
    let (meta, right, wrong) =
        (golden_file("kinds.mpxar"), golden_file("kinds.ppxar"), golden_file("names.ppxar"));
    let plain = pxkit!["list", &meta].succeeds();
    assert_eq!(pxkit!["list", &meta, "--payload-input", &right].succeeds().out, plain.out);
    let run = pxkit!["list", &meta, "--payload-input", &wrong]
        .fails(1, &["error: \"/dir/file\": ", "payload file"]);
    assert_eq!(run.out, plain.out, "all is listed all the same");
    pxkit!["list", &meta, "--payload-input", &meta].fails(2, &["kinds.mpxar", "no start marker"]);
    pxkit!["list", &meta, "--payload-input", "/nowhere"].fails(2, &["/nowhere"]);
}

#[test]
fn what_is_no_archive_is_named() {
    let scratch = Scratch::new();
    let file = |name: &str, bytes: &[u8]| {
        fs::write(scratch.join(name), bytes).unwrap();
        scratch.join(name)
    };
    let out = scratch.join("out");
    for (path, words) in [
        (golden_file("kinds.ppxar"), &["payload file", "--payload-input"][..]),
        (file("empty", b""), &["empty is not a pxar archive", "0 bytes"]),
        (file("text", b"some text in a file\n"), &["text is not a pxar archive", "some tex"]),
        (file("catalog", &Maker::new().bytes.repeat(9)), &["catalog is not a pxar archive"]),
        (scratch.path().to_owned(), &["directory"]),
        (scratch.join("missing"), &["missing", "No such file"]),
    ] {
        pxkit!["list", &path].fails(2, words);
        pxkit!["extract", &path, &out].fails(2, words);
        assert!(!out.exists(), "nothing is made for {}", path.display());
        if path != golden_file("kinds.ppxar") {
            pxkit!["dump", &path].fails(2, words);
        }
    }
    let mut command = cli::command();
    command.args(["list", "-"]);
    Run::with_input(command, b"some text").fails(2, &["standard input is not", "some tex"]);
}

#[test]
fn damage_is_told_after_what_comes_before() {
    let whole = golden::archive("kinds.pxar");
    let (_scratch, path) = archive(&whole[..whole.len() / 2]);
    let run = pxkit!["list", &path].fails(2, &["a.pxar", "offset "]);
    assert!(run.text().starts_with("\"/\"\n\"/a-text\"\n"));
    // The same through a pipe.
    let mut command = cli::command();
    command.args(["list", "-"]);
    let piped = Run::with_input(command, &whole[..whole.len() / 2]).fails(2, &["offset "]);
    assert_eq!(piped.out, run.out);
    let (_scratch, path) = archive(&[&whole[..], b"more"].concat());
    pxkit!["list", &path].fails(1, &["4 bytes follow the end"]);
}

#[test]
fn every_broken_archive_fails_and_none_panics() {
    for (name, bytes) in odd::broken() {
        let (scratch, path) = archive(&bytes);
        for command in ["list", "dump"] {
            let run = pxkit![command, &path];
            let payload = command == "dump" && name == "payload stream";
            assert!(
                matches!(run.code, Some(1 | 2)) && (payload || run.code == Some(2)),
                "{command} {name}: {run:?}"
            );
            assert!(payload || run.err.starts_with("error: "), "{command} {name}: {}", run.err);
        }
        let run = pxkit!["extract", &path, scratch.join("out")];
        assert_eq!(run.code, Some(2), "{name}: {run:?}");
    }
    for (name, bytes) in odd::legal() {
        let (_scratch, path) = archive(&bytes);
        for command in ["list", "dump"] {
            let run = pxkit![command, &path];
            assert!(matches!(run.code, Some(0 | 1)), "{command} {name}: {run:?}");
        }
    }
}

#[test]
fn wrong_usage_is_64() {
    for arguments in [&[][..], &["list"], &["frob"], &["list", "a", "--frob"], &["list", "a", "-l", "--json"]]
    {
        let mut command = cli::command();
        command.args(arguments);
        let run = Run::of(command).exits(64);
        assert!(run.err.contains("Usage") || run.err.contains("--help"), "{}", run.err);
        assert_eq!(run.text(), "");
    }
    for arguments in [&["--help"][..], &["--version"], &["list", "--help"], &["create", "-h"]] {
        let mut command = cli::command();
        command.args(arguments);
        assert!(Run::of(command).succeeds().text().contains("pxkit"));
    }
}

#[test]
fn readers_may_stop() {
    for arguments in [&["list"][..], &["list", "-l"], &["list", "--json"], &["dump"], &["dump", "--json"]] {
        let mut command = cli::command();
        command.args(arguments).arg(golden_file("wide.pxar"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty());
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!((cli::wait(child), &*err), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn no_colours_but_on_terminals() {
    let escape = |run: &Run| run.err.contains('\x1b') || run.out.contains(&0x1b);
    for arguments in [&["list", "/nowhere"][..], &["frob"], &["--help"]] {
        let mut command = cli::command();
        command.args(arguments);
        assert!(!escape(&Run::of(command)), "{arguments:?}");
    }
    // `script` gives it a terminal.
    if Run::of(cli::shell("script --version", &[])).code != Some(0) {
        skip("no_colours_but_on_terminals", "needs script (util-linux)");
        return;
    }
    let terminal = |setting: &str| {
        let script =
            format!(r#"{setting} TERM=xterm script -qec "$PXKIT list /nowhere" /dev/null < /dev/null"#);
        Run::of(cli::shell(&script, &[])).exits(2)
    };
    assert!(escape(&terminal("env -u NO_COLOR")), "an error is red on a terminal");
    assert!(!escape(&terminal("NO_COLOR=1")));
}

#[test]
fn padding_is_told() {
    let mut maker = Maker::split();
    maker.reference(b"a", 16, 5);
    maker.reference(b"b", 16 + 16 + 5 + 7, 1);
    let (_scratch, path) = archive(&maker.finish());
    let run = pxkit!["list", "-v", &path].exits(0);
    assert_eq!(run.err, "pxar format version 'Version2'\nEncountered padding of 7 bytes\n");
    pxkit!["list", &path].succeeds();
}

#[test]
fn times_are_those_of_the_zone_that_is_named() {
    if !Path::new("/usr/share/zoneinfo/Asia/Tokyo").exists() {
        return skip("list: times_are_those_of_the_zone_that_is_named", "needs the database of time zones");
    }
    let scratch = Scratch::new();
    let (tree, archive) = (scratch.join("tree"), scratch.join("a.pxar"));
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("f"), "").unwrap();
    set_time(&tree.join("f"), 1_782_900_000, 0);
    pxkit!["create", &archive, &tree].succeeds();
    for (zone, time) in [("Asia/Tokyo", "19:00:00"), ("JST-9", "19:00:00"), ("UTC", "10:00:00")] {
        let mut command = cli::command();
        command.args(["list", "-l"]).arg(&archive).arg("/f").env("TZ", zone);
        let run = Run::of(command).succeeds();
        assert!(run.text().contains(&format!("2026-07-01 {time}")), "{zone}: {}", run.text());
    }
}
