//! Entries as streams: what other programs read in them, and what is read for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use pxkit::cli::{Extracting, Restore, StreamFormat, Talk};
use pxkit::cmd::restore::restore;
use pxkit::report::Outcome;
use pxkit::store::OpenSnapshot as _;
use pxkit_core::format::{Digest, Header, ItemType, PayloadRef, START_MARKER};
use pxkit_tests::chunked::Memory;
use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::{self, Scratch};
use pxkit_tests::handmade::Maker;
use pxkit_tests::random::{self, Rng, Shape};
use pxkit_tests::skip::needs_root_and_ext4;
use pxkit_tests::{archive, describe, golden, pxkit};

/// Everything below a directory that a tar archive can hold.
fn tree(root: &Path) -> BTreeMap<Vec<u8>, Vec<String>> {
    let mut tree = describe::tree(root);
    tree.retain(|_, lines| !lines.iter().any(|line| line.starts_with("mode 14")));
    for lines in tree.values_mut() {
        let is_directory = lines.iter().any(|line| line.starts_with("mode 4"));
        lines.retain(|line| !(line.starts_with("flags ") || is_directory && line.starts_with("names ")));
    }
    tree
}

#[track_caller]
fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (tree(one), tree(other));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for (path, lines) in &one {
        assert_eq!(lines, &other[path], "{}", path.escape_ascii());
    }
}

/// Unpacks with GNU tar, which may warn of times in the future.
fn untar(archive: &Path, target: &Path) {
    fs::create_dir(target).unwrap();
    let mut tar = Command::new("tar");
    tar.args([
        "--acls",
        "--xattrs",
        "--xattrs-include=*",
        "--warning=no-timestamp",
        "--numeric-owner",
        "-xpf",
    ]);
    let output = tar.arg(archive).arg("-C").arg(target).output().expect("GNU tar");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// GNU tar makes of a stream what was archived: owners, modes, times, links, devices, attributes, ACLs, capabilities.
#[test]
fn tar_reads_what_was_archived() {
    if !needs_root_and_ext4("tar_reads_what_was_archived") {
        return;
    }
    for seed in 0..8 {
        let (tree, scratch) = (random::tree(seed, Shape { nodes: 120, on_disk: true }), Scratch::new());
        disk::make(&tree, &scratch.join("tree"));
        let (meta, payload) = archive::split(&tree, None);
        fs::write(scratch.join("a.pxar"), archive::unified(&tree)).unwrap();
        fs::write(scratch.join("a.mpxar"), meta).unwrap();
        fs::write(scratch.join("a.ppxar"), payload).unwrap();
        // A socket cannot be held, and is warned about.
        let has_socket =
            describe::tree(&scratch.join("tree")).len() > self::tree(&scratch.join("tree")).len();
        let code = i32::from(has_socket);
        let one = scratch.join("one.tar");
        pxkit!["extract", scratch.join("a.pxar"), &one, "--format", "tar"].exits(code);
        untar(&one, &scratch.join("one"));
        assert_same(&scratch.join("tree"), &scratch.join("one"));
        // The same bytes whatever they come from.
        let split = pxkit![
            "extract",
            scratch.join("a.mpxar"),
            "-",
            "--payload-input",
            scratch.join("a.ppxar"),
            "--format",
            "tar"
        ];
        assert!(split.exits(code).out == fs::read(&one).unwrap());
        let compressed = scratch.join("two.tar.zst");
        pxkit!["extract", scratch.join("a.pxar"), &compressed, "--format", "tar.zst"].exits(code);
        let plain = zstd_decode(&compressed);
        assert!(plain == fs::read(&one).unwrap());
    }
}

fn zstd_decode(path: &Path) -> Vec<u8> {
    let output = Command::new("zstd").arg("-dc").arg(path).output().expect("zstd");
    assert!(output.status.success());
    output.stdout
}

#[test]
fn golden_archives_through_pipes() {
    if !needs_root_and_ext4("golden_archives_through_pipes") {
        return;
    }
    for name in ["kinds", "attributes", "names", "goodbye"] {
        let file = golden::path(&format!("archives/{name}.pxar"));
        let scratch = Scratch::new();
        let of_file = pxkit!["extract", &file, "-", "--format", "tar"];
        let mut command = cli::shell("cat \"$1\" | \"$PXKIT\" extract - - --format tar", &[&file]);
        command.stdin(std::process::Stdio::null());
        let of_pipe = Run::of(command);
        assert_eq!(of_file.code, of_pipe.code, "{}", of_pipe.err);
        fs::write(scratch.join("a.tar"), &of_pipe.out).unwrap();
        untar(&scratch.join("a.tar"), &scratch.join("out"));
        pxkit!["extract", &file, scratch.join("expected")].exits(0);
        assert_same(&scratch.join("expected"), &scratch.join("out"));
    }
}

/// Python reads names, contents, permissions and symlinks in a zip archive.
#[test]
fn zip_holds_files_and_symlinks() {
    let scratch = Scratch::new();
    let file = golden::path("archives/kinds.pxar");
    let zip = scratch.join("a.zip");
    pxkit!["extract", &file, &zip, "--format", "zip"].fails(1, &["/pipe", "/sock", "/null", "/loop"]);
    let script = "import sys, zipfile\n\
        z = zipfile.ZipFile(sys.argv[1])\n\
        assert z.testzip() is None\n\
        for i in z.infolist():\n    \
            print(oct(i.external_attr >> 16), i.file_size, i.filename)\n";
    let output = Command::new("python3").args(["-c", script]).arg(&zip).output().expect("python3");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "0o100644 6 a-text",
        "0o100644 6 zz-hard-3",
        "0o100644 100000 hard-2",
        "0o120777 6 link-rel",
        "0o100600 4097 seeded-4097",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
    }
    let entries = pxkit!["list", &file].succeeds().text().lines().count();
    assert_eq!(text.lines().count(), entries - 5, "all but the root and four special nodes");
}

#[test]
fn one_file_goes_to_standard_output() {
    let store = golden::path("datastore");
    let run = |args: &[&str]| {
        let mut command = cli::command();
        command.env("PBS_REPOSITORY", &store).args(args);
        Run::of(command)
    };
    for snapshot in ["host/legacy/latest", "host/meta/latest"] {
        let text = run(&["restore", snapshot, "tree.pxar", "-", "/text"]).succeeds();
        assert_eq!(text.out.len(), 387_000);
        let again = run(&[
            "extract",
            &format!("{snapshot}/tree.pxar"),
            "-",
            "--pattern",
            "/text",
            "--format",
            "content",
        ]);
        assert!(again.succeeds().out == text.out);
        // The second name of a file is as good as the first.
        let one = run(&["restore", snapshot, "tree.pxar", "-", "/dir5/medium-hard"]).succeeds();
        assert!(!one.out.is_empty());
        run(&["restore", snapshot, "tree.pxar", "-", "/dir0"]).fails(2, &["directory", "--format tar"]);
        run(&["restore", snapshot, "tree.pxar", "-", "/text", "/large"]).fails(2, &["second file"]);
        run(&["restore", snapshot, "tree.pxar", "-", "/link"]).fails(2, &["only files have contents"]);
        run(&["restore", snapshot, "tree.pxar", "-", "/none"]).fails(2, &["no such file"]);
        let tar = run(&["restore", snapshot, "tree.pxar", "-", "/dir5", "--format", "tar"]).succeeds();
        let scratch = Scratch::new();
        fs::write(scratch.join("a.tar"), &tar.out).unwrap();
        let listed = Command::new("tar").arg("-tf").arg(scratch.join("a.tar")).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(
            listed.lines().all(|line| line.starts_with("dir5/")) && listed.lines().count() > 5,
            "{listed}"
        );
    }
    run(&["restore", "host/meta/latest", "tree.pxar", "-"]).fails(2, &["--format tar"]);
    run(&["restore", "host/meta/latest", "index.json", "-", "--format", "tar"]).fails(2, &["does not apply"]);
}

/// A hard link whose first name is not selected becomes the file, and further ones links to it.
#[test]
fn links_to_what_is_not_selected_become_files() {
    let mut maker = Maker::rooted();
    let first = maker.file(b"a", b"contents");
    maker.hardlink(b"b", first, b"a");
    maker.hardlink(b"c", first, b"a");
    let scratch = Scratch::new();
    fs::write(scratch.join("a.pxar"), maker.finish()).unwrap();
    let tar = pxkit![
        "extract",
        scratch.join("a.pxar"),
        scratch.join("a.tar"),
        "--format",
        "tar",
        "--pattern",
        "[bc]"
    ];
    tar.exits(0);
    fs::create_dir(scratch.join("out")).unwrap();
    let unpack =
        Command::new("tar").arg("-xf").arg(scratch.join("a.tar")).arg("-C").arg(scratch.join("out")).status();
    assert!(unpack.unwrap().success());
    use std::os::unix::fs::MetadataExt as _;
    let number = |name: &str| fs::metadata(scratch.join("out").join(name)).unwrap().ino();
    assert_eq!(number("b"), number("c"));
    assert_eq!(fs::read(scratch.join("out/b")).unwrap(), b"contents");
    assert_eq!(fs::read_dir(scratch.join("out")).unwrap().count(), 2);
}

const SIZE: usize = 10_000;

/// A split archive of 60 files in chunks of 2000 bytes.
fn stored() -> (Memory, Vec<PayloadRef>) {
    let (mut maker, mut payload, mut references) = (Maker::split(), START_MARKER.to_vec(), Vec::new());
    for number in 0..60u64 {
        let reference = PayloadRef { offset: payload.len() as u64, size: SIZE as u64 };
        payload.extend_from_slice(&Header::new(ItemType::Payload, SIZE as u64).to_bytes());
        payload.extend_from_slice(&Rng::new(number).bytes(SIZE));
        maker.reference(format!("file{number:02}").as_bytes(), reference.offset, reference.size);
        references.push(reference);
    }
    let mut memory = Memory::default();
    memory.stream("a.mpxar.didx", &maker.finish(), || 100_000);
    memory.stream("a.ppxar.didx", &payload, || 2000);
    (memory, references)
}

fn stream(
    memory: &Arc<Memory>,
    target: &Path,
    patterns: &[&str],
    format: StreamFormat,
) -> anyhow::Result<Outcome> {
    let args = Restore {
        snapshot: memory.id().to_string().parse().expect("a snapshot"),
        archive: "a.pxar".to_owned(),
        target: target.to_owned(),
        patterns: patterns.iter().map(Into::into).collect(),
        repository: Default::default(),
        open: Default::default(),
        how: Extracting {
            format: Some(format),
            talk: Talk { quiet: true, ..Talk::default() },
            ..Extracting::default()
        },
    };
    restore(memory.clone(), &args)
}

#[test]
fn only_the_chunks_of_what_is_selected_are_read() {
    let (memory, references) = stored();
    let memory = memory.share();
    let needed = |numbers: &[usize]| -> BTreeSet<Digest> {
        let index = memory.index("a.ppxar.didx").unwrap();
        let of = |&number: &usize| {
            let reference = references[number];
            index
                .parts(reference.offset..reference.end().unwrap())
                .unwrap()
                .map(|part| part.digest)
                .collect::<Vec<_>>()
        };
        numbers.iter().flat_map(of).collect()
    };
    let metadata: BTreeSet<Digest> =
        memory.index("a.mpxar.didx").unwrap().chunks().iter().map(|chunk| chunk.digest).collect();
    let scratch = Scratch::new();
    for (at, (patterns, numbers, format)) in [
        (&["/file07"][..], &[7][..], StreamFormat::Content),
        (&["/file07"], &[7], StreamFormat::Tar),
        (&["/file10", "/file40"], &[10, 40], StreamFormat::Zip),
        (&["file2[0-2]"], &[20, 21, 22], StreamFormat::Tar),
    ]
    .into_iter()
    .enumerate()
    {
        memory.take_reads();
        let out = scratch.join(&at.to_string());
        assert_eq!(stream(&memory, &out, patterns, format).unwrap(), Outcome::Complete);
        let reads = memory.take_reads();
        let contents: Vec<Digest> =
            reads.iter().filter(|digest| !metadata.contains(digest)).copied().collect();
        let different: BTreeSet<Digest> = contents.iter().copied().collect();
        assert_eq!(different, needed(numbers), "{patterns:?}");
        assert_eq!(contents.len(), different.len(), "each once");
        if format == StreamFormat::Content {
            assert!(fs::read(&out).unwrap() == Rng::new(7).bytes(SIZE));
        }
    }
}

#[test]
fn damage_ends_a_stream_and_leaves_no_file() {
    let (mut memory, references) = stored();
    let index = memory.index("a.ppxar.didx").unwrap();
    let lost =
        index.parts(references[5].offset + 5000..references[5].offset + 5001).unwrap().next().unwrap().digest;
    memory.lose(lost);
    let (memory, scratch) = (memory.share(), Scratch::new());
    let out = scratch.join("a.tar");
    let error = format!("{:#}", stream(&memory, &out, &[], StreamFormat::Tar).unwrap_err());
    assert!(error.contains("file05") && error.contains(&lost.to_string()), "{error}");
    assert!(!out.exists());
    assert_eq!(stream(&memory, &out, &["/file06"], StreamFormat::Tar).unwrap(), Outcome::Complete);
    // What exists stays.
    assert!(stream(&memory, &out, &["/file06"], StreamFormat::Tar).is_err());
    assert!(File::open(&out).unwrap().metadata().unwrap().len() > SIZE as u64);
}
