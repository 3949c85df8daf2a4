//! Restores (behaviours 60 to 69, 80).

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use pxkit_core::index::DynamicIndex;
use pxkit_tests::cli::Run;
use pxkit_tests::pbs::hooks::{Action, Rule};
use pxkit_tests::pbs::{Options, manifest};

use crate::raw::{Raw, plain_blob, query};
use crate::target::{Place, files};

fn quick() -> Options {
    Options { delay: Duration::ZERO, ..Options::default() }
}

fn restore(place: &Place, more: &[&str]) -> Run {
    let out = place.join("out");
    let _ = fs::remove_dir_all(&out);
    let latest = format!("{}/latest", place.group());
    place.run(&[&["restore", &latest, "root.pxar", "out", "--quiet"], more].concat())
}

/// The directory of the only snapshot, and the chunks of its payload in their order.
fn payload(place: &Place) -> (PathBuf, Vec<PathBuf>) {
    let root = place.server().root();
    let index = files(root).into_iter().find(|path| path.ends_with("root.ppxar.didx")).expect("an index");
    let parsed = DynamicIndex::parse(&fs::read(&index).expect("readable")).expect("an index");
    let path = |digest: String| root.join(".chunks").join(&digest[..4]).join(&digest);
    let chunks = parsed.chunks().iter().map(|chunk| path(chunk.digest.to_string())).collect();
    (index.parent().expect("a directory").to_owned(), chunks)
}

/// 60: what the server says of chunks that it does not give is explained.
#[test]
fn b60_chunks_that_are_not_given() {
    let Some(place) = Place::special("b60", quick()) else { return };
    place.backup(&[]).exits(0);
    let refusal = Action::Fail(401, "download chunk 0000 not allowed".to_owned());
    place.server().inject(Rule::new(refusal).on("GET /chunk"));
    let run = restore(&place, &[]).exits(2);
    assert!(run.err.contains("not allowed") && run.err.contains("index"), "{}", run.err);
}

/// 61: every file must be what the manifest says.
#[test]
fn b61_swapped_files() {
    let Some(place) = Place::special("b61", quick()) else { return };
    place.backup(&["x.conf:x.conf"]).exits(0);
    let (directory, _) = payload(&place);
    let other = fs::read(directory.join("root.mpxar.didx")).expect("readable");
    let swap = Rule::new(Action::Replace(other.clone())).on("GET /download").with("root.ppxar.didx");
    place.server().inject(swap);
    let run = restore(&place, &[]).exits(2);
    assert!(run.err.contains("root.ppxar.didx"), "{}", run.err);
    place.server().calm();
    place
        .server()
        .inject(Rule::new(Action::Replace(plain_blob(b"else"))).on("GET /download").with("x.conf.blob"));
    let latest = format!("{}/latest", place.group());
    let run = place.run(&["restore", &latest, "x.conf", "-"]).exits(2);
    assert!(run.out.is_empty() && run.err.contains("x.conf.blob"), "{}", run.err);
    // The manifest of another group.
    place.server().calm();
    for rubbish in [b"".to_vec(), b"rubbish".to_vec(), plain_blob(b"{}")] {
        place.server().calm();
        place
            .server()
            .inject(Rule::new(Action::Replace(rubbish)).on("GET /download").with("index.json.blob"));
        let run = restore(&place, &[]).exits(2);
        assert!(!run.err.contains("panicked") && !run.err.is_empty(), "{}", run.err);
    }
    place.server().calm();
    place.restores(&[]);
}

/// 62: what is encrypted and what is not is never taken for the other.
#[test]
fn b62_modes_of_chunks() {
    let Some(place) = Place::special("b62", quick()) else { return };
    place.run(&["key", "create", "--kdf", "none", "key.json"]).exits(0);
    place.backup(&["--keyfile", "key.json"]).exits(0);
    let (_, chunks) = payload(&place);
    let largest =
        chunks.iter().max_by_key(|path| fs::metadata(path).map_or(0, |m| m.len())).expect("a chunk");
    fs::write(largest, plain_blob(b"anything")).expect("written");
    let run = restore(&place, &["--keyfile", "key.json"]);
    assert!(run.code != Some(0) && run.err.contains("encrypted"), "{}", run.err);
    // And the other way round.
    let Some(place) = Place::special("b62", quick()) else { return };
    place.backup(&[]).exits(0);
    let (_, chunks) = payload(&place);
    let mut sealed = vec![0x7b, 0x67, 0x85, 0xbe, 0x22, 0x2d, 0x4c, 0xf0];
    sealed.extend(crc32fast::hash(b"data").to_le_bytes());
    sealed.extend([0; 32]);
    sealed.extend(b"data");
    for chunk in &chunks {
        fs::write(chunk, &sealed).expect("written");
    }
    let run = restore(&place, &[]);
    assert!(run.code != Some(0) && run.err.contains("encrypted"), "{}", run.err);
}

/// 63, 64, 80: five ways in which a chunk can be wrong, each told with its digest; files without it are restored.
#[test]
fn b63_b64_b80_damaged_chunks() {
    type Damage = fn(&PathBuf);
    let damages: [(&str, Damage); 5] = [
        ("CRC", |path| {
            let mut bytes = fs::read(path).expect("readable");
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            fs::write(path, bytes).expect("written");
        }),
        ("digest", |path| {
            let len = fs::metadata(path).expect("a file").len();
            fs::write(path, plain_blob(&vec![b'x'; usize::try_from(len).expect("small")])).expect("written");
        }),
        ("length", |path| fs::write(path, plain_blob(b"short")).expect("written")),
        ("missing", |path| fs::remove_file(path).expect("removed")),
        ("empty", |path| fs::write(path, b"").expect("written")),
    ];
    for (name, damage) in damages {
        let Some(place) = Place::special("b63", quick()) else { return };
        place.backup(&[]).exits(0);
        // The largest file has chunks of its own; one in its middle.
        let (_, chunks) = payload(&place);
        let victim = &chunks[chunks.len() / 3];
        damage(victim);
        let run = restore(&place, &[]);
        assert!(matches!(run.code, Some(1 | 2)), "{name}: {}", run.err);
        let digest = victim.file_name().and_then(|name| name.to_str()).expect("text");
        assert!(run.err.contains(digest), "{name}: {}", run.err);
        assert!(
            place.join("out/sub/c").exists(),
            "{name}: files without the chunk are restored: {}",
            run.err
        );
    }
}

/// 65 and decision 14: a key that was given makes an unsigned snapshot a refusal.
#[test]
fn b65_unsigned_snapshots() {
    let place = Place::new();
    place.backup(&[]).exits(0);
    place.run(&["key", "create", "--kdf", "none", "key.json"]).exits(0);
    let run = restore(&place, &["--keyfile", "key.json"]).exits(2);
    assert!(run.err.contains("sign"), "{}", run.err);
    restore(&place, &[]).exits(0);
}

/// 67.
#[test]
fn b67_names_of_archives() {
    let place = Place::new();
    place.backup(&["x.conf:x.conf"]).exits(0);
    place.restores(&[]);
    let latest = format!("{}/latest", place.group());
    for name in ["root.pxar.didx", "root.mpxar", "root.ppxar.didx"] {
        let target = place.join(name);
        place.run(&["restore", &latest, name, target.to_str().expect("text"), "--quiet"]).exits(0);
        pxkit_tests::describe::assert_same(&place.tree(), &target);
    }
    let run = place.run(&["restore", &latest, "x.conf", "-"]).exits(0);
    assert_eq!(run.text(), "settings of the test");
    let run = place.run(&["restore", &latest, "absent.pxar", "nowhere"]).exits(2);
    assert!(run.err.contains("root.mpxar.didx"), "{}", run.err);
}

/// 68: unfinished snapshots and the order of listings.
#[test]
fn b68_the_latest() {
    let Some(place) = Place::special("b68", quick()) else { return };
    for time in ["1700000000", "1700000005", "1700000009"] {
        let tree = place.tree();
        fs::write(tree.join("which"), time).expect("written");
        place.backup(&["--backup-time", time]).exits(0);
    }
    let group = place.server().root().join(place.group());
    fs::create_dir(group.join("2030-01-01T00:00:00Z")).expect("a directory");
    restore(&place, &[]).exits(0);
    assert_eq!(fs::read(place.join("out/which")).expect("a file"), b"1700000009");
    let listed = place.snapshots();
    let times: Vec<_> = listed.iter().map(|snapshot| snapshot["time"].as_i64().expect("a time")).collect();
    assert!(times.is_sorted() && times.len() == 4, "{times:?}");
}

/// The lock of a backup may outlive it by a moment; whoever reads then waits for it, but not for ever.
#[test]
fn locked_snapshots_are_waited_for() {
    let Some(place) = Place::special("locked", quick()) else { return };
    place.backup(&[]).exits(0);
    let locked =
        || Action::Fail(400, "while reading snapshot \"x\": unable to acquire shared snapshot lock".into());
    for nth in [1, 2] {
        place.server().inject(Rule::new(locked()).on("GET /api2/json/reader").nth(nth));
    }
    place.restores(&[]);
    place.server().inject(Rule::new(locked()).on("GET /api2/json/reader"));
    let latest = format!("{}/latest", place.group());
    let run = place.run(&["restore", &latest, "root.pxar", "never", "--quiet"]).exits(2);
    assert!(run.err.contains("shared snapshot lock"), "{}", run.err);
}

/// 69.
#[test]
fn b69_forget_while_it_is_read() {
    let Some(place) = Place::special("b69", quick()) else { return };
    place.backup(&["--backup-time", "1700000000"]).exits(0);
    let call = format!("GET /api2/json/reader?{}", query("host", &place.id, 1_700_000_000));
    let session = Raw::upgrade_patiently(place.server(), &call, "proxmox-backup-reader-protocol-v1");
    let name = format!("{}/2023-11-14T22:13:20Z", place.group());
    let run = place.run(&["forget", &name]).exits(2);
    assert!(run.err.contains("in use"), "{}", run.err);
    session.close();
    pxkit_tests::cli::wait_until("the session is over", || {
        Run::of(place.command(&["forget", &name])).code == Some(0)
    });
}

/// 70: what a listing lacks, and what nobody knows in it.
#[test]
fn b70_listings_from_other_versions() {
    let Some(place) = Place::special("b70", quick()) else { return };
    let body = r#"{"data":[{"backup-type":"host","backup-id":"a","backup-time":1700000000,"files":[{"filename":"x.blob","new":1}],"protected":false,"novelty":{"a":[1]}}],"total":1,"more":null}"#;
    place.server().inject(Rule::new(Action::Replace(body.into())).on("GET /snapshots"));
    let groups = r#"{"data":[{"backup-type":"host","backup-id":"a","last-backup":1700000000,"backup-count":1,"files":[],"x":1}]}"#;
    place.server().inject(Rule::new(Action::Replace(groups.into())).on("GET /groups"));
    let listed = place.run(&["snapshots", "--json"]).exits(0).json();
    assert_eq!(listed.len(), 1);
    place.run(&["snapshots"]).exits(0);
    // And what is no listing at all.
    for body in ["", "{}", "[]", "{\"data\":null}", "{\"data\":[{}]}", "{\"data\":[1]}", "\u{1}"] {
        place.server().calm();
        place.server().inject(Rule::new(Action::Replace(body.into())).on("GET /snapshots"));
        place.server().inject(Rule::new(Action::Replace(body.into())).on("GET /groups"));
        let run = place.run(&["snapshots"]);
        assert!(matches!(run.code, Some(0 | 2)) && !run.err.contains("panicked"), "{body}: {}", run.err);
    }
}

/// What verification found is in listings, and a snapshot that failed is no reference.
#[test]
fn failed_snapshots_are_no_reference() {
    let Some(place) = Place::special("failed", quick()) else { return };
    place.backup(&["--backup-time", "1700000000"]).exits(0);
    let (directory, _) = payload(&place);
    let upid = "UPID:pbs:00004F37:0039E469:00000001:5EF5FFFF:verify:store1\\x3ahost-a:root@pam:";
    manifest::update(&directory.join("index.json.blob"), |unprotected| {
        unprotected.insert("verify_state".to_owned(), serde_json::json!({ "state": "failed", "upid": upid }));
    })
    .expect("written");
    assert_eq!(place.snapshots()[0]["verified"], false);
    place.server().take_log();
    place.backup(&[]).exits(0);
    assert!(place.server().log().iter().any(|record| record.path == "/dynamic_chunk"));
}
