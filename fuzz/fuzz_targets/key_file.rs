//! Key files: parsed without a panic, and what is parsed is written as it reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxkit_core::blob::{Fingerprint, KeyFile, OffsetTime};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = KeyFile::parse(bytes) {
        let again = KeyFile::parse(file.to_json().as_bytes());
        assert_eq!(again.as_ref(), Ok(&file));
        assert!(!format!("{file:?}").contains(&*file.to_json()));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(time) = OffsetTime::parse(text) {
        assert_eq!(OffsetTime::parse(&time.to_string()), Some(time));
    }
    if let Some(fingerprint) = Fingerprint::parse(text) {
        assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Some(fingerprint));
    }
});
