//! Layouts of any trees, indexes and payload bytes: spans tile the stream, sums agree, wants lie in it, everything ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxkit_tests::layouts::explore;

fuzz_target!(|data: &[u8]| explore(data));
