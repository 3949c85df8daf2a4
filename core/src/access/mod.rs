//! Random access: the root, lookup by path, listings, hard links, contents (specification 6); and the columnar [`Tree`] for
//! programs that want all entries at once.
//!
//! Every operation is a [`Machine`] that says which bytes of which stream it wants and is supplied with them; [`drive`] runs one
//! over a function that reads. What is wanted always lies within the sizes given to [`Open`], and nothing is allocated for bytes
//! that were not supplied, so that memory follows what an archive really holds. Bounds: a directory keeps the first
//! [`TOP_SIZE`] bytes of its table; a listing keeps 16 bytes for each child.

mod archive;
mod contents;
mod directory;
mod entry;
mod fill;
mod lookup;
mod machine;
mod open;
mod path;
mod tree;

pub use archive::Archive;
pub use contents::{ContentRange, Contents};
pub use directory::{Directory, OpenDirectory, TOP_SIZE};
pub use entry::{Node, NodeContent, ReadNode};
pub use fill::Stop;
pub use lookup::{Children, Lookup};
pub(crate) use machine::expect;
pub use machine::{Machine, Source, Step, Want, drive};
pub use open::Open;
pub use path::{FollowLink, Resolve, Resolved};
pub use tree::{Tree, TreeBuilder};
