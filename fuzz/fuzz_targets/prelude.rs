//! Preludes of any bytes, and any patterns into a prelude and back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxkit_core::pattern::{Pattern, decode_prelude, encode_prelude, exclude_text};

fuzz_target!(|data: &[u8]| {
    let _ = decode_prelude(data);
    let lines = data.split(|&byte| byte == b'\n');
    let patterns: Vec<Pattern> = lines.filter_map(|line| Pattern::parse_cli(line).ok()).collect();
    let text = exclude_text(&patterns);
    match encode_prelude(&patterns) {
        Ok(Some(json)) => assert_eq!(decode_prelude(&json), Some(text)),
        Ok(None) => assert!(text.is_empty()),
        Err(error) => assert!(std::str::from_utf8(&text[error.offset..]).is_err()),
    }
});
