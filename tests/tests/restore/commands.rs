//! The program on the golden datastore: what it prints and how it ends.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pxkit::source::{ByteSource as _, ChunkReader, ChunkedArchive};
use pxkit::store::{Local, Namespace, Options, Snapshot, SnapshotName};
use pxkit_core::index::DynamicIndex;
use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::{golden, pxkit};

const LEGACY: &str = "host/legacy/2026-11-22T21:15:58Z";
const META: &str = "host/meta/2026-11-22T21:15:58Z";

fn store() -> PathBuf {
    golden::path("datastore")
}

/// Runs the program with the golden datastore as its repository.
fn run(args: &[&str]) -> Run {
    run_in(&store(), args)
}

fn run_in(store: &Path, args: &[&str]) -> Run {
    let mut command = cli::command();
    command.env("PBS_REPOSITORY", store).args(args);
    Run::of(command)
}

/// The bytes of a stream of a snapshot.
fn stream(snapshot: &str, name: &str) -> Vec<u8> {
    let store = Local::open(&store(), Options::default()).unwrap();
    let snapshot: SnapshotName = snapshot.parse().unwrap();
    let stored = snapshot.open(&store, &Namespace::default()).unwrap();
    let snapshot = Snapshot::with_key(stored, Some(golden::key()));
    let source = ChunkedArchive::open(Arc::new(ChunkReader::new(snapshot)), name).unwrap();
    let mut bytes = vec![0; source.size() as usize];
    source.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// A copy of a snapshot's files and of all chunks, to be damaged.
fn copy_of_store(scratch: &Scratch) -> PathBuf {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let (path, to) = (entry.path(), to.join(entry.file_name()));
            if path.is_dir() { copy(&path, &to) } else { _ = fs::copy(&path, &to).unwrap() }
        }
    }
    let root = scratch.join("store");
    copy(&store(), &root);
    root
}

#[test]
fn an_archive_of_a_snapshot_is_listed_and_dumped_as_the_file_is() {
    for (snapshot, stored, names) in [
        (LEGACY, "tree.pxar.didx", &["tree.pxar", "tree.pxar.didx"][..]),
        (META, "tree.mpxar.didx", &["tree.pxar", "tree.mpxar", "tree.ppxar.didx"][..]),
        ("host/sign/latest", "tree.mpxar.didx", &["tree.pxar"][..]),
        ("host/enc/latest", "tree.mpxar.didx", &["tree.pxar"][..]),
    ] {
        let scratch = Scratch::new();
        let file = scratch.join("file");
        fs::write(&file, stream(snapshot, stored)).unwrap();
        let file = file.to_str().unwrap();
        let keyfile = golden::path("key.json");
        let key = [&["--keyfile"][..], &[keyfile.to_str().unwrap()]].concat();
        let key = if snapshot == LEGACY || snapshot == META { Vec::new() } else { key };
        for command in [&["list"][..], &["list", "-l"], &["list", "--json"], &["dump"], &["dump", "--json"]] {
            let of_file = run(&[command, &[file]].concat()).succeeds();
            assert!(of_file.text().lines().count() > 100);
            for name in names {
                let argument = format!("{snapshot}/{name}");
                let of_snapshot = run(&[command, &[&*argument], &key].concat()).succeeds();
                assert!(of_snapshot.out == of_file.out, "{command:?} {argument}");
            }
        }
        let argument = format!("{snapshot}/tree.pxar");
        let some = run(&[&["list", &argument, "/dir1/small0*"][..], &key].concat()).succeeds();
        assert_eq!(some.text().lines().count(), 10);
    }
}

#[test]
fn a_file_of_that_name_wins() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.join("host/legacy/latest")).unwrap();
    let name = "host/legacy/latest/tree.pxar";
    let list = |argument: &str| {
        let mut command = cli::command();
        command.env("PBS_REPOSITORY", store()).current_dir(scratch.path()).args(["list", argument]);
        Run::of(command)
    };
    assert!(list(name).succeeds().text().lines().count() > 100);
    list(&format!("./{name}")).fails(2, &["cannot open ./host/legacy/latest/tree.pxar"]);
    fs::copy(golden::path("archives/kinds.pxar"), scratch.join(name)).unwrap();
    assert_eq!(list(name).succeeds().out, golden::read("archives/kinds.list.txt"));
}

#[test]
fn names_that_lead_nowhere_are_told() {
    let none = "host/legacy/2020-01-01T00:00:00Z/tree.pxar";
    run(&["list", none]).fails(2, &["no snapshot host/legacy/2020-01-01T00:00:00Z"]);
    run(&["list", "host/legacy/yesterday/tree.pxar"]).fails(2, &["there is no file", "TYPE/ID/TIME"]);
    run(&["list", "host/none/latest/tree.pxar"]).fails(2, &["host/none"]);
    run(&["list", "host/legacy/latest/root.pxar"]).fails(2, &["tree.pxar.didx, catalog.pcat1.didx"]);
    run(&["list", "host/legacy/latest/catalog.pcat1"]).fails(2, &["is no file archive"]);
    run(&["list", "host/legacy/latest/index.json"]).fails(2, &["is no file archive"]);
    run(&["restore", "host/legacy", "tree.pxar", "x"]).fails(64, &["TYPE/ID/TIME"]);
    run(&["list", "host/enc/latest/tree.pxar"])
        .fails(2, &["it was made with key f7:d3:7d:ee", "name its file with --keyfile"]);
    let payload = store();
    let payload = payload.to_str().unwrap();
    run(&["list", "host/meta/latest/tree.pxar", "--payload-input", payload]).fails(2, &["--payload-input"]);
    run(&["list", "host/meta/latest/tree.pxar", "--ns", "a"]).fails(2, &["a"]);
    // Files need no repository.
    let file = golden::path("archives/wide.pxar");
    run_in(Path::new("/nowhere"), &["list", file.to_str().unwrap()]).exits(0);
}

#[test]
fn names_of_more_than_an_archive_are_explained() {
    for command in ["list", "dump", "layout"] {
        run(&[command, "host/meta"])
            .fails(2, &["if it is a group, name an archive: host/meta/latest/NAME.pxar"]);
        run(&[command, META]).fails(2, &["if it is a snapshot, name an archive", META, "/NAME.pxar"]);
    }
    run(&["find", "host/meta", "x"]).fails(2, &["if it is a group"]);
    run(&["compare", "host/meta", "host/legacy"]).fails(2, &["if it is a group"]);
    let (scratch, archive) = (Scratch::new(), format!("{META}/root.pxar"));
    let target = scratch.join("to");
    run(&["restore", &archive, "root.pxar", target.to_str().unwrap()])
        .fails(64, &["without the name of an archive"]);
    run(&["snapshots", "--repository", "/nonexistent/store"])
        .fails(2, &["there is no datastore /nonexistent/store: no such directory"]);
    run(&["snapshots", "--repository", scratch.path().to_str().unwrap()])
        .fails(2, &["it has no directory .chunks"]);
    let large = scratch.join("large");
    fs::write(&large, vec![b'x'; 100_000]).unwrap();
    run(&["list", &archive, "--keyfile", large.to_str().unwrap()])
        .fails(2, &["is no key file that can be used", "more than 65536 bytes"]);
}

#[test]
fn restore_and_extract_do_the_same() {
    let scratch = Scratch::new();
    let [one, two] = ["one", "two"].map(|name| scratch.join(name).to_str().unwrap().to_owned());
    run(&["restore", META, "tree.pxar", &one, "/dir0", "text"]).exits(0);
    let archive = format!("{META}/tree.ppxar");
    run(&["extract", &archive, &two, "--pattern", "/dir0", "--pattern", "text"]).exits(0);
    pxkit_tests::describe::assert_same(Path::new(&one), Path::new(&two));
    assert_eq!(fs::read_dir(&one).unwrap().count(), 2);
    assert_eq!(fs::read_dir(scratch.join("one/dir0")).unwrap().count(), 20);
    // With options, and a summary.
    let again =
        run(&["restore", META, "tree.pxar", &one, "/dir0", "--overwrite", "--allow-existing-dirs", "--json"]);
    let again = again.exits(0);
    assert_eq!(again.json()[0]["entries"], 21);
    run(&["restore", META, "tree.pxar", &one, "/dir0"]).fails(1, &["/dir0"]);
    run(&["restore", META, "tree.pxar", &one, "/no/such"]).fails(1, &["/no/such"]);
}

#[test]
fn standard_output_takes_what_is_one_stream() {
    let archive = run(&["restore", LEGACY, "tree.pxar", "-"]).succeeds();
    assert!(archive.out == stream(LEGACY, "tree.pxar.didx"));
    let catalog = run(&["restore", LEGACY, "catalog.pcat1", "-"]).succeeds();
    assert!(catalog.out == stream(LEGACY, "catalog.pcat1.didx"));
    let manifest = run(&["restore", LEGACY, "index.json", "-"]).succeeds();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&manifest.out).unwrap()["backup-id"], "legacy");
    run(&["restore", META, "tree.pxar", "-"]).fails(2, &["unable to pipe split archive"]);
    run(&["restore", LEGACY, "catalog.pcat1", "-", "/text"]).fails(2, &["patterns do not apply"]);
}

#[test]
fn the_summary_is_right_or_refused() {
    let scratch = Scratch::new();
    // A hard link whose file is not selected becomes that file.
    let target = scratch.join("out");
    let restored =
        run(&["restore", META, "tree.pxar", target.to_str().unwrap(), "/dir5/medium-hard", "--json"]);
    let restored = restored.exits(0);
    let size = fs::metadata(target.join("dir5/medium-hard")).unwrap().len();
    assert!(size > 0 && restored.json()[0]["contents"] == size, "{}", restored.text());
    // Only a directory that exists already is in the way: the pattern is right.
    let again = run(&["restore", META, "tree.pxar", target.to_str().unwrap(), "dir5"]).exits(1);
    assert!(!again.err.contains("no entry matches"), "{}", again.err);
    for (archive, pattern) in [("tree.pxar", "/dir0/medium"), ("index.json", "")] {
        let args = ["restore", META, archive, "-", "--json", pattern];
        let args = if pattern.is_empty() { &args[..5] } else { &args[..] };
        let refused = run(args).fails(64, &["--json writes to standard output"]);
        assert_eq!(refused.out, b"");
    }
}

#[test]
fn a_reader_that_goes_away_is_told_once() {
    for format in ["tar", "tar.zst", "zip"] {
        let script = r#""$PXKIT" restore "$1" tree.pxar - --format "$2" --repository "$3" | head -c 1 >/dev/null
            exit "${PIPESTATUS[0]}""#;
        let run = Run::of(cli::shell(script, &[&LEGACY, &format, &store()]));
        // Small archives may have gone into the pipe before.
        assert!(matches!(run.code, Some(0..=2)), "{format}: {run:?}");
        let errors = run.err.lines().filter(|line| !line.starts_with("warning: ")).count();
        assert_eq!(errors, usize::from(run.code == Some(2)), "{format}: {}", run.err);
    }
}

#[test]
fn files_shows_the_manifest_and_what_lies_beside_it() {
    let run_json = run(&["files", LEGACY, "--json"]).succeeds().json();
    let names: Vec<_> = run_json.iter().map(|file| file["filename"].as_str().unwrap()).collect();
    assert_eq!(names[2..], ["index.json.blob"]);
    let mut listed = names[..2].to_vec();
    listed.sort_unstable();
    assert_eq!(listed, ["catalog.pcat1.didx", "tree.pxar.didx"]);
    let archive = run_json.iter().find(|file| file["filename"] == "tree.pxar.didx").unwrap();
    assert_eq!(archive["size"], stream(LEGACY, "tree.pxar.didx").len());
    assert_eq!(archive["crypt-mode"], "none");
    let on_disk = store().join(LEGACY).join("tree.pxar.didx");
    assert_eq!(archive["stored"], fs::metadata(on_disk).unwrap().len());
    assert_eq!(archive["csum"].as_str().unwrap().len(), 64);

    let text = run(&["files", "host/enc/latest"]).fails(0, &["note: the signature", "is not checked"]);
    assert_eq!(text.text().lines().filter(|line| line.contains(" encrypt ")).count(), 2);
    assert!(text.text().contains("not in the manifest"));
    let scratch = Scratch::new();
    let copy = copy_of_store(&scratch);
    fs::remove_file(copy.join(META).join("tree.ppxar.didx")).unwrap();
    let text = run_in(&copy, &["files", META]).succeeds();
    let line = text.text().lines().find(|line| line.starts_with("tree.ppxar.didx")).unwrap();
    assert!(line.ends_with("missing on disk"), "{line}");
}

#[test]
fn the_catalog_and_the_archives_name_the_same() {
    let legacy = run(&["catalog", LEGACY]).succeeds();
    let split = run(&["catalog", META]).succeeds();
    assert!(legacy.text().contains("f \"./tree.pxar.didx/dir0/small00\" 500 2023-11-14 22:13:20\n"));
    // Both are of generation 2; the catalog has archive order, as the archives.
    assert_eq!(legacy.text().replace("tree.pxar", "tree.mpxar"), split.text());
    assert!(split.text().starts_with("d \"./tree.mpxar.didx\"\n"));
    assert!(split.text().contains("\nl \"./tree.mpxar.didx/link\"\n"));
    assert!(split.text().contains("\nh \"./tree.mpxar.didx/dir5/medium-hard\"\n"));
    run(&["catalog", "host/enc/latest"]).fails(2, &["it was made with key f7:d3:7d:ee"]);
}

#[test]
fn a_damaged_chunk_is_named_and_the_rest_restored() {
    let scratch = Scratch::new();
    let copy = copy_of_store(&scratch);
    let index = DynamicIndex::parse(&fs::read(store().join(META).join("tree.ppxar.didx")).unwrap()).unwrap();
    let chunk_path = |at: usize| {
        let name = index.chunks()[at].digest.to_string();
        copy.join(".chunks").join(&name[..4]).join(&name)
    };
    fs::remove_file(chunk_path(3)).unwrap();
    let mut file = fs::File::options().write(true).open(chunk_path(5)).unwrap();
    file.seek(SeekFrom::Start(2000)).unwrap();
    file.write_all(b"damage").unwrap();
    let target = scratch.join("out");
    let run = run_in(&copy, &["restore", META, "tree.pxar", target.to_str().unwrap()]).exits(1);
    for at in [3, 5] {
        let range = index.extent(at).unwrap();
        let words = format!(
            "chunk {} (bytes {} to {} of tree.ppxar.didx)",
            index.chunks()[at].digest,
            range.start,
            range.end
        );
        assert!(run.err.contains(&words), "{words} in {}", run.err);
    }
    assert!(run.err.contains("): missing"), "{}", run.err);
    // Each file is whole or absent.
    let mut failed = 0;
    for line in run.err.lines() {
        let path =
            line.strip_prefix("error: \"/").unwrap_or_else(|| panic!("{line}")).split('"').next().unwrap();
        assert!(!target.join(path).exists(), "{path}");
        failed += 1;
    }
    let whole = scratch.join("whole");
    run_in(&store(), &["restore", META, "tree.pxar", whole.to_str().unwrap()]).exits(0);
    let (all, parts) = (pxkit_tests::describe::tree(&whole), pxkit_tests::describe::tree(&target));
    assert_eq!(all.len(), parts.len() + failed);
    let target = scratch.join("strict");
    run_in(&copy, &["restore", META, "tree.pxar", target.to_str().unwrap(), "--strict"])
        .fails(2, &["chunk "]);
}

#[test]
fn a_damaged_index_is_refused_before_anything_is_made() {
    let scratch = Scratch::new();
    let copy = copy_of_store(&scratch);
    let path = copy.join(META).join("tree.ppxar.didx");
    let good = fs::read(&path).unwrap();
    let target = scratch.join("out");
    let mut other_end = good.clone();
    other_end[4096] ^= 1;
    for (bytes, words) in [
        (&good[..good.len() - 40], "checksum"),
        (&good[..good.len() - 1], "whole entries"),
        (&good[..4096], ""),
        (&other_end, "checksum"),
    ] {
        fs::write(&path, bytes).unwrap();
        run_in(&copy, &["restore", META, "tree.pxar", target.to_str().unwrap()])
            .fails(2, &["tree.ppxar.didx", words]);
        assert!(!target.exists());
        // Metadata can be had all the same.
        run_in(&copy, &["list", &format!("{META}/tree.pxar")]).succeeds();
    }
    fs::remove_file(&path).unwrap();
    run_in(&copy, &["restore", META, "tree.pxar", target.to_str().unwrap()]).fails(2, &["tree.ppxar.didx"]);
}

#[test]
fn the_repository_can_be_an_option() {
    let store = store();
    let path = store.to_str().unwrap();
    pxkit!["list", format!("{META}/tree.pxar"), "--repository", path].succeeds();
    pxkit!["list", format!("{META}/tree.pxar"), "--repository", format!("file:{path}")].succeeds();
}
