//! One module serves the page and the worker: which of them it is, the global scope says.

fn main() {}
