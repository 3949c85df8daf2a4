//! `pxkit backup` on the command line: what it refuses, rehearses and tells.

use std::ffi::OsStr;
use std::fs;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::pxkit;

fn tree() -> Scratch {
    let tree = Scratch::new();
    fs::create_dir(tree.join("sub")).unwrap();
    fs::write(tree.join("sub/file"), "contents").unwrap();
    tree
}

#[test]
fn a_rehearsal_makes_nothing() {
    let (tree, place) = (tree(), Scratch::new());
    let (store, source) = (place.join("store"), format!("root.pxar:{}", tree.path().display()));
    let run = pxkit!["backup", &source, "--repository", &store, "--dry-run"];
    assert_eq!(run.code, Some(0), "{}", run.text());
    assert!(run.text().ends_with("Nothing was written.\n"), "{}", run.text());
    assert!(!store.exists());
    pxkit!["backup", &source, "--repository", &store, "--backup-id", "a", "--backup-time", "1000", "-q"]
        .succeeds();
    let json = ["--dry-run", "--json", "--backup-id", "a", "--backup-time", "2000"];
    let run = pxkit![
        "backup",
        &source,
        "--repository",
        &store,
        json[0],
        json[1],
        json[2],
        json[3],
        json[4],
        json[5]
    ];
    let json = &run.succeeds().json()[0];
    assert_eq!(
        (json["dry_run"].as_bool(), json["snapshot"].as_str()),
        (Some(true), Some("host/a/1970-01-01T00:33:20Z"))
    );
    assert_eq!(json["archives"][0]["reference"], true);
    let snapshots = pxkit!["snapshots", "--repository", &store].succeeds();
    assert!(!snapshots.text().contains("00:33:20"), "{}", snapshots.text());
}

#[test]
fn wrong_words_are_usage_and_wrong_places_failures() {
    let (tree, place) = (tree(), Scratch::new());
    let (store, path) = (place.join("store"), tree.path().display().to_string());
    for bad in ["root", "root:/x", "root.zip:/x", "a b.pxar:/x", "root.pxar:", "disk.img:"] {
        pxkit!["backup", bad, "--repository", &store].exits(64);
    }
    let good = format!("root.pxar:{path}");
    for option in
        ["--chunk-size=100", "--padding-budget=101", "--reuse=none", "--backup-time=0", "--order=size"]
    {
        pxkit!["backup", &good, option, "--repository", &store].exits(64);
    }
    pxkit!["backup", &good, &good, "--repository", &store].fails(64, &["named twice"]);
    pxkit!["backup", "root.pxar:/nowhere", "--repository", &store].fails(2, &["/nowhere"]);
    pxkit!["backup", &good, "--reuse=threshold", "--cuts=files", "--repository", &store]
        .fails(2, &["--cuts=reference"]);
    pxkit!["backup", &good, "--backup-id=a/b", "--repository", &store].fails(64, &["--backup-id", "a/b"]);
    assert!(!store.exists());
}

#[test]
fn small_files_are_small() {
    let place = Scratch::new();
    let big = place.join("big");
    fs::File::create(&big).unwrap().set_len((128 << 20) + 1).unwrap();
    let backup = |path: &str| {
        let source = format!("a.conf:{path}");
        // Neither is read into memory as a whole, however large it is.
        let script = "ulimit -v 2000000; \"$PXKIT\" backup \"$1\" --repository \"$2\" -q";
        Run::of(cli::shell(script, &[&source, &place.join("store")]))
    };
    let path = big.to_str().unwrap();
    backup(path).fails(2, &[path, "is larger than 128 MiB", "a.conf", "a.img:"]);
    backup("/dev/zero").fails(2, &["cannot read /dev/zero", "neither a file nor a pipe"]);
    assert!(!place.join("store").exists());
    fs::File::options().write(true).open(&big).unwrap().set_len(1 << 20).unwrap();
    backup(path).succeeds();
    let pipe = "\"$PXKIT\" backup a.conf:<(echo text) --repository \"$1\" --backup-id b -q";
    Run::of(cli::shell(pipe, &[&place.join("store")])).succeeds();
}

#[test]
fn several_archives_and_small_files_are_one_snapshot() {
    let (tree, place) = (tree(), Scratch::new());
    fs::write(place.join("fstab"), "none").unwrap();
    let (store, path) = (place.join("store"), tree.path().display().to_string());
    let (a, b) = (format!("a.pxar:{path}"), format!("b.pxar:{path}/sub"));
    let conf = format!("fstab.conf:{}", place.join("fstab").display());
    let run =
        pxkit!["backup", &a, &b, &conf, "--repository", &store, "--backup-id", "x", "--backup-time", "1000"];
    for line in ["a.mpxar: had to backup", "b.ppxar: had to backup", "Duration: "] {
        assert!(run.text().contains(line), "{}", run.text());
    }
    assert_eq!(run.code, Some(0), "{}", run.text());
    let files = pxkit!["files", "host/x/latest", "--repository", &store].succeeds();
    for name in ["a.mpxar.didx", "a.ppxar.didx", "b.mpxar.didx", "b.ppxar.didx", "fstab.conf.blob"] {
        assert!(files.text().contains(name), "{}", files.text());
    }
    let out = pxkit!["restore", "host/x/latest", "fstab.conf", "-", "--repository", &store].succeeds();
    assert_eq!(out.text(), "none");
}

#[test]
fn every_reader_reads_append_order() {
    let (tree, place) = (tree(), Scratch::new());
    let (store, source) = (place.join("store"), format!("root.pxar:{}", tree.path().display()));
    let backup = |time: &str| {
        let group = ["--backup-id", "a", "--order", "append", "-q", "--backup-time", time];
        let [id, name, order, append, quiet, word, time] = group;
        pxkit!["backup", &source, "--repository", &store, id, name, order, append, quiet, word, time]
            .succeeds();
    };
    // What was made a moment ago would be read again for that, and so stand among what is new.
    std::thread::sleep(std::time::Duration::from_millis(130));
    backup("1000");
    // It sorts first and is written last.
    fs::write(tree.join("sub/a new one"), "new").unwrap();
    backup("2000");
    let archive = "host/a/latest/root.pxar";
    let listed = pxkit!["list", archive, "--repository", &store].succeeds();
    assert_eq!(listed.text(), "\"/\"\n\"/sub\"\n\"/sub/file\"\n\"/sub/a new one\"\n");
    let dumped = pxkit!["dump", archive, "--findings", "--repository", &store];
    assert!(dumped.code == Some(1) && dumped.text().contains("name sorts before"), "{}", dumped.text());
    assert!(
        pxkit!["catalog", "host/a/latest", "--repository", &store]
            .succeeds()
            .text()
            .contains("sub/a new one")
    );
    pxkit!["verify", "--repository", &store].succeeds();
    for (number, path) in ["sub/file", "sub/a new one"].into_iter().enumerate() {
        let (one, all) = (place.join(&format!("one{number}")), place.join(&format!("all{number}")));
        let pattern = format!("/{path}");
        pxkit!["restore", "host/a/latest", "root.pxar", &one, &pattern, "--repository", &store, "-q"]
            .succeeds();
        pxkit!["extract", archive, &all, "--repository", &store, "-q"].succeeds();
        let expected = fs::read(tree.join(path)).unwrap();
        assert_eq!(
            (fs::read(one.join(path)).unwrap(), fs::read(all.join(path)).unwrap()),
            (expected.clone(), expected)
        );
        assert_eq!(fs::read_dir(one.join("sub")).unwrap().count(), 1, "nothing but {path}");
    }
}

/// A run that may use so many cores takes as long as that wants; returns the processor time that it used, in seconds.
fn is_slow(script: &str, args: &[&dyn AsRef<OsStr>], cores: f64) -> f64 {
    let script = format!("TIMEFORMAT='%R %U %S'; time {script} >/dev/null");
    let run = Run::of(cli::shell(&script, args)).exits(0);
    let line = run.err.lines().last().expect("times");
    let times: Vec<f64> = line.split(' ').map(|time| time.parse().expect("seconds")).collect();
    let [real, user, system] = times[..] else { panic!("{line}") };
    // Beyond the limit is what starts and ends the program, and what may be used at once.
    assert!(user + system <= real * cores + 0.15, "{line}");
    user + system
}

#[test]
fn removing_old_snapshots_keeps_a_limit_of_processor_time() {
    let (tree, place) = (Scratch::new(), Scratch::new());
    fs::write(tree.join("file"), "contents").unwrap();
    let store = place.join("store");
    let source = format!("root.pxar:{}", tree.path().display());
    let first = 1_600_000_000;
    pxkit![
        "backup",
        &source,
        "--repository",
        &store,
        "--backup-id=a",
        format!("--backup-time={first}"),
        "-q"
    ]
    .exits(0);
    // Removing one costs little: there have to be many.
    let group = store.join("host/a");
    let one =
        fs::read_dir(&group).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    for number in 0..1000 {
        let (minute, second) = (number / 60, number % 60);
        let copy = group.join(format!("2021-01-01T{:02}:{:02}:{second:02}Z", minute / 60, minute % 60));
        fs::create_dir(&copy).unwrap();
        for file in fs::read_dir(&one).unwrap() {
            let file = file.unwrap().path();
            fs::hard_link(&file, copy.join(file.file_name().unwrap())).unwrap();
        }
    }
    let script = r#""$PXKIT" prune host/a --repository "$1" --keep-last 1 --limit-cpu 20%"#;
    let used = is_slow(script, &[&store], 0.2);
    assert!(used > 0.2, "too little work to tell: {used} s");
    assert_eq!(
        fs::read_dir(&group).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count(),
        1
    );
}

#[test]
fn a_limit_of_processor_time_is_kept() {
    let (tree, place) = (Scratch::new(), Scratch::new());
    let mut random = fs::File::open("/dev/urandom").unwrap();
    for number in 0..300 {
        let mut file = fs::File::create(tree.join(&number.to_string())).unwrap();
        std::io::copy(&mut std::io::Read::take(&mut random, 1 << 19), &mut file).unwrap();
    }
    let source = format!("root.pxar:{}", tree.path().display());
    let script = r#""$PXKIT" backup "$1" --repository "$2" -q --limit-cpu 10%"#;
    let used = is_slow(script, &[&source, &place.join("store")], 0.1);
    assert!(used > 0.2, "too little work to tell: {used} s");
    for bad in ["0", "a lot", "-5%"] {
        pxkit!["backup", &source, format!("--limit-cpu={bad}"), "--repository", place.join("store")]
            .exits(64);
    }
}
