//! `pxkit inspect`: the real program and a client that says exactly what it is told to.

mod arguments;
mod browser;
mod client;
mod datastore;
mod files;
mod gate;
mod limits;
mod range;
mod signals;
