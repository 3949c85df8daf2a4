//! The commands about repositories.

use std::ffi::OsStr;
use std::fs;

use pxkit_tests::cli::{Run, command};
use serde_json::json;

use crate::{Store, noise, snapshot};

impl Store {
    /// Runs the program on this store.
    fn run(&self, args: &[&str]) -> Run {
        let mut command = command();
        command.args(args).arg("--repository").arg(&self.root);
        Run::of(command)
    }
}

const FIRST: &str = "host/a/1970-01-01T00:00:01Z";
const SECOND: &str = "host/a/1970-01-02T00:00:00Z";

fn store() -> Store {
    let store = Store::new();
    store.backup(1, &[b"one"]);
    store.backup(86_400, &[b"one", &noise(1, 2000)]);
    store
}

#[test]
fn snapshots_are_listed() {
    let store = store();
    fs::create_dir(store.path(&snapshot(100_000))).expect("an unfinished one");
    let run = store.run(&["snapshots"]).succeeds();
    let lines: Vec<_> = run.text().lines().collect();
    assert!(
        lines[0].starts_with("snapshot  ")
            && lines[1].starts_with(FIRST)
            && lines[1].ends_with("x.pxar.didx")
    );
    assert!(lines[2].contains("1.96 KiB") && lines[3].contains("unfinished"), "{lines:?}");
    store.run(&["protect", FIRST]).succeeds();
    store.run(&["notes", FIRST, "my notes"]).succeeds();
    let lines = store.run(&["snapshots", "host/a", "--json"]).succeeds().json();
    let expected = json!({
        "snapshot": FIRST, "time": 1, "finished": true, "damaged": false, "size": 3, "protected": true, "verified": null, "notes": "my notes",
        "files": [{ "name": "x.pxar.didx", "size": 3, "crypt_mode": "none" }], "owner": "root@pam", "key": null,
    });
    assert_eq!((lines.len(), &lines[0]), (3, &expected));
    assert_eq!((&lines[2]["finished"], &lines[2]["size"]), (&json!(false), &json!(null)));
    fs::write(store.path(&snapshot(1)).join("index.json.blob"), "rubbish").expect("damaged");
    let first = &store.run(&["snapshots", "host/a", "--json"]).succeeds().json()[0];
    assert_eq!((&first["damaged"], &first["finished"]), (&json!(true), &json!(true)));
    store.run(&["snapshots", "host/b"]).fails(2, &["no group host/b"]);
    store.run(&["snapshots", "nonsense"]).exits(64);
}

#[test]
fn snapshots_are_removed_one_by_one() {
    let store = store();
    store.run(&["protect", FIRST]).succeeds();
    store.run(&["forget", FIRST]).fails(2, &["protected", "pxkit unprotect"]);
    store.run(&["unprotect", FIRST]).succeeds();
    assert_eq!(store.run(&["forget", FIRST]).succeeds().text(), format!("Removed {FIRST}\n"));
    store.run(&["forget", FIRST]).fails(2, &["no snapshot"]);
    assert!(store.path(&snapshot(86_400)).exists());
}

#[test]
fn rules_prune() {
    let store = store();
    let text = format!("remove       {FIRST}\nkeep         {SECOND}\n");
    assert_eq!(store.run(&["prune", "host/a", "--keep-last", "1", "--dry-run"]).succeeds().text(), text);
    assert!(store.path(&snapshot(1)).exists());
    let daily = store.run(&["prune", "--all", "--keep-daily", "2", "--json"]).succeeds().json();
    assert_eq!(daily[0], json!({ "snapshot": FIRST, "mark": "keep", "removed": false }));
    let open =
        pxkit::store::Repository::open(&store.local, &pxkit::store::Namespace::default(), &snapshot(1));
    store.run(&["prune", "host/a", "--keep-last", "1"]).fails(1, &["stays", "in use"]);
    drop(open);
    assert_eq!(store.run(&["prune", "host/a", "--keep-last", "1"]).succeeds().text(), text);
    assert!(!store.path(&snapshot(1)).exists());
    store.run(&["prune"]).exits(64);
    store.run(&["prune", "host/a", "--keep-last", "0"]).exits(64);
    assert_eq!(store.run(&["prune", "host/a"]).succeeds().text(), format!("keep         {SECOND}\n"));
}

#[test]
fn garbage_and_status() {
    let store = store();
    let run = store.run(&["gc"]).succeeds();
    for line in
        ["Removed chunks: 0", "Original data usage: 1.96 KiB", "On-Disk chunks: 3", "Deduplication factor: "]
    {
        assert!(run.text().contains(line), "{}", run.text());
    }
    let value = &store.run(&["gc", "--json", "--dry-run"]).succeeds().json()[0];
    assert_eq!((&value["disk-chunks"], &value["dry-run"]), (&json!(3), &json!(true)));
    let status = &store.run(&["status", "--json"]).succeeds().json()[0];
    assert_eq!(
        (&status["snapshots"], &status["groups"], &status["chunks"]),
        (&json!(2), &json!(1), &json!(3))
    );
    assert_eq!(status["last_gc"]["disk-chunks"], json!(3));
    assert!(store.run(&["status"]).succeeds().text().contains("Snapshots: 2 in 1 group of 1 namespace\n"));
    store.run(&["gc", "--cutoff", "0"]).exits(64);
    fs::write(store.root.join("x.didx"), "rubbish").expect("written");
    store.run(&["gc"]).fails(2, &["garbage is not collected", "x.didx"]);
}

#[test]
fn damage_is_told() {
    let store = store();
    let run = store.run(&["verify"]).succeeds();
    assert!(
        run.text().starts_with(&format!("ok       {FIRST}\nok       {SECOND}\nChecked 2 chunks")),
        "{}",
        run.text()
    );
    assert_eq!(store.run(&["snapshots", "--json"]).succeeds().json()[0]["verified"], json!(true));
    fs::remove_file(store.chunk(&pxkit::codec::digest(&noise(1, 2000)))).expect("removed");
    let run = store.run(&["verify", "host/a", "--json"]).fails(2, &["missing", "1 of 2 snapshots failed"]);
    let lines = run.json();
    assert_eq!((&lines[0]["result"], &lines[1]["result"]), (&json!("ok"), &json!("failed")));
    store.run(&["verify", FIRST]).succeeds();
    // What a crash left behind is no damage, unless it is named.
    fs::create_dir(store.path(&snapshot(2))).expect("a directory");
    store.run(&["verify", "host/a"]).fails(2, &["1970-01-01T00:00:02Z is left out"]);
    store.run(&["verify", "host/a/1970-01-01T00:00:02Z"]).fails(2, &["manifest load error"]);
    store.run(&["verify", "rubbish"]).fails(2, &["neither a snapshot nor a group"]);
}

#[test]
fn namespaces_and_notes() {
    let store = store();
    store.run(&["namespace", "create", "a/b"]).fails(2, &["no namespace `a`"]);
    store.run(&["namespace", "create", "a"]).succeeds();
    store.run(&["namespace", "create", "a/b"]).succeeds();
    assert_eq!(store.run(&["namespace", "list"]).succeeds().text(), "a\na/b\n");
    assert_eq!(store.run(&["namespace", "list", "--ns", "a"]).succeeds().text(), "a/b\n");
    assert!(store.root.join("ns/a/ns/b").is_dir());
    let long = "x".repeat(33);
    store.run(&["namespace", "create", &long]).fails(2, &["too long"]);
    store.run(&["namespace", "delete", "a"]).succeeds();
    assert_eq!(store.run(&["namespace", "list"]).succeeds().text(), "");
    store.run(&["notes", "host/a", "first\nsecond"]).succeeds();
    assert_eq!(store.run(&["notes", "host/a"]).succeeds().text(), "first\nsecond\n");
    store.run(&["notes", "host/a", ""]).succeeds();
    assert_eq!(store.run(&["notes", "host/a"]).succeeds().text(), "");
    store.run(&["notes", "host/b"]).fails(2, &["no group"]);
    store.run(&["notes", "host/a/latest", "last"]).succeeds();
    assert_eq!(store.run(&["notes", SECOND]).succeeds().text(), "last\n");
}

#[test]
fn repositories_come_from_somewhere() {
    let store = store();
    let run = |name: &str, value: &OsStr, args: &[&str]| {
        let mut command = command();
        command
            .env_remove("PBS_REPOSITORY")
            .env("HOME", store.root.join("nowhere"))
            .env_remove("XDG_DATA_HOME");
        command.env(name, value).args(args);
        Run::of(command)
    };
    let json = run("PBS_REPOSITORY", store.root.as_os_str(), &["snapshots", "--json"]).succeeds().json();
    assert_eq!(json.len(), 2);
    run("PBS_REPOSITORY", "root@pam@host:store".as_ref(), &["snapshots"])
        .fails(2, &["no password for root@pam at host"]);
    run("PBS_REPOSITORY", "".as_ref(), &["snapshots"])
        .fails(2, &["no backup yet", "nowhere/.local/share/pxkit/store"]);
    let data = store.root.parent().expect("a directory").join("data");
    run("XDG_DATA_HOME", data.as_os_str(), &["status"]).fails(2, &["no backup yet", "data/pxkit/store"]);
    assert!(!data.exists());
    let made = run("PBS_REPOSITORY", data.as_os_str(), &["init"]).succeeds();
    assert!(made.text().ends_with("was made\n"), "{}", made.text());
    assert_eq!(fs::read_dir(data.join(".chunks")).expect("readable").count(), 65_536);
    fs::remove_dir(data.join(".chunks/abcd")).expect("removed");
    run("PBS_REPOSITORY", data.as_os_str(), &["init"]).succeeds();
    assert!(data.join(".chunks/abcd").exists());
    run("PBS_REPOSITORY", store.root.join("host").as_os_str(), &["init"]).fails(2, &["not empty"]);
}
