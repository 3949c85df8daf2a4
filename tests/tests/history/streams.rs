//! What is written: names, sizes, order, chunks, and what is said of it.

use std::fs;

use pxkit::backup::{Mode, Options};
use pxkit::codec;
use pxkit_core::pattern::{MatchType, Pattern};
use pxkit_tests::churn::{Churn, set_time};
use pxkit_tests::cli::Run;
use pxkit_tests::disk::Scratch;
use pxkit_tests::snapshots::{Made, Snapshots, options};
use pxkit_tests::{cli, describe, skip};

use super::{keeping, number, tree, write};

const FILES: [(&str, usize); 5] =
    [("a", 3000), ("b", 300_000), ("c/d", 50_000), ("c/e", 3000), ("f", 100_000)];

#[test]
fn rule_01_to_04_and_54_what_each_mode_writes() {
    let tree = tree(&FILES);
    let mut metadata = Vec::new();
    for (mode, expected) in [
        (Mode::Legacy, &["root.pxar.didx", "catalog.pcat1.didx"]),
        (Mode::Data, &["root.ppxar.didx", "root.mpxar.didx"]),
        (Mode::Metadata, &["root.ppxar.didx", "root.mpxar.didx"]),
    ] {
        let mut snapshots = Snapshots::new();
        let made = snapshots.backup(tree.path(), &options(mode));
        let manifest = snapshots.open(&made.id).manifest().clone();
        assert_eq!(manifest.files.iter().map(|file| &file.filename).collect::<Vec<_>>(), expected);
        for file in &manifest.files {
            let index =
                fs::read(snapshots.root().join(made.id.to_string()).join(&file.filename)).expect("an index");
            assert_eq!(file.csum, codec::digest(&index[4096..]), "{}", file.filename);
            assert_eq!(file.size, snapshots.stream(&made.id, &file.filename).len() as u64);
        }
        if mode != Mode::Legacy {
            let raw = number(&made, "/payload/bytes") - number(&made, "/payload/injected_bytes");
            assert_eq!(raw, manifest.files[0].size);
            metadata.push(snapshots.stream(&made.id, "root.mpxar.didx"));
            let again = snapshots.backup(tree.path(), &keeping(Mode::Metadata));
            assert_eq!(number(&again, "/payload/bytes"), manifest.files[0].size);
            assert_eq!(number(&again, "/payload/injected_bytes"), manifest.files[0].size - 32);
        }
    }
    assert!(metadata[0] == metadata[1]);
}

/// Defect of 3.2.5: the first run kept the patterns elsewhere than later ones, and shifted the payload stream.
#[test]
fn rule_10_and_3_2_5_patterns_are_kept_in_every_run_alike() {
    let tree = tree(&FILES);
    fs::write(tree.join(".pxarexclude-cli"), "from long ago").expect("written");
    fs::write(tree.join("c/.pxarexclude-cli"), "a file as any").expect("written");
    set_time(&tree.join("c/.pxarexclude-cli"), 1_000_000_000, 0);
    let lines = |made: &Made, snapshots: &Snapshots| {
        let references = snapshots.references(&made.id);
        let layout: Vec<_> = references.iter().map(|(path, found)| (path.clone(), found.size)).collect();
        (snapshots.stream(&made.id, "root.mpxar.didx"), references[0].1.offset, layout)
    };
    for patterns in [&["f", "x*"][..], &[]] {
        let mut metadata = Vec::new();
        for first in [Mode::Data, Mode::Metadata] {
            let mut snapshots = Snapshots::new();
            for mode in [first, Mode::Metadata, Mode::Data] {
                let mut options = keeping(mode);
                let parse =
                    |text: &&str| Pattern::parse(text.as_bytes(), MatchType::Exclude).expect("a pattern");
                options.walk.patterns = patterns.iter().map(parse).collect();
                let made = snapshots.backup(tree.path(), &options);
                let (meta, first, layout) = lines(&made, &snapshots);
                assert_eq!((first, snapshots.check(&made.id)), (16, 0));
                let is_kept = meta.windows(22).any(|bytes| bytes == br#"{"exclude-patterns":"f"#);
                assert_eq!(is_kept, !patterns.is_empty());
                metadata.push((layout, meta.len()));
            }
        }
        assert!(metadata.iter().all(|found| *found == metadata[0]));
        let paths: Vec<&str> = metadata[0].0.iter().map(|found| found.0.as_str()).collect();
        let expected = ["a", "b", "c/.pxarexclude-cli", "c/d", "c/e", "f"];
        assert_eq!(paths, expected[..expected.len() - patterns.len() / 2]);
    }
    // Legacy: a file of that name, which holds the patterns or is not there.
    for (patterns, expected) in [(&["f"][..], Some(&b"f\n"[..])), (&[], None)] {
        let (mut snapshots, mut options) = (Snapshots::new(), options(Mode::Legacy));
        let parse = |text: &&str| Pattern::parse(text.as_bytes(), MatchType::Exclude).expect("a pattern");
        options.walk.patterns = patterns.iter().map(parse).collect();
        let made = snapshots.backup(tree.path(), &options);
        let restored = snapshots.restore(&made.id);
        assert_eq!(fs::read(restored.join(".pxarexclude-cli")).ok().as_deref(), expected);
        assert_eq!(fs::read(restored.join("c/.pxarexclude-cli")).expect("a file"), b"a file as any");
    }
}

fn sizes(snapshots: &Snapshots, made: &Made) -> Vec<u64> {
    let index = snapshots.index(&made.id, "root.ppxar.didx");
    let starts = [0].into_iter().chain(index.chunks().iter().map(|chunk| chunk.end));
    index.chunks().iter().zip(starts).map(|(chunk, start)| chunk.end - start).collect()
}

/// Files have chunks of their own here, so what goes takes its chunks along.
#[test]
fn rule_43_and_47_to_49_injections_at_the_start_in_a_row_and_at_the_end() {
    let tree = tree(&[("a", 100_000), ("b", 100_000), ("c", 100_000), ("d", 100_000)]);
    let mut snapshots = Snapshots::new();
    let first = snapshots.backup(tree.path(), &keeping(Mode::Metadata));
    let before = sizes(&snapshots, &first);
    let references = snapshots.references(&first.id);
    fs::remove_file(tree.join("c")).expect("removed");
    let second = snapshots.backup(tree.path(), &keeping(Mode::Metadata));
    assert_eq!(snapshots.check(&second.id), 0);
    let after = sizes(&snapshots, &second);
    assert_eq!((before[0], after[0], before.last(), after.last()), (16, 16, Some(&16), Some(&16)));
    let index = snapshots.index(&first.id, "root.ppxar.didx");
    let gone = references[2].1;
    let (mut start, mut expected) = (0, Vec::new());
    for chunk in index.chunks() {
        if !(gone.offset..gone.offset + 16 + gone.size).contains(&start) {
            expected.push(chunk.digest);
        }
        start = chunk.end;
    }
    let index = snapshots.index(&second.id, "root.ppxar.didx");
    assert_eq!(index.chunks().iter().map(|chunk| chunk.digest).collect::<Vec<_>>(), expected);
    assert_eq!(number(&second, "/payload/new_chunks"), 0);
    describe::assert_same(tree.path(), snapshots.restore(&second.id).path());
}

#[test]
fn rule_65_equal_chunks_are_stored_once() {
    let tree = tree(&[("a", 500_000), ("b", 100), ("z", 100)]);
    fs::copy(tree.join("a"), tree.join("c")).expect("copied");
    let mut snapshots = Snapshots::new();
    let made = snapshots.backup(tree.path(), &keeping(Mode::Data));
    let (chunks, new) = (number(&made, "/payload/chunks"), number(&made, "/payload/new_chunks"));
    assert!(chunks > 6 && new < chunks - 2, "{new} of {chunks}");
    let made = snapshots.backup(tree.path(), &keeping(Mode::Data));
    assert_eq!((number(&made, "/payload/chunks"), number(&made, "/payload/new_chunks")), (chunks, 0));
    assert_eq!(number(&made, "/read/files"), 4);
}

/// Also O2: nothing depends on timing.
#[test]
fn rule_61_and_86_and_87_threads_do_not_show_over_generations() {
    if !skip::needs_root_and_ext4("rule_61_and_86_and_87_threads_do_not_show_over_generations") {
        return;
    }
    let tree = Scratch::new();
    let mut churn = Churn::plant(7, tree.path(), 100);
    let mut all = [1, 2, 16].map(|threads| (threads, Snapshots::new()));
    for generation in 0..6 {
        let mut manifests = Vec::new();
        for (threads, snapshots) in &mut all {
            let mut options = Options { threads: *threads, ..options(Mode::Metadata) };
            options.walk.threads = Some(*threads);
            let made = snapshots.backup(tree.path(), &options);
            manifests.push(snapshots.open(&made.id).manifest().files.clone());
        }
        assert!(manifests.iter().all(|files| *files == manifests[0]), "generation {generation}");
        churn.step();
    }
}

/// Defects 3.3.3 (an error was lost, and the backup counted as good) and 4.1.12 (errors without their cause).
#[test]
fn rule_71_and_72_and_3_3_3_no_error_is_lost_wherever_it_comes() {
    let tree = tree(&FILES);
    for mode in [Mode::Legacy, Mode::Metadata] {
        let mut snapshots = Snapshots::new();
        let before = snapshots.backup(tree.path(), &keeping(mode)).id;
        write(tree.path(), "b", 70, 300_000);
        let mut failures = 0;
        let made = loop {
            match snapshots.backup_failing(tree.path(), &keeping(mode), failures) {
                Ok(made) => break made,
                Err(error) => {
                    let text = format!("{error:#}");
                    assert!(text.contains("the disk is broken"), "{text}");
                    assert_eq!(snapshots.finished(), std::slice::from_ref(&before), "failure {failures}");
                }
            }
            failures += 1;
        };
        assert!(failures >= 5, "{failures}");
        describe::assert_same(tree.path(), snapshots.restore(&made.id).path());
        snapshots.verify();
    }
}

/// Defect of 3.2.6: each lookup fetched chunks of contents. Here are none.
#[test]
fn rule_75_and_3_2_6_listing_reads_no_contents() {
    let (tree, mut snapshots) = (tree(&FILES), Snapshots::new());
    let made = snapshots.backup(tree.path(), &keeping(Mode::Metadata));
    for chunk in snapshots.index(&made.id, "root.ppxar.didx").chunks() {
        let digest = chunk.digest.to_string();
        fs::remove_file(snapshots.root().join(".chunks").join(&digest[..4]).join(digest)).expect("removed");
    }
    for (arguments, lines) in [(&["-l"][..], 7), (&["/c/d"], 1), (&["/c"], 3)] {
        let mut command = cli::command();
        command
            .args(["list", "--repository"])
            .arg(snapshots.root())
            .arg("host/a/latest/root.pxar")
            .args(arguments);
        let run = Run::of(command).succeeds();
        assert_eq!(run.text().lines().count(), lines, "{}", run.text());
    }
}

/// Rule 59: exactly the seven sizes.
#[test]
fn rule_59_sizes_of_chunks() {
    for size in ["0", "32", "63", "65", "96", "8192", "4096K", ""] {
        let mut command = cli::command();
        command.args(["backup", "--chunk-size", size, "--repository", "/nowhere", "root.pxar:/nowhere"]);
        Run::of(command).fails(64, &["chunk-size"]);
    }
    for size in [64, 128, 256, 512, 1024, 2048, 4096] {
        let mut command = cli::command();
        command.args([
            "backup",
            "--chunk-size",
            &size.to_string(),
            "--repository",
            "/nowhere",
            "root.pxar:/nowhere",
        ]);
        Run::of(command).fails(2, &["cannot open the directory /nowhere"]);
    }
}

#[test]
fn rule_69_what_is_said() {
    let (tree, scratch) = (tree(&[("a", 3_000_000), ("b", 100_000), ("c", 2_000_000)]), Scratch::new());
    fs::hard_link(tree.join("b"), tree.join("d")).expect("linked");
    fs::create_dir_all(scratch.join("store/.chunks")).expect("a directory");
    // What was made a moment ago would be read again for that.
    std::thread::sleep(std::time::Duration::from_millis(130));
    let backup = |mode: &str, time: &str| {
        let mut command = cli::command();
        command.args(["backup", "--backup-id", "a", "--chunk-size=64", "--change-detection-mode", mode]);
        command.args(["--backup-time", time, "--repository"]).arg(scratch.join("store"));
        command.arg(format!("root.pxar:{}", tree.path().display()));
        Run::of(command).exits(0)
    };
    let has = |run: &Run, lines: &[&str]| {
        for line in lines {
            assert!(run.text().lines().any(|found| found.starts_with(line)), "{line} in\n{}", run.text());
        }
    };
    let run = backup("metadata", "1700000001");
    assert!(run.err.contains("No previous manifest available."), "{}", run.err);
    has(
        &run,
        &[
            "root.mpxar: had to backup ",
            "root.ppxar: had to backup 4.864 MiB of 4.864 MiB (compressed ",
            "Duration: ",
        ],
    );
    for word in ["Change detection summary", "reused", "catalog"] {
        assert!(!run.text().contains(word), "{word} in\n{}", run.text());
    }
    write(tree.path(), "c", 9, 2_000_000);
    let run = backup("metadata", "1700000002");
    assert!(
        run.err.contains("Using previous index as metadata reference for 'root.mpxar.didx'"),
        "{}",
        run.err
    );
    let expected = [
        "Change detection summary:",
        " - 4 total files (1 hardlinks)",
        " - 2 unchanged, reusable files with 2.956 MiB data",
        " - 1 changed or non-reusable files with 1.907 MiB data",
        " - 0 B padding in 0 partially reused chunks",
        "root.ppxar: reused 2.956 MiB from previous snapshot for unchanged files (",
        "root.ppxar: had to backup 1.907 MiB of 4.864 MiB (compressed ",
        "root.ppxar: backup was done incrementally, reused 2.956 MiB (60.8%)",
    ];
    has(&run, &expected);
    // The metadata archive is small: nobody wants to know what of it is new.
    assert!(!run.text().contains("root.mpxar: backup was done"), "{}", run.text());
    let run = backup("legacy", "1700000003");
    has(&run, &["root.pxar: had to backup ", "Uploaded backup catalog ("]);
    assert!(!run.text().contains("Change detection summary"), "{}", run.text());
}
