//! Verification with a key.

use std::fs;
use std::path::{Path, PathBuf};

use pxkit_core::blob::{Frame, Manifest};
use pxkit_core::index::DynamicIndex;

use super::Place;

/// A store with an encrypted snapshot, its key, and the directory of the snapshot.
fn backed_up() -> (Place, String, PathBuf) {
    let place = Place::new();
    let (key, tree) = (place.key("key.json"), place.tree());
    let source = format!("root.pxar:{}", tree.display());
    let args = [
        "backup",
        &source,
        "x.conf:x.conf",
        "--backup-id",
        "a",
        "--quiet",
        "--backup-time",
        "1600000000",
        "--keyfile",
    ];
    place.run(&[&args[..], &[&key]].concat()).succeeds();
    let directory = place.join("store/host/a/2020-09-13T12:26:40Z");
    (place, key, directory)
}

fn manifest_path(directory: &Path) -> PathBuf {
    directory.join("index.json.blob")
}

fn change_manifest(directory: &Path, change: impl FnOnce(&mut Manifest)) {
    let mut blob = fs::read(manifest_path(directory)).expect("a manifest");
    let text = pxkit::codec::decode_blob(&mut blob, None).expect("plain");
    let mut manifest = Manifest::parse(&text).expect("a manifest");
    change(&mut manifest);
    let text = manifest.to_json();
    let blob = Frame::choose(text.as_bytes(), None).expect("small").to_vec();
    fs::write(manifest_path(directory), blob).expect("written");
}

fn state(directory: &Path) -> Option<String> {
    let mut blob = fs::read(manifest_path(directory)).expect("a manifest");
    let text = pxkit::codec::decode_blob(&mut blob, None).expect("plain");
    let manifest = Manifest::parse(&text).expect("a manifest");
    Some(manifest.unprotected.get("verify_state")?.get("state")?.as_str()?.to_owned())
}

/// Behaviour 66: what servers cannot see is seen with the key, set aside, and stored again by the next backup.
#[test]
fn b66_with_the_key_contents_are_checked() {
    let (place, key, directory) = backed_up();
    let index = fs::read(directory.join("root.ppxar.didx")).expect("an index");
    let digest = DynamicIndex::parse(&index).expect("an index").chunks()[1].digest.to_string();
    let path = place.join("store/.chunks").join(&digest[..4]).join(&digest);
    let blob = fs::read(&path).expect("a chunk");
    let frame = Frame::parse(&blob).expect("a blob");
    let mut data = frame.data.to_vec();
    data[3] ^= 4;
    fs::write(&path, Frame { data: &data, ..frame }.to_vec()).expect("written");
    place.run(&["verify"]).succeeds();
    place.run(&["verify", "--keyfile", &key]).fails(
        2,
        &[&digest, "cannot be decrypted with key", "renamed to", "1 damaged chunks were set aside"],
    );
    assert!(!path.exists());
    assert_eq!(state(&directory).as_deref(), Some("failed"));
    let source = format!("root.pxar:{}", place.join("tree").display());
    place.run(&["backup", &source, "--backup-id", "a", "--quiet", "--keyfile", &key]).succeeds();
    assert!(path.exists());
    place.run(&["verify", "--keyfile", &key]).succeeds();
}

#[test]
fn a_wrong_signature_fails() {
    let (place, key, directory) = backed_up();
    change_manifest(&directory, |manifest| _ = manifest.unprotected.insert("notes".into(), "new".into()));
    place.run(&["verify", "--keyfile", &key]).succeeds();
    // Swapped names of two blobs: all that is there is sound.
    change_manifest(&directory, |manifest| manifest.backup_id = "b".into());
    place.run(&["verify"]).succeeds();
    place
        .run(&["verify", "--keyfile", &key])
        .fails(2, &["its signature is not that of key", "it was changed"]);
    assert_eq!(state(&directory).as_deref(), Some("failed"));
    place.run(&["verify", "--keyfile", &key, "--ignore-signature"]).fails(1, &["warning", "it was changed"]);
    assert_eq!(state(&directory).as_deref(), Some("ok"));
    // Without any signature but with the name of the key.
    change_manifest(&directory, |manifest| manifest.signature = None);
    place.run(&["verify", "--keyfile", &key]).fails(2, &["it names key", "is not signed"]);
    // Without both.
    change_manifest(&directory, |manifest| _ = manifest.unprotected.remove("key-fingerprint"));
    place.run(&["verify", "--keyfile", &key]).fails(2, &["it is not signed, although there is a key"]);
    place.run(&["verify"]).succeeds();
}

/// Others' snapshots are no reason to fail for somebody who has a key of his own, unless he says that it is theirs.
#[test]
fn snapshots_with_other_keys() {
    let (place, _, directory) = backed_up();
    place.run(&["key", "create", "--kdf", "none"]).succeeds();
    place.run(&["verify"]).fails(1, &["warning", "wrong key"]);
    assert_eq!(state(&directory).as_deref(), Some("ok"));
    let default = place.default_key();
    place.run(&["verify", "--keyfile", default.to_str().expect("text")]).fails(2, &["wrong key"]);
    assert_eq!(state(&directory).as_deref(), Some("ok"));
}
