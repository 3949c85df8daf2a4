//! Which patterns hold in a directory: those of the command line, then those of the `.pxarexclude` files down to it.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use pxkit_core::pattern::{MatchType, Pattern, decide, parse_exclude_file};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, read};

use super::report::What;
use crate::linux::doing;

/// Name of the files that hold patterns.
pub(super) const EXCLUDE_FILE: &std::ffi::CStr = c".pxarexclude";
/// A list of patterns beyond this is a mistake, and would be kept in memory.
const MAX_EXCLUDE_FILE: usize = 4 << 20;

/// A list of patterns, stronger than those of `parent`.
#[derive(Debug)]
pub(super) struct Scope {
    parent: Option<Arc<Self>>,
    patterns: Vec<Pattern>,
}

impl Scope {
    /// `parent`, with `patterns` on top.
    pub(super) fn extend(parent: Option<Arc<Self>>, patterns: Vec<Pattern>) -> Option<Arc<Self>> {
        if patterns.is_empty() { parent } else { Some(Arc::new(Self { parent, patterns })) }
    }

    /// Whether `path`, which starts with a slash, is left out.
    pub(super) fn excludes(&self, path: &[u8], mut is_dir: impl FnMut() -> bool) -> bool {
        let mut next = Some(self);
        while let Some(scope) = next {
            if let Some(decision) = decide(&scope.patterns, path, &mut is_dir) {
                return decision == MatchType::Exclude;
            }
            next = scope.parent.as_deref();
        }
        false
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // A loop, since a chain may be longer than the stack allows calls.
        let mut next = self.parent.take();
        while let Some(scope) = next {
            next = Arc::into_inner(scope).and_then(|mut scope| scope.parent.take());
        }
    }
}

/// Reads the patterns of a directory's `.pxarexclude` file. `path` is the directory's, with a slash before each component.
pub(super) fn read_exclude_file(dir: &OwnedFd, path: &[u8], warnings: &mut Vec<What>) -> Vec<Pattern> {
    let file = match super::enter::open(dir.as_fd(), EXCLUDE_FILE, rustix::fs::OFlags::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::ACCESS | Errno::STALE) => return Vec::new(),
        Err(errno) => {
            warnings.push(What::ExcludeFile(doing("open it")(errno)));
            return Vec::new();
        }
    };
    let mut contents = Vec::with_capacity(4096);
    loop {
        match read(&file, spare_capacity(&mut contents)) {
            Ok(0) => break,
            Ok(_) if contents.len() > MAX_EXCLUDE_FILE => {
                warnings.push(What::ExcludeFileSize);
                return Vec::new();
            }
            Ok(_) => contents.reserve(4096),
            Err(Errno::INTR) => {}
            Err(errno) => {
                warnings.push(What::ExcludeFile(doing("read it")(errno)));
                return Vec::new();
            }
        }
    }
    let (patterns, errors) = parse_exclude_file(&contents, path.strip_prefix(b"/").unwrap_or(path));
    warnings.extend(errors.into_iter().map(|(line, error)| What::ExcludeLine { line, error }));
    patterns
}

/// Puts `name` after the directory's path in a buffer that starts with it.
pub(super) fn child_path<'p>(path: &'p mut Vec<u8>, dir_len: usize, name: &[u8]) -> &'p [u8] {
    path.truncate(dir_len);
    path.push(b'/');
    path.extend_from_slice(name);
    path
}

/// The patterns that hold everywhere.
pub(super) fn outermost(patterns: &[Pattern], skip_lost_and_found: bool) -> Option<Arc<Scope>> {
    let mut all = patterns.to_vec();
    if skip_lost_and_found {
        all.push(Pattern::lost_and_found());
    }
    Scope::extend(None, all)
}
