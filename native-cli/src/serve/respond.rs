//! Responses: what was found, as HTTP has it (RFC 9110).

use std::ops::Range;

use hyper::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH,
    IF_NONE_MATCH, IF_RANGE, LOCATION, RANGE, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::assets::Asset;
use super::body::Body;
use super::range::{Part, part};
use super::tree::Content;

/// What the page may do: run its own scripts, one of them WebAssembly, and start workers from blobs, to which all of this applies too; show
/// pictures that it makes; talk to this server. Nobody may put it into a frame. The page itself narrows this down (`boot.js`).
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:; connect-src 'self'; \
    style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
/// With `?url=` it may talk to others, too. To which of them, the page says itself.
const OPEN_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:; \
    connect-src 'self' http: https:; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' blob: data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What everything else may do, should a browser show it.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// A response without further words, after which the connection ends.
pub fn refusal(status: StatusCode) -> Response<Body> {
    let mut response = response(status, Body::empty(), DATA_POLICY);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// A sentence for whoever was let in.
pub fn message(status: StatusCode, text: String) -> Response<Body> {
    full(status, "text/plain; charset=utf-8", text.into_bytes())
}

/// JSON.
pub fn json(text: Vec<u8>) -> Response<Body> {
    full(StatusCode::OK, "application/json", text)
}

/// Sends the browser elsewhere, by a path from the root.
pub fn redirect(path: &str) -> Response<Body> {
    let mut response = response(StatusCode::SEE_OTHER, Body::empty(), DATA_POLICY);
    let path = HeaderValue::from_str(path).expect("paths of this server are plain text");
    response.headers_mut().insert(LOCATION, path);
    response
}

/// Bytes of a file, or the range that is asked for.
pub fn content(request: &Parts, content: Content) -> Response<Body> {
    let Content { source, tag } = content;
    let size = source.size();
    let mut response = ranged(request, size, &tag, DATA_POLICY, |range| Body::stream(source, range));
    insert(&mut response, CONTENT_TYPE, "application/octet-stream");
    response
}

/// A file of the inspector; the page itself gets the policy for all that it does.
pub fn asset(request: &Parts, asset: Asset) -> Response<Body> {
    let Asset { media_type, tag, is_packed, bytes } = asset;
    let take = |range: Range<u64>| Body::Full(bytes.slice(range.start as usize..range.end as usize));
    let query = request.uri.query().unwrap_or_default();
    let points = query.split('&').any(|parameter| parameter.starts_with("url="));
    let policy = if points { OPEN_POLICY } else { PAGE_POLICY };
    let mut response = ranged(request, bytes.len() as u64, &tag, policy, take);
    insert(&mut response, CONTENT_TYPE, media_type);
    insert(&mut response, VARY, "accept-encoding");
    // To be asked for again, but not sent again.
    insert(&mut response, CACHE_CONTROL, "no-cache");
    if is_packed && response.status() == StatusCode::OK {
        insert(&mut response, CONTENT_ENCODING, "gzip");
    }
    response
}

/// Whether a client takes gzip. One that wants a range means the bytes as they are.
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    let takes = |item: &str| {
        let (coding, quality) = item.split_once(';').unwrap_or((item, ""));
        let is_refused = quality.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        coding.trim().eq_ignore_ascii_case("gzip") && !is_refused
    };
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    !headers.contains_key(RANGE) && values.flat_map(|value| value.split(',')).any(takes)
}

/// A response to a request for `size` bytes with conditions and ranges.
fn ranged(
    request: &Parts,
    size: u64,
    tag: &str,
    policy: &'static str,
    take: impl FnOnce(Range<u64>) -> Body,
) -> Response<Body> {
    let tag = format!("\"{tag}\"");
    let is_head = request.method == Method::HEAD;
    let (status, part) = match condition(&request.headers, &tag) {
        Some(status) => (status, None),
        None => {
            let range =
                request.headers.get(RANGE).filter(|_| !is_head && may_be_part(&request.headers, &tag));
            match part(range.map(HeaderValue::as_bytes), size) {
                Part::Whole => (StatusCode::OK, Some(0..size)),
                Part::Bytes(range) => (StatusCode::PARTIAL_CONTENT, Some(range)),
                Part::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, None),
            }
        }
    };
    let content_range = match (status, &part) {
        (StatusCode::PARTIAL_CONTENT, Some(range)) => {
            Some(format!("bytes {}-{}/{size}", range.start, range.end - 1))
        }
        (StatusCode::RANGE_NOT_SATISFIABLE, _) => Some(format!("bytes */{size}")),
        _ => None,
    };
    let len = part.as_ref().map(|range| range.end - range.start);
    let body = match part {
        Some(range) if !is_head => take(range),
        _ => Body::empty(),
    };
    let mut response = response(status, body, policy);
    if let Some(text) = content_range {
        insert(&mut response, CONTENT_RANGE, &text);
    }
    if let Some(len) = len {
        response.headers_mut().insert(CONTENT_LENGTH, len.into());
    }
    insert(&mut response, ETAG, &tag);
    insert(&mut response, ACCEPT_RANGES, "bytes");
    response
}

/// The status that conditions lead to, if they are not met.
fn condition(headers: &HeaderMap, tag: &str) -> Option<StatusCode> {
    if headers.contains_key(IF_MATCH) && !names_tag(headers, &IF_MATCH, tag) {
        return Some(StatusCode::PRECONDITION_FAILED);
    }
    names_tag(headers, &IF_NONE_MATCH, tag).then_some(StatusCode::NOT_MODIFIED)
}

/// Whether a list of entity tags has this one. All of ours are strong; one that somebody made weak is still the same content, which is
/// enough for a copy that is already there, and not to rely on.
fn names_tag(headers: &HeaderMap, name: &HeaderName, tag: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|item| {
        let item = if name == IF_NONE_MATCH { item.strip_prefix("W/").unwrap_or(item) } else { item };
        item == "*" || item == tag
    })
}

/// Whether a range still is one of what the client knows. Times are never sent, so one cannot be right.
fn may_be_part(headers: &HeaderMap, tag: &str) -> bool {
    headers.get(IF_RANGE).is_none_or(|value| value.as_bytes() == tag.as_bytes())
}

fn full(status: StatusCode, media_type: &'static str, bytes: Vec<u8>) -> Response<Body> {
    let mut response = response(status, Body::Full(bytes.into()), DATA_POLICY);
    insert(&mut response, CONTENT_TYPE, media_type);
    response
}

/// With what every response has.
fn response(status: StatusCode, body: Body, policy: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (RESOURCE_POLICY, "same-origin"),
        (OPENER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn insert(response: &mut Response<Body>, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("values of this server are plain text");
    response.headers_mut().insert(name, value);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hyper::Request;

    use super::*;
    use crate::source::FileSource;

    fn ask(method: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/x?served");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    /// Status, length, range and tag of the response to a request for ten bytes with the tag `t`.
    fn answer(method: &str, headers: &[(&str, &str)]) -> (u16, Option<String>, Option<String>) {
        let file = tempfile::tempfile().unwrap();
        let source = Arc::new(FileSource::new(file, 10, "x".into()));
        let response = content(&ask(method, headers), Content { source, tag: "t".into() });
        let get = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(get(ETAG).unwrap(), "\"t\"");
        for name in [CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS, REFERRER_POLICY, RESOURCE_POLICY] {
            assert!(get(name).is_some());
        }
        assert_eq!(get(CACHE_CONTROL).unwrap(), "no-store");
        (response.status().as_u16(), get(CONTENT_LENGTH), get(CONTENT_RANGE))
    }

    #[test]
    fn ranges_and_conditions() {
        let text = |text: &str| Some(text.to_owned());
        let (whole, part) = ((200, text("10"), None), (206, text("3"), text("bytes 2-4/10")));
        let range = ("range", "bytes=2-4");
        for (headers, expected) in [
            (&[][..], &whole),
            (&[range], &part),
            (&[("range", "bytes=0-1,3-4")], &whole),
            (&[("range", "bytes=10-")], &(416, None, text("bytes */10"))),
            (&[range, ("if-range", "\"t\"")], &part),
            (&[range, ("if-range", "\"u\"")], &whole),
            (&[range, ("if-range", "W/\"t\"")], &whole),
            (&[range, ("if-range", "Thu, 26 Nov 2026 08:20:01 GMT")], &whole),
            (&[range, ("if-match", "\"t\"")], &part),
            (&[range, ("if-match", "\"s\", \"t\"")], &part),
            (&[range, ("if-match", "*")], &part),
            (&[range, ("if-match", "\"u\"")], &(412, None, None)),
            (&[range, ("if-match", "W/\"t\"")], &(412, None, None)),
            (&[range, ("if-none-match", "\"t\"")], &(304, None, None)),
            (&[("if-none-match", "\"s\", W/\"t\"")], &(304, None, None)),
            (&[("if-none-match", "*")], &(304, None, None)),
            (&[("if-none-match", "\"u\"")], &whole),
        ] {
            assert_eq!(answer("GET", headers), *expected, "{headers:?}");
        }
        assert_eq!(answer("HEAD", &[]), whole);
        assert_eq!(answer("HEAD", &[range]), whole);
        assert_eq!(answer("HEAD", &[("if-none-match", "\"t\"")]), (304, None, None));
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        let takes = |value| takes_gzip(&ask("GET", &[("accept-encoding", value)]).headers);
        for value in ["gzip", "br, GZIP", "gzip;q=0.5, br", "deflate,gzip ; q=1"] {
            assert!(takes(value), "{value}");
        }
        for value in ["", "br", "gzip;q=0", "gzip; q=0.0", "x-gzip", "identity"] {
            assert!(!takes(value), "{value}");
        }
        assert!(!takes_gzip(&ask("GET", &[]).headers));
        assert!(!takes_gzip(&ask("GET", &[("accept-encoding", "gzip"), ("range", "bytes=0-")]).headers));
    }

    #[test]
    fn files_of_the_inspector() {
        let file = |is_packed| Asset {
            media_type: "application/wasm",
            tag: "t".into(),
            is_packed,
            bytes: "0123456789".into(),
        };
        let get = |response: &Response<Body>, name| {
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        let response = asset(&ask("GET", &[]), file(true));
        assert_eq!(get(&response, CONTENT_ENCODING).unwrap(), "gzip");
        assert_eq!(get(&response, CONTENT_TYPE).unwrap(), "application/wasm");
        assert_eq!(get(&response, CACHE_CONTROL).unwrap(), "no-cache");
        assert!(get(&response, CONTENT_SECURITY_POLICY).unwrap().contains("connect-src 'self';"));
        let response = asset(&ask("GET", &[("range", "bytes=1-2")]), file(false));
        assert_eq!(
            (response.status(), get(&response, CONTENT_ENCODING)),
            (StatusCode::PARTIAL_CONTENT, None)
        );
        assert!(matches!(response.body(), Body::Full(bytes) if bytes[..] == b"12"[..]));
        let mut pointed = ask("GET", &[]);
        pointed.uri = "/x?served&url=https%3A%2F%2Fexample.org%2Fa.pxar".parse().unwrap();
        let policy = get(&asset(&pointed, file(true)), CONTENT_SECURITY_POLICY).unwrap();
        assert!(policy.contains("connect-src 'self' http: https:;"), "{policy}");
    }
}
