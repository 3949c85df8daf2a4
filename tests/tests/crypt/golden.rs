//! `host/enc` and `host/sign` of a real server's datastore, by the program.

use std::fs;
use std::path::Path;

use pxkit_tests::disk::Scratch;
use pxkit_tests::{describe, generations, golden};

use super::Place;

const SIGNED: [&str; 2] = ["host/enc", "host/sign"];
const SHORT: &str = "f7:d3:7d:ee:1f:29:eb:6b";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("readable").flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() { copy(&path, &to) } else { _ = fs::copy(&path, &to).expect("copied") }
    }
}

/// A copy of the golden datastore, with its key.
fn place() -> (Place, String) {
    let place = Place::new();
    copy(&golden::path("datastore"), &place.join("store"));
    let key = place.join("key.json");
    fs::copy(golden::path("key.json"), &key).expect("copied");
    (place, key.to_str().expect("text").to_owned())
}

#[test]
fn they_verify_list_and_restore_with_their_key() {
    let (place, key) = place();
    let expected = Scratch::new();
    generations::make(expected.path(), 2).expect("a tree");
    let names = place.run(&["catalog", "host/meta/latest"]).succeeds();
    for group in SIGNED {
        let latest = format!("{group}/latest");
        let verified = place.run(&["verify", group, "--keyfile", &key]).succeeds();
        assert!(verified.text().starts_with("ok       host/"), "{}", verified.text());
        assert!(
            verified.text().contains("MiB, of 1 snapshots"),
            "every chunk was opened: {}",
            verified.text()
        );
        let listed = place.run(&["catalog", &latest, "--keyfile", &key]).succeeds();
        assert_eq!(listed.text(), names.text(), "{group}");
        place.run(&["files", &latest, "--keyfile", &key]).succeeds();
        place.run(&["dump", &format!("{latest}/tree.pxar"), "--keyfile", &key]).succeeds();

        let target = place.join(&group.replace('/', "-"));
        let target = target.to_str().expect("text");
        place.run(&["restore", &latest, "tree.pxar", target, "--no-owner", "--keyfile", &key]).succeeds();
        let [mut tree, mut restored] = [expected.path(), Path::new(target)].map(describe::tree);
        // Nobody wrote down the time of the symlink.
        for tree in [&mut tree, &mut restored] {
            assert!(tree.remove(&b"link"[..]).is_some());
        }
        assert!(tree == restored, "{group}");
        let target = format!("{target}-2");
        place
            .run(&["extract", &format!("{latest}/tree.pxar"), &target, "--no-owner", "--keyfile", &key])
            .succeeds();
    }
}

/// Behaviour 38: what is missing or wrong is named, and nothing is made.
#[test]
fn b38_missing_and_wrong_keys_are_named() {
    let (place, _) = place();
    let other = place.key("other.json");
    let shown = place.run(&["key", "show", "--json", &other]).succeeds().json();
    let fingerprint = shown[0]["fingerprint"].as_str().expect("a fingerprint").to_owned();
    for group in SIGNED {
        let latest = format!("{group}/latest");
        for command in [
            &["restore", &latest, "tree.pxar", "out"][..],
            &["catalog", &latest],
            &["list", &format!("{latest}/tree.pxar")],
            &["dump", &format!("{latest}/tree.pxar")],
            &["extract", &format!("{latest}/tree.pxar"), "out"],
        ] {
            place.run(command).fails(2, &["is refused", SHORT, "there is no key", "--keyfile"]);
            let with_other = [command, &["--keyfile", &other]].concat();
            place.run(&with_other).fails(2, &["wrong key", SHORT, &fingerprint[..23]]);
            assert!(!place.join("out").exists());
        }
        // What needs no key is shown.
        place.run(&["files", &latest]).fails(0, &["note: the signature of", "is not checked", SHORT]);
        place.run(&["files", &latest, "--keyfile", &other]).fails(2, &["wrong key"]);
    }
    // What is only signed can be read all the same if the user says so, what is encrypted cannot.
    let ignoring = ["restore", "host/sign/latest", "tree.pxar", "out", "--no-owner", "--ignore-signature"];
    place.run(&ignoring).fails(0, &["warning", SHORT]);
    assert!(place.join("out/large").exists());
    place
        .run(&["list", "host/enc/latest/tree.pxar", "--ignore-signature"])
        .fails(2, &["tree.mpxar.didx is encrypted", "there is no key"]);
    place
        .run(&["list", "host/enc/latest/tree.pxar", "--ignore-signature", "--keyfile", &other])
        .fails(2, &["cannot be decrypted with key", &fingerprint[..23]]);
}

/// Decision 14: a key that was given refuses what is not signed, one at the default place warns.
#[test]
fn unsigned_snapshots_and_keys() {
    let (place, key) = place();
    let list = ["list", "host/meta/latest/tree.pxar"];
    place.run(&list).succeeds();
    let given = [&list[..], &["--keyfile", &key]].concat();
    place
        .run(&given)
        .fails(2, &["is refused without --ignore-signature: it is not signed, although there is a key"]);
    place.run(&[&given[..], &["--ignore-signature"]].concat()).fails(0, &["warning", "it is not signed"]);
    fs::create_dir_all(place.default_key().parent().expect("a directory")).expect("a directory");
    fs::copy(&key, place.default_key()).expect("copied");
    place.run(&list).fails(0, &["warning", "is not signed: nobody can tell"]);
    // It opens what was made with it, without a word.
    for group in SIGNED {
        place.run(&["list", &format!("{group}/latest/tree.pxar")]).succeeds();
    }
    // Nobody asks for the passphrase of a default key, or reads it, to list what is plain.
    fs::write(place.default_key(), "rubbish").expect("written");
    place.run(&list).fails(0, &["warning", "is not signed"]);
    place.run(&["list", "host/sign/latest/tree.pxar"]).fails(2, &["no key file that can be used"]);
    place.run(&["files", "host/sign/latest"]).fails(0, &["note: the signature"]);
    place.run(&["verify"]).fails(0, &["note: signatures are not checked"]);
}
