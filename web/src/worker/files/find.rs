//! The entry at a path.

use pxkit_core::access::Tree;
use pxkit_core::format::Kind;

/// Follows a path from the root. Empty names and `.` are passed over; links are not followed.
pub fn find(tree: &Tree, path: &[u8]) -> Option<u32> {
    let root = (!tree.is_empty()).then_some(0)?;
    let names = || path.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    names().try_fold(root, |directory, name| child(tree, directory, name)).or_else(|| {
        // Names are not sorted, or there are several directories of one name.
        let all = names().fold(vec![root], |directories, name| {
            let children = directories.into_iter().flat_map(|directory| tree.children(directory));
            children.filter(|&child| tree.name(child) == name).collect()
        });
        all.first().copied()
    })
}

/// The child of that name, by halving, as names are sorted in what writers write.
fn child(tree: &Tree, directory: u32, name: &[u8]) -> Option<u32> {
    if tree.kind(directory) != Kind::Directory {
        return None;
    }
    let (mut low, mut high) = (directory + 1, tree.end(directory));
    while low < high {
        let mut middle = low + (high - low) / 2;
        while tree.parent(middle) != directory {
            middle = tree.parent(middle);
        }
        match tree.name(middle).cmp(name) {
            std::cmp::Ordering::Equal => return Some(middle),
            std::cmp::Ordering::Less => low = tree.end(middle),
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    None
}
