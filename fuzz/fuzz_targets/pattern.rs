//! Lists of patterns on any path: line by line, the last line is the path. Nothing hangs, and what archives record of a
//! pattern means the same pattern.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxkit_core::pattern::{MatchType, Pattern, decide, normalise, parse_exclude_file};

fuzz_target!(|data: &[u8]| {
    let end = data.iter().rposition(|&byte| byte == b'\n').unwrap_or(0);
    let (list, path) = data.split_at(end);
    let path = [b"/", path.trim_ascii()].concat();
    let mut patterns = Vec::new();
    for line in list.split(|&byte| byte == b'\n') {
        let Ok(pattern) = Pattern::parse(line, MatchType::Exclude) else { continue };
        let mut text = Vec::new();
        pattern.write_text(&mut text);
        let again = Pattern::parse(&text, MatchType::Exclude).expect("what was recorded parses");
        assert_eq!(again.match_type(), pattern.match_type());
        assert_eq!(again.dirs_only(), pattern.dirs_only());
        assert_eq!(again.matches(&path), pattern.matches(&path));
        if let Some(literal) = pattern.literal_path() {
            assert!(pattern.matches(literal));
        }
        patterns.push(pattern);
    }
    let decision = decide(&patterns, &path, || true);
    if let Some(decision) = decision {
        assert!(patterns.iter().any(|pattern| pattern.matches(&path) && pattern.match_type() == decision));
    }
    let _ = normalise(list);
    let _ = parse_exclude_file(list, &path);
});
