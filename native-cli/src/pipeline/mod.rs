//! From bytes in order to chunks in a repository, on all cores and in bounded memory.
//!
//! One thread brings the bytes of all streams ([`ChunkStream`]) in their order and finds the cuts. What costs time, reading small
//! files, hashing, compressing, storing, are tasks that the workers of a [`Pool`] do in any order. Results are put in order again:
//! files where they are read ([`Ticket`]), chunks where they enter their index. One or sixteen threads give the same chunks.
//!
//! Nothing can block for ever: whoever waits for a task that nobody began does it himself.

mod budget;
mod pool;
mod stream;

pub use budget::{Budget, Permit};
pub use pool::{Panicked, Pool, Ticket, Urgency};
pub use stream::{Buffers, ChunkStream, Counters, Cut, Even, Storing};
