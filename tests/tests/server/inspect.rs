//! What the inspector is served of a datastore on a server: the same as of one in a directory.

use std::io;

use pxkit::remote::environment::parse_fingerprint;
use pxkit::remote::{Access, Rate, Remote, Secret};
use pxkit::secret::SecretText;
use pxkit::serve::place::Place;
use pxkit::serve::{Content, Listed, LocalTree, Served, ServerTree};
use pxkit_tests::pbs::Server;

use crate::commands::Client;

fn connect(server: &Server) -> Remote {
    let token = server.token();
    let access = Access {
        address: server.repository(token).parse().expect("an address"),
        secret: Secret::Password(SecretText::new(token.secret.clone())),
        fingerprint: Some(parse_fingerprint(server.fingerprint()).expect("a fingerprint")),
        rate: Rate::default(),
    };
    Remote::connect(access).expect("connected")
}

fn place(path: &str) -> Place {
    Place::of(path.split('/').filter(|name| !name.is_empty())).expect("a place")
}

fn bytes(content: Content) -> Vec<u8> {
    let mut bytes = vec![0; content.source.size() as usize];
    content.source.read_exact_at(&mut bytes, 0).expect("readable");
    bytes
}

/// Everything that is below a place, directories with their names, files with their bytes.
fn compare(local: &LocalTree, remote: &ServerTree, path: &str, files: &mut usize) {
    let directory = place(path);
    let list = |tree: &dyn Served| tree.list(&directory).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (here, there) = (list(local), list(remote));
    // What is told of sizes is right, and what a server does not tell is not made up.
    let told = here
        .iter()
        .zip(&there)
        .map(|(here, there)| Listed { size: there.size.and(here.size), ..here.clone() });
    assert_eq!(there, told.collect::<Vec<_>>(), "{path}");
    for entry in &there {
        let is_told = entry.is_directory || entry.name == "owner" || entry.name.ends_with(".blob");
        assert_eq!(entry.size.is_some(), is_told, "{path}: {entry:?}");
    }
    for Listed { name, is_directory, .. } in here {
        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        if !is_directory {
            let read = |tree: &dyn Served| tree.open(&place(&path)).map(bytes).expect("readable");
            assert!(read(remote) == read(local), "{path}");
            *files += 1;
        } else if name != ".chunks" {
            compare(local, remote, &path, files);
        }
    }
}

#[test]
fn a_server_looks_like_a_directory() {
    let client = Client::filled();
    client.run(&["namespace", "create", "a"]).succeeds();
    client.run(&["namespace", "create", "a/b"]).succeeds();
    client.backup(&["--ns", "a/b"]).succeeds();
    client.run(&["notes", "host/a", "notes"]).succeeds();
    let local = LocalTree::open(client.server.root()).expect("a datastore");
    let remote = ServerTree::new(connect(&client.server));
    // Chunks belong to indexes that somebody read.
    let chunks = client.chunks();
    let chunk = |at: usize| {
        let name = chunks[at].file_name().and_then(|name| name.to_str()).expect("a digest");
        place(&format!(".chunks/{}/{name}", &name[..4]))
    };
    assert_eq!(remote.open(&chunk(0)).expect_err("not yet").kind(), io::ErrorKind::NotFound);
    let mut files = 0;
    compare(&local, &remote, "", &mut files);
    // Two files of three groups, and three of each of the snapshots.
    assert_eq!(files, 2 + 1 + 3 * 3);
    // Of files that were read it is known how large they are.
    let snapshot = place("host/a/2020-09-13T12:26:40Z");
    assert_eq!(remote.list(&snapshot).expect("listed"), local.list(&snapshot).expect("listed"));
    for at in 0..chunks.len() {
        let read = |tree: &dyn Served| tree.open(&chunk(at)).map(bytes).expect("readable");
        assert!(read(&remote) == read(&local));
    }
    for missing in [
        "vm/1",
        "host/b/owner",
        "host/a/2020-09-13T12:26:40Z/x.blob",
        "host/a/2020-01-01T00:00:00Z/index.json.blob",
    ] {
        let result = remote.open(&place(missing)).map(drop);
        assert!(result.is_err(), "{missing}");
    }
}
