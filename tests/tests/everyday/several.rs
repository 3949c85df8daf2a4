//! `pxkit find` and `pxkit shell` with snapshots of several archives.

use std::fs;
use std::path::Path;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::pxkit;

const TIME: &str = "1970-01-01T00:16:40Z";

/// A datastore with two snapshots of the trees `etc` and `home`, one with a catalog and one without.
struct Place {
    dir: Scratch,
}

impl Place {
    fn new() -> Self {
        let dir = Scratch::new();
        for (path, text) in [
            ("etc/hosts", "etc"),
            ("etc/ssh/config", "etc, ssh"),
            ("home/hosts", "home"),
            ("home/ada/.ssh/config", "home, ssh"),
        ] {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let sources = ["home", "etc"].map(|name| format!("{name}.pxar:{}", dir.join(name).display()));
        for mode in ["legacy", "metadata"] {
            let mut backup = cli::command();
            backup.args(["backup", "--quiet", "--backup-time=1000", "--backup-id", mode]).args(&sources);
            backup.args(["--change-detection-mode", mode]).env("PBS_REPOSITORY", dir.join("store"));
            Run::of(backup).exits(0);
        }
        Self { dir }
    }

    fn run(&self, args: &[&str], input: &str) -> Run {
        let mut command = cli::command();
        command.env("PBS_REPOSITORY", self.dir.join("store")).args(args);
        Run::with_input(command, input.as_bytes())
    }

    fn shell(&self, source: &str, commands: &[&str]) -> Run {
        self.run(&["shell", source], &(commands.join("\n") + "\n"))
    }
}

fn snapshots() -> [String; 2] {
    ["legacy", "metadata"].map(|id| format!("host/{id}/{TIME}"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn find_looks_into_all_archives() {
    let place = Place::new();
    for snapshot in snapshots() {
        let found = |args: &[&str]| {
            let args = [&["find", &snapshot, "-0"], args].concat();
            place.run(&args, "").succeeds().text().to_owned()
        };
        assert_eq!(found(&["hosts"]), "/etc.pxar/hosts\0/home.pxar/hosts\0");
        // Patterns begin at the root of each archive.
        assert_eq!(found(&["/hosts"]), "/etc.pxar/hosts\0/home.pxar/hosts\0");
        assert_eq!(found(&["/ssh/*"]), "/etc.pxar/ssh/config\0");
        assert_eq!(found(&["config", "!/ada/**"]), "/etc.pxar/ssh/config\0");
        assert_eq!(found(&["etc.pxar"]), "");
        let lines = place.run(&["find", &snapshot, "config"], "").succeeds().text().to_owned();
        assert!(lines.contains("        8 \"/etc.pxar/ssh/config\""), "{lines}");
        let json = place.run(&["find", &snapshot, "config", "--json"], "").succeeds().json();
        let named: Vec<_> = json.iter().map(|line| (&line["archive"], &line["path"])).collect();
        assert_eq!(named[0], (&"etc.pxar".into(), &"/ssh/config".into()));
        assert_eq!(named[1], (&"home.pxar".into(), &"/ada/.ssh/config".into()));
        // One of them by its name is as it was.
        let one = place.run(&["find", &format!("{snapshot}/home.pxar"), "-0", "hosts"], "").succeeds();
        assert_eq!(one.text(), "/hosts\0");
    }
}

#[test]
fn what_is_damaged_does_not_hide_the_rest() {
    let place = Place::new();
    let index = place.dir.join(&format!("store/host/metadata/{TIME}/etc.mpxar.didx"));
    let digest: String =
        fs::read(&index).unwrap()[4104..4136].iter().map(|byte| format!("{byte:02x}")).collect();
    fs::remove_file(place.dir.join("store/.chunks").join(&digest[..4]).join(&digest)).unwrap();
    let run = place.run(&["find", &snapshots()[1], "-0", "config"], "");
    assert_eq!(run.text(), "/home.pxar/ada/.ssh/config\0");
    run.fails(2, &["etc.mpxar", &digest]);
}

#[test]
fn archives_are_the_first_directories_of_the_shell() {
    let place = Place::new();
    for snapshot in snapshots() {
        let commands = [
            "pwd",
            "ls",
            "ls /home.pxar etc.pxar/ssh",
            "cd etc.pxar",
            "pwd",
            "ls",
            "stat ssh/config",
            "find config",
            "cd ..",
            "find config",
            "find /ssh/*",
            "cd home.pxar/ada/../..",
            "pwd",
        ];
        let run = place.shell(&snapshot, &commands);
        let text = run.exits(0).text().to_owned();
        let expected = "/\netc.pxar/\nhome.pxar/\n/home.pxar:\nada/\nhosts\n/etc.pxar/ssh:\nconfig\n/etc.pxar\nhosts\nssh/\n";
        assert!(text.starts_with(&format!("{expected}  File: /etc.pxar/ssh/config\n")), "{text}");
        let end = "\n/etc.pxar/ssh/config\n/etc.pxar/ssh/config\n/home.pxar/ada/.ssh/config\n/etc.pxar/ssh/config\n/\n";
        assert!(text.ends_with(end), "{text}");
        let run =
            place.shell(&snapshot, &["stat .", "cd nowhere", "ls etc.pxar/x", "ls etc.pxar2", "select /"]);
        assert_eq!(run.err.lines().count(), 5, "{}", run.err);
        run.fails(
            1,
            &["/ is no entry", "there is no /nowhere", "there is no /etc.pxar/x", "no /etc.pxar2", "root"],
        );
    }
}

#[test]
fn selections_span_archives() {
    let place = Place::new();
    for (number, snapshot) in snapshots().into_iter().enumerate() {
        let to = place.dir.join(&format!("to-{number}/new"));
        let target = to.to_str().unwrap();
        let run = place.shell(
            &snapshot,
            &[
                "select etc.pxar home.pxar/hosts",
                "deselect etc.pxar/ssh/config",
                "list-selected",
                &format!("restore-selected {target}/selected"),
                "clear-selected",
                &format!("restore {target}/all"),
                &format!("restore {target}/found hosts"),
                "cd home.pxar/ada",
                &format!("restore {target}/here"),
            ],
        );
        assert_eq!(run.exits(0).text(), "/etc.pxar\n/home.pxar/hosts\n\"!/etc.pxar/ssh/config\"\n");
        let has = |path: &str| read(&to.join(path));
        assert_eq!(has("selected/etc.pxar/hosts"), "etc");
        assert_eq!(has("selected/home.pxar/hosts"), "home");
        assert!(to.join("selected/etc.pxar/ssh").is_dir());
        assert!(
            !to.join("selected/etc.pxar/ssh/config").exists() && !to.join("selected/home.pxar/ada").exists()
        );
        assert_eq!(has("all/etc.pxar/ssh/config"), "etc, ssh");
        assert_eq!(has("all/home.pxar/ada/.ssh/config"), "home, ssh");
        assert_eq!(has("found/etc.pxar/hosts") + &has("found/home.pxar/hosts"), "etchome");
        assert!(!to.join("found/etc.pxar/ssh").exists());
        assert_eq!(has("here/home.pxar/ada/.ssh/config"), "home, ssh");
        assert!(!to.join("here/etc.pxar").exists() && !to.join("here/home.pxar/hosts").exists());
    }
}

#[test]
fn a_payload_file_cannot_be_named_for_a_snapshot() {
    let place = Place::new();
    let snapshot = &snapshots()[1];
    let args = ["shell", snapshot, "--payload-input", "/dev/null"];
    place.run(&args, "pwd\n").fails(2, &["is a snapshot", "--payload-input"]);
    pxkit!["find", snapshot, "x", "--repository", place.dir.join("none")].exits(2);
}
