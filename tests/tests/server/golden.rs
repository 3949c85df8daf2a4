//! What the reference tools made, served and restored.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pxkit_tests::pbs::Options;
use pxkit_tests::pbs::access::User;
use pxkit_tests::{describe, golden};

use crate::target::Place;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("readable").flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() { copy(&path, &to) } else { _ = fs::copy(&path, &to).expect("copied") }
    }
}

/// Every snapshot of the datastore is listed, checked and restored through the server as it is from its directory.
#[test]
fn the_datastore_of_the_reference() {
    let store = pxkit_tests::disk::Scratch::new();
    copy(&golden::path("datastore"), &store.join("store"));
    let mut options = Options { delay: Duration::ZERO, dir: Some(store.join("store")), ..Options::default() };
    options.users.insert(0, User::new("test@pbs!tok", "a secret of the test"));
    let Some(mut place) = Place::special("golden", options) else { return };
    let token = User::new("test@pbs!tok", "a secret of the test");
    place.become_user(&token);
    fs::copy(golden::path("key.json"), place.join("key.json")).expect("copied");
    let local = store.join("store");
    let local = local.to_str().expect("text").to_owned();
    let on_disk = |args: &[&str]| place.run_with(&[("PBS_REPOSITORY", &local)], args);
    let snapshots = place.run(&["snapshots", "--json"]).exits(0).json();
    let same = on_disk(&["snapshots", "--json"]).exits(0).json();
    let names =
        |list: &[serde_json::Value]| list.iter().map(|one| one["snapshot"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&snapshots), names(&same));
    assert!(snapshots.len() >= 8, "{}", snapshots.len());
    for snapshot in &snapshots {
        let name = snapshot["snapshot"].as_str().expect("a name");
        for command in ["files", "catalog"] {
            let (here, there) = (
                place.run(&[command, name, "--keyfile", "key.json"]),
                on_disk(&[command, name, "--keyfile", "key.json"]),
            );
            assert_eq!(
                (here.code, here.text()),
                (there.code, there.text()),
                "{command} {name}: {}",
                here.err
            );
        }
        let (from_server, from_disk) = (place.join("from-server"), place.join("from-disk"));
        for target in [&from_server, &from_disk] {
            let _ = fs::remove_dir_all(target);
        }
        let key: &[&str] =
            if name.contains("/enc/") || name.contains("/sign/") { &["--keyfile", "key.json"] } else { &[] };
        let args = |target: &'static str| {
            [&["restore", name, "tree.pxar", target, "--quiet", "--no-owner"], key].concat()
        };
        let here = place.run(&args("from-server"));
        let there = on_disk(&args("from-disk"));
        assert_eq!(here.code, there.code, "{name}: {}\n{}", here.err, there.err);
        assert_eq!(here.code, Some(0), "{name}: {}", here.err);
        describe::assert_same(&from_disk, &from_server);
    }
    // A backup of ours follows those of the reference, and builds upon them.
    let tree = place.join("from-disk");
    let source = format!("tree.pxar:{}", tree.display());
    place.run(&["backup", &source, "--backup-id", "meta", "--quiet"]).exits(0);
    assert!(place.server().log().iter().any(|record| record.path == "/previous"));
    on_disk(&["verify", "host/meta"]).exits(0);
}
