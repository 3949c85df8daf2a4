//! The Proxmox pxar archive family without I/O: what the bytes mean, where to read next, and which bytes to write.
//!
//! Everything here is `no_std`, borrows its input and can name no file, socket, thread or clock. Drivers (the command line,
//! a browser worker, a test) own the input and hand it over in windows of any size.
//!
//! | module | what it knows |
//! |---|---|
//! | [`format`] | items, metadata, goodbye tables, payload markers: the vocabulary |
//! | [`decode`] | archives as streams: bytes to items, items to entries with full paths |
//! | [`encode`] | events to bytes, unified and split |
//! | [`access`] | random access: lookup, listing, hard links, contents; the columnar tree |
//! | [`blob`] | frames of chunks and small files, the manifest, the catalog |
//! | [`chunk`] | where streams are cut into chunks |
//! | [`index`] | indexes of chunked archives: reading, writing, which chunks hold a range |
//! | [`compare`] | what differs between two entries, and what two indexes say of their contents |
//! | [`reuse`] | what is unchanged, which of it keeps its chunks, and where they then lie |
//! | [`layout`] | who owns which bytes of a stream; padding, what chunks hold, how two archives differ |
//! | [`pattern`] | the glob language of exclude lists and of partial extraction |
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

pub mod access;
pub mod blob;
pub mod chunk;
pub mod compare;
pub mod decode;
pub mod encode;
pub mod format;
pub mod index;
pub mod layout;
pub mod pattern;
pub mod plan;
pub mod reuse;
