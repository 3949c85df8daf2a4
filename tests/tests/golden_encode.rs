//! Golden digests from descriptions in memory, through core alone: what we encode is byte for byte what the reference writes.

use pxkit_tests::golden::{self, ARCHIVED, NAMES};
use pxkit_tests::{archive, tree::Node};

/// Where two archives part, for a message that helps.
fn first_difference(ours: &[u8], reference: &[u8]) -> String {
    let equal = ours.iter().zip(reference).take_while(|(a, b)| a == b).count();
    let around = |bytes: &[u8]| bytes[equal.min(bytes.len())..].iter().take(32).copied().collect::<Vec<_>>();
    format!(
        "{} of ours, {} of the reference; at {equal}: ours {:02x?}, reference {:02x?}",
        ours.len(),
        reference.len(),
        around(ours),
        around(reference)
    )
}

#[track_caller]
fn check(name: &str, suffix: &str, ours: &[u8]) {
    let file = format!("{name}.{suffix}");
    if ARCHIVED.contains(&name) {
        let reference = golden::archive(&file);
        assert!(ours == reference, "{file}: {}", first_difference(ours, &reference));
    }
    assert_eq!(golden::sha256(ours), golden::expected_sha256(&file), "{file}");
}

#[test]
fn unified_archives_have_the_digests_of_the_reference() {
    for name in NAMES {
        let root = Node::from_manifest(&golden::manifest(name));
        check(name, "pxar", &archive::unified(&root));
    }
}

#[test]
fn split_archives_have_the_digests_of_the_reference() {
    for name in NAMES {
        let root = Node::from_manifest(&golden::manifest(name));
        let (meta, payload) = archive::split(&root, None);
        check(name, "mpxar", &meta);
        check(name, "ppxar", &payload);
    }
}

#[test]
fn the_copies_of_the_golden_archives_are_those_of_the_reference() {
    for file in
        ARCHIVED.iter().flat_map(|name| ["pxar", "mpxar", "ppxar"].map(|kind| format!("{name}.{kind}")))
    {
        assert_eq!(golden::sha256(&golden::archive(&file)), golden::expected_sha256(&file), "{file}");
    }
}
