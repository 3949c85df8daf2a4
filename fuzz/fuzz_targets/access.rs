//! Random access to any bytes: wants stay within the streams and the bound, everything ends. The first two bytes of the input
//! say where the payload stream begins; with zero there is none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxkit_tests::streams::Streams;

fuzz_target!(|data: &[u8]| {
    let Some((split, streams)) = data.split_first_chunk::<2>() else { return };
    let split = usize::from(u16::from_le_bytes(*split));
    let (meta, payload) = match streams.split_at_checked(split) {
        Some((meta, payload)) if split > 0 => (meta, Some(payload)),
        _ => (streams, None),
    };
    let mut streams = Streams::unified(meta);
    streams.payload = payload;
    streams.explore(200);
});
