//! Items of any bytes: the run ends, needs stay within their bound, and windows of any size give what one window gives.
//! The first byte of the input chooses the size of the windows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxkit_tests::observe::{self, Digest};

fuzz_target!(|data: &[u8]| {
    let Some((&size, archive)) = data.split_first() else { return };
    let run = |arrive: observe::Arrive<'_>| {
        let mut digest = Digest::default();
        let outcome = observe::items(archive, &mut digest, arrive);
        (digest.value(), outcome)
    };
    let whole = run(&mut observe::one_window());
    assert_eq!(run(&mut || usize::from(size)), whole);
});
