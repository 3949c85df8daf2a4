//! The commands for the days between making backups and needing them, on a server as anywhere else, encrypted and not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pxkit_tests::cli::Run;
use pxkit_tests::skip::skip;
use pxkit_tests::{describe, pxkit};

use crate::target::{Place, noise, write};

/// What `pxkit` needs to read an encrypted snapshot.
const KEY: [&str; 2] = ["--keyfile", "key.json"];

/// Does the same with a snapshot that anybody can read and with an encrypted one; the latter is given its key.
fn both(check: impl Fn(&Place, &[&str])) {
    let plain = Place::new();
    plain.backup(&["--backup-time", "1700000000"]).exits(0);
    check(&plain, &[]);
    let sealed = Place::new();
    sealed.run(&["key", "create", "--kdf", "none", "key.json"]).exits(0);
    sealed.backup(&["--backup-time", "1700000000", KEY[0], KEY[1]]).exits(0);
    check(&sealed, &KEY);
}

/// The snapshot that [`both`] makes.
fn snapshot(place: &Place) -> String {
    format!("{}/2023-11-14T22:13:20Z", place.group())
}

/// What is mounted is what is on disk, but for the link counts of directories.
#[track_caller]
fn assert_mounted(tree: &Path, mounted: &Path) {
    let [on_disk, in_mount] = [tree, mounted].map(|root| {
        let mut tree = describe::tree(root);
        for lines in tree.values_mut() {
            let is_dir = lines.iter().any(|line| line.starts_with("mode 40"));
            lines.retain(|line| !(is_dir && line.starts_with("names ")));
        }
        tree
    });
    assert_eq!(on_disk, in_mount);
}

/// Without its key nobody gets anything out of an encrypted snapshot.
#[track_caller]
fn needs(key: &[&str], without: impl FnOnce() -> Run) {
    if !key.is_empty() {
        let run = without().exits(2);
        assert!(run.err.contains("key") && !run.text().contains("deep"), "{}", run.err);
    }
}

#[test]
fn what_nobody_touched_is_not_sent_again() {
    both(|place, key| {
        let again = |time: &str| {
            let run = place.backup(&[&["--json", "--backup-time", time], key].concat());
            let found = run.exits(0).json().swap_remove(0);
            let of = |path: &str| found["archives"][0].pointer(path).cloned();
            assert_eq!(of("/metadata/new_chunks"), Some(0.into()), "{found}");
            assert_eq!(of("/metadata/injected_bytes"), of("/metadata/bytes"), "{found}");
        };
        // The first one left a state, as files were written some time before.
        again("1700000100");
        again("1700000200");
        place.restores(key);
        place.run(&[&["verify", &place.group()], key].concat()).exits(0);
    });
}

#[test]
fn find() {
    both(|place, key| {
        let snapshot = snapshot(place);
        let run = place.run(&[&["find", &snapshot, "deep/*", "-0"], key].concat()).succeeds();
        assert_eq!(run.text(), "/sub/deep/d\0");
        let archive = format!("{snapshot}/root.pxar");
        let sized = ["find", &archive, "*", "--size", "+180K", "--json"];
        let json = place.run(&[&sized[..], key].concat()).succeeds().json();
        let paths: Vec<_> = json.iter().map(|line| &line["path"]).collect();
        assert_eq!(paths, ["/a", "/b"]);
        needs(key, || place.run(&["find", &snapshot, "deep"]));
    });
}

#[test]
fn shell() {
    both(|place, key| {
        let snapshot = snapshot(place);
        let commands = b"ls\ncd sub\nfind d --select\nselect /a\nstat c\nrestore-selected back\n";
        let with_input = |args: &[&str]| Run::with_input(place.command(args), commands);
        let run = with_input(&[&["shell", &snapshot], key].concat()).exits(0);
        assert!(run.text().starts_with("a\nb\nempty\nsub/\n/sub/deep\n/sub/deep/d\n"), "{}", run.text());
        assert!(run.text().contains("File: /sub/c\n  Size: 5 "), "{}", run.text());
        for file in ["a", "sub/deep/d"] {
            let same = fs::read(place.join("back").join(file)).unwrap()
                == fs::read(place.tree().join(file)).unwrap();
            assert!(same, "{file}");
        }
        assert!(!place.join("back/b").exists());
        needs(key, || with_input(&["shell", &snapshot]));
    });
}

#[test]
fn compare() {
    both(|place, key| {
        let snapshot = snapshot(place);
        let compare = |old: &str, new: &str| place.run(&[&["compare", old, new, "--json"], key].concat());
        assert_eq!(compare(&snapshot, "tree").succeeds().text(), "");
        write(&place.tree().join("a"), &noise(7, 310_000));
        fs::write(place.tree().join("new"), "new").unwrap();
        fs::remove_file(place.tree().join("b")).unwrap();
        let changes = |run: Run| {
            let mut changes: Vec<_> = run.exits(1).json();
            changes.retain(|line| line["path"] != "/");
            changes.iter().map(|line| format!("{} {}", line["change"], line["path"])).collect::<Vec<_>>()
        };
        let expected = [r#""content" "/a""#, r#""removed" "/b""#, r#""added" "/new""#];
        assert_eq!(changes(compare(&snapshot, "tree")), expected);
        // Two snapshots, by their chunks.
        place.backup(&[&["--backup-time", "1700000060"], key].concat()).exits(0);
        let latest = format!("{}/latest", place.group());
        assert_eq!(changes(compare(&snapshot, &latest)), expected);
        needs(key, || place.run(&["compare", &snapshot, "tree"]));
    });
}

#[test]
fn streams() {
    both(|place, key| {
        let (snapshot, archive) = (snapshot(place), format!("{}/root.pxar", snapshot(place)));
        let run =
            place.run(&[&["restore", &snapshot, "root.pxar", "all.tar", "--format", "tar"], key].concat());
        run.exits(0);
        fs::create_dir(place.join("untarred")).unwrap();
        let mut tar = Command::new("tar");
        tar.arg("xpf").arg(place.join("all.tar")).arg("-C").arg(place.join("untarred"));
        Run::of(tar).exits(0);
        let mut diff = Command::new("diff");
        diff.arg("-r").arg(place.tree()).arg(place.join("untarred"));
        Run::of(diff).succeeds();

        let run = place.run(
            &[&["restore", &snapshot, "root.pxar", "-", "/sub/deep/d", "--format", "content"], key].concat(),
        );
        assert!(run.exits(0).out == fs::read(place.tree().join("sub/deep/d")).unwrap());
        let zip = ["extract", &archive, "sub.zip", "--pattern", "/sub", "--format", "zip"];
        place.run(&[&zip[..], key].concat()).exits(0);
        let mut unzip = Command::new("python3");
        unzip.args(["-m", "zipfile", "-l"]).arg(place.join("sub.zip"));
        let listed = Run::of(unzip).exits(0);
        assert!(
            listed.text().contains("sub/deep/d") && !listed.text().contains("empty"),
            "{}",
            listed.text()
        );
        needs(key, || place.run(&["restore", &snapshot, "root.pxar", "-", "--format", "tar"]));
    });
}

#[test]
fn verify() {
    both(|place, key| {
        let (group, snapshot) = (place.group(), snapshot(place));
        let run = place.run(&[&["verify", &group], key].concat()).succeeds();
        assert!(run.text().starts_with(&format!("ok       {snapshot}\n")), "{}", run.text());
        // Chunks can be checked without a key, but not what is in them.
        place.run(&["verify", &group]).exits(0);
    });
}

#[test]
fn run() {
    both(|place, key| {
        let password = place.join("password");
        fs::write(&password, place.variable("PBS_PASSWORD")).unwrap();
        let fingerprint = place.variable("PBS_FINGERPRINT");
        let mut config = format!(
            "[repository.server]\nlocation = \"{}\"\nfingerprint = \"{fingerprint}\"\npassword-file = \"{}\"\n\
            [job.daily]\nrepository = \"server\"\nsources = [\"root.pxar:{}\"]\nbackup-id = \"{}\"\nkeep = {{ last = 1 }}\n",
            place.variable("PBS_REPOSITORY"),
            password.display(),
            place.tree().display(),
            place.id,
        );
        if !key.is_empty() {
            config.push_str("keyfile = \"key.json\"\n");
        }
        fs::write(place.join("config.toml"), config).unwrap();
        let mut command = place.command(&["run", "--config", "config.toml", "--state-dir", "state"]);
        // All that is needed stands in the configuration.
        for name in ["PBS_REPOSITORY", "PBS_PASSWORD", "PBS_FINGERPRINT"] {
            command.env_remove(name);
        }
        assert_eq!(place.finish(command).succeeds().text(), "");
        let report = fs::read(place.join("state/daily.json")).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        assert_eq!(report["result"], "ok", "{report}");
        // The older snapshot is pruned, the new one restores.
        let left = place.snapshots();
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(left[0]["snapshot"], report["backup"]["result"]["snapshot"]);
        place.restores(key);
    });
}

/// A mount point. A test that fails leaves no process behind that serves it.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        if std::thread::panicking() {
            pxkit!["umount", "--lazy", &self.0];
        }
    }
}

#[test]
fn mount() {
    if !Path::new("/dev/fuse").exists() {
        return skip("server::everyday::mount", "needs FUSE (/dev/fuse)");
    }
    both(|place, key| {
        fs::create_dir(place.join("mnt")).unwrap();
        let _mounted = Mounted(place.join("mnt"));
        let mount = |source: &str| place.run(&[&["mount", source, "mnt", "--log", "log"], key].concat());
        let group = place.group();
        mount(&group).exits(0);
        assert_mounted(&place.tree(), &place.join("mnt/2023-11-14T22:13:20Z/root.pxar"));
        // A snapshot that is made meanwhile appears by itself.
        write(&place.tree().join("a"), b"another");
        place.backup(&[&["--backup-time", "1700000060"], key].concat()).exits(0);
        let newer = place.join("mnt/2023-11-14T22:14:20Z/root.pxar");
        pxkit_tests::cli::wait_until("the new snapshot", || newer.join("a").exists());
        assert_mounted(&place.tree(), &newer);
        assert_eq!(fs::read_to_string(place.join("log")).unwrap(), "");
        pxkit!["umount", place.join("mnt")].succeeds();
        mount(&format!("{}/root.pxar", snapshot(place))).exits(0);
        assert_eq!(fs::read(place.join("mnt/sub/deep/d")).unwrap(), noise(2, 150_000));
        pxkit!["umount", place.join("mnt")].succeeds();
        needs(key, || {
            let run = place.run(&["mount", &snapshot(place), "mnt", "--log", "log"]);
            pxkit!["umount", "--lazy", place.join("mnt")];
            run
        });
    });
}
