//! A datastore's directories and files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use pxkit_tests::cases;
use pxkit_tests::disk::Scratch;
use pxkit_tests::random::Rng;
use serde_json::{Value, json};

use crate::client::{Inspector, store};

const SNAPSHOT: &str = "host/meta/2026-11-22T21:15:58Z";

/// All paths below a folder, files and folders.
fn walk(root: &Path, below: &str, out: &mut Vec<(String, bool)>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        let is_dir = entry.file_type().unwrap().is_dir();
        out.push((path.clone(), is_dir));
        if is_dir {
            walk(root, &path, out);
        }
    }
}

fn list(inspector: &Inspector, path: &str) -> Vec<Value> {
    inspector.get(&format!("d/0/list/{path}")).json().as_array().expect("a list").clone()
}

/// Everything that can be found by listing, from the root on.
fn listed(inspector: &Inspector, below: &str, out: &mut BTreeSet<String>) {
    for entry in list(inspector, below) {
        let name = entry["name"].as_str().unwrap();
        let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        if entry["dir"] == true && name != ".chunks" {
            listed(inspector, &path, out);
        }
        assert!(out.insert(path));
    }
}

#[test]
fn everything_that_belongs_into_a_datastore_is_served_and_nothing_else() {
    let scratch = Scratch::new();
    let root = store(&scratch);
    fs::create_dir_all(root.join("ns/a/ns/b/vm/100/2026-11-22T21:15:58Z")).unwrap();
    fs::write(root.join("ns/a/ns/b/vm/100/2026-11-22T21:15:58Z/drive.img.fidx"), "x").unwrap();
    fs::write(root.join("host/meta/notes"), "notes").unwrap();
    fs::write(root.join(".gc-status"), "x").unwrap();
    fs::write(root.join("host/stray"), "x").unwrap();
    let inspector = Inspector::of(&scratch, &[&root]);
    let mut on_disk = Vec::new();
    walk(&root, "", &mut on_disk);
    // `index.json` and `catalog.pcat1` are what the golden datastore has beside the files of a real one.
    let is_foreign = |path: &str| {
        let name = path.rsplit('/').next().unwrap();
        [".lock", ".gc-status", "stray", "index.json", "catalog.pcat1"].contains(&name)
            || path.starts_with(".pxkit-locks")
    };
    let (mut files, mut folders) = (0, 0);
    for (path, is_dir) in &on_disk {
        let (list, file) = (format!("d/0/list/{path}"), format!("d/0/file/{path}"));
        let can_be_listed = *is_dir && !path.starts_with('.');
        assert_eq!(inspector.get(&list).status, if can_be_listed { 200 } else { 404 }, "{path}");
        if *is_dir || is_foreign(path) {
            assert_eq!(inspector.get(&file).status, 404, "{path}");
            folders += u64::from(*is_dir);
        } else {
            let bytes = fs::read(root.join(path)).unwrap();
            assert!(inspector.get(&file).bytes(200) == bytes, "{path}");
            files += 1;
        }
    }
    assert!(files > 40 && folders > 20, "{files} {folders}");
    let mut found = BTreeSet::new();
    listed(&inspector, "", &mut found);
    let expected = on_disk.iter().map(|(path, _)| path.clone());
    let expected = expected.filter(|path| !is_foreign(path) && !path.starts_with(".chunks/"));
    assert_eq!(found, expected.collect());
}

#[test]
fn listings() {
    let scratch = Scratch::new();
    let root = store(&scratch);
    let inspector = Inspector::of(&scratch, &[&root]);
    let entry = |name: &str, dir: bool, size: u64| json!({ "name": name, "dir": dir, "size": size });
    assert_eq!(list(&inspector, ""), [entry(".chunks", true, 0), entry("host", true, 0)]);
    assert_eq!(
        list(&inspector, "host/legacy"),
        [
            entry("2026-11-22T21:15:58Z", true, 0),
            entry("owner", false, fs::metadata(root.join("host/legacy/owner")).unwrap().len()),
        ]
    );
    let size = |name: &str| fs::metadata(root.join(SNAPSHOT).join(name)).unwrap().len();
    let files = ["index.json.blob", "tree.mpxar.didx", "tree.ppxar.didx"];
    let expected: Vec<Value> = files.iter().map(|name| entry(name, false, size(name))).collect();
    assert_eq!(list(&inspector, SNAPSHOT), expected);
    assert_eq!(list(&inspector, &SNAPSHOT.replace(':', "%3A")), expected);
    assert_eq!(list(&inspector, &format!("{SNAPSHOT}/")), expected);
    for path in ["d/1/list/", "d/0/list/vm", "d/0/list/host/none", "d/0/list/ns", "d/00/list/"] {
        assert_eq!(inspector.get(path).status, 404, "{path}");
    }
    // What comes later is seen.
    fs::create_dir(root.join("vm")).unwrap();
    assert_eq!(list(&inspector, "vm"), [json!(null); 0]);
}

#[test]
fn no_way_leads_out() {
    let scratch = Scratch::new();
    let root = store(&scratch);
    fs::write(scratch.join("secret"), "SECRET").unwrap();
    fs::create_dir_all(scratch.join("host/other/2026-11-22T21:15:58Z")).unwrap();
    fs::write(scratch.join("host/other/2026-11-22T21:15:58Z/a.blob"), "SECRET").unwrap();
    fs::write(scratch.join("host/other/owner"), "SECRET").unwrap();
    let snapshot = root.join(SNAPSHOT);
    let digest = "0123".repeat(16);
    fs::create_dir_all(root.join(".chunks/0123")).unwrap();
    // Planted by somebody who may write into the store.
    symlink(scratch.join("secret"), snapshot.join("planted.blob")).unwrap();
    symlink("../../../../secret", snapshot.join("relative.blob")).unwrap();
    symlink("index.json.blob", snapshot.join("within.blob")).unwrap();
    symlink(scratch.join("host/other"), root.join("host/planted")).unwrap();
    symlink(scratch.join("host"), root.join("vm")).unwrap();
    symlink(scratch.path(), root.join("ns")).unwrap();
    symlink(scratch.join("secret"), root.join("host/meta/notes")).unwrap();
    symlink(scratch.join("host/other/2026-11-22T21:15:58Z"), root.join("host/meta/2020-01-01T00:00:00Z"))
        .unwrap();
    symlink(scratch.join("secret"), root.join(format!(".chunks/0123/{digest}"))).unwrap();
    symlink(scratch.path(), root.join(".chunks/abcd")).unwrap();
    fs::write(scratch.join(&"abcd".repeat(16)), "SECRET").unwrap();
    fs::hard_link(scratch.join("secret"), snapshot.join("planted")).unwrap();

    let inspector = Inspector::of(&scratch, &[&root]);
    let planted = [
        format!("{SNAPSHOT}/planted.blob"),
        format!("{SNAPSHOT}/relative.blob"),
        format!("{SNAPSHOT}/within.blob"),
        format!("{SNAPSHOT}/planted"),
        "host/planted/owner".to_owned(),
        "host/planted/2026-11-22T21:15:58Z/a.blob".to_owned(),
        "vm/other/owner".to_owned(),
        "ns/store/host/meta/owner".to_owned(),
        "host/meta/notes".to_owned(),
        "host/meta/2020-01-01T00:00:00Z/a.blob".to_owned(),
        format!(".chunks/0123/{digest}"),
        format!(".chunks/abcd/{}", "abcd".repeat(16)),
    ];
    for path in &planted {
        let answer = inspector.get(&format!("d/0/file/{path}"));
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    for path in ["host/planted", "vm", "vm/other", "ns", "ns/store", "host/meta/2020-01-01T00:00:00Z"] {
        assert_eq!(inspector.get(&format!("d/0/list/{path}")).status, 404, "{path}");
    }
    let mut found = BTreeSet::new();
    listed(&inspector, "", &mut found);
    assert!(found.iter().all(|path| !path.contains("planted") && !path.contains("2020")), "{found:?}");

    let secret = scratch.join("secret");
    let absolute = secret.to_str().unwrap();
    for path in [
        "../secret",
        "host/../../secret",
        "%2e%2e/secret",
        "%2E%2E%2Fsecret",
        "..%2fsecret",
        "host/%2e%2e/%2e%2e/secret",
        "host/meta/..%2f..%2f..%2fsecret",
        "%252e%252e/secret",
        "..%5csecret",
        "..\\secret",
        ".%00./secret",
        "host/meta/owner%00.blob",
        "%00",
        "host/meta/%c0%ae%c0%ae/owner",
        "./host/meta/owner",
        "host//meta/owner",
        "/host/meta/owner",
        "host/meta/./owner",
        "host/meta/owner/.",
        "host/meta/owner/",
        absolute,
        &absolute.replace('/', "%2f"),
        "file:///etc/passwd",
        "/etc/passwd",
        "~/secret",
        ".lock",
        ".pxkit-locks/x",
        "",
        ".",
        "..",
        "...",
    ] {
        for kind in ["file", "list"] {
            let answer = inspector.get(&format!("d/0/{kind}/{path}"));
            let is_root = kind == "list" && path.is_empty();
            assert!(answer.status == if is_root { 200 } else { 404 }, "{kind} {path}: {}", answer.status);
            assert!(!answer.text().contains("SECRET"));
        }
    }
    for path in
        ["../f/0", "%2e%2e/", "d/0/file/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "..;/x", "f/../f/0", "f/0%00"]
    {
        assert_eq!(inspector.get(path).status, 404, "{path}");
    }
}

/// Paths made of what is dangerous never lead to anything but files of the store.
#[test]
fn random_ways_lead_nowhere() {
    let scratch = Scratch::new();
    let root = store(&scratch);
    fs::write(scratch.join("owner"), "SECRET").unwrap();
    fs::write(scratch.join("notes"), "SECRET").unwrap();
    symlink(scratch.path(), root.join("host/away")).unwrap();
    let inspector = Inspector::of(&scratch, &[&root]);
    let owner = fs::read(root.join("host/meta/owner")).unwrap();
    let pieces = [
        "host",
        "meta",
        "owner",
        "notes",
        "..",
        ".",
        "",
        "%2e%2e",
        "%2f",
        "%00",
        "ns",
        "away",
        "~",
        "\\",
        "//",
        "store",
        ".chunks",
        "2026-11-22T21:15:58Z",
        "index.json.blob",
        "%2e",
        "..%2f",
        "?",
        "%",
        "%zz",
        "%ff",
    ];
    let mut hits = 0;
    for case in cases::only().map_or(0..cases::count(300, 10_000), |only| only..only + 1) {
        let mut rng = Rng::new(case);
        let mut path = if rng.one_in(2) { "host/meta/" } else { "" }.to_owned();
        for at in 0..1 + rng.below(5) {
            if at > 0 && !rng.one_in(4) {
                path.push('/');
            }
            path.push_str(pieces[rng.below(pieces.len())]);
        }
        let answer = inspector.get(&format!("d/0/file/{path}"));
        assert!(matches!(answer.status, 200 | 404), "case {case}: {path}: {}", answer.status);
        assert!(!answer.body.starts_with(b"SECRET"), "case {case}: {path}");
        if answer.status == 200 {
            assert!(answer.body == owner || path.contains(".blob"), "case {case}: {path}");
            hits += 1;
        }
    }
    assert!(cases::only().is_some() || hits > 0);
}
