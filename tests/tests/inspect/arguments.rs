//! What can be named, what comes along, and what is refused before anything is served.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;

use pxkit_tests::cli::Run;
use pxkit_tests::disk::Scratch;
use pxkit_tests::golden;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::{Inspector, PAGE, command, store};

const LEGACY: &str = "host/legacy/2026-11-22T21:15:58Z";
const META: &str = "host/meta/2026-11-22T21:15:58Z";

/// The sources that these arguments lead to, with the golden datastore as repository.
#[track_caller]
fn sources(args: &[&str]) -> Value {
    let scratch = Scratch::new();
    let root = store(&scratch);
    let mut command = command(&scratch);
    command.current_dir(golden::path("archives")).env("PBS_REPOSITORY", &root);
    command.arg("--no-open").args(args);
    Inspector::start(command).sources()
}

/// What is opened of the only source, a datastore, by these arguments.
#[track_caller]
fn opened(args: &[&str]) -> Value {
    let sources = sources(args);
    let [only] = &sources.as_array().expect("a list")[..] else { panic!("{sources}") };
    assert_eq!(only["directory"], "d/0/");
    assert!(only["name"].as_str().is_some_and(|name| name.ends_with("store")));
    only["open"].clone()
}

fn item(snapshot: &str, archive: Option<&str>) -> Value {
    let group = snapshot.rsplit_once('/').expect("a snapshot").0;
    json!({ "namespace": "", "group": group, "snapshot": snapshot, "archive": archive })
}

fn names(sources: &Value) -> Vec<&str> {
    sources
        .as_array()
        .expect("a list")
        .iter()
        .map(|source| source["name"].as_str().expect("a name"))
        .collect()
}

#[test]
fn the_other_half_comes_along() {
    let both = ["kinds.mpxar", "kinds.ppxar"];
    assert_eq!(names(&sources(&["kinds.mpxar"])), both);
    assert_eq!(names(&sources(&["kinds.ppxar"])), ["kinds.ppxar", "kinds.mpxar"]);
    assert_eq!(names(&sources(&["kinds.mpxar", "kinds.ppxar"])), both);
    assert_eq!(names(&sources(&["kinds.ppxar", "kinds.pxar", "./kinds.mpxar"])).len(), 3);
    let list = sources(&["kinds.pxar"]);
    let size = fs::metadata(golden::path("archives/kinds.pxar")).unwrap().len();
    assert_eq!(list, json!([{ "name": "kinds.pxar", "url": "f/0", "size": size }]));
}

#[test]
fn a_half_alone_stays_alone() {
    let scratch = Scratch::new();
    for name in ["a.mpxar", "b.ppxar", "c.txt"] {
        fs::write(scratch.join(name), name).unwrap();
    }
    // What is no file does not come along.
    fs::create_dir(scratch.join("a.ppxar")).unwrap();
    let inspector =
        Inspector::of(&scratch, &[scratch.join("a.mpxar"), scratch.join("b.ppxar"), scratch.join("c.txt")]);
    assert_eq!(names(&inspector.sources()), ["a.mpxar", "b.ppxar", "c.txt"]);
    assert_eq!(inspector.get("f/2").bytes(200), b"c.txt");
}

#[test]
fn files_of_one_name_are_told_apart() {
    let scratch = Scratch::new();
    for folder in ["old", "new"] {
        fs::create_dir(scratch.join(folder)).unwrap();
        fs::write(scratch.join(folder).join("root.mpxar"), folder).unwrap();
        fs::write(scratch.join(folder).join("root.ppxar"), folder).unwrap();
    }
    let inspector =
        Inspector::of(&scratch, &[scratch.join("old/root.mpxar"), scratch.join("new/root.mpxar")]);
    let list = inspector.sources();
    assert_eq!(names(&list), ["old/root.mpxar", "old/root.ppxar", "new/root.mpxar", "new/root.ppxar"]);
    assert_eq!(inspector.get(list[2]["url"].as_str().unwrap()).bytes(200), b"new");
}

#[test]
fn a_file_is_what_a_link_leads_to() {
    let scratch = Scratch::new();
    fs::write(scratch.join("file"), "contents").unwrap();
    symlink("file", scratch.join("link")).unwrap();
    let inspector = Inspector::of(&scratch, &[scratch.join("link"), scratch.join("file")]);
    assert_eq!(inspector.sources().as_array().unwrap().len(), 1);
    assert_eq!(inspector.get("f/0").bytes(200), b"contents");
}

#[test]
fn names_of_the_repository() {
    assert_eq!(opened(&[META]), json!([item(META, None)]));
    assert_eq!(opened(&["host/meta/latest"]), json!([item(META, None)]));
    assert_eq!(
        opened(&["host/meta"]),
        json!([{ "namespace": "", "group": "host/meta", "snapshot": null, "archive": null }])
    );
    for (archive, name) in [
        ("tree.pxar", "tree.mpxar.didx"),
        ("tree.mpxar", "tree.mpxar.didx"),
        ("tree.ppxar.didx", "tree.mpxar.didx"),
        ("index.json", "index.json.blob"),
    ] {
        assert_eq!(opened(&[&format!("{META}/{archive}")]), json!([item(META, Some(name))]), "{archive}");
    }
    for (archive, name) in [("tree.pxar", "tree.pxar.didx"), ("catalog.pcat1", "catalog.pcat1.didx")] {
        assert_eq!(opened(&[&format!("{LEGACY}/{archive}")]), json!([item(LEGACY, Some(name))]), "{archive}");
    }
    // Two to compare are in one source, and one that was named twice is there once.
    let two = json!([item(LEGACY, None), item(META, None)]);
    assert_eq!(opened(&[LEGACY, META, LEGACY]), two);
    // Encrypted ones are opened like any other.
    assert_eq!(opened(&["host/enc/latest"])[0]["group"], "host/enc");
}

#[test]
fn namespaces() {
    let scratch = Scratch::new();
    let root = store(&scratch);
    fs::create_dir_all(root.join("ns/a/ns/b")).unwrap();
    fs::rename(root.join("host"), root.join("ns/a/ns/b/host")).unwrap();
    let args = ["--repository", root.to_str().unwrap(), "--ns", "a/b", META];
    let list = Inspector::of(&scratch, &args).sources();
    assert_eq!(list[0]["open"][0]["namespace"], "a/b");
    let path = root.join("ns/a/ns/b").join(META);
    let list = Inspector::of(&scratch, &[path]).sources();
    assert_eq!(list[0]["open"][0]["namespace"], "a/b");
}

#[test]
fn a_path_in_a_datastore_means_what_is_there() {
    let scratch = Scratch::new();
    let root = store(&scratch);
    symlink(root.join("host"), scratch.join("link")).unwrap();
    let group = json!({ "namespace": "", "group": "host/meta", "snapshot": null, "archive": null });
    for (path, open) in [
        (root.clone(), json!([])),
        (root.join("host"), json!([])),
        (root.join("host/meta"), json!([group])),
        (root.join(META), json!([item(META, None)])),
        (root.join(META).join("tree.mpxar.didx"), json!([item(META, Some("tree.mpxar.didx"))])),
        (root.join(META).join("index.json.blob"), json!([item(META, Some("index.json.blob"))])),
        (scratch.join("link/meta"), json!([group])),
    ] {
        let list = Inspector::of(&scratch, &[&path]).sources();
        assert_eq!((&list[0]["open"], &list[0]["directory"]), (&open, &json!("d/0/")), "{}", path.display());
    }
    // The store by its path and what is in it are one source; other files in it are files.
    let paths = [root.clone(), root.join(META), root.join("host/meta/owner")];
    let list = Inspector::of(&scratch, &paths).sources();
    assert_eq!((list[0]["open"].as_array().unwrap().len(), list.as_array().unwrap().len()), (1, 2));
    assert_eq!(list[1]["url"], "f/0");
}

#[test]
fn without_arguments_it_is_the_repository_if_there_is_one() {
    assert_eq!(opened(&[]), json!([]));
    let scratch = Scratch::new();
    let inspector = Inspector::of::<&str>(&scratch, &[]);
    assert_eq!(inspector.sources(), json!([]));
    assert_eq!(inspector.get("").bytes(200), PAGE.as_bytes());
    // This user's own.
    let root = store(&scratch);
    fs::create_dir_all(scratch.join(".local/share/pxkit")).unwrap();
    fs::rename(root, scratch.join(".local/share/pxkit/store")).unwrap();
    let list = Inspector::of::<&str>(&scratch, &[]).sources();
    assert_eq!(list[0]["directory"], "d/0/");
}

#[test]
fn what_is_served_is_said() {
    let scratch = Scratch::new();
    let run = Inspector::of(&scratch, &[golden::path("archives/kinds.pxar")]).end(Signal::INT);
    assert_eq!(run.err, "serving kinds.pxar to this machine; Ctrl-C ends it\n");
}

/// The run fails before it serves anything, and says all of `words`.
#[track_caller]
fn refused<A: AsRef<std::ffi::OsStr>>(scratch: &Scratch, args: &[A], words: &[&str]) {
    let mut command = command(scratch);
    command.arg("--no-open").args(args);
    let run = Run::of(command).fails(2, words);
    assert_eq!(run.text(), "");
}

#[test]
fn what_cannot_be_opened_is_said_before_anything_is_served() {
    let scratch = Scratch::new();
    let root = store(&scratch);
    let root_text = root.to_str().unwrap();
    let with_store = |arg: &str| ["--repository".to_owned(), root_text.to_owned(), arg.to_owned()];
    refused(&scratch, &["none.pxar"], &["cannot open none.pxar", "No such file"]);
    refused(&scratch, &[scratch.path()], &["is no datastore", ".chunks"]);
    refused(&scratch, &[root.join(".chunks")], &["keeps its chunks", root_text]);
    refused(&scratch, &["/dev/null"], &["/dev/null is neither a file nor a datastore"]);
    refused(&scratch, &["host/meta/latest"], &["there is no backup yet"]);
    refused(&scratch, &with_store("host/none"), &["there is no group host/none"]);
    refused(&scratch, &with_store("host/none/latest"), &["there is no group host/none"]);
    refused(&scratch, &with_store("host/-/latest"), &["there is no file host/-/latest", "backup id"]);
    refused(&scratch, &with_store("host/meta/2020-01-01T00:00:00Z"), &["there is no snapshot"]);
    refused(&scratch, &with_store("host/meta/latest/none.pxar"), &["none.pxar", "tree.mpxar.didx"]);
    refused(&scratch, &["--repository", "/none"], &["there is no datastore /none"]);
    refused(&scratch, &["--repository", "a@b:c", "host/a"], &["on a server"]);
    fs::create_dir_all(root.join("host/meta/2030-01-01T00:00:00Z")).unwrap();
    refused(&scratch, &with_store("host/meta/2030-01-01T00:00:00Z"), &["is not finished"]);
    fs::write(scratch.join("loop"), "").unwrap();
    symlink("round", scratch.join("round")).unwrap();
    refused(&scratch, &[scratch.join("round")], &["cannot open", "round"]);
    // One that can be opened does not help the other.
    let good = golden::path("archives/kinds.pxar");
    refused(&scratch, &[good.as_path(), Path::new("none")], &["cannot open none"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    refused(&scratch, &["--port", &port], &["cannot listen on 127.0.0.1", &port, "in use"]);
}

#[test]
fn a_port_can_be_chosen() {
    let scratch = Scratch::new();
    // Somebody else may be given the port before the program takes it.
    let taken = (0..20).any(|_| {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = command(&scratch);
        command.args(["--no-open", "--port", &free.to_string()]);
        Inspector::try_start(command).is_ok_and(|inspector| inspector.port == free)
    });
    assert!(taken, "none of twenty ports could be chosen");
    let mut wrong = command(&scratch);
    wrong.args(["--port", "65536"]);
    Run::of(wrong).exits(64);
}

#[test]
fn a_folder_without_a_page_is_no_inspector() {
    let scratch = Scratch::new();
    for (folder, words) in [("none", "cannot open"), ("", "no index.html")] {
        let mut command = pxkit_tests::cli::command();
        command.args(["inspect", "--no-open", "--assets"]).arg(scratch.join(folder));
        Run::of(command).fails(2, &[words]);
    }
}

/// With the inspector in the program or without it, as it was built.
#[test]
fn the_program_has_its_inspector_or_says_how_to_build_it() {
    let scratch = Scratch::new();
    let inspect = || {
        let mut command = pxkit_tests::cli::command();
        command.env("HOME", scratch.path()).env_remove("PBS_REPOSITORY").env_remove("XDG_DATA_HOME");
        command.args(["inspect", "--no-open"]);
        command
    };
    let run = Run::of({
        let mut command = inspect();
        command.arg("none");
        command
    });
    if run.err.contains("without the inspector") {
        run.fails(2, &["cargo xtask web"]);
        return;
    }
    run.fails(2, &["cannot open none"]);
    let inspector = Inspector::start(inspect());
    let packed = inspector.ask("GET", &inspector.page, &[("Accept-Encoding", "gzip, br")]);
    assert_eq!((packed.status, packed.header("content-encoding")), (200, Some("gzip")));
    let plain = inspector.get("");
    assert_eq!((plain.status, plain.header("content-encoding")), (200, None));
    assert!(plain.text().starts_with("<!doctype html>") && plain.body.len() > packed.body.len());
    assert_ne!(packed.header("etag"), plain.header("etag"));
}
