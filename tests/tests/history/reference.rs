//! What can be wrong with a previous snapshot, and that no backup fails for it.

use std::fs;
use std::path::Path;

use pxkit::backup::{Mode, Options};
use pxkit::store::SnapshotId;
use pxkit_core::blob::{CryptMode, Manifest};
use pxkit_core::format::PayloadRef;
use pxkit_tests::describe;
use pxkit_tests::disk::Scratch;
use pxkit_tests::snapshots::{Made, Snapshots};
use serde_json::json;

use super::{keeping, number, tree, write};

const FILES: [(&str, usize); 5] = [("a", 3000), ("b", 3000), ("c/d", 50_000), ("c/e", 3000), ("f", 100_000)];

/// A tree that was backed up once, as `mode`.
fn backed_up(mode: Mode) -> (Scratch, Snapshots, SnapshotId) {
    let tree = tree(&FILES);
    let mut snapshots = Snapshots::new();
    let id = snapshots.backup(tree.path(), &keeping(mode)).id;
    (tree, snapshots, id)
}

/// Backs up once more, and looks at what comes of it. The next backup is as any.
#[track_caller]
fn again(snapshots: &mut Snapshots, tree: &Path) -> Made {
    let made = snapshots.backup(tree, &keeping(Mode::Metadata));
    snapshots.check(&made.id);
    describe::assert_same(tree, snapshots.restore(&made.id).path());
    let next = snapshots.backup(tree, &keeping(Mode::Metadata));
    snapshots.check(&next.id);
    assert_eq!(number(&next, "/unchanged/files"), FILES.len() as u64);
    made
}

fn reference(made: &Made) -> bool {
    made.json["reference"].as_bool().expect("said")
}

#[test]
fn rule_05_another_crypt_mode_or_no_payload_index() {
    type Change = fn(&mut Manifest);
    let changes: [Change; 3] = [
        |manifest| manifest.files[0].crypt_mode = CryptMode::Encrypt,
        |manifest| manifest.files[0].crypt_mode = CryptMode::SignOnly,
        |manifest| _ = manifest.files.remove(0),
    ];
    for change in changes {
        let (tree, mut snapshots, id) = backed_up(Mode::Metadata);
        let meta = snapshots.stream(&id, "root.mpxar.didx");
        snapshots.forge(&id, &meta, change);
        let made = again(&mut snapshots, tree.path());
        assert!(!reference(&made));
        assert_eq!((number(&made, "/read/files"), made.warnings), (5, 0));
    }
}

#[test]
fn rule_06_and_07_legacy_is_no_reference_but_data_is() {
    for (mode, is_reference) in [(Mode::Legacy, false), (Mode::Data, true)] {
        let (tree, mut snapshots, _) = backed_up(mode);
        let made = again(&mut snapshots, tree.path());
        assert_eq!(reference(&made), is_reference, "{mode:?}");
        assert_eq!(number(&made, "/reused/files"), if is_reference { 5 } else { 0 });
        assert_eq!(made.warnings, 0);
    }
}

#[test]
fn rule_08_damaged_indexes_are_not_used() {
    for name in ["root.mpxar.didx", "root.ppxar.didx"] {
        // In a length, in a digest, and too short.
        for damage in [4098, 4110, 5000] {
            let (tree, mut snapshots, id) = backed_up(Mode::Metadata);
            let path = snapshots.root().join(id.to_string()).join(name);
            let mut bytes = fs::read(&path).expect("an index");
            match bytes.get_mut(damage) {
                Some(byte) if damage < 5000 => *byte ^= 1,
                _ => bytes.truncate(bytes.len() - 40),
            }
            fs::write(&path, bytes).expect("written");
            let made = again(&mut snapshots, tree.path());
            assert!(!reference(&made), "{name}, {damage}");
            assert_eq!(number(&made, "/read/files"), 5);
        }
    }
}

/// Also O6: what is wrong with the previous snapshot never ends a backup.
#[test]
fn rule_09_and_o6_a_damaged_or_lost_reference_is_none() {
    type Damage = fn(&Path);
    let damages: [Damage; 4] = [
        |snapshot| fs::write(snapshot.join("index.json.blob"), b"rubbish").expect("written"),
        |snapshot| fs::remove_file(snapshot.join("root.mpxar.didx")).expect("removed"),
        |snapshot| fs::remove_file(snapshot.join("root.ppxar.didx")).expect("removed"),
        |snapshot| fs::write(snapshot.join("root.ppxar.didx"), b"").expect("written"),
    ];
    for damage in damages {
        let (tree, mut snapshots, id) = backed_up(Mode::Metadata);
        damage(&snapshots.root().join(id.to_string()));
        let made = again(&mut snapshots, tree.path());
        assert_eq!((reference(&made), number(&made, "/read/files")), (false, 5));
    }
}

/// The metadata archive ends, or stops to make sense, somewhere in the middle.
#[test]
fn rule_09_what_comes_before_damage_in_the_metadata_is_used() {
    let (tree, mut snapshots, id) = backed_up(Mode::Metadata);
    let meta = snapshots.stream(&id, "root.mpxar.didx");
    let references = snapshots.references(&id);
    let at = find(&meta, references[3].1);
    let mut broken = meta.clone();
    broken[at - 16..at - 8].fill(0xee);
    for (damaged, warnings) in [(meta[..at].to_vec(), 1), (broken, 1)] {
        snapshots.forge(&id, &damaged, |_| ());
        let made = snapshots.backup(tree.path(), &keeping(Mode::Metadata));
        snapshots.check(&made.id);
        describe::assert_same(tree.path(), snapshots.restore(&made.id).path());
        assert_eq!((number(&made, "/unchanged/files"), made.warnings), (3, warnings));
    }
}

/// A chunk of the metadata that is damaged is not taken for stored where the new archive, for which all is read, has the same.
#[test]
fn damaged_metadata_is_stored_again() {
    for (at, append) in [(100, false), (100, true), (3, false)] {
        let (tree, mut snapshots) = (tree(&FILES), Snapshots::new());
        let options = Options { append, ..keeping(Mode::Metadata) };
        let first = snapshots.backup(tree.path(), &options).id;
        let index = snapshots.index(&first, "root.mpxar.didx");
        let digest = index.chunks()[0].digest.to_string();
        let chunk = snapshots.root().join(".chunks").join(&digest[..4]).join(&digest);
        let mut bytes = fs::read(&chunk).expect("a chunk");
        bytes[at] ^= 1;
        fs::write(&chunk, &bytes).expect("written");
        let made = snapshots.backup(tree.path(), &options);
        assert_eq!(snapshots.index(&made.id, "root.mpxar.didx").checksum(), index.checksum());
        for id in [&first, &made.id] {
            snapshots.check(id);
        }
        describe::assert_same(tree.path(), snapshots.restore(&made.id).path());
        assert!(fs::read(chunk.with_extension("0.bad")).expect("set aside") == bytes, "{at}, {append}");
    }
}

/// Where the reference stands in a metadata stream.
fn find(meta: &[u8], reference: PayloadRef) -> usize {
    let item = [reference.offset.to_le_bytes(), reference.size.to_le_bytes()].concat();
    meta.windows(16).position(|window| window == item).expect("the reference")
}

fn set(meta: &mut [u8], reference: PayloadRef, offset: u64) {
    let at = find(meta, reference);
    meta[at..at + 8].copy_from_slice(&offset.to_le_bytes());
}

/// Defect 4.1.7 and 4.1.12: such archives were written silently, and then made each further run fail.
#[test]
fn rule_23_and_4_1_12_duplicate_and_decreasing_offsets_heal() {
    // `b` claims the contents of `a`; `c/e` lies before `b`; all lie in the middle of others.
    let (a, b, e) = (0, 1, 3);
    for order in ["name", "append"] {
        for what in ["duplicate", "overlapping", "swapped", "before everything"] {
            let (tree, mut snapshots, id) = backed_up(Mode::Metadata);
            let references: Vec<_> = snapshots.references(&id).into_iter().map(|found| found.1).collect();
            let mut meta = snapshots.stream(&id, "root.mpxar.didx");
            let mut wrong = vec![references[b]];
            match what {
                "duplicate" => set(&mut meta, references[b], references[a].offset),
                "overlapping" => set(&mut meta, references[b], references[a].offset + 100),
                "swapped" => {
                    set(&mut meta, references[e], references[a].offset);
                    set(&mut meta, references[a], references[e].offset);
                    wrong = references[1..4].to_vec();
                }
                _ => {
                    set(&mut meta, references[e], references[a].offset);
                    wrong = vec![references[e]];
                }
            }
            snapshots.forge(&id, &meta, |manifest| {
                manifest.unprotected["pxkit"]["order"] = json!(order);
            });
            if what == "swapped" && order == "append" {
                // Nothing tells this from an archive in which files lie in that order.
                continue;
            }
            let made = again(&mut snapshots, tree.path());
            assert!(reference(&made), "{what}, {order}");
            assert_eq!(
                number(&made, "/reencoded/bad_reference/files"),
                wrong.len() as u64,
                "{what}, {order}"
            );
            assert_eq!(
                number(&made, "/unchanged/files"),
                (FILES.len() - wrong.len()) as u64,
                "{what}, {order}"
            );
            assert_eq!(made.warnings, 0, "nothing is lost");
        }
    }
}

#[test]
fn rule_25_references_out_of_the_old_stream() {
    let (tree, mut snapshots, id) = backed_up(Mode::Metadata);
    let references: Vec<_> = snapshots.references(&id).into_iter().map(|found| found.1).collect();
    let size = snapshots.index(&id, "root.ppxar.didx").size();
    for offset in [0, 15, size - 3000, size, u64::MAX - 10, u64::MAX] {
        let mut meta = snapshots.stream(&id, "root.mpxar.didx");
        set(&mut meta, references[4], offset);
        snapshots.forge(&id, &meta, |_| ());
        let made = again(&mut snapshots, tree.path());
        // One that is beyond all numbers is damage.
        let bad = number(&made, "/reencoded/bad_reference/files") + number(&made, "/changed/new/files");
        assert_eq!((number(&made, "/unchanged/files"), bad), (4, 1), "{offset}");
    }
}

/// A version of a file that was never backed up before, beside ones that were.
#[test]
fn rule_20_a_previous_entry_without_reference() {
    let (tree, mut snapshots, _) = backed_up(Mode::Metadata);
    fs::remove_file(tree.join("b")).expect("removed");
    fs::hard_link(tree.join("a"), tree.join("b")).expect("linked");
    snapshots.backup(tree.path(), &keeping(Mode::Metadata));
    // What was a hard link is a file now, of the same size and time.
    fs::remove_file(tree.join("b")).expect("removed");
    write(tree.path(), "b", 0, 3000);
    let made = again(&mut snapshots, tree.path());
    assert_eq!((number(&made, "/changed/new/files"), number(&made, "/unchanged/files")), (1, 4));
}

/// Rule 11: the repository does not offer a snapshot whose verification failed.
#[test]
fn rule_11_a_snapshot_that_failed_verification_is_no_reference() {
    let (tree, mut snapshots, id) = backed_up(Mode::Metadata);
    let meta = snapshots.stream(&id, "root.mpxar.didx");
    snapshots.forge(&id, &meta, |manifest| {
        let upid = "UPID:host:00000001:00000001:00000001:65000000:verify:x:root@pam:";
        manifest.unprotected.insert("verify_state".to_owned(), json!({ "upid": upid, "state": "failed" }));
    });
    let made = again(&mut snapshots, tree.path());
    assert_eq!((reference(&made), number(&made, "/read/files")), (false, 5));
}
