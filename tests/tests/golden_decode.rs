//! The golden archives, which the reference wrote, through our decoder: the trees of the manifests come out, nothing is
//! irregular, and encoding what was decoded gives the same bytes.

use pxkit_core::access::NodeContent;
use pxkit_core::format::Kind;
use pxkit_tests::streams::Streams;
use pxkit_tests::tree::{self, Node};
use pxkit_tests::{archive, back, golden, observe};

/// Metadata stream and payload stream of both kinds.
fn streams(name: &str) -> [(Vec<u8>, Option<Vec<u8>>); 2] {
    let file = |extension| golden::archive(&format!("{name}.{extension}"));
    [(file("pxar"), None), (file("mpxar"), Some(file("ppxar")))]
}

fn expected(name: &str) -> Node {
    back::spelled_out(&Node::from_manifest(&golden::manifest(name)))
}

#[test]
fn golden_archives_hold_the_trees_of_their_manifests() {
    for name in golden::ARCHIVED {
        let expected = expected(name);
        for (meta, payload) in streams(name) {
            let (found, outcome) =
                back::tree(&meta, payload.as_deref(), &mut observe::one_window()).expect("a golden archive");
            // Node by node first, because the whole of it says little when it differs.
            compare(name, &expected, &found);
            assert_eq!(found, expected);
            assert_eq!((outcome.findings, outcome.end), (vec![], meta.len() as u64), "{name}");
        }
    }
}

fn compare(path: &str, expected: &Node, found: &Node) {
    assert_eq!(expected.stat, found.stat, "{path}");
    assert_eq!(expected.attributes, found.attributes, "{path}");
    if let (tree::Kind::Directory(expected), tree::Kind::Directory(found)) = (&expected.kind, &found.kind) {
        let names = |nodes: &[Node]| nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(expected), names(found), "{path}");
        for (expected, found) in expected.iter().zip(found) {
            compare(&format!("{path}/{}", expected.name.escape_ascii()), expected, found);
        }
    } else {
        assert_eq!(expected.kind, found.kind, "{path}");
    }
}

#[test]
fn golden_tables_are_what_the_check_expects() {
    for name in golden::ARCHIVED {
        for (meta, _) in streams(name) {
            let outcome = observe::items(&meta, &mut (), &mut observe::one_window());
            assert_eq!((outcome.result, outcome.findings), (Ok(()), vec![]), "{name}");
        }
    }
}

#[test]
fn golden_archives_encode_to_themselves() {
    for name in golden::ARCHIVED {
        let [(unified, _), (meta, payload)] = streams(name);
        let payload = payload.expect("a split archive");
        // What one kind holds makes the other kind, too.
        for (from, contents) in [(&unified, None), (&meta, Some(&payload[..]))] {
            let (tree, _) = back::tree(from, contents, &mut observe::one_window()).expect("golden");
            assert!(archive::unified(&tree) == unified, "{name}");
            assert!(archive::split(&tree, None) == (meta.clone(), payload.clone()), "{name}");
        }
    }
}

#[test]
fn preludes_survive() {
    let (tree, _) = {
        let [(unified, _), _] = streams("kinds");
        back::tree(&unified, None, &mut observe::one_window()).expect("golden")
    };
    for prelude in [&b""[..], b"{\"exclude-patterns\":\"a\\n\"}"] {
        let (meta, payload) = archive::split(&tree, Some(prelude));
        let access = Streams::split(&meta, &payload);
        let (offset, size) = access.open().expect("our archive").prelude.expect("a prelude");
        let found = &meta[offset as usize..][..size as usize];
        assert_eq!(found, prelude);
        let (again, outcome) = back::tree(&meta, Some(&payload), &mut || 5).expect("our archive");
        assert_eq!(outcome.findings, []);
        assert!(archive::split(&again, Some(found)) == (meta, payload));
    }
}

#[test]
fn golden_archives_by_random_access() {
    for name in golden::ARCHIVED {
        let expected = expected(name);
        for (meta, payload) in streams(name) {
            let mut access = Streams::unified(&meta);
            access.payload = payload.as_deref();
            let archive = access.open().expect("a golden archive");
            let mut files = 0;
            expected.walk(&mut |path, visit| {
                let tree::Visit::Node(node) = visit else { return };
                let found = access.resolve(&archive, path).expect("no damage").expect("it is there");
                assert_eq!(found.node.name, node.name);
                assert_eq!((found.node.stat, &found.node.attributes), (node.stat, &node.attributes));
                match (&node.kind, &found.node.content) {
                    (tree::Kind::File(contents), _) => {
                        let bytes = access.contents(&archive, &found.node).expect("contents");
                        assert_eq!(bytes, &*contents.bytes());
                        files += 1;
                    }
                    (tree::Kind::Hardlink { target }, NodeContent::Hardlink { target: stored, .. }) => {
                        assert_eq!(target, stored);
                        let file = access.follow(&archive, &found.node).expect("a file");
                        let first = access.resolve(&archive, target).expect("no damage").expect("there");
                        assert_eq!(file, first.node);
                    }
                    (tree::Kind::Directory(children), NodeContent::None) => {
                        let directory = found.directory.expect("a directory has a table");
                        let listed = access.list(&archive, &directory).expect("no damage");
                        let names: Vec<_> = listed.into_iter().map(|(node, _)| node.name).collect();
                        let stored: Vec<_> = children.iter().map(|child| child.name.clone()).collect();
                        assert_eq!(names, stored);
                    }
                    (tree::Kind::Symlink { target }, NodeContent::Target(stored)) => {
                        assert_eq!(target, stored)
                    }
                    (tree::Kind::Device(device), NodeContent::Device(stored)) => assert_eq!(device, stored),
                    (tree::Kind::Fifo, _) => assert_eq!(found.node.kind, Kind::Fifo),
                    (tree::Kind::Socket, _) => assert_eq!(found.node.kind, Kind::Socket),
                    other => panic!("{}: {other:?}", path.escape_ascii()),
                }
            });
            assert!(files > 0);
        }
    }
}
