//! Archives that try to get out of the directory that they are extracted into, or to make extraction hang or lose files. They
//! expect a directory `canary`, with a file `secret` and a directory `inner`, beside the target.

use pxkit_core::format::{ItemType, PAYLOAD_TAIL_MARKER, START_MARKER};

use crate::handmade::{Maker, item, terminated, words};
use crate::random::Rng;

/// An archive, unified or split.
#[derive(Clone, Debug)]
pub struct Trap {
    pub name: &'static str,
    pub meta: Vec<u8>,
    pub payload: Option<Vec<u8>>,
}

/// An archive in the making, whose contents are inline or in a payload stream.
struct Builder {
    maker: Maker,
    payload: Option<Vec<u8>>,
    /// Path of the canary.
    outside: Vec<u8>,
}

type Build = fn(&mut Builder);

/// All traps; `outside` is the absolute path of the canary.
pub fn all(outside: &[u8], split: bool) -> Vec<Trap> {
    let traps: [(&str, Build); 20] = [
        ("directory over symlink", directory_over_symlink),
        ("directory over symlink upwards", directory_over_symlink_upwards),
        ("file over symlink", file_over_symlink),
        ("node over symlink", node_over_symlink),
        ("link to a path outside", link_outside),
        ("link through symlink", link_through_symlink),
        ("link to symlink", link_to_symlink),
        ("link to directory", link_to_directory),
        ("link to itself", link_to_itself),
        ("link to what failed", link_to_failed),
        ("file over FIFO", file_over_fifo),
        ("metadata of symlink", metadata_of_symlink),
        ("directory twice", directory_twice),
        ("everything in one place", everything_in_one_place),
        ("longest names", longest_names),
        ("name with slash", |b| bad_name(b, b"../canary/secret")),
        ("absolute name", |b| bad_name(b, b"/tmp/pxkit-was-here")),
        ("name of two dots", |b| bad_name(b, b"..")),
        ("name of a dot", |b| bad_name(b, b".")),
        ("empty name", |b| bad_name(b, b"")),
    ];
    let build = |(name, build): (&'static str, Build)| {
        let (maker, payload) =
            if split { (Maker::split(), Some(START_MARKER.to_vec())) } else { (Maker::rooted(), None) };
        let mut builder = Builder { maker, payload, outside: outside.to_vec() };
        build(&mut builder);
        let Builder { maker, mut payload, .. } = builder;
        if let Some(payload) = &mut payload {
            payload.extend(PAYLOAD_TAIL_MARKER);
        }
        Trap { name, meta: maker.finish(), payload }
    };
    traps.map(build).into()
}

impl Builder {
    fn file(&mut self, name: &[u8], contents: &[u8]) -> u64 {
        let Some(payload) = &mut self.payload else { return self.maker.file(name, contents) };
        let offset = payload.len() as u64;
        payload.extend(item(ItemType::Payload, contents));
        self.maker.reference(name, offset, contents.len() as u64)
    }

    fn symlink(&mut self, name: &[u8], target: &[u8]) {
        self.maker.symlink(name, target);
    }

    /// A node without contents, by its mode.
    fn node(&mut self, name: &[u8], mode: u64) {
        self.maker.name(name);
        self.maker.entry(mode);
    }

    fn outside(&self, name: &[u8]) -> Vec<u8> {
        [&self.outside, &b"/"[..], name].concat()
    }
}

fn directory_over_symlink(b: &mut Builder) {
    let outside = b.outside.clone();
    for target in [&b"../canary"[..], &outside, b"../canary/."] {
        b.symlink(b"d", target);
        b.maker.directory(b"d");
        b.file(b"planted", b"planted");
        b.file(b"secret", b"planted");
        b.symlink(b"link", b"planted");
        b.maker.directory(b"inner");
        b.file(b"planted", b"planted");
        b.maker.leave();
        b.maker.leave();
    }
}

fn directory_over_symlink_upwards(b: &mut Builder) {
    b.symlink(b"up", b"..");
    b.symlink(b"here", b".");
    b.symlink(b"working", b"/proc/self/cwd");
    for name in [&b"up"[..], b"here", b"working"] {
        b.maker.directory(name);
        b.file(b"planted", b"planted");
        b.maker.directory(b"canary");
        b.file(b"secret", b"planted");
        b.maker.leave();
        b.maker.leave();
    }
}

fn file_over_symlink(b: &mut Builder) {
    let secret = b.outside(b"secret");
    for target in [&b"../canary/secret"[..], &secret, b"../canary/planted", b"../planted", b"../canary"] {
        b.symlink(b"f", target);
        b.file(b"f", b"planted");
    }
    // The other way round, and again.
    b.symlink(b"f", b"../canary/secret");
    b.file(b"f", b"");
    b.file(b"f", &vec![b'x'; 70_000]);
}

fn node_over_symlink(b: &mut Builder) {
    for mode in [0o10_666, 0o140_777] {
        b.symlink(b"n", b"../canary/planted");
        b.node(b"n", mode);
        b.symlink(b"n", b"../canary/secret");
        b.node(b"n", mode);
    }
}

fn link_outside(b: &mut Builder) {
    b.maker.directory(b"d");
    let file = b.file(b"file", b"contents");
    b.maker.leave();
    let secret = b.outside(b"secret");
    let targets = [
        &b"../canary/secret"[..],
        b"d/../../canary/secret",
        b"./../canary/secret",
        b"d//../../canary/secret",
        b"..",
        b".",
        b"/",
        b"d/",
        b"//",
        &secret,
    ];
    for (n, target) in targets.into_iter().enumerate() {
        let name = format!("l{n}");
        b.maker.hardlink(name.as_bytes(), file, target);
        // Whoever writes to the link writes to what it leads to.
        b.file(name.as_bytes(), b"planted");
    }
}

fn link_through_symlink(b: &mut Builder) {
    let file = b.file(b"a", b"contents");
    let outside = b.outside.clone();
    b.symlink(b"b", &outside);
    b.symlink(b"c", b"../canary");
    b.symlink(b"d", b"b");
    for (link, target) in
        [(b"l", &b"b/secret"[..]), (b"m", b"c/secret"), (b"n", b"d/secret"), (b"o", b"c/inner/x")]
    {
        b.maker.hardlink(link, file, target);
        b.file(link, b"planted");
    }
}

fn link_to_symlink(b: &mut Builder) {
    let file = b.file(b"a", b"contents");
    b.symlink(b"b", b"../canary/secret");
    b.maker.hardlink(b"l", file, b"b");
    b.file(b"l", b"planted");
}

fn link_to_directory(b: &mut Builder) {
    let file = b.file(b"a", b"contents");
    b.maker.directory(b"d");
    b.maker.leave();
    b.maker.hardlink(b"l", file, b"d");
    b.maker.hardlink(b"m", file, b"l");
    b.maker.hardlink(b"d", file, b"a");
}

fn link_to_itself(b: &mut Builder) {
    let file = b.file(b"a", b"contents");
    b.maker.hardlink(b"a", file, b"a");
    b.maker.hardlink(b"b", file, b"b");
    b.maker.hardlink(b"c", file, b"a");
    b.maker.hardlink(b"c", file, b"a");
    b.maker.hardlink(b"a", file, b"c");
}

fn link_to_failed(b: &mut Builder) {
    let file = b.file(&[b'f'; 300], b"contents");
    b.maker.hardlink(b"l", file, &[b'f'; 300]);
    b.maker.hardlink(b"m", file, b"not/there");
}

fn file_over_fifo(b: &mut Builder) {
    b.node(b"p", 0o10_666);
    let file = b.file(b"p", b"contents");
    b.node(b"p", 0o10_666);
    b.maker.hardlink(b"q", file, b"p");
    b.maker.hardlink(b"p", file, b"q");
    b.maker.directory(b"p");
    b.maker.leave();
}

/// Metadata that a symlink cannot have must not reach what it points to.
fn metadata_of_symlink(b: &mut Builder) {
    for (name, mode) in [(b"s", 0o100_777), (b"t", 0o120_777), (b"u", 0o40_777), (b"v", u64::MAX)] {
        b.maker.name(name);
        b.maker.entry(mode);
        b.maker.item(ItemType::Xattr, b"user.planted\0x");
        b.maker.item(ItemType::Xattr, b"trusted.planted\0x");
        b.maker.item(ItemType::AclUser, &words(&[77, 7]));
        b.maker.item(ItemType::AclGroupObj, &words(&[7]));
        b.maker.item(ItemType::QuotaProjid, &words(&[7]));
        b.maker.item(ItemType::Symlink, &terminated(b"../canary/secret"));
    }
}

fn directory_twice(b: &mut Builder) {
    for contents in [&b"first"[..], b"second"] {
        b.maker.directory(b"d");
        for n in 0..40 {
            b.file(format!("f{n:02}").as_bytes(), contents);
        }
        b.maker.directory(b"e");
        b.file(b"f", contents);
        b.maker.leave();
        b.maker.leave();
    }
}

fn everything_in_one_place(b: &mut Builder) {
    let file = b.file(b"a", b"contents");
    for _ in 0..2 {
        b.symlink(b"x", b"../canary");
        b.file(b"x", b"planted");
        b.node(b"x", 0o10_666);
        b.maker.hardlink(b"x", file, b"a");
        b.symlink(b"x", b"../canary/secret");
        b.maker.directory(b"x");
        b.file(b"secret", b"planted");
        b.symlink(b"y", b"../../canary");
        b.maker.leave();
        b.maker.hardlink(b"z", file, b"x/y/secret");
        b.maker.hardlink(b"z", file, b"x/secret");
    }
}

fn longest_names(b: &mut Builder) {
    let file = b.file(&[b'a'; 4096], b"contents");
    b.maker.directory(&[b'b'; 4096]);
    b.file(b"in", b"contents");
    b.maker.leave();
    b.symlink(b"s", &[b'/'; 4095]);
    b.maker.hardlink(b"t", file, &[b'a'; 4096]);
    b.maker.hardlink(b"u", file, &vec![b'/'; 4096]);
    b.node(&[b'n'; 256], 0o10_644);
}

fn bad_name(b: &mut Builder, name: &[u8]) {
    b.file(b"a", b"contents");
    b.maker.append(&item(ItemType::Filename, &terminated(name)));
    b.maker.entry(0o100_644);
    b.maker.append(&item(ItemType::Payload, b"planted"));
}

/// A unified archive in which everything has one of few names, in any order and any number of times, and leads to the others.
pub fn random(rng: &mut Rng, outside: &[u8]) -> Vec<u8> {
    let mut b = Builder { maker: Maker::rooted(), payload: None, outside: outside.to_vec() };
    let first = b.file(b"a", b"contents");
    fill(&mut b, rng, first, 0);
    b.maker.finish()
}

fn fill(b: &mut Builder, rng: &mut Rng, first: u64, depth: usize) {
    const NAMES: [&[u8]; 5] = [b"a", b"b", b"c", b"canary", b"secret"];
    for _ in 0..1 + rng.below(8) {
        let name = *rng.pick(&NAMES);
        let target = random_path(rng, &NAMES, &b.outside);
        let contents = rng.below(5000);
        match rng.below(8) {
            0 | 1 => _ = b.file(name, &vec![b'p'; contents]),
            2 | 3 => b.symlink(name, &target),
            4 => _ = b.maker.hardlink(name, first, &target),
            5 => b.node(name, *rng.pick(&[0o10_644, 0o140_777])),
            _ if depth < 4 => {
                b.maker.name(name);
                b.maker.entry(*rng.pick(&[0o40_755, 0o42_777, 0o41_700]));
                b.maker.enter();
                fill(b, rng, first, depth + 1);
                b.maker.leave();
            }
            _ => {}
        }
    }
}

/// Something that links can lead to: below the root, above it, or the canary.
fn random_path(rng: &mut Rng, names: &[&[u8]], outside: &[u8]) -> Vec<u8> {
    let start: &[u8] = match rng.below(8) {
        0 => outside,
        1 => b"../canary",
        2 => b"../../canary",
        3 => b"..",
        4 => b".",
        _ => b"",
    };
    let mut path = start.to_vec();
    for _ in 0..rng.below(4) {
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(rng.pick::<&[u8]>(names));
    }
    if path.is_empty() { b"a".to_vec() } else { path }
}
