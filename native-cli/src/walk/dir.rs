use std::sync::Arc;

use super::scope::Scope;
use crate::linux::FileSystem;

/// A directory that was entered, as its children know it. Holds no descriptor: that lives as long as tasks need it, this as
/// long as paths do.
#[derive(Debug)]
pub(super) struct Dir {
    name: Box<[u8]>,
    parent: Option<Arc<Self>>,
    /// Bytes of [`Dir::path`].
    path_len: usize,
    /// Where its children lie.
    pub file_system: FileSystem,
    /// What excludes them.
    pub scope: Option<Arc<Scope>>,
    /// Entries of this and all listings above.
    pub entries: u64,
}

impl Dir {
    pub(super) fn new(
        parent: Option<Arc<Self>>,
        name: &[u8],
        file_system: FileSystem,
        scope: Option<Arc<Scope>>,
        entries: u64,
    ) -> Self {
        let above = parent.as_ref().map_or(0, |dir| dir.path_len);
        let path_len = if name.is_empty() { 0 } else { above + 1 + name.len() };
        Self { name: name.into(), parent, path_len, file_system, scope, entries }
    }

    /// Where it lies itself: a mount point is looked at with the eyes of the file system above it.
    pub(super) fn seen_from_above(&self) -> FileSystem {
        self.parent.as_ref().map_or(self.file_system, |above| above.file_system)
    }

    /// Path with a slash before each component; empty for the root.
    pub(super) fn path(&self, out: &mut Vec<u8>) {
        out.clear();
        out.resize(self.path_len, b'/');
        let mut dir = self;
        let mut end = self.path_len;
        while let (Some(parent), Some(start)) = (&dir.parent, end.checked_sub(dir.name.len())) {
            out[start..end].copy_from_slice(&dir.name);
            end = start.saturating_sub(1);
            dir = parent;
        }
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // A loop, since a chain may be longer than the stack allows calls.
        let mut next = self.parent.take();
        while let Some(dir) = next {
            next = Arc::into_inner(dir).and_then(|mut dir| dir.parent.take());
        }
    }
}

/// The path of `name` in `dir` (none: the root) for messages, without slash at either end.
pub(super) fn path_in(dir: Option<&Dir>, name: &[u8]) -> Vec<u8> {
    let mut path = Vec::new();
    if let Some(dir) = dir {
        dir.path(&mut path);
        path.push(b'/');
        path.extend_from_slice(name);
        path.remove(0);
    }
    path
}
