use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::*;

fn cli(entry: &str) -> Pattern {
    Pattern::parse_cli(entry.as_bytes()).unwrap()
}

/// Patterns, then paths that they match, then paths that they do not.
#[track_caller]
fn check(entry: &str, hits: &[&str], misses: &[&str]) {
    let pattern = cli(entry);
    for path in hits {
        assert!(pattern.matches(path.as_bytes()), "{entry} should match {path}");
    }
    for path in misses {
        assert!(!pattern.matches(path.as_bytes()), "{entry} should not match {path}");
    }
}

fn problem(entry: &[u8]) -> (usize, PatternProblem) {
    let error = Pattern::parse_cli(entry).unwrap_err();
    (error.offset, error.problem)
}

#[test]
fn stars() {
    check("*", &["/a", "/a/b", "/.x"], &[]);
    check("*.o", &["/x.o", "/d/.o"], &["/x.o/y", "/x.oo"]);
    check("/*.o", &["/x.o"], &["/d/x.o"]);
    check("a*b", &["/ab", "/axxb", "/d/ab"], &["/a/b", "/abx"]);
    check("a?c", &["/abc", "/d/abc"], &["/a/c", "/ac", "/abbc"]);
    check("d/*", &["/d/x", "/e/d/x"], &["/d", "/d/x/y", "/ed/x"]);
    check("*a*a*b", &["/aab", "/xaxaxb"], &["/ab", "/a/ab", "/aaba"]);
}

#[test]
fn double_stars_as_whole_components() {
    check("**/x", &["/x", "/a/x", "/a/b/x"], &["/ax", "/x/a"]);
    check("a/**/b", &["/a/b", "/a/x/b", "/a/x/y/b", "/z/a/b"], &["/ab", "/a/xb", "/ax/b"]);
    check("/a/**", &["/a/b", "/a/b/c"], &["/a", "/b/a/c"]);
    check("a/**", &["/a/b", "/b/a/c"], &["/a"]);
    check("**", &["/a", "/a/b"], &[]);
    check("/**/x", &["/x", "/a/x"], &["/ax"]);
    check("/a/**/**/b", &["/a/b", "/a/1/2/b"], &["/ab"]);
}

#[test]
fn double_stars_elsewhere_are_stars_and_more_stars_are_two() {
    check("/a**b", &["/ab", "/axb"], &["/a/b"]);
    check("/a**/b", &["/a/b", "/ax/b"], &["/a/x/b"]);
    check("/**b", &["/b", "/xb"], &["/a/b"]);
    check("/a/***/b", &["/a/b", "/a/x/y/b"], &[]);
    check("/a/****", &["/a/x/y"], &["/a"]);
    check("/x***", &["/xy"], &["/x/y"]);
}

#[test]
fn sets() {
    check("[a-c]x", &["/ax", "/bx"], &["/dx", "/-x"]);
    check("[c-a]x", &["/ax", "/bx"], &["/dx"]);
    check("[-a]x", &["/-x", "/ax"], &["/bx"]);
    check("[a-c-e]x", &["/-x", "/bx", "/ex"], &["/dx"]);
    check("[[:digit:]-z]x", &["/-x", "/5x", "/zx"], &["/ax"]);
    check("[^a-c]x", &["/dx"], &["/ax"]);
    check("[^-a]x", &["/bx"], &["/-x", "/ax"]);
    check(r"[\]\-\\]x", &["/]x", "/-x", r"/\x"], &["/ax"]);
    check(r"[a\-c]x", &["/-x", "/ax", "/cx"], &["/bx"]);
    check(r"[!-\-]x", &["/%x"], &["/.x"]);
    check("[x[]y", &["/xy", "/[y"], &[]);
    check("[ä]", &[], &["/ä"]); // Bytewise: a member is half of this letter.
}

#[test]
fn exclamation_mark_is_an_ordinary_member() {
    check("[!x]y", &["/!y", "/xy"], &["/ay"]);
    check("[^!]y", &["/ay"], &["/!y"]);
}

#[test]
fn empty_sets_match_nothing_or_everything() {
    check("a[]b", &[], &["/ab", "/a]b", "/axb"]);
    check("a[^]b", &["/axb", "/a/b", "/a]b"], &["/ab"]);
}

#[test]
fn minus_before_the_end_makes_a_range_with_it() {
    // `]` to `a`, then `b`; and without another `]` the set has no end.
    check("[a-]b]x", &["/]x", "/^x", "/_x", "/`x", "/ax", "/bx"], &["/-x", "/cx"]);
    assert_eq!(problem(b"x[a-]"), (1, PatternProblem::UnterminatedSet));
}

#[test]
fn sets_may_match_a_slash() {
    check("a[/]b", &["/a/b", "/x/a/b"], &["/ab"]);
    check("/a[^x]b", &["/a/b", "/aab"], &["/axb"]);
    // A star must be retried although the next one stands at a slash.
    check("/*[^x]b*d", &["/ab/bd", "/abd"], &["/ab/d"]);
    check("*[/]*", &["/a/b", "/a"], &[]);
}

#[test]
fn classes() {
    let members = |name: &str| -> Vec<u8> {
        let pattern = cli(&alloc::format!("/[[:{name}:]]"));
        (1..=255).filter(|&b| pattern.matches(&[b'/', b])).collect()
    };
    let all = |test: fn(&u8) -> bool| -> Vec<u8> { (1..=255).filter(test).collect() };
    assert_eq!(members("space"), b"\t\n\x0c\r ");
    assert_eq!(members("blank"), b"\t ");
    assert_eq!(members("print"), (0x20..=0x7f).collect::<Vec<u8>>());
    assert_eq!(members("cntrl"), (1..0x20).chain([0x7f]).collect::<Vec<u8>>());
    assert_eq!(members("graph"), (0x21..0x7f).collect::<Vec<u8>>());
    assert_eq!(members("digit"), b"0123456789");
    assert_eq!(members("xdigit"), b"0123456789ABCDEFabcdef");
    assert_eq!(members("lower"), (b'a'..=b'z').collect::<Vec<u8>>());
    assert_eq!(members("upper"), (b'A'..=b'Z').collect::<Vec<u8>>());
    assert_eq!(members("alpha"), all(|b| b.is_ascii_alphabetic()));
    assert_eq!(members("alnum"), all(|b| b.is_ascii_alphanumeric()));
    assert_eq!(members("punct"), all(|b| b.is_ascii_graphic() && !b.is_ascii_alphanumeric()));
}

#[test]
fn escapes_and_literals() {
    check(r"\*", &["/*"], &["/a"]);
    check(r"a\[b", &["/a[b"], &["/ab"]);
    check(r"\!x", &["/!x"], &["/x"]);
    check(r"\\", &[r"/\"], &[]);
    check("x", &["/x", "/a/b/x"], &["/ax", "/x/a", "/X"]);
    check("b/x", &["/b/x", "/a/b/x"], &["/ab/x", "/x"]);
    check("/x", &["/x"], &["/a/x", "/xx"]);
    check("]", &["/]"], &[]);
}

#[test]
fn the_full_path_is_tried_too() {
    check("*/x", &["/x", "/a/x", "/b/a/x"], &["/ax"]);
    check("*/*/x", &["/a/x", "/b/a/x"], &["/x"]);
    check("?/x", &["/a/x"], &["/x"]);
}

#[test]
fn malformed_patterns() {
    use PatternProblem::*;
    assert_eq!(problem(b"a\0"), (1, Nul));
    assert_eq!(problem(b"!a\\"), (2, TrailingBackslash));
    assert_eq!(problem(br"a\/"), (1, TrailingBackslash));
    assert_eq!(problem(b"ab[c"), (2, UnterminatedSet));
    assert_eq!(problem(br"[\]"), (0, UnterminatedSet));
    assert_eq!(problem(br"[a\"), (0, UnterminatedSet));
    assert_eq!(problem(b"["), (0, UnterminatedSet));
    assert_eq!(problem(b"[^"), (0, UnterminatedSet));
    assert_eq!(problem(b"x[[:nope:]]"), (2, UnknownClass));
    assert_eq!(problem(b"[[:alpha]"), (1, UnknownClass));
    assert_eq!(problem(b"[[:"), (1, UnknownClass));
    assert!(alloc::format!("{}", Pattern::parse_cli(b"[").unwrap_err()).starts_with("byte 0: expected"));
}

#[test]
fn entries() {
    let parts = |entry: &str| {
        let pattern = cli(entry);
        (String::from_utf8(pattern.text().to_vec()).unwrap(), pattern.match_type(), pattern.dirs_only())
    };
    use MatchType::*;
    assert_eq!(parts("a"), ("a".into(), Exclude, false));
    assert_eq!(parts("!a//"), ("a".into(), Include, true));
    assert_eq!(parts("!!a"), ("!a".into(), Include, false));
    for (entry, match_type) in
        [("", Exclude), ("/", Exclude), ("//", Exclude), ("!", Include), ("!/", Include)]
    {
        assert_eq!(parts(entry), ("/".into(), match_type, true));
        assert!(!cli(entry).matches(b"/a"));
    }
    let include = |entry: &[u8]| Pattern::parse(entry, Include).unwrap().match_type();
    assert_eq!((include(b"a"), include(b"!a")), (Include, Exclude));
    // Verbatim, without normalisation, this never matches.
    assert!(!cli("./c").matches(b"/c"));
}

#[test]
fn literal_paths() {
    assert_eq!(cli("/a/b/").literal_path(), Some(&b"/a/b"[..]));
    assert_eq!(cli(r"/a\*").literal_path(), Some(&b"/a*"[..]));
    for entry in ["a", "a/b", "/a*", "/[a]", "/a?", "/a/**"] {
        assert_eq!(cli(entry).literal_path(), None, "{entry}");
    }
}

#[test]
fn the_last_hit_decides() {
    let list = ["*.o", "!keep.o", "/d/", "/d/keep.o"].map(cli);
    let file = |path: &str| decide(&list, path.as_bytes(), || false);
    assert_eq!(file("/x.o"), Some(MatchType::Exclude));
    assert_eq!(file("/keep.o"), Some(MatchType::Include));
    assert_eq!(file("/d/keep.o"), Some(MatchType::Exclude));
    assert_eq!(file("/x.c"), None);
    assert_eq!(file("/d"), None);
    assert_eq!(decide(&list, b"/d", || true), Some(MatchType::Exclude));
}

#[test]
fn the_file_type_is_asked_once_and_only_if_needed() {
    let list = ["x/", "y", "x/", "*x/"].map(cli);
    let mut asked = 0;
    let mut ask = |path: &[u8]| {
        asked = 0;
        let decision = decide(&list, path, || {
            asked += 1;
            false
        });
        (decision, asked)
    };
    assert_eq!(ask(b"/x"), (None, 1));
    assert_eq!(ask(b"/y"), (Some(MatchType::Exclude), 0));
    assert_eq!(ask(b"/z"), (None, 0));
    assert_eq!(try_decide(&list, b"/x", || Err("gone")), Err("gone"));
}

#[test]
fn lost_and_found_is_excluded_at_every_level() {
    let list = [Pattern::lost_and_found()];
    assert_eq!(decide(&list, b"/a/lost+found", || false), Some(MatchType::Exclude));
    assert_eq!(exclude_text(&list), b"lost+found\n");
}

#[test]
fn normalisation() {
    for (from, to) in [
        ("./c", "c"),
        ("a/./b", "a/b"),
        ("a/../b", "b"),
        ("a/b/../c/", "a/c/"),
        ("../x", "x"),
        ("/../x", "/x"),
        ("a//b", "a/b"),
        ("//a", "/a"),
        ("a//", "a/"),
        ("/a/..", "/"),
        ("a/..", ""),
        ("..x/.y", "..x/.y"),
        ("/", "/"),
        ("", ""),
        ("a/", "a/"),
        ("/a", "/a"),
    ] {
        let expected = (to.as_bytes().to_vec(), from != to);
        assert_eq!(normalise(from.as_bytes()), expected, "{from}");
    }
}

fn entries_of(contents: &str, dir: &str) -> Vec<(String, MatchType, bool, bool)> {
    let (patterns, errors) = parse_exclude_file(contents.as_bytes(), dir.as_bytes());
    assert_eq!(errors, []);
    let text = |pattern: &Pattern| String::from_utf8(pattern.text().to_vec()).unwrap();
    patterns.iter().map(|p| (text(p), p.match_type(), p.anchored(), p.dirs_only())).collect()
}

#[test]
fn exclude_files() {
    use MatchType::*;
    let contents = "# comment\n\n  /p \t\r\n!/q/\n!r\n \x0cs/\n #x\n./t//u\n!!v\n";
    let expected = |prefix: &str| {
        vec![
            (alloc::format!("{prefix}/p"), Exclude, true, false),
            (alloc::format!("{prefix}/q"), Include, true, true),
            ("r".into(), Include, false, false),
            ("s".into(), Exclude, false, true),
            ("t/u".into(), Exclude, false, false),
            ("v".into(), Exclude, false, false),
        ]
    };
    assert_eq!(entries_of(contents, ""), expected(""));
    assert_eq!(entries_of(contents, "a/b"), expected("/a/b"));
    assert_eq!(entries_of("/../x", "a/b")[0].0, "/a/x");
    assert_eq!(entries_of("", ""), []);
    assert_eq!(entries_of("x", "")[0].0, "x");
}

#[test]
fn anchored_entries_match_in_their_directory_only() {
    let (patterns, _) = parse_exclude_file(b"/x\n/*.o\n", b"a");
    let hit = |path: &[u8]| patterns.iter().any(|pattern| pattern.matches(path));
    assert!(hit(b"/a/x") && hit(b"/a/y.o"));
    assert!(!hit(b"/x") && !hit(b"/a/a/x") && !hit(b"/b/a/x"));
}

#[test]
fn wildcards_in_the_directory_stand_for_themselves() {
    let (patterns, _) = parse_exclude_file(b"/x", br"d[x]*?\");
    assert!(patterns[0].matches(br"/d[x]*?\/x"));
    assert!(!patterns[0].matches(br"/dxab\/x"));
}

#[test]
fn bad_lines_are_reported_and_skipped() {
    let (patterns, errors) = parse_exclude_file(b"a\n\n[\nb\nc\\\n", b"");
    assert_eq!(exclude_text(&patterns), b"a\nb\n");
    let numbers: Vec<usize> = errors.iter().map(|&(number, _)| number).collect();
    assert_eq!(numbers, [3, 5]);
}

#[test]
fn text_of_the_command_line() {
    let list = ["sub/deep/", "!keep", "/lost"].map(cli);
    assert_eq!(exclude_text(&list), b"sub/deep/\n!keep\n/lost\n");
    assert_eq!(exclude_text(&[cli(""), cli("!//"), cli("a///")]), b"/\n!/\na/\n");
    // The restriction is only written where it is the only one.
    assert_eq!(exclude_text(&parse_exclude_file(b"/a/\nb/", b"").0), b"/a\nb/\n");
}

#[test]
fn prelude_of_the_specification() {
    let list = ["sub/deep/", "!keep", "/lost", r#"q"\\x"#].map(cli);
    let json = encode_prelude(&list).unwrap().unwrap();
    assert_eq!(json, br#"{"exclude-patterns":"sub/deep/\n!keep\n/lost\nq\"\\\\x\n"}"#);
    assert_eq!(decode_prelude(&json), Some(exclude_text(&list)));
    assert_eq!(encode_prelude(&[]), Ok(None));
    let latin = Pattern::parse_cli(b"ab\xff").unwrap();
    assert_eq!(encode_prelude(&[latin]), Err(NotUtf8 { offset: 2 }));
}

#[test]
fn prelude_escapes() {
    let list = [cli("\u{1}\u{8}\t\u{b}\u{c}\r\u{1f}\u{7f}/é\u{10348}")];
    let json = encode_prelude(&list).unwrap().unwrap();
    let expected = "{\"exclude-patterns\":\"\\u0001\\b\\t\\u000b\\f\\r\\u001f\u{7f}/é\u{10348}\\n\"}";
    assert_eq!(json, expected.as_bytes());
    assert_eq!(decode_prelude(&json), Some(exclude_text(&list)));
}

#[test]
fn preludes_of_others() {
    let patterns = |json: &str| decode_prelude(json.as_bytes()).map(|text| String::from_utf8(text).unwrap());
    let found = Some(String::from("x"));
    assert_eq!(patterns(" { \"exclude-patterns\" : \"x\" }\n"), found);
    assert_eq!(
        patterns(r#"{"a":[1,{"exclude-patterns":"no"},[]],"b":-1.5e+3,"exclude-patterns":"x"}"#),
        found
    );
    assert_eq!(patterns(r#"{"a":"}\"","b":{},"c":null,"exclude-patterns":"x"}"#), found);
    assert_eq!(
        patterns(r#"{"exclude-patterns":"\u00e9\ud800\udf48\ud800\u0041\/"}"#).unwrap(),
        "é\u{10348}\u{fffd}A/"
    );
    for json in [
        "",
        "{}",
        "[]",
        "{",
        "null",
        r#"{"exclude-patterns":null}"#,
        r#"{"exclude-patterns":"x"#,
        r#"{"a":1}"#,
        r#"{"a":]}"#,
        r#"{"a":,"#,
        r#"{"exclude-patterns":"\x"}"#,
        r#"{"exclude-patterns":"\u12"}"#,
        "\u{0}\u{1}",
    ] {
        assert_eq!(patterns(json), None, "{json}");
    }
    assert_eq!(patterns(&alloc::format!("{{\"a\":{}", "[".repeat(1_000_000))), None);
}

#[test]
fn hostile_patterns_end_soon() {
    let name = alloc::format!("/{}", "a".repeat(4000));
    check(&alloc::format!("{}b", "*a".repeat(1000)), &[], &[&name]);
    check(&alloc::format!("{}b", "*a[^x]".repeat(1500)), &[], &[&name]);
    let deep = "/a".repeat(2000);
    check(&alloc::format!("{}b", "**/".repeat(1000)), &[], &[&deep]);
    check(&alloc::format!("{}b", "**/*/".repeat(500)), &[], &[&deep]);
    check(&alloc::format!("/{}a", "**/*a*/".repeat(500)), &[&deep], &[]);
}

/// An independent matcher that works on the text of the pattern, for comparison.
struct Naive<'a> {
    pattern: &'a [u8],
    path: &'a [u8],
    known: BTreeMap<(usize, usize), bool>,
}

impl Naive<'_> {
    fn matches(entry: &[u8], path: &[u8], anchored: bool) -> bool {
        let starts = (0..path.len()).filter(|&at| at == 0 || (!anchored && path[at - 1] == b'/'));
        starts
            .into_iter()
            .any(|start| Naive { pattern: entry, path: &path[start..], known: BTreeMap::new() }.at(0, 0))
    }

    fn at(&mut self, p: usize, t: usize) -> bool {
        if let Some(&known) = self.known.get(&(p, t)) {
            return known;
        }
        let result = self.find(p, t);
        self.known.insert((p, t), result);
        result
    }

    fn find(&mut self, p: usize, t: usize) -> bool {
        let (pattern, path) = (self.pattern, self.path);
        let byte = path.get(t).copied();
        match pattern.get(p) {
            None => byte.is_none(),
            Some(b'*') => {
                let mut end = p;
                while pattern.get(end) == Some(&b'*') {
                    end += 1;
                }
                let whole =
                    (p == 0 || pattern[p - 1] == b'/') && matches!(pattern.get(end), None | Some(b'/'));
                if whole && end - p >= 2 {
                    let skip_slash = end < pattern.len() && self.at(end + 1, t);
                    return skip_slash || (t..=path.len()).any(|t| self.at(end, t));
                }
                let run = path[t..].iter().take_while(|&&b| b != b'/').count();
                (t..=t + run).any(|t| self.at(end, t))
            }
            Some(b'?') => byte.is_some_and(|b| b != b'/') && self.at(p + 1, t + 1),
            Some(b'[') => {
                let mut members = Vec::new();
                let mut end = p + 1;
                let negated = pattern[end] == b'^';
                end += usize::from(negated);
                while pattern[end] != b']' {
                    let (first, after) = Self::member(pattern, end);
                    end = after;
                    if pattern[end] == b'-' {
                        let (last, after) = Self::member(pattern, end + 1);
                        end = after;
                        members.extend(first.min(last)..=first.max(last));
                        if pattern[end] == b'-' {
                            members.push(b'-');
                            end += 1;
                        }
                    } else {
                        members.push(first);
                    }
                }
                byte.is_some_and(|b| members.contains(&b) != negated) && self.at(end + 1, t + 1)
            }
            Some(b'\\') => byte == pattern.get(p + 1).copied() && self.at(p + 2, t + 1),
            literal => byte.as_ref() == literal && self.at(p + 1, t + 1),
        }
    }

    fn member(pattern: &[u8], at: usize) -> (u8, usize) {
        let escaped = usize::from(pattern[at] == b'\\');
        (pattern[at + escaped], at + escaped + 1)
    }
}

#[test]
fn agrees_with_a_naive_matcher() {
    let mut state = 0x5eed_u64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % n
    };
    let pieces: &[&str] = &[
        "a", "b", "/", "*", "**", "***", "**/", "/**/", "?", "[ab]", "[^a]", "[^/]", "[/a]", "[b-a]", "[^]",
        "[]", r"\*", r"\/", "a", "[-a]", "/*", "b/", "*a",
    ];
    let mut hits = 0;
    for _ in 0..60_000 {
        let entry: String = (0..1 + below(7)).map(|_| pieces[below(pieces.len())]).collect();
        let entry = entry.trim_end_matches('/');
        if entry.is_empty() || entry.ends_with('\\') {
            continue;
        }
        let pattern = Pattern::parse_cli(entry.as_bytes()).unwrap();
        let anchored = Pattern::compile(entry.as_bytes(), MatchType::Exclude, true).unwrap();
        for _ in 0..8 {
            let components =
                (0..1 + below(4)).map(|_| (0..1 + below(3)).map(|_| ["a", "b", "*"][below(3)]).collect());
            let path = alloc::format!("/{}", components.collect::<Vec<String>>().join("/"));
            let expected = Naive::matches(entry.as_bytes(), path.as_bytes(), false);
            assert_eq!(pattern.matches(path.as_bytes()), expected, "{entry} {path}");
            let full = Naive::matches(entry.as_bytes(), path.as_bytes(), true);
            assert_eq!(anchored.matches(path.as_bytes()), full, "anchored {entry} {path}");
            hits += usize::from(expected);
        }
    }
    assert!(hits > 10_000, "the comparison must see both answers, hits: {hits}");
}
