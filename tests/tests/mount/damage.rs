//! What cannot be read costs what lies in it, and nothing else.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use pxkit::backup::Mode;
use pxkit_tests::disk::Scratch;
use pxkit_tests::random::Rng;
use pxkit_tests::snapshots::{Snapshots, options};

use super::support::{Mount, needs_fuse};

const EIO: Option<i32> = Some(5);

#[test]
fn a_lost_chunk_costs_its_range() {
    if !needs_fuse("a_lost_chunk_costs_its_range") {
        return;
    }
    let (scratch, mut rng) = (Scratch::new(), Rng::new(9));
    let tree = scratch.join("tree");
    fs::create_dir(&tree).unwrap();
    let (large, small) = (rng.bytes(6 << 20), rng.bytes(1000));
    fs::write(tree.join("large"), &large).unwrap();
    fs::write(tree.join("small"), &small).unwrap();
    let mut snapshots = Snapshots::new();
    let made = snapshots.backup(&tree, &options(Mode::Data));
    let index = snapshots.index(&made.id, "root.ppxar.didx");
    // A chunk in the middle, by its place in the file.
    let lost = (0..index.chunks().len()).find(|&at| index.extent(at).unwrap().start > 3 << 20).unwrap();
    let name = index.chunks()[lost].digest.to_string();
    fs::remove_file(snapshots.root().join(".chunks").join(&name[..4]).join(&name)).unwrap();
    let root = snapshots.root();
    let mount = Mount::new(format!("{}/root.pxar", made.id), &[OsStr::new("--repository"), root.as_os_str()]);
    let path = mount.path();
    // Contents of the first file begin behind the start marker and their header.
    let range = index.extent(lost).unwrap();
    let range = range.start - 32..range.end - 32;
    let file = File::open(path.join("large")).unwrap();
    let mut block = [0; 512];
    let inside = (range.start + range.end) / 2;
    assert_eq!(file.read_exact_at(&mut block, inside).unwrap_err().raw_os_error(), EIO);
    // All that lies a little away can be read, before and behind, although the kernel had read ahead.
    for at in (0..large.len() as u64 - 512).step_by(50_000) {
        if at + (256 << 10) < range.start || at > range.end + (256 << 10) {
            file.read_exact_at(&mut block, at).unwrap();
            assert!(block == large[at as usize..at as usize + 512], "{at}");
        }
    }
    assert_eq!(fs::read(path.join("large")).unwrap_err().raw_os_error(), EIO);
    assert_eq!(fs::read(path.join("small")).unwrap(), small);
    let messages = mount.messages();
    let line = messages.lines().next().unwrap();
    assert!(line.contains("\"/large\"") && line.contains(&name) && line.contains("missing"), "{line}");
    assert_eq!(messages.lines().count(), 1, "it is told once:\n{messages}");
    drop(file);
    mount.end();
}

#[test]
fn damaged_metadata_costs_what_it_names() {
    if !needs_fuse("damaged_metadata_costs_what_it_names") {
        return;
    }
    let scratch = Scratch::new();
    let mut maker = pxkit_tests::handmade::Maker::rooted();
    maker.file(b"first", b"1");
    maker.file(b"second", b"2");
    maker.file(b"third", b"3");
    let mut bytes = maker.finish();
    // The type of the second entry's ENTRY.
    let at = bytes.windows(7).position(|window| window == b"second\0").unwrap() + 7;
    bytes[at] ^= 0xff;
    fs::write(scratch.join("a.pxar"), &bytes).unwrap();
    let mount = Mount::new(scratch.join("a.pxar"), &[]);
    let path = mount.path();
    assert_eq!(fs::read(path.join("first")).unwrap(), b"1");
    assert_eq!(fs::read(path.join("third")).unwrap(), b"3");
    assert_eq!(fs::read(path.join("second")).unwrap_err().raw_os_error(), EIO);
    // A listing must not look complete.
    let listed: Vec<_> = fs::read_dir(&path).unwrap().collect();
    assert!(listed.iter().any(Result::is_err), "{listed:?}");
    assert!(mount.messages().contains("offset"), "{}", mount.messages());
}
