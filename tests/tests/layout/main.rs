//! `core::layout` and `pxkit layout` on archives that others wrote, that we write, and that nobody should have written.

mod cli;
mod golden;
mod hostile;
