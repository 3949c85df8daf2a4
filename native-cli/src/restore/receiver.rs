//! What becomes of the entries of an archive.

use std::io::Write;

use pxkit_core::decode::Entry;

use super::{Extractor, Parent};

/// Takes the entries of an archive, or some of them, in archive order.
pub trait Receiver {
    /// Whether something ended the work early.
    fn is_ended(&self) -> bool;

    /// Enters a directory without taking it; it is needed when something in it is taken.
    ///
    /// # Errors
    /// What ends the work.
    fn enter(&mut self, parent: Parent) -> anyhow::Result<()>;

    /// Leaves the innermost directory.
    fn leave(&mut self);

    /// Follows an entry; it is taken if `selected`, and a directory is entered. Returns whether its contents, which come next, are to be handed
    /// over with [`Receiver::contents`].
    ///
    /// # Errors
    /// What ends the work; everything else is reported.
    fn entry(&mut self, entry: &Entry<'_>, selected: bool) -> anyhow::Result<bool>;

    /// Takes contents: `read` writes all of them into what it is given.
    ///
    /// # Errors
    /// Those of `read`, and what ends the work.
    fn contents(&mut self, read: &mut dyn FnMut(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()>;
}

impl Receiver for Extractor<'_, '_> {
    fn is_ended(&self) -> bool {
        Self::is_ended(self)
    }

    fn enter(&mut self, parent: Parent) -> anyhow::Result<()> {
        Self::enter(self, parent)
    }

    fn leave(&mut self) {
        Self::leave(self);
    }

    fn entry(&mut self, entry: &Entry<'_>, selected: bool) -> anyhow::Result<bool> {
        Self::entry(self, entry, selected)
    }

    fn contents(&mut self, read: &mut dyn FnMut(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
        Self::contents(self, |out| read(out))
    }
}
