//! Commands that manage what is there (behaviours 20, 69 to 77, and all others of the program).

use std::fs;
use std::time::Duration;

use pxkit_tests::pbs::Options;
use pxkit_tests::pbs::access::User;
use pxkit_tests::pbs::hooks::Place as At;
use serde_json::Value;

use crate::target::Place;

fn quick() -> Options {
    Options { delay: Duration::ZERO, ..Options::default() }
}

fn three(place: &Place) -> Vec<String> {
    for time in ["1700000000", "1700100000", "1700200000"] {
        place.backup(&["--backup-time", time]).exits(0);
    }
    place
        .snapshots()
        .iter()
        .map(|snapshot| snapshot["snapshot"].as_str().expect("a name").to_owned())
        .collect()
}

/// 71 and 72.
#[test]
fn b71_b72_pruning() {
    let place = Place::new();
    let names = three(&place);
    let group = place.group();
    let prune = |args: &[&str]| place.run(&[&["prune", &group, "--json"], args].concat()).exits(0).json();
    // What a rule says of each, and whether it is gone.
    let told = |lines: &[Value]| {
        let word = |line: &Value| line["mark"].as_str().expect("a word").to_owned();
        lines.iter().map(|line| (word(line), line["removed"] == true)).collect::<Vec<_>>()
    };
    let [keep, remove, stays, goes] =
        [("keep", false), ("remove", false), ("protected", false), ("remove", true)]
            .map(|(mark, removed)| (mark.to_owned(), removed));
    assert_eq!(told(&prune(&[])), [&keep, &keep, &keep].map(Clone::clone));
    let dry = prune(&["--dry-run", "--keep-last", "1"]);
    let listed: Vec<_> =
        dry.iter().map(|line| line["snapshot"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(listed, names, "oldest first");
    assert_eq!(told(&dry), [&remove, &remove, &keep].map(Clone::clone));
    assert_eq!(place.snapshots().len(), 3);
    place.run(&["protect", &names[0]]).exits(0);
    let run = place.run(&["forget", &names[0]]).exits(2);
    assert!(run.err.contains("protected"), "{}", run.err);
    assert_eq!(told(&prune(&["--keep-last", "1"])), [&stays, &goes, &keep].map(Clone::clone));
    let left = place.snapshots();
    assert_eq!(left.len(), 2);
    assert_eq!((&left[0]["protected"], &left[1]["protected"]), (&true.into(), &false.into()));
    place.run(&["unprotect", &names[0]]).exits(0);
    place.run(&["forget", &names[0]]).exits(0);
    assert_eq!(place.snapshots().len(), 1);
}

/// 73.
#[test]
fn b73_the_log_of_a_client() {
    let place = Place::new();
    place.backup(&["--backup-time", "1700000000"]).exits(0);
    fs::write(place.join("first.log"), "what happened").expect("written");
    fs::write(place.join("second.log"), "something else").expect("written");
    let name = format!("{}/2023-11-14T22:13:20Z", place.group());
    place.run(&["upload-log", &name, "first.log"]).exits(0);
    place.run(&["upload-log", &name, "second.log"]).fails(2, &["already contains a log"]);
    assert!(place.run(&["files", &name]).exits(0).text().contains("client.log.blob"));
    let other = format!("{}-none/2023-11-14T22:13:20Z", place.group());
    place.run(&["upload-log", &other, "first.log"]).fails(2, &["cannot store the log"]);
    place.run(&["upload-log", &name, "first.log", "--repository", "./here"]).fails(2, &["is a directory"]);
    let run = place.run(&["restore", &name, "client.log", "-"]);
    if let Some(server) = place.own() {
        let blob = fs::read(server.root().join(&name).join("client.log.blob")).expect("a log");
        assert!(blob.ends_with(b"what happened"));
    }
    assert!(run.code != Some(0) || run.out == b"what happened");
}

/// 20 and 75.
#[test]
fn b20_b75_notes() {
    let place = Place::new();
    place.backup(&["--backup-time", "1700000000"]).exits(0);
    let name = format!("{}/2023-11-14T22:13:20Z", place.group());
    let line = "Größe & Maß = 100 % + \u{1f600} #?\\\"'\n";
    for notes in ["one line", "a=b&c+d %41\n", &line.repeat(300)] {
        for what in [&name, &place.group()] {
            place.run(&["notes", what, notes]).exits(0);
            let told = place.run(&["notes", what]).exits(0);
            assert_eq!(told.text().trim_end(), notes.trim_end(), "{what}");
        }
    }
    for what in [&name, &place.group()] {
        place.run(&["notes", what, ""]).exits(0);
        assert_eq!(place.run(&["notes", what]).exits(0).text(), "");
    }
    let other = format!("{}-none", place.group());
    place.run(&["notes", &other]).fails(2, &["cannot read the notes of", &other]);
}

/// 21: tasks are waited for, and tell what they found.
#[test]
fn b21_tasks() {
    let Some(place) = Place::special("b21", quick()) else { return };
    place.backup(&["--backup-time", "1700000000"]).exits(0);
    let run = place.run(&["verify", "--on-server"]).exits(0);
    let tasks = place.server().log().iter().filter(|record| record.path.contains("/tasks/")).count();
    assert!(tasks >= 2, "{tasks}: {}", run.err);
    assert_eq!(place.snapshots()[0]["verified"], true);
    place.run(&["gc"]).exits(0);
    // A chunk is lost.
    let chunk = crate::target::files(&place.server().root().join(".chunks")).pop().expect("a chunk");
    fs::remove_file(chunk).expect("removed");
    let run = place.run(&["verify", "--on-server", &place.group()]);
    assert!(matches!(run.code, Some(1 | 2)), "{:?} {}", run.code, run.err);
    assert_eq!(place.snapshots()[0]["verified"], false);
}

/// Namespaces, owners, status, groups.
#[test]
fn all_the_others() {
    let other = User::new("other@pbs!tok", "another secret");
    let mut options = quick();
    options.users.push(other.clone());
    let Some(place) = Place::special("others", options) else { return };
    for name in ["a", "a/b"] {
        place.run(&["namespace", "create", name]).exits(0);
    }
    let listed = place.run(&["namespace", "list"]).exits(0);
    assert!(listed.text().contains("a/b"), "{}", listed.text());
    place.backup(&["--ns", "a/b", "--backup-time", "1700000000"]).exits(0);
    place.restores(&["--ns", "a/b"]);
    place.run(&["status"]).exits(0);
    place.run(&["status", "--json"]).exits(0).json();
    let version = place.run(&["version"]).exits(0);
    assert!(version.text().starts_with("client version: "), "{}", version.text());
    assert!(version.text().contains("\nserver version: 4.2"), "{}", version.text());
    assert!(place.run(&["version", "--json"]).exits(0).json()[0]["server"].is_string());
    let group = place.group();
    place.run(&["change-owner", "--ns", "a/b", &group, &other.auth_id]).exits(0);
    let owner = fs::read_to_string(place.server().root().join("ns/a/ns/b").join(&group).join("owner"));
    assert_eq!(owner.expect("an owner"), "other@pbs!tok\n");
    let run = place.backup(&["--ns", "a/b"]).exits(2);
    assert!(run.err.contains("somebody else"), "{}", run.err);
    let latest = format!("{group}/latest");
    place.run(&["list", &format!("{latest}/root.pxar"), "--ns", "a/b"]).exits(0);
    place.run(&["catalog", &latest, "--ns", "a/b"]).exits(0);
    place.run(&["dump", &format!("{latest}/root.mpxar"), "--ns", "a/b"]);
}

/// Who may not is told so.
#[test]
fn permissions() {
    let reader = User::with("reader@pbs!tok", "a secret to read", &["Datastore.Read", "Datastore.Audit"]);
    let writer = User::with("writer@pbs!tok", "a secret to write", &["Datastore.Backup"]);
    let mut options = quick();
    options.users.extend([reader.clone(), writer.clone()]);
    let Some(mut place) = Place::special("permissions", options) else { return };
    place.backup(&["--backup-time", "1700000000"]).exits(0);
    let name = format!("{}/2023-11-14T22:13:20Z", place.group());
    place.become_user(&reader);
    place.restores(&[]);
    for args in [&["forget", &name][..], &["notes", &name, "x"], &["protect", &name], &["gc"]] {
        let run = place.run(args).exits(2);
        assert!(run.err.contains("permission"), "{args:?}: {}", run.err);
    }
    let run = place.backup(&[]).exits(2);
    assert!(run.err.contains("permission"), "{}", run.err);
    // Whoever has only the right to back up sees only what is his.
    place.become_user(&writer);
    assert!(place.run(&["snapshots", "--json"]).exits(0).json().is_empty());
    let run = place.backup(&[]).exits(2);
    assert!(run.err.contains("somebody else"), "{}", run.err);
    let changes = place.server().log();
    assert!(changes.iter().any(|record| record.place == Some(At::Rest) && record.status == Some(403)));
}

/// 16: a login is kept and used again, and one that is too old is not.
#[test]
fn b16_tickets_are_kept() {
    let Some(mut place) = Place::special("b16", quick()) else { return };
    let user = place.server().user().clone();
    place.become_user(&user);
    fs::create_dir_all(place.join("xdg_runtime_dir")).expect("a directory");
    place.run(&["login"]).exits(0);
    let logins = |place: &Place| {
        place.server().take_log().iter().filter(|record| record.path.ends_with("/access/ticket")).count()
    };
    logins(&place);
    let mut command = place.command(&["snapshots"]);
    command.env_remove("PBS_PASSWORD");
    place.finish(command).exits(0);
    assert_eq!(logins(&place), 0, "the ticket is used as it is");
    let without_password = |place: &Place| {
        let mut command = place.command(&["snapshots"]);
        command.env_remove("PBS_PASSWORD");
        place.finish(command)
    };
    let path = place.join("xdg_runtime_dir/proxmox-backup/tickets");
    let kept = fs::read_to_string(&path).expect("the tickets");
    let age = |seconds: i64, ahead: i64| {
        let mut all: Value = serde_json::from_str(&kept).expect("JSON");
        let entry = &mut all["127.0.0.1"][&user.auth_id];
        entry["timestamp"] = (entry["timestamp"].as_i64().expect("a time") - seconds).into();
        fs::write(&path, all.to_string()).expect("written");
        place.server().ahead.store(ahead, std::sync::atomic::Ordering::SeqCst);
    };
    age(7100, 0);
    without_password(&place).exits(0);
    assert_eq!(logins(&place), 0);
    // Older ones are not even tried, though the server would take them.
    age(7141, 0);
    let run = without_password(&place).exits(2);
    assert!(run.err.contains("PBS_PASSWORD"), "{}", run.err);
    assert!(place.server().take_log().is_empty());
    place.run(&["snapshots"]).exits(0);
    assert_eq!(logins(&place), 1);
    // One that looks good and is refused: the server's clock is ahead.
    age(0, 7300);
    let run = without_password(&place).exits(2);
    assert!(run.err.contains("401"), "{}", run.err);
    // One that is a quarter of an hour old is given for a new one, which needs no password.
    place.server().ahead.store(-1000, std::sync::atomic::Ordering::SeqCst);
    place.run(&["login"]).exits(0);
    place.server().ahead.store(0, std::sync::atomic::Ordering::SeqCst);
    logins(&place);
    without_password(&place).exits(0);
    assert_eq!(logins(&place), 1);
    place.run(&["logout"]).exits(0);
    let all: Value = serde_json::from_str(&fs::read_to_string(&path).expect("the tickets")).expect("JSON");
    assert!(all["127.0.0.1"].get(&user.auth_id).is_none());
}
