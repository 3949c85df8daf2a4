//! Keys: encrypted snapshots, signatures, key files.

use super::read_all;
use crate::protocol::open::{Document, Kind, State, StoreListing, StoreQuery};
use crate::protocol::{ProblemKind, Reply, Request};
use crate::worker;
use crate::worker::testing::{Bench, golden, golden_folder};

#[test]
fn encrypted_snapshots_open_with_their_key() {
    let bench = Bench::new();
    let store = bench.golden_store(|_| {});
    let name = "host/enc/2026-11-22T21:15:58Z";
    let problem = bench.snapshot(store, name, None).err().unwrap();
    assert_eq!(problem.kind, ProblemKind::Key);
    assert!(problem.message.contains("give its key file") && problem.about.is_some(), "{}", problem.message);
    // Another key does not help; the right one does.
    let key = golden("key.json");
    let opened = bench.open(vec![("key.json", key.clone())]);
    assert_eq!((opened.keys.len(), opened.documents.len(), opened.problems.len()), (1, 0, 0));
    assert_eq!(opened.keys[0].fingerprint.as_str(), problem.about.unwrap());
    let document = bench.snapshot(store, name, None).unwrap();
    assert_eq!((document.describe().state, document.describe().entries), (State::Complete, 134));
    read_all(&document);
}

#[test]
fn encrypted_chunks_without_a_datastore_are_read_with_the_key_that_fits() {
    let bench = Bench::new();
    let index = |half: &str| {
        let name = format!("tree.{half}.didx");
        let bytes = golden(&format!("datastore/host/enc/2026-11-22T21:15:58Z/{name}"));
        (name, bytes)
    };
    let chunks = || golden_folder("datastore/.chunks", ".chunks");
    let alone = bench.open(vec![index("mpxar")]);
    assert_eq!(alone.documents.len(), 1);
    bench.open(chunks());
    let document = bench.worker.document(alone.documents[0].id).unwrap();
    assert_eq!(document.kind.get(), Kind::DynamicIndex, "without the key it stays an index");
    let mut files = vec![index("mpxar"), index("ppxar")];
    files.extend(chunks());
    let refused = bench.open(files.clone());
    let says = |document: &Document| document.hint.as_ref().is_some_and(|hint| hint.contains("Key…"));
    let are_locked = refused.documents.iter().all(|it| it.kind == Kind::DynamicIndex && says(it));
    assert!(are_locked && !refused.documents.is_empty(), "{refused:?}");
    // Another key is tried, and does no harm.
    let bench = Bench::new();
    let at = "2026-11-22T21:15:14+00:00";
    let other = format!(r#"{{"kdf":null,"created":"{at}","modified":"{at}","data":"{}="}}"#, "A".repeat(43));
    for key in [golden("key.json"), other.into_bytes()] {
        let opened = bench.open(vec![("key.json", key)]);
        assert_eq!(opened.keys.len(), 1, "{:?}", opened.problems);
    }
    let opened = bench.open(files);
    let [document] = &opened.documents[..] else { panic!("{opened:?}") };
    let document = bench.worker.document(document.id).unwrap();
    assert_eq!((document.kind.get(), document.describe().entries), (Kind::Split, 134));
    read_all(&document);
}

#[test]
fn signatures_of_manifests_are_checked_once_there_is_a_key() {
    let name = "host/sign/2026-11-22T21:15:58Z";
    let fact = |document: &worker::Document| {
        let facts = document.facts.borrow();
        facts.iter().find(|(name, _)| name == "manifest").map(|(_, text)| text.clone()).unwrap()
    };
    let codes = |document: &worker::Document| {
        let mut codes = Vec::new();
        document.findings.each(|_, finding| codes.push(finding.code));
        codes
    };
    let list = |bench: &Bench, store| {
        let query = StoreQuery { store, namespace: String::new(), group: Some("host/sign".to_owned()) };
        match bench.ask(Request::Store(query)) {
            Ok(Reply::Store(StoreListing::Snapshots(snapshots))) => snapshots,
            other => panic!("{other:?}"),
        }
    };
    let key = || vec![("key.json", golden("key.json"))];

    let bench = Bench::new();
    let store = bench.golden_store(|_| {});
    let document = bench.snapshot(store, name, None).unwrap();
    assert!(fact(&document).contains("not checked"), "{}", fact(&document));
    bench.open(key());
    // Also of what is open already.
    assert!(fact(&document).ends_with("and the signature is right"), "{}", fact(&document));
    assert!(codes(&document).is_empty());
    assert_eq!(list(&bench, store)[0].problem, None);
    let unsigned = bench.snapshot(store, "host/meta/2026-11-22T21:15:58Z", None).unwrap();
    assert_eq!(fact(&unsigned), "not signed");

    // Somebody who has not got the key changed the manifest.
    let bench = Bench::new();
    let store = bench.golden_store(|files| {
        let is_it = |path: &str| path.contains(name) && path.ends_with("index.json.blob");
        let blob = &mut files.iter_mut().find(|(path, _)| is_it(path)).unwrap().1;
        let manifest = futures::executor::block_on(worker::open::store::read_manifest(blob)).unwrap();
        let mut forged = manifest.clone();
        forged.backup_id = "sing".into();
        *blob = uncompressed_blob(forged.to_json().as_bytes());
    });
    let document = bench.snapshot(store, name, None).unwrap();
    assert!(fact(&document).contains("not checked") && codes(&document).is_empty());
    bench.open(key());
    assert!(fact(&document).ends_with("but the signature is not right"), "{}", fact(&document));
    assert_eq!(codes(&document), ["manifest-signature"]);
    let problem = list(&bench, store)[0].problem.clone().unwrap();
    assert!(problem.message.contains("signature"), "{}", problem.message);
}

/// A blob that holds some bytes as they are.
fn uncompressed_blob(bytes: &[u8]) -> Vec<u8> {
    let mut blob = vec![66, 171, 56, 7, 190, 131, 112, 161];
    blob.extend_from_slice(&pxkit_core::blob::Crc32::of(bytes).to_le_bytes());
    blob.extend_from_slice(bytes);
    blob
}

#[test]
fn key_files_that_are_none() {
    let bench = Bench::new();
    let text = String::from_utf8(golden("key.json")).unwrap();
    let ask = |file: &str| {
        let key = crate::protocol::open::Key { file: file.as_bytes().to_vec(), passphrase: String::new() };
        bench.ask(Request::Key(key)).unwrap_err()
    };
    assert_eq!(ask("{").kind, ProblemKind::Format);
    let start = text.find("\"fingerprint\":\"").unwrap() + 15;
    let mut other = text.clone();
    let digit = if &text[start..=start] == "0" { "1" } else { "0" };
    other.replace_range(start..=start, digit);
    assert!(ask(&other).message.contains("another key"), "{}", ask(&other).message);
}
