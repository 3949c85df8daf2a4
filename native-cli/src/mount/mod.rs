//! Archives, snapshots and groups as directories: a read-only file system that the kernel asks through FUSE.
//!
//! | file | purpose |
//! |---|---|
//! | `session` | a mount from its beginning to its end |
//! | `fs` | the kernel's questions and their answers |
//! | `view` | numbers to entries, names to numbers, listings |
//! | `archive` | one archive: lookups, listings, contents |
//! | `stock` | the archives of a snapshot or group |
//! | `place`, `nodes` | inode numbers |
//! | `links` | how many names files have |
//! | `attr` | entries as the kernel wants them |
//! | `daemon`, `log` | the process in the background, and where it tells what went wrong |
//! | `unmount` | taking mounts away |
//!
//! Nothing is decoded when something is mounted but the root: every question is answered by machines of `core::access`. Names and metadata come
//! from the metadata stream; the payload stream is touched when a file is read.

mod archive;
mod attr;
pub mod daemon;
mod fs;
mod links;
pub mod log;
mod nodes;
mod place;
mod session;
mod stock;
mod unmount;
mod view;

pub use archive::MountedArchive;
pub use session::{Options, Standing};
pub use stock::{Caches, Stock};
pub use unmount::{How, unmount_at};
pub use view::Mounted;
