//! The inspector: looks into archives in the browser. The page (`view`, `state`) shows what the worker (`worker`) reads; what
//! passes between them is in [`protocol`].
//!
//! Everything that parses, hashes, decompresses or searches is in the worker and, but for its sources, compiled natively too, so that it is
//! tested without a browser.

#![forbid(unsafe_code)]

#[cfg(target_arch = "wasm32")]
pub mod boot;
#[cfg(target_arch = "wasm32")]
pub mod envelope;
pub mod numbered;
pub mod protocol;
pub mod state;
#[cfg(target_arch = "wasm32")]
pub mod view;
pub mod worker;
