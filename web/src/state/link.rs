//! The place where the person is, as the hash of the address: readable, and made so that it survives being sent to someone.
//!
//! `#/files?doc=0&path=/usr/lib&sort=size&desc`: the view, then what is shown and how. Bytes of paths that are not plain are escaped as in
//! addresses; positions are hexadecimal; what is as it would be anyway is left out.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Place, Tab, selection::Selection};
use crate::protocol::{
    Stream,
    files::{Filter, Sort, Syntax, View},
    open::SnapshotRef,
};

/// A place with its documents as an address names them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// The place; its documents are numbers, if [`Self::snapshot`] and [`Self::older`] do not name them.
    pub place: Place,
    /// The archive of a snapshot that is shown.
    pub snapshot: Option<Named>,
    /// The archive of a snapshot that it is compared with.
    pub older: Option<Named>,
}

/// An archive of a snapshot, and in which store it is, if that matters.
pub type Named = (Option<u32>, SnapshotRef);

const SORTS: [(Sort, &str); 10] = [
    (Sort::Archive, "archive"),
    (Sort::Name, "name"),
    (Sort::Size, "size"),
    (Sort::Entries, "entries"),
    (Sort::Mtime, "mtime"),
    (Sort::Mode, "mode"),
    (Sort::Owner, "owner"),
    (Sort::Offset, "offset"),
    (Sort::Chunks, "chunks"),
    (Sort::Padding, "padding"),
];

impl Link {
    /// The hash, with `#` in front.
    pub fn to_hash(&self) -> String {
        let mut out = Writer { text: format!("#/{}", self.place.tab.word()), first: true };
        match &self.snapshot {
            Some((store, snapshot)) => {
                out.number("store", store.filter(|store| *store != 0));
                out.text("ns", &snapshot.namespace);
                out.text("snapshot", &snapshot.snapshot);
                out.text("archive", snapshot.archive.as_deref().unwrap_or_default());
            }
            None => out.number("doc", self.place.doc),
        }
        match &self.older {
            Some((store, older)) => {
                out.text("older", &older.snapshot);
                // All else is said only where the two differ.
                let (near, newer) = self.snapshot.clone().unwrap_or_default();
                if *store != near {
                    out.bytes("older-store", store.unwrap_or_default().to_string().as_bytes());
                }
                if older.namespace != newer.namespace {
                    out.bytes("older-ns", older.namespace.as_bytes());
                }
                if older.archive != newer.archive {
                    out.bytes("older-archive", older.archive.as_deref().unwrap_or_default().as_bytes());
                }
            }
            None => out.number("older", self.place.older),
        }
        match &self.place.selection {
            Selection::None => {}
            Selection::Path(path) => out.bytes("path", &[b"/", path.as_slice()].concat()),
            Selection::Entry(entry) => out.number("entry", Some(*entry)),
            Selection::Item(stream, offset) => out.text("item", &format!("{}:{offset:#x}", word(*stream))),
            Selection::Bytes(stream, start, end) => {
                out.text("bytes", &format!("{}:{start:#x}-{end:#x}", word(*stream)));
            }
            Selection::Chunk(chunk) => out.number("chunk", Some(*chunk)),
        }
        out.view(&self.place.files);
        if let Some((start, end)) = self.place.zoom {
            out.text("zoom", &format!("{start:#x}-{end:#x}"));
        }
        for (name, value) in &self.place.params {
            out.bytes(name, value.as_bytes());
        }
        out.text
    }

    /// Reads a hash. What is not understood is ignored: an address that someone mistyped still leads somewhere.
    pub fn from_hash(hash: &str) -> Self {
        let hash = hash.trim_start_matches('#').trim_start_matches('/');
        let (tab, query) = hash.split_once('?').unwrap_or((hash, ""));
        let mut link = Self::default();
        link.place.tab = Tab::from_word(tab).unwrap_or_default();
        let mut snapshot = SnapshotRef::default();
        let mut store = None;
        let mut older = [const { None::<String> }; 4];
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, bytes) = (String::from_utf8_lossy(&unescape(name)).into_owned(), unescape(value));
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let place = &mut link.place;
            match name.as_str() {
                "store" => store = text.parse().ok(),
                "ns" => snapshot.namespace = text,
                "snapshot" => snapshot.snapshot = text,
                "archive" => snapshot.archive = Some(text),
                "doc" => place.doc = text.parse().ok(),
                "older" => older[0] = Some(text),
                "older-store" => older[1] = Some(text),
                "older-ns" => older[2] = Some(text),
                "older-archive" => older[3] = Some(text),
                "path" => {
                    let trimmed =
                        bytes.iter().position(|&byte| byte != b'/').map_or(&[][..], |at| &bytes[at..]);
                    place.selection = Selection::Path(trimmed.to_vec());
                }
                "entry" => {
                    text.parse().ok().into_iter().for_each(|id| place.selection = Selection::Entry(id))
                }
                "chunk" => {
                    text.parse().ok().into_iter().for_each(|id| place.selection = Selection::Chunk(id))
                }
                "item" | "bytes" => selected_bytes(&text).into_iter().for_each(|it| place.selection = it),
                "zoom" => place.zoom = range(&text),
                _ => {
                    if !view_pair(&mut place.files, &name, &text) {
                        place.params.insert(name, text);
                    }
                }
            }
        }
        let [name, older_store, namespace, archive] = older;
        link.place.older = name.as_ref().and_then(|number| number.parse().ok());
        if let Some(name) = name.filter(|name| link.place.older.is_none() && !name.is_empty()) {
            let store = older_store.map_or(store, |store| store.parse().ok().filter(|store| *store != 0));
            let namespace = namespace.unwrap_or_else(|| snapshot.namespace.clone());
            let archive = archive.map_or_else(|| snapshot.archive.clone(), Some).filter(|it| !it.is_empty());
            link.older = Some((store, SnapshotRef { namespace, snapshot: name, archive }));
        }
        if !snapshot.snapshot.is_empty() {
            link.snapshot = Some((store, snapshot));
        }
        link
    }
}

fn view_pair(view: &mut View, name: &str, value: &str) -> bool {
    let filter = &mut view.filter;
    match name {
        "sort" => {
            view.sort =
                SORTS.iter().find(|(_, word)| *word == value).map_or_else(Sort::default, |(sort, _)| *sort);
        }
        "desc" => view.descending = true,
        "list" => view.flat = true,
        "find" => filter.text = value.to_owned(),
        "as" => {
            filter.syntax = match value {
                "glob" => Syntax::Glob,
                "regex" => Syntax::Regex,
                _ => Syntax::Text,
            }
        }
        "kind" => filter.kinds = value.split(',').filter_map(|kind| kind.parse().ok()).collect(),
        "least" => filter.least = value.parse().ok(),
        "most" => filter.most = value.parse().ok(),
        "finding" => filter.with_finding = true,
        "reused" => filter.reused = Some(value != "no"),
        "in-chunk" => filter.chunk = value.parse().ok(),
        "below" => filter.below = value.parse().ok(),
        _ => return false,
    }
    true
}

struct Writer {
    text: String,
    first: bool,
}

impl Writer {
    fn name(&mut self, name: &str) {
        self.text.push(if self.first { '?' } else { '&' });
        self.first = false;
        escape(&mut self.text, name.as_bytes());
    }

    fn bytes(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.text.push('=');
        escape(&mut self.text, value);
    }

    fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.bytes(name, value.as_bytes());
        }
    }

    fn number<N: std::fmt::Display>(&mut self, name: &str, value: Option<N>) {
        if let Some(value) = value {
            self.text(name, &value.to_string());
        }
    }

    fn flag(&mut self, name: &str, set: bool) {
        if set {
            self.name(name);
        }
    }

    fn view(&mut self, view: &View) {
        let View { flat, sort, descending, filter } = view;
        let Filter { text, syntax, kinds, least, most, with_finding, reused, chunk, below } = filter;
        if *sort != Sort::default() {
            let word = SORTS.iter().find(|(one, _)| one == sort).map_or("", |(_, word)| word);
            self.text("sort", word);
        }
        self.flag("desc", *descending);
        self.flag("list", *flat);
        self.text("find", text);
        match syntax {
            Syntax::Text => {}
            Syntax::Glob => self.text("as", "glob"),
            Syntax::Regex => self.text("as", "regex"),
        }
        let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        self.text("kind", &kinds.join(","));
        self.number("least", *least);
        self.number("most", *most);
        self.flag("finding", *with_finding);
        self.text("reused", reused.map_or("", |reused| if reused { "yes" } else { "no" }));
        self.number("in-chunk", *chunk);
        self.number("below", *below);
    }
}

const fn word(stream: Stream) -> &'static str {
    match stream {
        Stream::Meta => "meta",
        Stream::Payload => "payload",
    }
}

fn selected_bytes(text: &str) -> Option<Selection> {
    let (stream, place) = text.split_once(':')?;
    let stream = match stream {
        "meta" => Stream::Meta,
        "payload" => Stream::Payload,
        _ => return None,
    };
    match range(place) {
        Some((start, end)) => Some(Selection::Bytes(stream, start, end)),
        None => Some(Selection::Item(stream, number(place)?)),
    }
}

/// `START-END` with a positive length.
fn range(text: &str) -> Option<(u64, u64)> {
    let (start, end) = text.split_once('-')?;
    let (start, end) = (number(start)?, number(end)?);
    (start < end).then_some((start, end))
}

/// A position as people type it: decimal, or hexadecimal with `0x`; separators are ignored.
pub fn number(text: &str) -> Option<u64> {
    let text: String = text.chars().filter(|c| !matches!(c, '_' | ',' | ' ' | '\'' | '\u{202f}')).collect();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn escape(out: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'/'
            | b'.'
            | b'-'
            | b'_'
            | b'~'
            | b':'
            | b','
            | b'@'
            | b'*' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits =
            bytes.get(at + 1..at + 3).filter(|two| byte == b'%' && two.iter().all(u8::is_ascii_hexdigit));
        let value = digits.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        out.push(value.unwrap_or(byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    out
}

/// What views add to the address beyond what all of them share: names and values.
pub type Params = BTreeMap<String, String>;
