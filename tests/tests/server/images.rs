//! Backups of images (behaviours 45 to 47, 81).

use std::fs;
use std::process::Stdio;

use pxkit_tests::pbs::hooks::Record;

use crate::target::{Place, noise, write};

fn calls<'a>(log: &'a [Record], call: &str) -> Vec<&'a Record> {
    log.iter().filter(|record| record.call() == call).collect()
}

/// 45, 46, 47, 81: images of all sizes, pipes, and twice the same; what else must hold is checked after each run (`rules`).
#[test]
fn b45_b46_b47_b81_images() {
    let place = Place::new();
    place.tree();
    place.run(&["key", "create", "--kdf", "none", "key.json"]).exits(0);
    let mut time = 1_700_000_000;
    let chunk = 4 << 20;
    for (seed, size) in [1, chunk, chunk + 1, 2 * chunk + chunk / 2].into_iter().enumerate() {
        let bytes = noise(50 + seed as u64, size);
        write(&place.join("disk"), &bytes);
        for more in [
            &[][..],
            &["--chunk-size", "64"],
            &["--change-detection-mode", "legacy"],
            &["--keyfile", "key.json"],
        ] {
            time += 1;
            let now = time.to_string();
            let args = ["backup", "root.pxar:tree", "disk.img:disk", "--quiet", "--backup-id", &place.id];
            place.run(&[&args[..], &["--backup-time", &now], more].concat()).exits(0);
            let latest = format!("{}/latest", place.group());
            let _ = fs::remove_file(place.join("out.img"));
            let key = if more.first() == Some(&"--keyfile") { more } else { &[] };
            place.run(&[&["restore", &latest, "disk.img", "out.img", "--quiet"], key].concat()).exits(0);
            assert!(fs::read(place.join("out.img")).expect("an image") == bytes, "{size} {more:?}");
            if let Some(server) = place.own() {
                let log = server.take_log();
                let sent = calls(&log, "POST /fixed_chunk").len();
                // The second time the server has them; under a key they are others.
                let is_known = matches!(more.first(), Some(&("--chunk-size" | "--change-detection-mode")));
                assert_eq!(sent, if is_known { 0 } else { size.div_ceil(chunk) }, "{size} {more:?}");
                let index = calls(&log, "POST /fixed_index");
                assert_eq!(index[0].get("size"), Some(&*size.to_string()));
            }
        }
    }
    write(&place.join("disk"), b"");
    place.run(&["backup", "disk.img:disk", "--quiet", "--backup-id", &place.id]).exits(2);
}

/// 47: the size of a pipe is told at the end.
#[test]
fn b47_pipes() {
    let place = Place::new();
    let bytes = noise(60, (4 << 20) + 5);
    write(&place.join("disk"), &bytes);
    let mut command = place.command(&["backup", "disk.img:/dev/stdin", "--quiet", "--backup-id", &place.id]);
    let mut cat = std::process::Command::new("cat")
        .arg(place.join("disk"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    command.stdin(cat.stdout.take().expect("a pipe"));
    place.finish(command).exits(0);
    cat.wait().expect("it ends");
    if let Some(server) = place.own() {
        let log = server.take_log();
        assert_eq!(calls(&log, "POST /fixed_index")[0].get("size"), None);
        assert_eq!(calls(&log, "POST /fixed_close")[0].get("size"), Some(&*bytes.len().to_string()));
    }
    place.run(&["restore", &format!("{}/latest", place.group()), "disk.img", "out.img", "--quiet"]).exits(0);
    assert!(fs::read(place.join("out.img")).expect("an image") == bytes);
}
