//! Archives, indexes and payloads of any bytes.

use pxkit_tests::layouts::explore;
use pxkit_tests::random::Rng;

#[test]
fn nothing_is_too_odd() {
    let mut rng = Rng::new(20);
    for _ in 0..3000 {
        let len = rng.below(1500);
        let mut bytes = rng.bytes(len);
        // Numbers are small mostly, so that things meet; in every other round they may be enormous.
        if rng.one_in(2) {
            bytes.iter_mut().for_each(|byte| *byte &= 0x8f);
        }
        explore(&bytes);
    }
    explore(&[]);
}
