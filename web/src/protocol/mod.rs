//! What passes between the page and the worker.
