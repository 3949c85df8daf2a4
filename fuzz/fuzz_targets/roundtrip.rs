//! Whatever decodes and can be encoded: the encoding holds the same entries and encodes to itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxkit_tests::recode;

fuzz_target!(|data: &[u8]| {
    recode::check(data);
});
