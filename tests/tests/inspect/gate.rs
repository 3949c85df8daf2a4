//! Who is let in, asked with the real server. The cases in number are those of the unit tests; here it is shown that they hold for what
//! comes over a socket.

use pxkit_tests::disk::Scratch;
use pxkit_tests::golden;

use crate::client::{Answer, Inspector};

fn inspector(scratch: &Scratch) -> Inspector {
    Inspector::of(scratch, &[golden::path("archives/kinds.pxar")])
}

/// The request is refused, and the response says nothing of what there is.
#[track_caller]
fn refused(answer: &Answer, status: u16) {
    assert_eq!((answer.status, &answer.body[..]), (status, &b""[..]));
    assert_eq!(answer.header("connection"), Some("close"));
    for name in ["etag", "content-type", "server", "access-control-allow-origin", "location"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
}

#[test]
fn without_the_token_there_is_nothing() {
    let scratch = Scratch::new();
    let inspector = inspector(&scratch);
    let token = &inspector.token;
    let other: String = token.chars().rev().collect();
    for path in [
        "/".to_owned(),
        "/sources.json".to_owned(),
        "/f/0".to_owned(),
        "/favicon.ico".to_owned(),
        format!("/{token}"),
        format!("//{token}/"),
        format!("/{other}/"),
        format!("/{}/", &token[1..]),
        format!("/{token}0/"),
        format!("/{}/", token.replace('a', "A").replace('b', "B")),
        format!("/x/../{token}/"),
        format!("/?{token}"),
    ] {
        refused(&inspector.ask("GET", &path, &[]), 404);
        refused(&inspector.ask("POST", &path, &[]), 404);
    }
    // Another server has another token.
    let second = self::inspector(&scratch);
    assert_ne!(&second.token, token);
    refused(&second.ask("GET", &inspector.page, &[]), 404);
    assert_eq!(inspector.ask("GET", &inspector.page, &[]).status, 200);
}

#[test]
fn another_host_gets_nothing() {
    let scratch = Scratch::new();
    let inspector = inspector(&scratch);
    let (path, port) = (inspector.path("f/0"), inspector.port);
    for host in [
        "evil.example",
        "127.0.0.1",
        "localhost",
        "[::1]:PORT",
        "evil.example:PORT",
        "localhost.evil.example:PORT",
    ] {
        let host = host.replace("PORT", &port.to_string());
        refused(&inspector.ask("GET", &path, &[("Host", &host)]), 403);
        refused(&inspector.ask("GET", &inspector.page, &[("Host", &host)]), 403);
    }
    for host in ["127.0.0.1:PORT", "localhost:PORT"] {
        let host = host.replace("PORT", &port.to_string());
        assert_eq!(inspector.ask("GET", &path, &[("Host", &host)]).status, 200, "{host}");
    }
    // None, two, and one in the request line.
    let answer = inspector.raw(format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n").as_bytes());
    refused(&Answer::parse(&answer, false), 403);
    let home = inspector.host();
    refused(&inspector.ask("GET", &path, &[("Host", &home), ("Host", "evil.example")]), 403);
    refused(&inspector.ask("GET", &format!("http://evil.example{path}"), &[]), 403);
}

#[test]
fn pages_of_others_get_nothing() {
    let scratch = Scratch::new();
    let inspector = inspector(&scratch);
    let (path, home) = (inspector.path("f/0"), format!("http://{}", inspector.host()));
    for origin in ["http://evil.example", "null", "http://127.0.0.1", "http://localhost:1"] {
        refused(&inspector.ask("GET", &path, &[("Origin", origin)]), 403);
        refused(&inspector.ask("OPTIONS", &path, &[("Origin", origin)]), 403);
    }
    assert_eq!(inspector.ask("GET", &path, &[("Origin", &home)]).status, 200);
    for site in ["cross-site", "same-site"] {
        let image = [("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")];
        let link = [("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
        let frame = [("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")];
        refused(&inspector.ask("GET", &path, &image), 403);
        refused(&inspector.ask("GET", &path, &link), 403);
        refused(&inspector.ask("GET", &inspector.page, &frame), 403);
        assert_eq!(inspector.ask("GET", &inspector.page, &link).status, 200);
    }
    for site in ["same-origin", "none"] {
        assert_eq!(inspector.ask("GET", &path, &[("Sec-Fetch-Site", site)]).status, 200);
    }
}

#[test]
fn nothing_can_be_changed() {
    let scratch = Scratch::new();
    let inspector = inspector(&scratch);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"] {
        for path in ["", "sources.json", "f/0", "d/0/file/host/web/owner", "none"] {
            let answer = inspector.ask(method, &inspector.path(path), &[("Content-Length", "0")]);
            refused(&answer, 405);
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        }
    }
}

#[test]
fn every_response_is_for_this_page_only() {
    let scratch = Scratch::new();
    let inspector = inspector(&scratch);
    for path in ["", "static/boot.js", "sources.json", "f/0", "f/9", "none", "d/0/list/"] {
        for (method, token) in [("GET", true), ("HEAD", true), ("POST", true), ("GET", false)] {
            let path = if token { inspector.path(path) } else { format!("/{path}") };
            let answer = inspector.ask(method, &path, &[]);
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-resource-policy", "same-origin"),
                ("cross-origin-opener-policy", "same-origin"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{method} {path}");
            }
            let policy = answer.header("content-security-policy").expect("a policy");
            assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"));
            let cache = answer.header("cache-control").expect("a rule");
            let is_data = policy.contains("sandbox");
            assert_eq!(cache, if is_data { "no-store" } else { "no-cache" }, "{method} {path}");
        }
    }
}

#[test]
fn what_is_no_request_harms_nobody() {
    let scratch = Scratch::new();
    let inspector = inspector(&scratch);
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X-A: b\r\n".repeat(100_000));
    for request in [
        &b"\r\n\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ] {
        let answer = inspector.raw(request);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{} led to {}",
            request[..request.len().min(40)].escape_ascii(),
            answer.escape_ascii()
        );
    }
    assert_eq!(inspector.get("").status, 200);
}
