//! What pxkit sends, beside the transcripts (protocol 12 to 14).

use std::time::Duration;

use pxkit_tests::pbs::Options;
use pxkit_tests::pbs::hooks::{Place as At, Record};

use crate::target::Place;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

fn place() -> Option<Place> {
    Place::special("transcript", Options { delay: Duration::ZERO, ..Options::default() })
}

fn keys(record: &Record) -> Vec<&str> {
    let mut keys: Vec<&str> = record.query.iter().map(|(key, _)| &**key).collect();
    keys.sort_unstable();
    keys
}

fn inside(log: &[Record], at: At) -> Vec<&Record> {
    log.iter().filter(|record| record.place == Some(at)).collect()
}

/// The upgrade is asked for as 6.1 says.
#[track_caller]
fn upgrade(log: &[Record], path: &str, protocol: &str) {
    let record = log.iter().find(|record| record.path == path).expect("an upgrade");
    assert_eq!((record.method.as_str(), record.status), ("GET", Some(101)));
    assert_eq!(record.header("upgrade"), Some(protocol));
    assert!(record.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade")));
    let known = ["backup-id", "backup-time", "backup-type", "benchmark", "debug", "store"];
    assert!(keys(record).iter().all(|key| known.contains(key)), "{record:?}");
    for needed in ["backup-id", "backup-time", "backup-type", "store"] {
        assert!(record.get(needed).is_some(), "{record:?}");
    }
}

/// 12: a first backup of a split archive, and an unchanged second one.
#[test]
fn a_backup() {
    let Some(place) = place() else { return };
    place.backup(&["--backup-time", "1700000000"]).exits(0);
    let log = place.server().take_log();
    upgrade(&log, "/api2/json/backup", "proxmox-backup-protocol-v1");
    let session = inside(&log, At::Backup);
    let order: Vec<String> = session.iter().map(|record| record.call()).collect();
    let count = |call: &str| order.iter().filter(|other| *other == call).count();
    assert_eq!((count("POST /dynamic_index"), count("POST /dynamic_close")), (2, 2));
    assert_eq!(order[order.len() - 2..], ["POST /blob", "POST /finish"]);
    let allowed = [
        "GET /previous_backup_time",
        "POST /dynamic_index",
        "POST /dynamic_chunk",
        "PUT /dynamic_index",
        "POST /dynamic_close",
        "POST /blob",
        "POST /finish",
    ];
    for record in &session {
        assert!(allowed.contains(&&*record.call()), "{record:?}");
        let (wanted, kind): (&[&str], &str) = match &*record.call() {
            "POST /dynamic_index" => (&["archive-name"], FORM),
            "POST /dynamic_chunk" => (&["digest", "encoded-size", "size", "wid"], BYTES),
            "PUT /dynamic_index" => (&[], JSON),
            "POST /dynamic_close" => (&["chunk-count", "csum", "size", "wid"], FORM),
            "POST /blob" => (&["encoded-size", "file-name"], BYTES),
            _ => (&[], FORM),
        };
        assert_eq!(keys(record), wanted, "{record:?}");
        // Where nothing is given nothing need be said of it.
        let given = record.header("content-type").unwrap_or(FORM);
        assert_eq!(given.split(';').next(), Some(kind), "{record:?}");
        assert_eq!(record.status, Some(200), "{record:?}");
        if record.method == "PUT" {
            let json = record.json();
            let mut keys: Vec<_> = json.as_object().expect("an object").keys().map(String::as_str).collect();
            keys.sort_unstable();
            assert_eq!(keys, ["digest-list", "offset-list", "wid"]);
        }
    }
    place.backup(&["--backup-time", "1700000001"]).exits(0);
    let log = place.server().take_log();
    upgrade(&log, "/api2/json/reader", "proxmox-backup-reader-protocol-v1");
    let session = inside(&log, At::Backup);
    let asked: Vec<&str> = session
        .iter()
        .filter(|call| call.path == "/previous")
        .filter_map(|call| call.get("archive-name"))
        .collect();
    assert_eq!(asked.first(), Some(&"index.json.blob"));
    assert!(asked.contains(&"root.ppxar.didx") && asked.contains(&"root.mpxar.didx"), "{asked:?}");
    // Tables of directories count what was written, so that the first archive without anything new is another one.
    place.backup(&["--backup-time", "1700000002"]).exits(0);
    let log = place.server().take_log();
    let session = inside(&log, At::Backup);
    let uploads: Vec<_> = session.iter().filter(|call| call.path == "/dynamic_chunk").collect();
    assert!(uploads.is_empty(), "nothing is uploaded: {uploads:?}");
}

/// 13: a restore.
#[test]
fn a_restore() {
    let Some(place) = place() else { return };
    place.backup(&[]).exits(0);
    place.server().take_log();
    place.restores(&[]);
    let log = place.server().take_log();
    let rest: Vec<String> = inside(&log, At::Rest).iter().map(|record| record.call()).collect();
    let listing = rest.iter().position(|call| call == "GET /api2/json/admin/datastore/store1/snapshots");
    let reader = rest.iter().position(|call| call == "GET /api2/json/reader");
    assert!(listing.is_some() && listing < reader, "{rest:?}");
    upgrade(&log, "/api2/json/reader", "proxmox-backup-reader-protocol-v1");
    let session = inside(&log, At::Reader);
    assert_eq!(session[0].get("file-name"), Some("index.json.blob"));
    for record in session {
        match &*record.call() {
            "GET /download" => assert_eq!(keys(record), ["file-name"]),
            "GET /chunk" => assert_eq!(keys(record), ["digest"]),
            _ => panic!("{record:?}"),
        }
    }
}

/// 14: a login, and a change with its ticket.
#[test]
fn a_login() {
    let Some(mut place) = place() else { return };
    let user = place.server().user().clone();
    place.become_user(&user);
    place.backup(&["--backup-time", "1700000000"]).exits(0);
    place.server().take_log();
    let name = format!("{}/2023-11-14T22:13:20Z", place.group());
    place.run(&["forget", &name]).exits(0);
    let log = place.server().take_log();
    for record in &log {
        match record.method.as_str() {
            "POST" => {
                assert_eq!(
                    (record.path.as_str(), record.header("content-type")),
                    ("/api2/json/access/ticket", Some(JSON))
                );
                let json = record.json();
                let mut keys: Vec<_> =
                    json.as_object().expect("an object").keys().map(String::as_str).collect();
                keys.sort_unstable();
                assert_eq!(keys, ["password", "username"]);
            }
            "DELETE" => {
                assert_eq!(keys(record), ["backup-id", "backup-time", "backup-type"]);
                let cookie = record.header("cookie").expect("a cookie");
                assert!(cookie.starts_with("PBSAuthCookie=PBS:tester@pbs:"), "another cookie");
                assert!(record.header("csrfpreventiontoken").is_some_and(|token| token.contains(':')));
            }
            _ => {}
        }
    }
    assert!(log.iter().any(|record| record.method == "DELETE"));
}
