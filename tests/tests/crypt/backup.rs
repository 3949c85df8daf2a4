//! Backups with a key.

use std::fs;
use std::sync::Arc;

use pxkit::backup::{Mode, Options};
use pxkit::crypt::{Crypt, EncryptionKey};
use pxkit_core::blob::Frame;
use pxkit_core::reuse::{Budget, Optimal, Policy};
use pxkit_tests::disk::Scratch;
use pxkit_tests::snapshots::{Made, Snapshots, options};
use pxkit_tests::{describe, generations};

use super::{Place, files};

fn new_key() -> Arc<EncryptionKey> {
    Arc::new(EncryptionKey::generate().expect("random numbers"))
}

fn with(crypt: Crypt) -> Options {
    let policy = Policy::Optimal(Optimal { budget: Budget::percent(1000), fragment: 0 });
    Options { policy, crypt, ..options(Mode::Metadata) }
}

#[track_caller]
fn number(made: &Made, pointer: &str) -> u64 {
    made.json.pointer(pointer).and_then(|value| value.as_u64()).unwrap_or_else(|| panic!("{pointer}"))
}

/// Generations of the golden tree, encrypted, signed and plain: the same is used again, all restore, all verify.
#[test]
fn generations_are_used_again_whatever_the_mode() {
    let key = new_key();
    let modes = [Crypt::NONE, Crypt::sign_only(key.clone()), Crypt::encrypt(key.clone())];
    let seen = modes.map(|crypt| {
        let mut snapshots = Snapshots::new().with_key(&key);
        let mut made = Vec::new();
        for generation in [0, 0, 1, 2] {
            let tree = Scratch::new();
            generations::make(tree.path(), generation).expect("a tree");
            let snapshot = snapshots.backup(tree.path(), &with(crypt.clone()));
            snapshots.check(&snapshot.id);
            describe::assert_same(tree.path(), snapshots.restore(&snapshot.id).path());
            let manifest = snapshots.open(&snapshot.id).manifest().clone();
            assert!(manifest.files.iter().all(|file| file.crypt_mode == crypt.mode()));
            assert_eq!(manifest.signature.is_some(), crypt.key().is_some());
            let named = manifest.key_fingerprint().map(str::to_owned);
            assert_eq!(named, crypt.key().map(|key| key.fingerprint().to_string()));
            let counts = ["/reused/files", "/read/files", "/padding/bytes"];
            made.push(counts.map(|pointer| snapshot.json.pointer(pointer).and_then(|value| value.as_u64())));
        }
        snapshots.verify();
        made
    });
    assert!(seen[0] == seen[1] && seen[0] == seen[2], "{seen:?}");
    assert!(seen[2][1][0] > Some(100), "{seen:?}");
}

/// Change detection 9: all ordered pairs of modes, and another key. Whatever was there before, everything is read, and the next run goes on.
#[test]
fn another_mode_or_key_is_no_reference() {
    let (key, other) = (new_key(), new_key());
    let of = |which: &str| match which {
        "none" => Crypt::NONE,
        "sign" => Crypt::sign_only(key.clone()),
        "sign other" => Crypt::sign_only(other.clone()),
        "other" => Crypt::encrypt(other.clone()),
        _ => Crypt::encrypt(key.clone()),
    };
    let tree = Scratch::new();
    generations::make(tree.path(), 0).expect("a tree");
    for (first, second) in [
        ("none", "sign"),
        ("none", "encrypt"),
        ("sign", "none"),
        ("sign", "encrypt"),
        ("encrypt", "none"),
        ("encrypt", "sign"),
        ("encrypt", "other"),
        ("sign", "sign other"),
        ("sign", "other"),
    ] {
        let mut snapshots = Snapshots::new().with_key(of(second).key().unwrap_or(&key));
        let before = snapshots.backup(tree.path(), &with(of(first)));
        let made = snapshots.backup(tree.path(), &with(of(second)));
        assert_eq!(made.json["reference"], false, "{first} {second}");
        assert!(number(&made, "/read/files") >= number(&before, "/read/files"), "{first} {second}");
        assert_eq!(made.warnings, 0);
        describe::assert_same(tree.path(), snapshots.restore(&made.id).path());
        let next = snapshots.backup(tree.path(), &with(of(second)));
        assert!(number(&next, "/reused/files") > 100, "{first} {second}");
    }
}

/// A previous snapshot that was changed, or that lost its signature, gives no chunks.
#[test]
fn a_forged_previous_snapshot_is_no_reference() {
    let key = new_key();
    let tree = Scratch::new();
    generations::make(tree.path(), 0).expect("a tree");
    type Change = fn(&mut pxkit_core::blob::Manifest);
    let changes: [(Change, bool); 4] = [
        (|_| {}, true),
        (|manifest| manifest.signature = None, false),
        (|manifest| (manifest.signature, manifest.unprotected) = Default::default(), false),
        (|manifest| manifest.backup_id.push('x'), false),
    ];
    for (change, is_reference) in changes {
        let mut snapshots = Snapshots::new().with_key(&key);
        let first = snapshots.backup(tree.path(), &with(Crypt::encrypt(key.clone())));
        let path = snapshots.root().join(first.id.to_string()).join("index.json.blob");
        let mut manifest = snapshots.open(&first.id).manifest().clone();
        change(&mut manifest);
        let blob = Frame::choose(manifest.to_json().as_bytes(), None).expect("small").to_vec();
        fs::write(path, blob).expect("written");
        let made = snapshots.backup(tree.path(), &with(Crypt::encrypt(key.clone())));
        assert_eq!(made.json["reference"], is_reference);
        describe::assert_same(tree.path(), snapshots.restore(&made.id).path());
    }
}

/// Nothing that was backed up stands in the store in the clear; the manifest does, and is readable.
#[test]
fn nothing_is_stored_in_the_clear() {
    for mode in ["metadata", "data", "legacy"] {
        let place = Place::new();
        let (key, tree) = (place.key("key.json"), place.tree());
        let source = format!("root.pxar:{}", tree.display());
        let args = [
            "backup",
            &source,
            "x.conf:x.conf",
            "--quiet",
            "--backup-id",
            "a",
            "--change-detection-mode",
            mode,
        ];
        place.run(&[&args[..], &["--keyfile", &key]].concat()).succeeds();
        let mut blobs = 0;
        for path in files(&place.join("store")) {
            let bytes = fs::read(&path).expect("readable");
            assert!(!bytes.windows(6).any(|window| window == b"CANARY"), "{}", path.display());
            let Ok(frame) = Frame::parse(&bytes) else { continue };
            blobs += 1;
            assert_eq!(frame.seal.is_none(), path.ends_with("index.json.blob"), "{}", path.display());
        }
        assert!(blobs >= 4, "{blobs}");
        let files = place.run(&["files", "host/a/latest", "--json", "--keyfile", &key]).succeeds().json();
        let listed: Vec<_> = files.iter().filter(|file| !file["csum"].is_null()).collect();
        assert_eq!(listed.len(), 3);
        assert!(listed.iter().all(|file| file["crypt-mode"] == "encrypt"), "{files:?}");
        let small = place.run(&["restore", "host/a/latest", "x.conf", "-", "--keyfile", &key]).succeeds();
        assert_eq!(small.text(), "CANARY of the settings");
        let names = place.run(&["catalog", "host/a/latest", "--keyfile", &key]).succeeds();
        assert!(names.text().contains("CANARYNAME"));
    }
}

/// Datastore specification: which key is used, and what contradicts itself (protocol 2.3).
#[test]
fn options_and_the_default_key() {
    let place = Place::new();
    let (key, tree) = (place.key("key.json"), place.tree());
    let source = format!("root.pxar:{}", tree.display());
    let backup = |more: &[&str]| place.run(&[&["backup", &source, "--backup-id", "a"], more].concat());
    let mut time = 1_600_000_000;
    let mut mode = |more: &[&str]| {
        time += 1;
        let time = time.to_string();
        let run = backup(&[more, &["--backup-time", &time]].concat()).exits(0);
        let files = place.run(&["files", "host/a/latest", "--json"]).exits(0).json();
        (files[0]["crypt-mode"].as_str().expect("a mode").to_owned(), run.err)
    };
    assert_eq!(mode(&[]).0, "none");
    assert_eq!(mode(&["--crypt-mode", "none"]).0, "none");
    let (word, told) = mode(&["--keyfile", &key]);
    assert_eq!(word, "encrypt");
    assert!(
        told.contains("Using encryption key from 'key.json'..")
            && told.contains("Encryption key fingerprint: ")
    );
    assert_eq!(mode(&["--keyfile", &key, "--crypt-mode", "sign-only"]).0, "sign-only");
    backup(&["--crypt-mode", "encrypt"]).fails(2, &["--crypt-mode encrypt needs a key", "pxkit key create"]);
    backup(&["--crypt-mode", "sign-only"]).fails(2, &["--crypt-mode sign-only needs a key"]);
    backup(&["--crypt-mode", "none", "--keyfile", &key]).fails(2, &["--crypt-mode none uses no key"]);
    backup(&["--keyfile", &key, "--keyfd", "3"]).fails(64, &["cannot be used with"]);
    backup(&["--keyfile", "nowhere.json"]).fails(2, &["cannot open the key file nowhere.json"]);
    backup(&["--keyfd", "77"]).fails(2, &["file descriptor 77"]);
    backup(&["--master-pubkey-file", "x.pem"]).fails(2, &["a master key was given, and no key"]);
    backup(&["--crypt-mode", "bogus"]).fails(64, &["sign-only"]);

    place.run(&["key", "create", "--kdf", "none"]).succeeds();
    let (word, told) = mode(&[]);
    assert_eq!(word, "encrypt");
    assert!(told.contains("Using default encryption key from '"), "{told}");
    assert_eq!(mode(&["--crypt-mode", "none"]).0, "none");
    assert_eq!(mode(&["--crypt-mode", "sign-only"]).0, "sign-only");
    // A rehearsal tells the same and makes nothing.
    let before = files(&place.join("store")).len();
    let run = backup(&["--dry-run", "--json"]).exits(0);
    assert_eq!(run.json()[0]["dry_run"], true);
    assert_eq!(files(&place.join("store")).len(), before);
    // One that cannot be read is an error, not a backup in the clear.
    fs::write(place.default_key(), "").expect("written");
    backup(&[]).fails(2, &["no key file that can be used"]);
}

#[test]
fn a_key_comes_from_a_descriptor() {
    let place = Place::new();
    let (key, tree) = (place.key("key.json"), place.tree());
    let script = "exec 9<key.json; \"$PXKIT\" backup root.pxar:tree --backup-id a --quiet --keyfd 9 && \
        exec 9<key.json && \"$PXKIT\" restore host/a/latest root.pxar out --keyfd 9";
    let mut command = pxkit_tests::cli::shell(script, &[]);
    command.current_dir(place.join("")).env("PBS_REPOSITORY", place.join("store"));
    pxkit_tests::cli::Run::of(command).exits(0);
    describe::assert_same(&tree, &place.join("out"));
    place.run(&["verify", "--keyfile", &key]).succeeds();
    // A pipe, as `<(command)` is.
    let script = "\"$PXKIT\" list host/a/latest/root.pxar --keyfile <(cat key.json)";
    let mut command = pxkit_tests::cli::shell(script, &[]);
    command.current_dir(place.join("")).env("PBS_REPOSITORY", place.join("store"));
    pxkit_tests::cli::Run::of(command).succeeds();
}
