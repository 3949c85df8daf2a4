//! What the worker runs on: the browser, or a test.

use futures::future::LocalBoxFuture;

use super::Handle;
use crate::protocol::Tell;

/// What the worker needs of its surroundings.
pub trait Host {
    /// Sends a message to the page, with the things that it names by numbers.
    fn tell(&self, tell: Tell, handles: Vec<Handle>);

    /// Runs a future beside the others.
    fn spawn(&self, future: LocalBoxFuture<'static, ()>);

    /// Lets everything else that waits have its turn.
    fn pause(&self) -> LocalBoxFuture<'static, ()>;

    /// Waits for so many milliseconds.
    fn rest(&self, milliseconds: i32) -> LocalBoxFuture<'static, ()>;

    /// Milliseconds since some moment.
    fn now(&self) -> f64;

    /// Bytes of memory that the program has from the system; 0 where that is not known.
    fn memory(&self) -> u64;
}
