//! What lies on disk, as text that can be compared. It asks the kernel alone, so that it can judge what we restore.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::golden;

/// Everything that `lstat` and the extended attributes (ACLs and capabilities among them) say, and the contents.
pub fn describe(path: &Path) -> Vec<String> {
    let stat = fs::symlink_metadata(path).expect("a node");
    let mut out = vec![
        format!("mode {:o}, owner {}:{}, device {:x}", stat.mode(), stat.uid(), stat.gid(), stat.rdev()),
        format!("mtime {}.{:09}", stat.mtime(), stat.mtime_nsec()),
        format!("names {}, size {}", stat.nlink(), if stat.is_dir() { 0 } else { stat.size() }),
    ];
    for name in attribute_names(path) {
        let mut value = vec![0; 70_000];
        let len = rustix::fs::lgetxattr(path, OsStr::from_bytes(&name), &mut value[..])
            .expect("what the kernel says of a node");
        out.push(format!("{} = {:02x?}", name.escape_ascii(), &value[..len]));
    }
    if stat.is_dir() || stat.is_file() {
        let file = fs::File::open(path).expect("what the kernel says of a node");
        let flags = rustix::fs::ioctl_getflags(&file).expect("what the kernel says of a node");
        // Not which of its own layouts the file system chose.
        let own = rustix::fs::IFlags::from_bits_retain(0x1008_1000);
        out.push(format!("flags {:x}", (flags - own).bits()));
    }
    if stat.is_file() {
        out.push(golden::sha256(&fs::read(path).expect("what the kernel says of a node")));
    } else if stat.is_symlink() {
        out.push(
            fs::read_link(path)
                .expect("what the kernel says of a node")
                .as_os_str()
                .as_bytes()
                .escape_ascii()
                .to_string(),
        );
    }
    out
}

/// In the order of the listing, which archives keep, but for those that archives keep apart: capabilities and ACLs.
pub fn attribute_names(path: &Path) -> Vec<Vec<u8>> {
    let mut names = vec![0; 70_000];
    let len = rustix::fs::llistxattr(path, &mut names[..]).expect("what the kernel says of a node");
    let names = names[..len].split(|&byte| byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec);
    let (mut ordered, mut apart): (Vec<_>, Vec<_>) =
        names.partition(|name| name.starts_with(b"user.") || name.starts_with(b"trusted."));
    apart.sort();
    ordered.append(&mut apart);
    ordered
}

/// The names in a directory, in byte order.
pub fn names(path: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(path)
        .expect("what the kernel says of a node")
        .map(|entry| entry.expect("what the kernel says of a node").file_name().as_bytes().to_vec());
    let mut names: Vec<_> = entries.collect();
    names.sort();
    names
}

/// Everything below `root` and itself: descriptions by path. Of a file with several names the later ones only name the first.
pub fn tree(root: &Path) -> BTreeMap<Vec<u8>, Vec<String>> {
    let (mut tree, mut first_names) = (BTreeMap::new(), HashMap::new());
    let mut open = vec![Vec::new()];
    while let Some(path) = open.pop() {
        let on_disk = if path.is_empty() { root.to_owned() } else { root.join(OsStr::from_bytes(&path)) };
        let stat = fs::symlink_metadata(&on_disk).expect("a node");
        let mut description = describe(&on_disk);
        if stat.is_dir() {
            let child =
                |name: Vec<u8>| if path.is_empty() { name } else { [&path[..], b"/", &name].concat() };
            // The last one is taken first.
            open.extend(names(&on_disk).into_iter().rev().map(child));
        } else if stat.nlink() > 1 {
            let first = first_names.entry((stat.dev(), stat.ino())).or_insert_with(|| path.clone());
            description.push(format!("the file {}", first.escape_ascii()));
        }
        // File systems list attributes in an order of their own.
        description.sort();
        tree.insert(path, description);
    }
    tree
}

/// Two trees on disk are the same.
#[track_caller]
pub fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (tree(one), tree(other));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for (path, description) in &one {
        assert_eq!(description, &other[path], "{}", path.escape_ascii());
    }
}
