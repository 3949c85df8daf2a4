//! Extraction of parts of an archive.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::handmade::Maker;
use pxkit_tests::pxkit;

/// Paths below `root`, in byte order.
fn found(root: &Path) -> Vec<String> {
    let tree = pxkit_tests::describe::tree(root);
    tree.into_keys().filter(|path| !path.is_empty()).map(|path| String::from_utf8(path).unwrap()).collect()
}

/// `src`, and an archive of it, unified and split.
struct Sample {
    scratch: Scratch,
    unified: PathBuf,
    split: [PathBuf; 2],
}

fn sample() -> Sample {
    let scratch = Scratch::new();
    super::create::plant(
        &scratch.join("src"),
        &[
            ("a/one", "1"),
            ("a/two", "22"),
            ("b/c/one", "1"),
            ("b/c/three", "333"),
            ("b/empty/", ""),
            ("name", "x"),
            ("nam[e", "y"),
        ],
    );
    let [unified, meta, payload] = ["a.pxar", "a.mpxar", "a.ppxar"].map(|name| scratch.join(name));
    pxkit!["create", &unified, scratch.join("src")].succeeds();
    pxkit!["create", &meta, scratch.join("src"), "--payload-output", &payload].succeeds();
    Sample { scratch, unified, split: [meta, payload] }
}

impl Sample {
    /// What each way of extracting with these options restores; they must agree.
    #[track_caller]
    fn extract(&self, options: &[&str], code: i32) -> (Vec<String>, String) {
        let out = ["1", "2", "3"].map(|name| self.scratch.join(name));
        let mut file = cli::command();
        file.arg("extract").arg(&self.unified).arg(&out[0]).args(options);
        let run = Run::of(file).exits(code);
        let mut pipe = cli::command();
        pipe.arg("extract").arg("-").arg(&out[1]).args(options);
        Run::with_input(pipe, &fs::read(&self.unified).unwrap()).exits(code);
        let mut split = cli::command();
        split
            .arg("extract")
            .arg(&self.split[0])
            .arg(&out[2])
            .arg("--payload-input")
            .arg(&self.split[1])
            .args(options);
        Run::of(split).exits(code);
        let all = found(&out[0]);
        for path in &all {
            let [one, two, three, src] = [&out[0], &out[1], &out[2], &self.scratch.join("src")]
                .map(|root| pxkit_tests::describe::describe(&root.join(path)));
            // Directories have fewer entries than they had.
            let same = |other: &[String]| one[..2] == other[..2] && one[3..] == other[3..];
            assert!(same(&two) && same(&three) && same(&src), "{path}");
        }
        for out in out {
            assert_eq!(found(&out), all);
            fs::remove_dir_all(out).unwrap();
        }
        (all, run.err)
    }

    #[track_caller]
    fn gives(&self, patterns: &[&str], expected: &[&str]) {
        let options: Vec<&str> = patterns.iter().flat_map(|pattern| ["--pattern", pattern]).collect();
        assert_eq!(self.extract(&options, 0).0, expected, "{patterns:?}");
    }
}

#[test]
fn patterns() {
    let sample = sample();
    // Looked up, for all of them are paths.
    sample.gives(&["/a"], &["a", "a/one", "a/two"]);
    sample.gives(&["/b/c/one"], &["b", "b/c", "b/c/one"]);
    sample.gives(&["/b/c/one", "/a/two", "/b/c"], &["a", "a/two", "b", "b/c", "b/c/one", "b/c/three"]);
    sample.gives(&["/name", "/name"], &["name"]);
    // Found on the way through all of it.
    sample.gives(&["one"], &["a", "a/one", "b", "b/c", "b/c/one"]);
    sample.gives(&["b", "!c"], &["b", "b/empty"]);
    sample.gives(&["/b/**", "!three"], &["b", "b/c", "b/c/one", "b/empty"]);
    sample.gives(&["!three", "/b/**"], &["b", "b/c", "b/c/one", "b/c/three", "b/empty"]);
    sample.gives(&["c", "!/b"], &["b", "b/c", "b/c/one", "b/c/three"]);
    sample.gives(&["one/", "/name"], &["name"]);
}

#[test]
fn nothing_that_matches_is_warned_about() {
    let sample = sample();
    for patterns in [["--pattern", "/nowhere"], ["--pattern", "no*where"], ["--pattern", "one/"]] {
        let (found, err) = sample.extract(&patterns, 1);
        assert_eq!(found, [""; 0]);
        assert!(err.starts_with("warning: "), "{err}");
    }
    // One of several paths is missed only where paths are looked up.
    let out = sample.scratch.join("out");
    let run = pxkit!["extract", &sample.unified, &out, "--pattern", "/nowhere", "--pattern", "/a/one"];
    run.fails(1, &["/nowhere"]);
    assert_eq!(found(&out), ["a", "a/one"]);
}

#[test]
fn files_from() {
    let sample = sample();
    let list = sample.scratch.join("list");
    fs::write(&list, "# a comment\n\n  /a/one \r\n/b/c/one\n").unwrap();
    let list = list.to_str().unwrap();
    assert_eq!(sample.extract(&["--files-from", list], 0).0, ["a", "a/one", "b", "b/c", "b/c/one"]);
    // Patterns of the command line come later, so they decide.
    let (found, _) = sample.extract(&["--files-from", list, "--pattern", "!/a/one"], 0);
    assert_eq!(found, ["b", "b/c", "b/c/one"]);
    fs::write(list, "!c\n/b\n").unwrap();
    assert_eq!(
        sample.extract(&["--files-from", list, "--pattern", "c"], 0).0,
        ["b", "b/c", "b/c/one", "b/c/three", "b/empty"]
    );
    let run = pxkit!["extract", &sample.unified, sample.scratch.join("out"), "--files-from", "/nowhere"];
    run.fails(2, &["/nowhere"]);
    let run = pxkit!["extract", &sample.unified, sample.scratch.join("out"), "--pattern", "a[b"];
    run.fails(64, &["a[b"]);
    fs::write(list, "a[b\n").unwrap();
    let run = pxkit!["extract", &sample.unified, sample.scratch.join("out"), "--files-from", list];
    run.fails(2, &["a[b", list]);
    assert!(!sample.scratch.join("out").exists());
}

#[test]
fn paths_are_looked_up_without_reading_the_rest() {
    // What lies between is no archive at all; only the tables lead around it.
    let mut maker = Maker::rooted();
    maker.directory(b"a");
    maker.file(b"good", b"contents");
    maker.leave();
    maker.name(b"b");
    maker.append(&[0xdd; 100]);
    maker.file(b"c", b"more");
    let scratch = Scratch::new();
    let path = scratch.join("a.pxar");
    fs::write(&path, maker.finish()).unwrap();
    pxkit!["extract", &path, scratch.join("all")].exits(2);
    let run = pxkit!["extract", &path, scratch.join("some"), "--pattern", "/a/good", "--pattern", "/c"];
    run.exits(0);
    assert_eq!(found(&scratch.join("some")), ["a", "a/good", "c"]);
    assert_eq!(fs::read(scratch.join("some/c")).unwrap(), b"more");
}

#[test]
fn hard_links_to_what_is_not_selected() {
    let scratch = Scratch::new();
    let source = scratch.join("src");
    super::create::plant(&source, &[("a", "contents"), ("d/", ""), ("z/", "")]);
    for name in ["d/b", "d/c", "z/d"] {
        fs::hard_link(source.join("a"), source.join(name)).unwrap();
    }
    let [unified, meta, payload] = ["a.pxar", "a.mpxar", "a.ppxar"].map(|name| scratch.join(name));
    pxkit!["create", &unified, &source].succeeds();
    pxkit!["create", &meta, &source, "--payload-output", &payload].succeeds();
    for patterns in [&["d", "z"][..], &["/d", "/z"], &["/d/b", "/d/c", "/z/d"]] {
        let options: Vec<&str> = patterns.iter().flat_map(|pattern| ["--pattern", pattern]).collect();
        let out = [scratch.join("unified"), scratch.join("split")];
        let mut command = cli::command();
        command.arg("extract").arg(&unified).arg(&out[0]).args(&options);
        Run::of(command).succeeds();
        let mut command = cli::command();
        command.arg("extract").arg(&meta).arg(&out[1]).arg("--payload-input").arg(&payload).args(&options);
        Run::of(command).succeeds();
        for out in out {
            assert_eq!(found(&out), ["d", "d/b", "d/c", "z", "z/d"]);
            let [b, c, d] = ["d/b", "d/c", "z/d"].map(|name| out.join(name));
            assert_eq!(fs::read(&b).unwrap(), b"contents");
            let [stat_b, stat_c, stat_d] = [&b, &c, &d].map(|path| fs::metadata(path).unwrap());
            assert_eq!((stat_b.ino(), stat_b.ino()), (stat_c.ino(), stat_d.ino()), "{patterns:?}");
            assert_eq!(stat_b.mtime_nsec(), fs::metadata(source.join("a")).unwrap().mtime_nsec());
            fs::remove_dir_all(out).unwrap();
        }
    }
    // With the first name they are links to it.
    pxkit!["extract", &unified, scratch.join("with"), "--pattern", "/a", "--pattern", "/d/c"].succeeds();
    assert_eq!(found(&scratch.join("with")), ["a", "d", "d/c"]);
    let ino = |name: &str| fs::metadata(scratch.join("with").join(name)).unwrap().ino();
    assert_eq!(ino("a"), ino("d/c"));
    // A pipe does not go back.
    let mut command = cli::command();
    command.args(["extract", "-", "--pattern", "d"]).arg(scratch.join("pipe"));
    Run::with_input(command, &fs::read(&unified).unwrap()).fails(1, &["not selected", "pipe"]);
}
