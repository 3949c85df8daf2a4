//! Archives as streams: bytes to items ([`Decoder`]), items to entries with full paths ([`Entries`]).
//!
//! Both are machines: the caller owns the bytes and hands over a window that begins where the machine stands. Contents of
//! files, goodbye tables and preludes are never asked for; the machine says [`Step::Skip`], and whoever wants those bytes takes
//! them instead of skipping them.
//!
//! Memory: a decoder holds 32 bytes for every open directory (at most [`Limits::max_depth`]), the joined layer in addition the
//! current path (at most [`Limits::max_path`] bytes) and one entry's attributes (at most [`Limits::max_attributes`] bytes);
//! the window never needs to be longer than [`MAX_ITEM_SIZE`](crate::format::MAX_ITEM_SIZE) bytes.

mod entries;
mod findings;
mod goodbye;
mod items;
mod step;

pub use entries::{Content, Entries, Entry, Event, Progress};
pub use findings::{Finding, Findings, Irregularity};
pub use goodbye::GoodbyeCheck;
pub use items::Decoder;
pub use step::{Item, Limits, Start, Step};
