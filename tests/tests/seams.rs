//! Where a window ends makes no difference: every archive is decoded with windows of many sizes and with random ones, and items,
//! entries, findings and errors are the same as with the whole of it in one window.

use std::fmt::Debug;

use pxkit_core::decode::{Decoder, Entries, Entry, Limits, Start};
use pxkit_core::format::{Class, ItemType, hash_name};
use pxkit_tests::observe::{self, Arrive, Digest, Outcome};
use pxkit_tests::random::{self, Rng, Shape};
use pxkit_tests::windows::SIZES;
use pxkit_tests::{archive, golden, handmade, odd};

/// Random splits of every archive.
const SPLITS: u64 = 20;

/// Runs `decode` with all windows and wants the same answer every time.
fn same<T: Debug + PartialEq>(name: &str, bytes: usize, decode: impl Fn(Arrive<'_>) -> T) {
    let whole = decode(&mut observe::one_window());
    for size in SIZES {
        assert!(decode(&mut || size) == whole, "{name}: windows of {size}");
    }
    // As many for small archives as time allows; one for large ones.
    let splits = if bytes < 100_000 { SPLITS } else { 2 };
    for seed in 0..splits {
        let mut rng = Rng::new(seed);
        let mut sizes = || {
            let most = *rng.pick(&[1, 2, 8, 40, 300, 5000]);
            1 + rng.below(most)
        };
        assert!(decode(&mut sizes) == whole, "{name}: random windows with seed {seed}");
    }
}

fn items(bytes: &[u8], arrive: Arrive<'_>) -> (u64, Outcome) {
    let mut digest = Digest::default();
    let outcome = observe::items(bytes, &mut digest, arrive);
    (digest.value(), outcome)
}

fn entries(bytes: &[u8], arrive: Arrive<'_>) -> (u64, Outcome) {
    let mut digest = Digest::default();
    let outcome = observe::entries(bytes, &mut digest, arrive, &mut |_| {});
    (digest.value(), outcome)
}

fn same_items_and_entries(name: &str, bytes: &[u8]) {
    same(name, bytes.len(), |arrive| items(bytes, arrive));
    same(name, bytes.len(), |arrive| entries(bytes, arrive));
}

#[test]
fn golden_archives() {
    for name in golden::ARCHIVED {
        for extension in ["pxar", "mpxar"] {
            let file = format!("{name}.{extension}");
            same_items_and_entries(&file, &golden::archive(&file));
        }
    }
}

#[test]
fn odd_archives() {
    for (name, bytes) in odd::legal() {
        let (_, outcome) = items(&bytes, &mut observe::one_window());
        assert_eq!(outcome.result, Ok(()), "{name}");
        same_items_and_entries(name, &bytes);
    }
}

#[test]
fn broken_archives() {
    for (name, bytes) in odd::broken() {
        let (_, items) = items(&bytes, &mut observe::one_window());
        let (_, entries) = entries(&bytes, &mut observe::one_window());
        assert!(items.result.is_err(), "{name}");
        assert_eq!(items.result, entries.result, "{name}: both layers say the same");
        same_items_and_entries(name, &bytes);
    }
}

#[test]
fn every_prefix_of_an_archive() {
    let bytes = odd::every_kind();
    for end in 0..bytes.len() {
        same_items_and_entries(&format!("the first {end} bytes"), &bytes[..end]);
    }
}

#[test]
fn random_trees() {
    for seed in 0..20 {
        let tree = random::tree(seed, Shape { nodes: 60, on_disk: false });
        let (meta, _) = archive::split(&tree, Some(b"prelude"));
        same_items_and_entries(&format!("seed {seed}, split"), &meta);
        same_items_and_entries(&format!("seed {seed}, unified"), &archive::unified(&tree));
    }
}

#[test]
fn parts_of_an_archive() {
    let mut maker = handmade::Maker::split();
    let directory = maker.directory(b"dir") as usize;
    maker.file(b"a", b"contents");
    maker.symlink(b"b", b"target");
    maker.leave();
    let fifo = maker.position() as usize;
    maker.name(b"fifo");
    maker.entry(0o10_644);
    let end = maker.leave() as usize;
    let bytes = maker.bytes;
    for (what, at, start) in [
        ("root", 24, Start::Root),
        ("directory", directory, Start::Child),
        ("FIFO", fifo, Start::Child),
        ("what is no child", end, Start::Child),
        ("what is no root", directory, Start::Root),
    ] {
        same(what, bytes.len(), |arrive| {
            let mut digest = Digest::default();
            let decoder = Decoder::at(at as u64, start, Limits::default());
            let outcome = observe::items_with(decoder, hash_name, &bytes[at..], &mut digest, arrive);
            assert_eq!(outcome.result.is_err(), what.starts_with("what"), "{what}");
            (digest.value(), outcome)
        });
    }
}

#[test]
fn entries_of_a_part_have_their_full_paths() {
    let mut maker = handmade::Maker::rooted();
    maker.directory(b"dir");
    let sub = maker.directory(b"sub") as usize;
    maker.file(b"a", b"contents");
    maker.directory(b"empty");
    maker.leave();
    maker.leave();
    maker.file(b"z", b"");
    let bytes = maker.finish();
    for (parent, expected) in
        [(&b"dir"[..], ["dir/sub", "dir/sub/a", "dir/sub/empty"]), (b"", ["sub", "sub/a", "sub/empty"])]
    {
        same("paths", bytes.len(), |arrive| {
            let mut paths = Vec::new();
            let entries = Entries::at(sub as u64, Start::Child, parent, Limits::default());
            let mut see = |entry: Option<&Entry<'_>>| {
                let Some(entry) = entry else { return };
                assert!(entry.path.ends_with(entry.name()));
                paths.push((String::from_utf8(entry.path.to_vec()).expect("ASCII"), entry.depth));
            };
            let outcome = observe::entries_with(entries, &bytes[sub..], &mut (), arrive, &mut see);
            assert_eq!(outcome.result, Ok(()));
            let depths = [1, 2, 2];
            assert!(
                paths.iter().map(|(path, depth)| (&path[..], *depth)).eq(expected.into_iter().zip(depths))
            );
            outcome
        });
    }
}

#[test]
fn limits_hold_in_any_window() {
    // The default depth, of items alone: the paths of so many entries are gigabytes in words.
    let too_deep = odd::deep(17_000);
    let outcome = observe::items(&too_deep, &mut (), &mut || 17);
    assert_eq!(outcome.result.expect_err("deeper").class(), Class::Limit);
    let limits = Limits { max_depth: 5, max_path: 30, max_attributes: 100 };
    let deep = odd::deep(10);
    same("depth", deep.len(), |arrive| {
        let decoder = Decoder::at(0, Start::Archive, limits);
        let outcome = observe::items_with(decoder, hash_name, &deep, &mut (), arrive);
        let error = outcome.result.expect_err("deeper than 5");
        assert_eq!(error.class(), Class::Limit);
        outcome
    });
    let of_entries = |what: &str, bytes: &[u8], offset: u64| {
        same(what, bytes.len(), |arrive| {
            let entries = Entries::at(0, Start::Archive, b"", limits);
            let outcome = observe::entries_with(entries, bytes, &mut (), arrive, &mut |_| {});
            let error = outcome.result.expect_err(what);
            assert_eq!((error.class(), error.offset), (Class::Limit, offset), "{what}");
            outcome
        });
    };
    let mut path = handmade::Maker::rooted();
    path.directory(b"fifteen letters");
    path.file(b"fourteen chars", b"");
    let over = path.name(b"fifteen letters");
    of_entries("bytes of a path", &path.finish(), over);
    let mut attributes = handmade::Maker::new();
    attributes.entry(0o40755);
    attributes.item(ItemType::Fcaps, &[0; 61]);
    let over = attributes.item(ItemType::AclGroupObj, &[0; 8]);
    attributes.enter();
    of_entries("bytes of attributes", &attributes.finish(), over);
}
