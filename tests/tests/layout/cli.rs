//! `pxkit layout`: text, JSON and lists, from files and snapshots, and its exit status.

use std::fs;
use std::path::PathBuf;

use pxkit_core::access::Source;
use pxkit_core::layout::{Class, Map};
use pxkit_tests::cli::Run;
use pxkit_tests::disk::Scratch;
use pxkit_tests::laid_out::LaidOut;
use pxkit_tests::{golden, pxkit};
use serde_json::Value;

const NEWEST: &str = "host/meta/2026-11-22T21:15:58Z/tree.pxar";
const MIDDLE: &str = "host/meta/2026-11-22T21:15:56Z/tree.pxar";
const OLDER: &str = "host/meta/2026-11-22T21:15:55Z/tree.pxar";

fn store() -> PathBuf {
    golden::path("datastore")
}

fn number(json: &Value, pointer: &str) -> u64 {
    json.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} in {json}"))
}

#[test]
fn the_report_of_a_snapshot() {
    let run = pxkit![
        "layout",
        "--repository",
        store(),
        NEWEST,
        "--json",
        "--check",
        "--ghosts",
        "--previous",
        MIDDLE
    ];
    let report = &run.succeeds().json()[0];
    let archive = LaidOut::golden("host/meta/2026-11-22T21:15:58Z");
    let totals = archive.layout().totals();
    assert_eq!(number(report, "/live"), totals.live);
    assert_eq!(number(report, "/size"), archive.layout().size());
    assert_eq!(number(report, "/padding/bytes"), 26_923);
    for class in Class::ALL {
        assert_eq!(number(report, &format!("/padding/{}", class.name())), totals.padding.of(class));
    }
    assert_eq!((number(report, "/chunks/count"), number(report, "/chunks/with_padding")), (57, 6));
    assert_eq!((number(report, "/ghosts/count"), number(report, "/ghosts/markers")), (7, 32));
    assert_eq!(report["headers_checked"], true);
    assert_eq!(number(report, "/findings/total"), 0);
    // The three files that were removed, the one that changed, and what that did.
    let changes = |change: &str| number(report, &format!("/previous/changes/{change}/entries"));
    assert_eq!(["unchanged", "contents", "removed", "added"].map(changes), [133, 1, 3, 0]);
    assert_eq!(number(report, "/previous/stored_again/unchanged/files"), 12);
    let shared = number(report, "/previous/chunks/shared/chunks");
    assert_eq!(shared + number(report, "/previous/chunks/new/chunks"), 57);
    assert_eq!(number(report, "/generations/1/chunks"), shared);
    let needed = report["padding_needed_by"]["older"][0].as_u64().unwrap();
    assert_eq!(needed + number(report, "/padding_needed_by/unknown"), 26_923);
}

#[test]
fn lists_add_up_to_the_report() {
    let lists = |list: &str| {
        let json = format!("--json={list}");
        pxkit!["layout", "--repository", store(), NEWEST, &json, "--previous", MIDDLE].succeeds().json()
    };
    let sum = |rows: &[Value], key: &str| rows.iter().filter_map(|row| row[key].as_u64()).sum::<u64>();
    let report = &pxkit!["layout", "--repository", store(), NEWEST, "--json"].succeeds().json()[0];
    let (ranges, chunks, padding) = (lists("ranges"), lists("chunks"), lists("padding"));
    assert_eq!(sum(&ranges, "bytes"), number(report, "/size"));
    assert_eq!(sum(&chunks, "bytes"), number(report, "/size"));
    assert_eq!(sum(&chunks, "live"), number(report, "/live"));
    assert_eq!(sum(&chunks, "dead"), number(report, "/padding/bytes"));
    assert_eq!(sum(&padding, "bytes"), number(report, "/padding/bytes"));
    assert_eq!(ranges.iter().filter(|row| row["owner"] == "payload").count(), 125);
    assert!(lists("findings").is_empty());
    assert_eq!(lists("changes").len(), 4);
    // The same as CSV.
    for (list, rows) in [("ranges", &ranges), ("chunks", &chunks), ("padding", &padding)] {
        let run = pxkit!["layout", "--repository", store(), NEWEST, "--csv", list, "--previous", MIDDLE];
        let text = run.succeeds().text().to_owned();
        let mut lines = text.lines();
        let head: Vec<_> = lines.next().unwrap().split(',').collect();
        assert_eq!(lines.clone().count(), rows.len());
        for (line, row) in lines.zip(rows) {
            for (column, cell) in head.iter().zip(line.split(',')) {
                let expected = match &row[column] {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                assert_eq!(cell, expected, "{list}: {line}");
            }
        }
    }
}

#[test]
fn ghosts_have_names() {
    let run = pxkit![
        "layout",
        "--repository",
        store(),
        NEWEST,
        "--ghosts",
        "--json=padding",
        "--previous",
        MIDDLE,
        "--previous",
        OLDER
    ];
    let rows = run.succeeds().json();
    let ghosts = rows.iter().filter(|row| row["remains"] == "ghost");
    let names: Vec<_> = ghosts.map(|row| row["path"].as_str().unwrap().to_owned()).collect();
    let expected = [
        "/dir0/small10",
        "/dir1/small07",
        "/dir1/small08",
        "/dir2/small10",
        "/dir4/small03",
        "/dir4/small04",
        "/dir4/small05",
    ];
    assert_eq!(names, expected);
}

#[test]
fn digests_of_another_key_say_nothing() {
    let key = golden::path("key.json");
    let run = pxkit![
        "layout",
        "--repository",
        store(),
        NEWEST,
        "--json",
        "--ignore-signature",
        "--keyfile",
        &key,
        "--previous",
        "host/enc/latest/tree.pxar"
    ];
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.err.contains("another key"), "{}", run.err);
    let report = run.json().remove(0);
    // The same tree: by size and time nothing changed.
    assert_eq!(number(&report, "/previous/changes/unchanged/entries"), 134);
    assert!(report["previous"].get("chunks").is_none());
    let run = pxkit![
        "layout",
        "--repository",
        store(),
        "host/enc/latest/tree.pxar",
        "--json",
        "--keyfile",
        &key,
        "--check"
    ];
    assert_eq!(number(&run.succeeds().json()[0], "/padding/bytes"), 0);
}

#[test]
fn text_for_people() {
    let text = |run: Run| run.succeeds().text().to_owned();
    let shown = text(pxkit![
        "layout",
        "--repository",
        store(),
        NEWEST,
        "--previous",
        MIDDLE,
        "--previous",
        OLDER,
        "--ghosts"
    ]);
    for part in [
        "payload stream      3.26 MiB",
        "padding            26.29 KiB, 0.79 % of contents: head 16 B, tail 17.24 KiB, inner 9.04 KiB",
        "57 chunks of 58.53 KiB on average, 6 with padding",
        "ghosts             26.26 KiB, 7 files",
        "since host/meta/2026-11-22T21:15:56Z",
        "contents            1.34 MiB  1 entry",
        "stored again",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    let unified = text(pxkit!["layout", golden::path("archives/kinds.pxar")]);
    assert!(unified.contains("metadata            3.08 KiB"), "{unified}");
    let alone = text(pxkit!["layout", golden::path("archives/kinds.mpxar")]);
    assert!(alone.contains("or more: the payload file was not given"), "{alone}");
}

#[test]
fn files_and_their_indexes() {
    let scratch = Scratch::new();
    let archive = LaidOut::golden("host/meta/2026-11-22T21:15:58Z");
    let [meta, payload] = ["a.mpxar", "a.ppxar"].map(|name| scratch.join(name));
    fs::write(&meta, &archive.meta).unwrap();
    fs::write(&payload, archive.payload.as_ref().unwrap()).unwrap();
    let index = store().join("host/meta/2026-11-22T21:15:58Z/tree.ppxar.didx");
    let chunks = |run: Run| run.succeeds().text().to_owned();
    let expected = chunks(pxkit!["layout", "--repository", store(), NEWEST, "--csv", "chunks"]);
    let with_both =
        pxkit!["layout", &meta, "--payload-input", &payload, "--index", &index, "--csv", "chunks", "--check"];
    assert_eq!(chunks(with_both), expected);
    assert_eq!(chunks(pxkit!["layout", &meta, "--index", &index, "--csv", "chunks"]), expected);
    // An older one in files, too.
    let older = scratch.join("old,er.mpxar");
    fs::write(&older, LaidOut::golden("host/meta/2026-11-22T21:15:56Z").meta).unwrap();
    let pair = format!(
        "{},{}",
        older.display(),
        store().join("host/meta/2026-11-22T21:15:56Z/tree.ppxar.didx").display()
    );
    let args = |previous: &str| {
        let run = pxkit!["layout", &meta, "--index", &index, "--json", "--previous", previous];
        assert_eq!(run.code, Some(0), "{}", run.err);
        assert_eq!(
            run.err.contains("says nothing about padding"),
            !previous.contains(".didx"),
            "{}",
            run.err
        );
        run.json().remove(0)
    };
    let report = args(&pair);
    assert_eq!(number(&report, "/previous/changes/contents/entries"), 1);
    assert!(report.get("generations").is_some());
    // Without index it is compared, but says nothing of padding.
    let report = args(older.to_str().unwrap());
    assert_eq!(number(&report, "/previous/changes/removed/entries"), 3);
    assert!(report.get("generations").is_none());
    // Without an index there are no chunks, and gaps are findings that are none.
    let run = pxkit!["layout", &meta, "--payload-input", &payload, "--json"];
    let report = run.succeeds().json().remove(0);
    assert_eq!(number(&report, "/padding/gap"), 26_923);
    assert_eq!((number(&report, "/findings/total"), number(&report, "/findings/errors")), (6, 0));
}

#[test]
fn what_is_wrong_is_found_and_told_by_the_exit_status() {
    let scratch = Scratch::new();
    let (meta, payload) = (scratch.join("a.mpxar"), scratch.join("a.ppxar"));
    let archive = LaidOut::new(golden::archive("kinds.mpxar"), Some(golden::archive("kinds.ppxar")), None);
    fs::write(&meta, &archive.meta).unwrap();
    let mut bytes = archive.payload.clone().unwrap();
    let id = archive.map.order()[3];
    let at = archive.map.payload(&archive.tree, id).unwrap().start as usize;
    bytes[at] ^= 1;
    let end = bytes.len();
    bytes[end - 1] ^= 1;
    fs::write(&payload, &bytes).unwrap();
    let args = |more: &[&str]| {
        let mut run = vec!["layout", meta.to_str().unwrap(), "--payload-input", payload.to_str().unwrap()];
        run.extend(more);
        let mut command = pxkit_tests::cli::command();
        command.args(run);
        Run::of(command)
    };
    assert_eq!(args(&[]).code, Some(0));
    let run = args(&["--check", "--json=findings"]);
    assert_eq!(run.code, Some(1));
    let rows = run.json();
    let found: Vec<_> =
        rows.iter().map(|row| (row["code"].as_str().unwrap(), row["offset"].as_u64().unwrap())).collect();
    assert_eq!(found, [("marker", end as u64 - 16), ("header", at as u64)]);
    assert_eq!(rows[1]["path"].as_str().unwrap(), format!("/{}", archive.path(id)));
    assert!(args(&["--check"]).text().contains("2 findings"));
    // Cut off: the last files do not lie in it any more.
    fs::write(&payload, &bytes[..1000]).unwrap();
    let run = args(&["--json=findings"]);
    assert_eq!(run.code, Some(1));
    assert!(run.json().iter().any(|row| row["code"] == "outside"));
    let map = Map::new(&archive.tree, Source::Payload, 1000);
    assert!(!map.is_regular());
}

#[test]
fn what_cannot_be_done_is_said() {
    let fails = |run: Run, part: &str| {
        assert_eq!(run.code, Some(2), "{}", run.err);
        assert!(run.err.contains(part), "{part} in {}", run.err);
    };
    let meta = golden::path("archives/kinds.mpxar");
    fails(pxkit!["layout", &meta, "--check"], "--payload-input");
    fails(pxkit!["layout", &meta, "--csv", "chunks"], "--index");
    fails(pxkit!["layout", &meta, "--csv", "changes"], "--previous");
    fails(pxkit!["layout", &meta, "--index", &meta], "is no index");
    fails(pxkit!["layout", golden::path("archives/kinds.ppxar")], "payload file");
    fails(pxkit!["layout", "--repository", store(), "host/enc/latest/tree.pxar"], "there is no key");
    let run = pxkit!["layout", "--repository", store(), NEWEST, "--index", &meta];
    fails(run, "without --index");
    let run = pxkit!["layout", &meta, "--csv", "ranges", "--json"];
    assert_eq!(run.code, Some(64));
}
