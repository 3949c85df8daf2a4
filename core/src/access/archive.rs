use alloc::sync::Arc;

use super::directory::Directory;

/// What is known of an archive as a whole.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Bytes of the metadata stream.
    pub meta_size: u64,
    /// Bytes of the payload stream, if there is one.
    pub payload_size: Option<u64>,
    /// What FORMAT_VERSION says; 1 without that item.
    pub version: u64,
    /// Position and size of the prelude's bytes.
    pub prelude: Option<(u64, u64)>,
    /// Position of the root's ENTRY.
    pub root_entry: u64,
    /// The root directory.
    pub root: Arc<Directory>,
}
