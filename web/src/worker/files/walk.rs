//! Paths of entries that follow each other, each made from the one before.

use pxkit_core::access::Tree;

/// The path that was made last.
#[derive(Default)]
pub struct Walk {
    path: Vec<u8>,
    /// The directories that `path` leads through, and how long it is up to each.
    above: Vec<(u32, usize)>,
}

impl Walk {
    /// The path of an entry with a leading slash. Entries must be asked for in their order.
    pub fn path(&mut self, tree: &Tree, id: u32) -> &[u8] {
        if id > 0 {
            self.enter(tree, tree.parent(id));
        }
        self.path.push(b'/');
        self.path.extend_from_slice(tree.name(id));
        &self.path
    }

    /// Makes `path` that of a directory; nothing for the root.
    fn enter(&mut self, tree: &Tree, directory: u32) {
        while let Some(&(above, len)) = self.above.last() {
            if above <= directory && directory < tree.end(above) {
                self.path.truncate(len);
                break;
            }
            self.above.pop();
        }
        if self.above.is_empty() {
            self.path.clear();
        }
        let known = self.above.last().map_or(0, |&(above, _)| above);
        let from = self.above.len();
        let mut at = directory;
        while at != known {
            self.above.push((at, 0));
            at = tree.parent(at);
        }
        self.above[from..].reverse();
        for (above, len) in &mut self.above[from..] {
            self.path.push(b'/');
            self.path.extend_from_slice(tree.name(*above));
            *len = self.path.len();
        }
    }
}
