//! Files by range.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;

use pxkit_tests::cases;
use pxkit_tests::disk::Scratch;
use pxkit_tests::random::Rng;

use crate::client::{Answer, Inspector};

#[test]
fn random_ranges() {
    let scratch = Scratch::new();
    let bytes = Rng::new(1).bytes(3_000_001);
    fs::write(scratch.join("file"), &bytes).unwrap();
    let inspector = Inspector::of(&scratch, &[scratch.join("file")]);
    let size = bytes.len();
    assert!(inspector.get("f/0").bytes(200) == bytes);
    for case in cases::only().map_or(0..cases::count(100, 5_000), |only| only..only + 1) {
        let mut rng = Rng::new(case);
        let (start, length) = (rng.below(size), 1 + rng.below(*rng.clone().pick(&[1, 100, 300_000, size])));
        let end = (start + length).min(size);
        let (header, range) = match rng.below(3) {
            0 => (format!("bytes={start}-{}", start + length - 1), start..end),
            1 => (format!("bytes={start}-"), start..size),
            _ => (format!("bytes=-{length}"), size - length.min(size)..size),
        };
        let answer = inspector.get_range("f/0", &header);
        let expected = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        assert_eq!(answer.header("content-range"), Some(&*expected), "case {case}: {header}");
        assert!(answer.bytes(206) == bytes[range], "case {case}: {header}");
    }
}

#[test]
fn what_is_no_range_within() {
    let scratch = Scratch::new();
    fs::write(scratch.join("file"), "0123456789").unwrap();
    fs::write(scratch.join("empty"), "").unwrap();
    let inspector = Inspector::of(&scratch, &[scratch.join("file"), scratch.join("empty")]);
    for header in ["bytes=10-", "bytes=11-20", "bytes=-0", "bytes=99999999999999999999-"] {
        let answer = inspector.get_range("f/0", header);
        assert_eq!(answer.header("content-range"), Some("bytes */10"), "{header}");
        assert_eq!(answer.bytes(416), b"");
    }
    for header in ["bytes=0-1,3-4", "bytes=5-2", "bytes=x", "lines=1-2"] {
        assert_eq!(inspector.get_range("f/0", header).bytes(200), b"0123456789", "{header}");
    }
    assert_eq!(inspector.get("f/1").bytes(200), b"");
    assert_eq!(inspector.get_range("f/1", "bytes=0-").status, 416);
}

#[test]
fn heads_without_bodies() {
    let scratch = Scratch::new();
    fs::write(scratch.join("file"), "0123456789").unwrap();
    let inspector = Inspector::of(&scratch, &[scratch.join("file")]);
    for path in ["f/0", "", "sources.json", "f/9"] {
        let (get, head) = (inspector.get(path), inspector.ask("HEAD", &inspector.path(path), &[]));
        assert_eq!((head.status, &head.body[..]), (get.status, &b""[..]), "{path}");
        for name in ["content-length", "content-type", "etag", "accept-ranges"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
    }
    let answer = inspector.ask("HEAD", &inspector.path("f/0"), &[("Range", "bytes=1-2")]);
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("10")));
}

#[test]
fn a_file_that_changes_is_another() {
    let scratch = Scratch::new();
    let path = scratch.join("file");
    fs::write(&path, "the first contents").unwrap();
    let inspector = Inspector::of(&scratch, &[&path]);
    let get = |headers: &[(&str, &str)]| inspector.ask("GET", &inspector.path("f/0"), headers);
    let tag = get(&[]).header("etag").expect("a tag").to_owned();
    assert!(tag.starts_with('"'), "{tag} is strong");
    let range = ("Range", "bytes=4-8");
    assert_eq!(get(&[range, ("If-Match", &tag)]).bytes(206), b"first");
    assert_eq!(get(&[range, ("If-Range", &tag)]).bytes(206), b"first");
    assert_eq!(get(&[("If-None-Match", &tag)]).status, 304);

    // Of the same length, and written in place.
    fs::write(&path, "the other contents").unwrap();
    assert_eq!(get(&[range, ("If-Match", &tag)]).status, 412);
    assert_eq!(get(&[range, ("If-Range", &tag)]).bytes(200), b"the other contents");
    assert_eq!(get(&[("If-None-Match", &tag)]).bytes(200), b"the other contents");
    // Replaced, as pxkit itself does it.
    fs::write(scratch.join("new"), "the third contents").unwrap();
    fs::rename(scratch.join("new"), &path).unwrap();
    assert_eq!(get(&[range]).bytes(206), b"third");
    assert_eq!(inspector.sources()[0]["size"], 18);

    fs::remove_file(&path).unwrap();
    assert_eq!(get(&[range]).bytes(404), b"it does not exist");
    assert_eq!(inspector.sources()[0]["size"], 18, "it is still in the list");
    fs::create_dir(&path).unwrap();
    assert_eq!(get(&[]).status, 404);
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_breaks_the_connection() {
    let scratch = Scratch::new();
    let path = scratch.join("file");
    let size = 64 << 20;
    File::create(&path).unwrap().set_len(size).unwrap();
    let inspector = Inspector::of(&scratch, &[&path]);
    let mut stream = inspector.connect();
    stream.write_all(inspector.request("GET", &inspector.path("f/0"), &[], "close").as_bytes()).unwrap();
    let mut begin = vec![0; 100_000];
    stream.read_exact(&mut begin).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(1000).unwrap();
    let mut rest = begin.clone();
    // A reset is as good as an end.
    let _ = stream.read_to_end(&mut rest);
    let answer = Answer::parse(&rest, false);
    assert_eq!((answer.status, answer.is_whole), (200, false));
    assert!(answer.body.len() < size as usize);
    // It is served as it is now.
    assert_eq!(inspector.get("f/0").bytes(200), vec![0; 1000]);
}

#[test]
fn the_end_of_20_gib() {
    let scratch = Scratch::new();
    let path = scratch.join("big.ppxar");
    let size: u64 = 20 << 30;
    let file = File::create(&path).unwrap();
    file.set_len(size).unwrap();
    for at in [0, (4 << 30) - 3, (8 << 30) - 3, size - 6] {
        file.write_all_at(b"marker", at).unwrap();
    }
    let inspector = Inspector::of(&scratch, &[&path]);
    assert_eq!(inspector.sources()[0]["size"], size);
    let head = inspector.ask("HEAD", &inspector.path("f/0"), &[]);
    assert_eq!(head.header("content-length"), Some(&*size.to_string()));
    for at in [0, (4 << 30) - 3, (8 << 30) - 3, size - 6] {
        let answer = inspector.get_range("f/0", &format!("bytes={at}-{}", at + 5));
        assert_eq!(answer.header("content-range"), Some(&*format!("bytes {at}-{}/{size}", at + 5)));
        assert_eq!(answer.bytes(206), b"marker");
    }
    assert_eq!(inspector.get_range("f/0", "bytes=-6").bytes(206), b"marker");
    assert_eq!(inspector.get_range("f/0", &format!("bytes={size}-")).status, 416);
}

#[test]
fn files_of_the_inspector() {
    let scratch = Scratch::new();
    let inspector = Inspector::of::<&str>(&scratch, &[]);
    for (path, media_type) in [
        ("", "text/html; charset=utf-8"),
        ("index.html", "text/html; charset=utf-8"),
        ("static/boot.js?digest", "text/javascript; charset=utf-8"),
        ("app_bg.wasm", "application/wasm"),
    ] {
        let answer = inspector.get(path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(media_type)), "{path}");
        let tag = answer.header("etag").expect("a tag");
        assert_eq!(inspector.ask("GET", &inspector.path(path), &[("If-None-Match", tag)]).status, 304);
    }
    assert_eq!(inspector.get_range("static/boot.js", "bytes=3-").bytes(206), b"nothing");
    for path in [
        "none.js",
        "static",
        "static/",
        "static/../index.html",
        "static/%2e%2e/index.html",
        "%2e/index.html",
        "static%2fboot.js",
    ] {
        assert_eq!(inspector.get(path).status, 404, "{path}");
    }
}

#[test]
fn one_connection_for_many_requests() {
    let scratch = Scratch::new();
    fs::write(scratch.join("file"), "0123456789").unwrap();
    let inspector = Inspector::of(&scratch, &[scratch.join("file")]);
    let mut stream = inspector.connect();
    // Some of them wait behind others; one is answered without a body, one asks for nothing there is.
    let ask = |method: &str, path: &str, range: &str, connection: &str| {
        inspector.request(method, &inspector.path(path), &[("Range", range)], connection)
    };
    let all = [
        ask("GET", "f/0", "bytes=0-1", "keep-alive"),
        ask("HEAD", "f/0", "bytes=0-1", "keep-alive"),
        ask("GET", "f/0", "bytes=20-", "keep-alive"),
        ask("GET", "f/7", "bytes=0-", "keep-alive"),
        ask("GET", "f/0", "bytes=8-", "close"),
    ];
    stream.write_all(all.concat().as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["206", "200", "416", "404", "206"]);
    assert!(answers.ends_with("89") && answers.contains("\r\n\r\n01HTTP/1.1 200"), "{answers}");
}
