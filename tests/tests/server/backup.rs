//! Backups (behaviours 30 to 34, 36 to 39, 41 to 44, 48 to 59, 76, 78, 79, 83).

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use pxkit_core::index::DynamicIndex;
use pxkit_tests::cli::{Run, wait_until};
use pxkit_tests::pbs::access::User;
use pxkit_tests::pbs::hooks::{Action, Moment, Record, Rule};
use pxkit_tests::pbs::{Options, manifest};
use serde_json::Value;

use crate::raw::{Raw, query};
use crate::target::{Place, files, noise, settle, write};

const BACKUP: &str = "proxmox-backup-protocol-v1";

fn quick() -> Options {
    Options { delay: Duration::ZERO, ..Options::default() }
}

fn calls<'a>(log: &'a [Record], call: &str) -> Vec<&'a Record> {
    log.iter().filter(|record| record.call() == call).collect()
}

/// 30: four refusals, told apart, and nothing of ours stays.
#[test]
fn b30_what_a_group_can_say() {
    let other = User::new("other@pbs!tok", "another secret");
    let mut options = quick();
    options.users.push(other.clone());
    let Some(mut place) = Place::special("b30", options) else { return };
    place.backup(&["--backup-time", "1700000000"]).exits(0);
    let before = files(place.server().root());
    let older = place.backup(&["--backup-time", "1600000000"]).exits(2).err;
    let equal = place.backup(&["--backup-time", "1700000000"]).exits(2).err;
    assert!(older.contains("older than last backup") && equal.contains("older than last backup"), "{older}");
    let call = format!("GET /api2/json/backup?{}", query("host", &place.id, 1_800_000_000));
    let session = Raw::new(place.server(), place.server().token()).upgrade(&call, BACKUP).expect("a session");
    let busy = place.backup(&[]).exits(2).err;
    assert!(busy.contains("another backup"), "{busy}");
    session.close();
    wait_until("the session is over", || files(place.server().root()).len() == before.len());
    let directory = place.server().root().join(place.group()).join("2030-01-01T00:00:00Z");
    fs::create_dir(&directory).expect("a directory");
    let exists = place.backup(&["--backup-time", "1893456000"]).exits(2).err;
    assert!(exists.contains("already exists"), "{exists}");
    fs::remove_dir(&directory).expect("removed");
    place.become_user(&other);
    let owner = place.backup(&[]).exits(2).err;
    assert!(owner.contains("belongs to somebody else"), "{owner}");
    assert_eq!(files(place.server().root()), before);
}

/// 31, 34, and the order of a first backup (12).
#[test]
fn b31_b34_what_is_asked_of_a_previous_snapshot() {
    let Some(place) = Place::special("b31", quick()) else { return };
    place.backup(&["x.conf:x.conf", "--backup-time", "1700000000"]).exits(0);
    let log = place.server().take_log();
    assert!(calls(&log, "GET /previous").is_empty());
    // Another archive in the same group: the old one is not asked for, the new one cannot be.
    let tree = place.tree();
    let source = format!("other.pxar:{}", tree.display());
    place
        .run(&["backup", &source, "--backup-id", &place.id, "--quiet", "--backup-time", "1700000001"])
        .exits(0);
    let log = place.server().take_log();
    let asked: Vec<_> =
        calls(&log, "GET /previous").iter().filter_map(|call| call.get("archive-name")).collect();
    assert_eq!(asked, ["index.json.blob"]);
    // Now all of it is there, and nothing but metadata is uploaded.
    place
        .run(&["backup", &source, "--backup-id", &place.id, "--quiet", "--backup-time", "1700000002"])
        .exits(0);
    let log = place.server().take_log();
    let asked: Vec<_> =
        calls(&log, "GET /previous").iter().filter_map(|call| call.get("archive-name")).collect();
    assert!(asked.contains(&"other.ppxar.didx"), "{asked:?}");
    let uploaded: u64 = calls(&log, "POST /dynamic_chunk")
        .iter()
        .filter_map(|call| call.get("size")?.parse::<u64>().ok())
        .sum();
    assert!(uploaded < 100_000, "{uploaded} bytes are uploaded again");
}

/// 32 and 33: a previous snapshot that is not what it should be is none; the backup is a full one.
#[test]
fn b32_b33_odd_previous_snapshots() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 3] = [
        ("csum", |manifest| manifest["files"][0]["csum"] = "0".repeat(64).into()),
        ("size", |manifest| manifest["files"][0]["size"] = 5.into()),
        ("signature", |manifest| {
            manifest["signature"] = "0".repeat(64).into();
            manifest["unprotected"]["key-fingerprint"] = vec!["00"; 32].join(":").into();
        }),
    ];
    for (name, change) in changes {
        let Some(place) = Place::special("b32", quick()) else { return };
        place.backup(&["--backup-time", "1700000000"]).exits(0);
        let path = place.server().root().join(place.group()).join("2023-11-14T22:13:20Z/index.json.blob");
        let mut object = manifest::read(&path).expect("a manifest");
        change(&mut object);
        manifest::write(&path, &object).expect("written");
        let run = place.backup(&[]);
        assert!(matches!(run.code, Some(0 | 1)), "{name}: {}", run.err);
        place.restores(&[]);
    }
    let Some(place) = Place::special("b32", quick()) else { return };
    place.backup(&["--backup-time", "1700000000"]).exits(0);
    let path = place.server().root().join(place.group()).join("2023-11-14T22:13:20Z/index.json.blob");
    fs::write(path, b"rubbish").expect("written");
    let run = place.backup(&[]);
    assert!(matches!(run.code, Some(0 | 1)), "{}", run.err);
    place.restores(&[]);
}

/// 37: one upload for a chunk that comes often, and everything restores. What else must hold is checked after each run (`rules`).
#[test]
fn b37_chunks_that_repeat() {
    let place = Place::new();
    let tree = place.tree();
    for name in ["x", "y", "z"] {
        write(&tree.join(name), &noise(9, 200_000));
    }
    write(&tree.join("zeros"), &vec![0; 3 << 20]);
    place.backup(&["--change-detection-mode", "data"]).exits(0);
    place.restores(&[]);
}

/// 38: however late replies come.
#[test]
fn b38_replies_out_of_order() {
    let Some(place) = Place::special("b38", quick()) else { return };
    for nth in [1, 4, 5] {
        let late = Action::Delay(Duration::from_millis(300));
        place.server().inject(Rule::new(late).on("POST /dynamic_chunk").nth(nth));
    }
    place.backup(&[]).exits(0);
    place.restores(&[]);
}

/// 44: a session has no more than 256 archives, which is said before anything is sent.
#[test]
fn b44_too_many_archives() {
    let Some(place) = Place::special("b44", quick()) else { return };
    place.tree();
    // Two for each of them.
    let specs: Vec<String> = (0..129).map(|at| format!("a{at}.pxar:tree")).collect();
    let args: Vec<&str> = ["backup", "--quiet", "--backup-id", &place.id]
        .into_iter()
        .chain(specs.iter().map(|spec| &**spec))
        .collect();
    let run = place.run(&args);
    assert!(matches!(run.code, Some(2 | 64)), "{:?}", run.code);
    assert!(run.err.contains("256"), "{}", run.err);
    assert!(place.server().log().is_empty());
}

/// A rate holds in both directions, and is told in what people write.
#[test]
fn rates_hold() {
    let Some(place) = Place::special("rate", quick()) else { return };
    write(&place.tree().join("large"), &noise(70, 6 << 20));
    let least = |seconds: f64, args: &[&str]| {
        let start = std::time::Instant::now();
        place.run(args).exits(0);
        assert!(start.elapsed().as_secs_f64() >= seconds, "{args:?} took {:?}", start.elapsed());
    };
    // 6 MiB that cannot be compressed, of which a burst of 1 MiB goes at once.
    let rate = ["--rate", "3MiB", "--burst", "1MiB"];
    least(1.3, &place.backup_args(&rate));
    let latest = format!("{}/latest", place.group());
    least(1.3, &[&["restore", &latest, "root.pxar", "out", "--quiet"][..], &rate].concat());
    place.run(&["snapshots", "--rate", "fast"]).exits(64);
}

/// 49: a refusal of the server ends all, and nothing stays.
#[test]
fn b49_an_error_undoes_everything() {
    for call in [
        "POST /dynamic_index",
        "POST /dynamic_chunk",
        "PUT /dynamic_index",
        "POST /dynamic_close",
        "POST /blob",
        "POST /finish",
    ] {
        let Some(place) = Place::special("b49", quick()) else { return };
        let refusal = Action::Fail(400, "it is not to be".to_owned());
        place.server().inject(Rule::new(refusal).on(call).nth(1));
        let run = place.backup(&[]).exits(2);
        assert!(run.err.contains("it is not to be"), "{call}: {}", run.err);
        wait_until("everything is removed", || !place.server().root().join(place.group()).exists());
    }
}

/// 50: killed without warning.
#[test]
fn b50_killed() {
    let Some(place) = Place::special("b50", quick()) else { return };
    place.server().inject(Rule::new(Action::Delay(Duration::from_secs(60))).on("POST /dynamic_chunk").nth(2));
    let mut command = place.command(&place.backup_args(&[]));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
    let group = place.server().root().join(place.group());
    wait_until("the backup began", || group.exists());
    child.kill().expect("killed");
    child.wait().expect("dead");
    wait_until("the group is removed", || !group.exists());
    place.server().calm();
    place.backup(&[]).exits(0);
}

/// Interrupted: 130, and nothing stays.
#[test]
fn interrupted() {
    let Some(place) = Place::special("interrupted", quick()) else { return };
    place.server().inject(Rule::new(Action::Delay(Duration::from_secs(60))).on("POST /dynamic_chunk"));
    let mut command = place.command(&place.backup_args(&[]));
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
    wait_until("a chunk is on its way", || !calls(&place.server().log(), "POST /dynamic_chunk").is_empty());
    pxkit_tests::cli::send(&child, rustix::process::Signal::INT);
    assert_eq!(pxkit_tests::cli::wait(child), Some(130));
    wait_until("the group is removed", || !place.server().root().join(place.group()).exists());
}

/// 54: what is finished is finished.
#[test]
fn b54_reset_after_finish() {
    let Some(place) = Place::special("b54", quick()) else { return };
    place.server().inject(Rule::new(Action::Disconnect(Moment::Sent)).on("POST /finish"));
    place.backup(&[]).exits(0);
    place.restores(&[]);
}

/// 53: the snapshot that this one builds upon is gone.
#[test]
fn b53_the_base_vanishes() {
    let Some(place) = Place::special("b53", quick()) else { return };
    place.backup(&["--backup-time", "1700000000"]).exits(0);
    let base = place.server().root().join(place.group()).join("2023-11-14T22:13:20Z");
    place.server().take_log();
    place.server().inject(Rule::new(Action::Hold).on("POST /blob").nth(1));
    let command = place.command(&place.backup_args(&[]));
    let run = std::thread::scope(|scope| {
        let run = scope.spawn(|| place.finish(command));
        wait_until("the manifest is on its way", || !calls(&place.server().log(), "POST /blob").is_empty());
        fs::remove_dir_all(&base).expect("removed");
        place.server().calm();
        run.join().expect("no panic")
    });
    assert!(run.exits(2).err.contains("removed"));
}

/// 56 and 57.
#[test]
fn b56_b57_keys() {
    for (mode, word) in [("sign-only", "sign-only"), ("encrypt", "encrypt")] {
        let place = Place::new();
        place.run(&["key", "create", "--kdf", "none", "key.json"]).exits(0);
        let with_key = ["--keyfile", "key.json", "--crypt-mode", mode];
        let mut args = vec!["x.conf:x.conf"];
        args.extend(with_key);
        place.backup(&args).exits(0);
        std::thread::sleep(Duration::from_millis(1100));
        place.backup(&args).exits(0);
        place.restores(&["--keyfile", "key.json"]);
        let latest = format!("{}/latest", place.group());
        let listed = place.run(&["files", &latest, "--json"]).exits(0).json();
        let modes: Vec<_> =
            listed.iter().filter(|file| !file["csum"].is_null()).map(|file| &file["crypt-mode"]).collect();
        assert!(modes.len() >= 3 && modes.iter().all(|mode| *mode == word), "{listed:?}");
        let Some(server) = place.own() else { continue };
        // Nothing of the contents lies there in the clear, and the manifest can be read.
        for path in files(server.root()) {
            let bytes = fs::read(&path).expect("readable");
            let is_clear = bytes.windows(20).any(|window| window == b"settings of the test");
            assert!(!is_clear || mode == "sign-only", "{}", path.display());
            if path.ends_with("index.json.blob") {
                manifest::read(&path).expect("a manifest in the clear");
            }
        }
        // 83: sizes are those of the plain chunks.
        let log = server.log();
        let mut sizes = std::collections::HashMap::new();
        for call in calls(&log, "POST /dynamic_chunk") {
            sizes.insert(
                call.get("digest").expect("a digest").to_owned(),
                call.get("size").expect("a size").to_owned(),
            );
        }
        for path in files(server.root()).into_iter().filter(|path| path.to_string_lossy().ends_with(".didx"))
        {
            let index = DynamicIndex::parse(&fs::read(&path).expect("readable")).expect("an index");
            let mut start = 0;
            for chunk in index.chunks() {
                assert_eq!(sizes[&chunk.digest.to_string()], (chunk.end - start).to_string());
                start = chunk.end;
            }
        }
        let verified = place.run_with(
            &[("PBS_REPOSITORY", server.root().to_str().expect("text"))],
            &["verify", "--keyfile", "key.json"],
        );
        verified.exits(0);
    }
}

/// 58.
#[test]
fn b58_namespaces_are_not_made_on_the_way() {
    let place = Place::new();
    let run = place.backup(&["--ns", "nowhere-to-be-found"]).exits(2);
    assert!(run.err.contains("namespace") && run.err.contains("404"), "{}", run.err);
    if let Some(server) = place.own() {
        assert!(!server.root().join("ns/nowhere-to-be-found").exists());
        place.run(&["namespace", "create", "here"]).exits(0);
        place.backup(&["--ns", "here"]).exits(0);
        assert!(server.root().join("ns/here").join(place.group()).exists());
        place.restores(&["--ns", "here"]);
        let listed = place.run(&["snapshots", "--ns", "here", "--json"]).exits(0).json();
        assert_eq!(listed.len(), 1);
        assert!(place.run(&["snapshots", "--json"]).exits(0).json().is_empty());
    }
}

/// 59.
#[test]
fn b59_two_at_once() {
    let Some(place) = Place::special("b59", quick()) else { return };
    place.tree();
    let run = |id: &str| Run::of(place.command(&["backup", "root.pxar:tree", "--backup-id", id, "--quiet"]));
    // The second begins and ends while the first waits to be finished.
    for (first, second, code) in [("a", "b", 0), ("c", "c", 2)] {
        place.server().take_log();
        place.server().inject(Rule::new(Action::Hold).on("POST /finish").nth(1));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| run(first));
            wait_until("one is finished", || !calls(&place.server().log(), "POST /finish").is_empty());
            let other = run(second);
            place.server().calm();
            waiting.join().expect("no panic").exits(0);
            other.exits(code);
        });
    }
}

/// 76.
#[test]
fn b76_names_come_once() {
    let place = Place::new();
    place.tree();
    let run = place.run(&["backup", "root.pxar:tree", "root.pxar:tree", "--backup-id", &place.id]).exits(64);
    assert!(run.err.contains("twice"), "{}", run.err);
    if let Some(server) = place.own() {
        assert!(server.log().is_empty());
    }
}

/// 78.
#[test]
fn b78_ids_that_are_too_long() {
    let Some(place) = Place::special("b78", quick()) else { return };
    place.tree();
    let id = "x".repeat(200);
    let run = place.run(&["backup", "root.pxar:tree", "--backup-id", &id, "--quiet"]).exits(2);
    assert!(run.err.contains("too long"), "{}", run.err);
    assert_eq!(calls(&place.server().log(), "GET /api2/json/backup").len(), 1);
}

/// 79 and a full disk: the server says no while a chunk is still on its way.
#[test]
fn b79_refused_while_it_is_sent() {
    let Some(place) = Place::special("b79", Options { window: 65_535, connection_window: 65_535, ..quick() })
    else {
        return;
    };
    let tree = place.tree();
    write(&tree.join("large"), &noise(5, 3 << 20));
    let refusal = Action::Fail(400, "no such luck".to_owned());
    place.server().inject(Rule::new(refusal).on("POST /dynamic_chunk").nth(1));
    let run = place.run(&["backup", "root.pxar:tree", "--backup-id", &place.id, "--quiet"]).exits(2);
    assert!(run.err.contains("no such luck"), "{}", run.err);
    place.server().calm();
    place.server().full.store(true, std::sync::atomic::Ordering::SeqCst);
    let run = place.backup(&[]).exits(2);
    assert!(run.err.contains("is full"), "{}", run.err);
    wait_until("everything is removed", || !place.server().root().join(place.group()).exists());
    place.server().full.store(false, std::sync::atomic::Ordering::SeqCst);
    place.backup(&[]).exits(0);
}

/// What lies on the server afterwards is what a local datastore would have, chunk for chunk, but for how it was compressed.
#[test]
fn the_same_as_in_a_local_datastore() {
    let Some(place) = Place::special("same", quick()) else { return };
    let local = place.join("local");
    let local = local.to_str().expect("text");
    for mode in ["metadata", "data", "legacy"] {
        for time in ["1700000000", "1700000001"] {
            let id = format!("same-{mode}");
            let tree = place.tree();
            write(&tree.join("changes"), &noise(time.len() as u64 + u64::from(time.ends_with('1')), 70_000));
            settle();
            let args = [
                "backup",
                "root.pxar:tree",
                "x.conf:x.conf",
                "--backup-id",
                &id,
                "--quiet",
                "--chunk-size",
                "64",
                "--backup-time",
                time,
                "--change-detection-mode",
                mode,
            ];
            place.run(&args).exits(0);
            place.run_with(&[("PBS_REPOSITORY", local)], &args).exits(0);
            let snapshot = format!(
                "host/{id}/{}",
                if time.ends_with('1') { "2023-11-14T22:13:21Z" } else { "2023-11-14T22:13:20Z" }
            );
            let manifest_of = |root: &std::path::Path| {
                let path = root.join(&snapshot).join("index.json.blob");
                manifest::read(&path).expect("a manifest")["files"].clone()
            };
            assert_eq!(manifest_of(place.server().root()), manifest_of(local.as_ref()), "{mode}");
            for name in ["root.mpxar.didx", "root.ppxar.didx", "root.pxar.didx"] {
                let entries = |root: &std::path::Path| {
                    fs::read(root.join(&snapshot).join(name)).ok().map(|bytes| bytes[4096..].to_vec())
                };
                assert_eq!(entries(place.server().root()), entries(local.as_ref()), "{mode} {name}");
            }
        }
    }
    let chunks = |root: &std::path::Path| -> Vec<_> {
        let mut all: Vec<_> = files(&root.join(".chunks"))
            .into_iter()
            .filter_map(|path| path.file_name().map(ToOwned::to_owned))
            .collect();
        all.sort();
        all
    };
    assert_eq!(chunks(place.server().root()), chunks(local.as_ref()));
    // Our own verification finds nothing wrong with what the server wrote.
    let root = place.server().root().to_str().expect("text").to_owned();
    place.run_with(&[("PBS_REPOSITORY", &root)], &["verify"]).exits(0);
}
