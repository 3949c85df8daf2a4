//! What a real server wrote is read.

use std::collections::BTreeSet;

use pxkit::store::{Local, Namespace, Options, Repository, Snapshot};
use pxkit_core::blob::CryptMode;
use pxkit_core::format::Digest;
use pxkit_tests::golden;

fn store() -> Local {
    Local::open(&golden::path("datastore"), Options::default()).expect("a datastore")
}

#[test]
fn groups_and_snapshots_are_listed() {
    let (store, root) = (store(), Namespace::default());
    assert_eq!(store.namespaces(&root).expect("readable"), std::slice::from_ref(&root));
    let groups = store.groups(&root).expect("readable");
    let names: Vec<_> = groups.iter().map(|info| info.group.to_string()).collect();
    assert_eq!(names, ["host/data", "host/enc", "host/legacy", "host/meta", "host/sign"]);
    assert!(groups.iter().all(|info| info.owner == "test@pbs!tok" && info.comment.is_none()));
    let meta = store.snapshots(&root, &groups[3].group).expect("readable");
    let times: Vec<_> = meta.iter().map(|info| info.id.time_text()).collect();
    let expected =
        ["2026-11-22T21:15:54Z", "2026-11-22T21:15:55Z", "2026-11-22T21:15:56Z", "2026-11-22T21:15:58Z"];
    assert_eq!(times, expected);
    for info in &meta {
        assert!(info.finished && !info.protected);
        let listed: Vec<_> = info.listed().map(|(name, _)| name).collect();
        assert_eq!(listed, ["tree.ppxar.didx", "tree.mpxar.didx"]);
        let others: Vec<_> = info.files[2..].iter().map(|file| file.name.as_str()).collect();
        assert_eq!(others, ["index.json.blob"]);
        assert!(info.files.iter().all(|file| file.stored.is_some() && !file.is_missing));
        assert_eq!(info.size, Some(info.listed().map(|(_, file)| file.size).sum()));
        assert_eq!((info.owner.as_deref(), &info.key, &info.notes), (Some("test@pbs!tok"), &None, &None));
    }
}

/// Every chunk of every snapshot is there and is what its index says, with the key, and nothing is read of encrypted ones without.
#[test]
fn every_chunk_can_be_read() {
    let (store, root) = (store(), Namespace::default());
    let (mut plain, mut sealed) = (BTreeSet::new(), 0);
    for group in store.groups(&root).expect("readable") {
        for info in store.snapshots(&root, &group.group).expect("readable") {
            let stored = store.open(&root, &info.id).expect("a finished snapshot");
            let snapshot = Snapshot::with_key(stored.clone(), Some(golden::key()));
            for file in &snapshot.manifest().files {
                let index = snapshot.index(&file.filename).expect("an index");
                for at in 0..index.count() {
                    let (digest, extent) = (index.chunks()[at].digest, index.extent(at).expect("a chunk"));
                    let len = extent.end - extent.start;
                    let chunk = snapshot.chunk(&digest, len, file.crypt_mode);
                    assert_eq!(chunk.expect("a chunk").len() as u64, len);
                    if file.crypt_mode == CryptMode::Encrypt {
                        let without = Snapshot::from(stored.clone()).chunk(&digest, len, file.crypt_mode);
                        let error = format!("{:#}", without.expect_err("no key"));
                        assert!(error.contains("there is no key"), "{error}");
                        sealed += 1;
                    } else {
                        plain.insert(digest);
                    }
                }
            }
        }
    }
    assert!(plain.len() > 100 && sealed > 20, "{} {sealed}", plain.len());
}

#[test]
fn what_is_not_there_is_said() {
    let (store, root) = (store(), Namespace::default());
    let says = |result: anyhow::Result<()>, words: &str| {
        let error = format!("{:#}", result.expect_err("not there"));
        assert!(error.contains(words), "{error}");
    };
    let snapshot = |text: &str| text.parse().expect("a snapshot's name");
    says(store.groups(&"a/b".parse().expect("a name")).map(drop), "no namespace `a/b`");
    says(store.snapshots(&root, &"host/none".parse().expect("a name")).map(drop), "no group host/none");
    says(
        store.open(&root, &snapshot("host/meta/2026-11-22T21:15:53Z")).map(drop),
        "no snapshot host/meta/2026",
    );
    let open =
        Snapshot::from(store.open(&root, &snapshot("host/meta/2026-11-22T21:15:54Z")).expect("a snapshot"));
    says(open.index("root.mpxar.didx").map(drop), "it has tree.ppxar.didx, tree.mpxar.didx");
    says(open.chunk(&Digest([1; 32]), 1, CryptMode::None).map(drop), "0101: missing");
    says(Local::open(&golden::path("archives"), Options::default()).map(drop), "no datastore");
}
