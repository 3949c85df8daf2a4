//! `pxkit compare` on snapshots with several archives, with keys, and in what it prints.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::golden;

use super::{ENCRYPTED, LEGACY, META, key, run};

#[test]
fn snapshots_of_all_modes_hold_the_same() {
    // One tree, in a unified and a split archive, and encrypted; the last is older.
    let same = run(&["compare", LEGACY, META, "--stat", "--json"]);
    let sums = &same.json()[0];
    assert_eq!((same.code, &sums["same"]), (Some(0), &true.into()), "{sums}");
    assert_eq!(sums["unchanged"]["entries"].as_u64().map(|entries| entries > 50), Some(true));
    run(&["compare", META, ENCRYPTED]).fails(2, &["key"]);
    // A key at its default place opens what is encrypted and minds nothing else.
    let home = Scratch::new();
    fs::create_dir(home.join("proxmox-backup")).expect("a directory");
    fs::copy(key(), home.join("proxmox-backup/encryption-key.json")).expect("a key");
    let mut command = cli::command();
    command.env("PBS_REPOSITORY", golden::path("datastore")).env("XDG_CONFIG_HOME", home.path());
    let encrypted = Run::of({
        command.args(["compare", META, ENCRYPTED, "--json"]);
        command
    });
    assert_eq!((encrypted.code, encrypted.text()), (Some(0), ""), "{}", encrypted.err);
    let older = run(&["compare", "host/meta/2026-11-22T21:15:54Z", META, "--stat"]).exits(1);
    assert!(older.text().contains("removed"), "{}", older.text());
}

#[test]
fn several_archives_and_small_files() {
    let scratch = Scratch::new();
    let (a, b, conf) = (scratch.join("a"), scratch.join("b"), scratch.join("conf"));
    for tree in [&a, &b] {
        fs::create_dir(tree).expect("a directory");
        fs::write(tree.join("same"), "same").expect("a file");
        fs::write(tree.join("mode"), "mode").expect("a file");
        // Whatever the umask is.
        fs::set_permissions(tree.join("mode"), fs::Permissions::from_mode(0o644)).expect("a mode");
    }
    let store = scratch.join("store");
    let pxkit = |args: &[&str]| {
        let mut command = cli::command();
        command.env("PBS_REPOSITORY", &store).args(args);
        Run::of(command)
    };
    let backup = |time: &str, more: &[&str]| {
        let (a, b) = (format!("a.pxar:{}", a.display()), format!("b.pxar:{}", b.display()));
        let conf = format!("c.conf:{}", conf.display());
        let args = ["backup", &a, &b, &conf, "--backup-id", "x", "--backup-time", time, "-q"];
        pxkit(&[&args, more].concat()).exits(0);
    };
    fs::write(&conf, "one").expect("a file");
    backup("1767225600", &[]);
    backup("1767225601", &[]);
    let (first, second, third) =
        ("host/x/2026-01-01T00:00:00Z", "host/x/2026-01-01T00:00:01Z", "host/x/latest");
    assert_eq!(pxkit(&["compare", first, second]).succeeds().text(), "");
    fs::write(&conf, "two").expect("a file");
    fs::set_permissions(b.join("mode"), fs::Permissions::from_mode(0o600)).expect("a mode");
    fs::rename(a.join("same"), a.join("moved")).expect("renamed");
    let extra = format!("d.pxar:{}", a.display());
    backup("1767225602", &[&extra]);
    let run = pxkit(&["compare", first, third]).exits(1);
    let lines: Vec<&str> = run.text().lines().collect();
    assert!(lines[0].starts_with("metadata  a.pxar:\"/\"  mtime "), "{lines:?}");
    assert_eq!(
        lines[1..],
        [
            "moved     a.pxar:\"/same\" -> a.pxar:\"/moved\"",
            "metadata  b.pxar:\"/mode\"  mode 0644 -> 0600",
            "content   c.conf",
            "added     d.pxar",
        ]
    );
    let run = pxkit(&["compare", first, third, "--json", "mode"]).exits(1);
    let lines = run.json();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["archive"], &lines[0]["path"]), (&"b.pxar".into(), &"/mode".into()));
    assert_eq!(lines[0]["fields"], serde_json::json!(["mode"]));
    pxkit(&["compare", first, a.to_str().expect("text")]).fails(2, &["several archives", "a.pxar"]);
    let one = pxkit(&["compare", &format!("{third}/a.pxar"), a.to_str().expect("text")]).succeeds();
    assert_eq!(one.text(), "");
    // Colours only where somebody wants them.
    let mut command = cli::command();
    command.env("PBS_REPOSITORY", &store).env("CLICOLOR_FORCE", "1").args(["compare", first, third]);
    assert!(Run::of(command).text().contains("\x1b[32madded"));
}

#[test]
fn names_in_another_order() {
    let scratch = Scratch::new();
    let (tree, store) = (scratch.join("tree"), scratch.join("store"));
    fs::create_dir_all(tree.join("m/n")).expect("a directory");
    for name in ["m/c", "m/d", "m/n/x", "z"] {
        fs::write(tree.join(name), name.repeat(1000)).expect("a file");
    }
    let backup = |time: &str| {
        let spec = format!("root.pxar:{}", tree.display());
        let mut command = cli::command();
        let args = ["backup", &spec, "--backup-id", "x", "--backup-time", time, "--order", "append", "-q"];
        command.env("PBS_REPOSITORY", &store).args(args).args(["--change-detection-mode", "metadata"]);
        Run::of(command).exits(0);
    };
    backup("1767225600");
    for name in ["a", "m/a", "m/n/a"] {
        fs::write(tree.join(name), name).expect("a file");
    }
    backup("1767225601");
    let mut command = cli::command();
    command.env("PBS_REPOSITORY", &store);
    command.args(["list", "host/x/latest/root.pxar"]);
    let listed = Run::of(command);
    let order: Vec<&str> = listed.text().lines().collect();
    assert!(!order.is_sorted(), "{order:?}");
    let mut command = cli::command();
    command.env("PBS_REPOSITORY", &store).args(["compare", "host/x/latest"]).arg(&tree);
    assert_eq!(Run::of(command).succeeds().text(), "");
    let mut command = cli::command();
    command.env("PBS_REPOSITORY", &store).args([
        "compare",
        "host/x/2026-01-01T00:00:00Z",
        "host/x/latest",
        "--json",
    ]);
    let lines = Run::of(command).exits(1).json();
    let added: Vec<&str> = lines
        .iter()
        .filter(|line| line["change"] == "added")
        .map(|line| line["path"].as_str().expect("a path"))
        .collect();
    assert_eq!(added, ["/a", "/m/a", "/m/n/a"]);
}
