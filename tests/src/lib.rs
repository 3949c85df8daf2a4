//! What the tests of pxkit share: golden manifests, trees in memory and on disk, random trees, windows over byte slices.

pub mod acl;
pub mod archive;
pub mod back;
pub mod canary;
pub mod cases;
pub mod chunked;
pub mod churn;
pub mod cli;
pub mod describe;
pub mod disk;
pub mod generations;
pub mod golden;
pub mod handmade;
pub mod laid_out;
pub mod manifest;
pub mod mutate;
pub mod observe;
pub mod odd;
pub mod random;
pub mod recode;
pub mod skip;
pub mod snapshots;
pub mod streams;
pub mod traps;
pub mod tree;
pub mod windows;
