//! Chunks that are large, and chunks that are many (behaviours 35, 40).

use std::fs;
use std::time::Duration;

use pxkit_tests::pbs::Options;
use pxkit_tests::pbs::hooks::Record;

use crate::target::{Place, noise, write};

fn quick() -> Options {
    Options { delay: Duration::ZERO, ..Options::default() }
}

fn calls<'a>(log: &'a [Record], call: &str) -> Vec<&'a Record> {
    log.iter().filter(|record| record.call() == call).collect()
}

/// 35: the largest chunk there is, which does not get smaller by compression, and is encrypted.
#[test]
fn b35_the_largest_chunk() {
    let Some(place) = Place::special("b35", quick()) else { return };
    // Its period is longer than what zstd looks back, and has no place where it would be cut.
    let period = noise(35, 3 << 18);
    write(&place.tree().join("large"), &period.iter().copied().cycle().take(17 << 20).collect::<Vec<_>>());
    place.run(&["key", "create", "--kdf", "none", "key.json"]).exits(0);
    place
        .run(&["backup", "root.pxar:tree", "--backup-id", &place.id, "--quiet", "--keyfile", "key.json"])
        .exits(0);
    let log = place.server().take_log();
    let uploads = calls(&log, "POST /dynamic_chunk");
    let size = |name, upload: &Record| upload.get(name).and_then(|size| size.parse::<u64>().ok());
    let largest = uploads.iter().filter(|upload| size("size", upload) == Some(16 << 20));
    let lengths: Vec<_> = largest.map(|upload| (size("encoded-size", upload), upload.body_len)).collect();
    assert_eq!(lengths, [(Some((16 << 20) + 44), (16 << 20) + 44)], "{} uploads", uploads.len());
    place.restores(&["--keyfile", "key.json"]);
}

/// 40: as many known chunks in a row as somebody thinks of. (What one request holds at most is tested with `Batch`.)
#[test]
fn b40_known_chunks_in_a_row() {
    let Some(place) = Place::special("b40", quick()) else { return };
    let tree = place.join("rows");
    fs::create_dir(&tree).expect("a directory");
    let args = ["backup", "rows.pxar:rows", "--quiet", "--backup-id", &place.id, "--chunk-size", "64"];
    let of_payload = |log: &[Record]| {
        let wid = calls(log, "POST /dynamic_index").into_iter().zip(1..);
        let wid = wid.filter(|(call, _)| call.get("archive-name").is_some_and(|name| name.contains("ppxar")));
        let wid = wid.map(|(_, wid)| wid).next().expect("a payload");
        let appends = calls(log, "PUT /dynamic_index").into_iter().filter(|call| call.json()["wid"] == wid);
        appends.map(|call| call.json()["digest-list"].as_array().map_or(0, Vec::len)).collect::<Vec<_>>()
    };
    // Small files lie together in chunks, so their number follows the bytes; up to a thousand.
    for (at, mib) in [0, 1, 4, 5, 64].into_iter().enumerate() {
        let mut bytes = noise(40, 1000 + (mib << 20));
        bytes[..8].copy_from_slice(&(at as u64).to_le_bytes());
        write(&tree.join("all"), &bytes);
        let time = (1_700_000_000 + 1000 * at).to_string();
        place.run(&[&args[..], &["--backup-time", &time]].concat()).exits(0);
        place.server().take_log();
        let time = (1_700_000_500 + 1000 * at).to_string();
        let more = ["--backup-time", &time, "--change-detection-mode", "data"];
        place.run(&[&args[..], &more].concat()).exits(0);
        let log = place.server().take_log();
        let batches = of_payload(&log);
        let count: usize = batches.iter().sum();
        assert!(count > mib * 6, "{mib} MiB: {batches:?}");
        assert!(calls(&log, "PUT /dynamic_index").iter().all(|call| call.body_len < 512 << 10));
    }
    let latest = format!("{}/latest", place.group());
    place.run(&["restore", &latest, "rows.pxar", "out", "--quiet"]).exits(0);
    pxkit_tests::describe::assert_same(&tree, &place.join("out"));
}

/// 40, and all modes one after the other.
#[test]
fn b40_batches() {
    let place = Place::new();
    let tree = place.tree();
    write(&tree.join("large"), &noise(77, 12 << 20));
    place.backup(&[]).exits(0);
    for (at, mode) in ["data", "metadata", "legacy"].into_iter().enumerate() {
        write(&tree.join("small"), &noise(100 + at as u64, 50_000 + at));
        std::thread::sleep(Duration::from_millis(1100));
        place.backup(&["--change-detection-mode", mode]).exits(0);
        place.restores(&[]);
    }
    assert_eq!(place.snapshots().len(), 4);
}
