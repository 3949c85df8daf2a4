//! Small archives that reach the corners of the format: legal ones that no writer makes today, and broken ones. For tests that
//! want the same of all archives.

use pxkit_core::format::{ItemType, MAX_NAME_LEN};

use crate::handmade::{Maker, item, raw, stat, terminated, words};

/// Archives that decode to their end, some with findings.
pub fn legal() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("empty root", Maker::rooted().finish()),
        ("ENTRY_V1", old_entries()),
        ("explicit version 1", explicit_version()),
        ("version 2 with inline contents", inline_in_version_2()),
        ("reference without version", reference_without_version()),
        ("prelude", prelude(br#"{"exclude-patterns":"a\nb\n"}"#)),
        ("empty prelude", prelude(b"")),
        ("attributes out of order", attributes()),
        ("empty directories", empty_directories()),
        ("deep", deep(100)),
        ("longest name and target", longest()),
        ("largest attributes", largest_attributes()),
        ("every kind", every_kind()),
        ("modes that contradict", contradictory_modes()),
        ("references in disorder", disorder()),
        ("wrong tables", wrong_tables()),
        ("names in disorder", names_in_disorder()),
        ("many findings", many_findings()),
        ("trailing bytes", [every_kind(), b"trailing bytes".to_vec()].concat()),
    ]
}

/// Archives that are refused somewhere.
pub fn broken() -> Vec<(&'static str, Vec<u8>)> {
    let root = Maker::rooted().bytes;
    let after_root = |item: Vec<u8>| [root.clone(), item].concat();
    let after_name = |item: Vec<u8>| {
        let mut maker = Maker::rooted();
        maker.name(b"name");
        maker.append(&item);
        maker.bytes
    };
    let in_file = |item: Vec<u8>| {
        let mut maker = Maker::rooted();
        maker.name(b"name");
        maker.entry(0o100_644);
        maker.append(&item);
        maker.bytes
    };
    let filename = |content: &[u8]| item(ItemType::Filename, content);
    let mut archives = vec![
        ("nothing", Vec::new()),
        ("root alone", root.clone()),
        ("payload stream", item(ItemType::PayloadStartMarker, b"")),
        ("unknown type", after_root(raw(1, 16, b""))),
        ("short header", after_root(raw(ItemType::Filename.htype(), 15, b""))),
        ("version 3", item(ItemType::FormatVersion, &words(&[3]))),
        ("two versions", [version(), version()].concat()),
        ("prelude without version", item(ItemType::Prelude, b"{}")),
        ("entry with 41 bytes", item(ItemType::Entry, &[0; 41])),
        ("entry after entry", in_file(item(ItemType::Entry, &stat(0)))),
        ("link in entry", in_file(item(ItemType::Hardlink, &[1; 9]))),
        ("name after name", after_name(filename(b"x\0"))),
        ("name without NUL", after_root(filename(b"name"))),
        ("name with NUL", after_root(filename(b"na\0me\0"))),
        ("dots", after_root(filename(b"..\0"))),
        ("slash", after_root(filename(b"a/b\0"))),
        ("attribute without NUL", in_file(item(ItemType::Xattr, b"user"))),
        ("target without NUL", in_file(item(ItemType::Symlink, b"target"))),
        ("two capabilities", in_file([item(ItemType::Fcaps, b"a"), item(ItemType::Fcaps, b"b")].concat())),
        ("huge contents", in_file(raw(ItemType::Payload.htype(), u64::MAX, b"few"))),
        ("long contents", in_file(raw(ItemType::Payload.htype(), 1 << 40, b"few"))),
        ("huge table", after_root(raw(ItemType::Goodbye.htype(), 1 << 62, &[0; 50]))),
        ("reference to nowhere", in_file(item(ItemType::PayloadRef, &words(&[u64::MAX, 1])))),
        (
            "root with contents",
            [item(ItemType::Entry, &stat(0o40755)), item(ItemType::Payload, b"")].concat(),
        ),
    ];
    let whole = every_kind();
    archives.push(("cut in a table", whole[..whole.len() - 1].to_vec()));
    archives.push(("cut in a name", [&root[..], &filename(b"name\0")[..18]].concat()));
    archives
}

fn version() -> Vec<u8> {
    item(ItemType::FormatVersion, &words(&[2]))
}

fn old_entries() -> Vec<u8> {
    let mut maker = Maker::new();
    maker.entry_v1(0o40755, 1_500_000_000_000_000_001);
    maker.enter();
    for name in [b"a", b"b"] {
        maker.name(name);
        maker.entry_v1(0o100_644, u64::MAX);
        maker.item(ItemType::Xattr, b"user.x\0y");
        maker.item(ItemType::Payload, b"contents");
    }
    maker.finish()
}

fn explicit_version() -> Vec<u8> {
    let mut maker = Maker::new();
    maker.item(ItemType::FormatVersion, &words(&[1]));
    maker.root();
    maker.file(b"a", b"hi");
    maker.finish()
}

fn inline_in_version_2() -> Vec<u8> {
    let mut maker = Maker::split();
    maker.file(b"a", b"inline contents");
    maker.reference(b"b", 16, 5);
    maker.finish()
}

fn reference_without_version() -> Vec<u8> {
    let mut maker = Maker::rooted();
    maker.reference(b"a", 16, 1 << 40);
    maker.finish()
}

fn prelude(content: &[u8]) -> Vec<u8> {
    let mut maker = Maker::new();
    maker.append(&version());
    maker.item(ItemType::Prelude, content);
    maker.root();
    maker.reference(b"a", 16, 0);
    maker.finish()
}

fn attributes() -> Vec<u8> {
    let mut maker = Maker::new();
    maker.entry(0o40755);
    maker.item(ItemType::QuotaProjid, &words(&[1]));
    maker.item(ItemType::AclDefaultGroup, &words(&[2, 3]));
    maker.item(ItemType::AclDefault, &words(&[7, 5, 5, u64::MAX]));
    maker.item(ItemType::AclGroupObj, &words(&[4]));
    maker.item(ItemType::AclUser, &words(&[4, 5]));
    maker.item(ItemType::Xattr, b"\0no name");
    maker.item(ItemType::Fcaps, b"");
    maker.item(ItemType::Xattr, b"user.b\0\0\0");
    maker.item(ItemType::AclUser, &words(&[1, 1]));
    maker.enter();
    maker.finish()
}

fn empty_directories() -> Vec<u8> {
    let mut maker = Maker::rooted();
    for name in [b"a", b"b", b"c"] {
        maker.directory(name);
        maker.leave();
    }
    maker.finish()
}

/// Directories in directories.
pub fn deep(levels: usize) -> Vec<u8> {
    let mut maker = Maker::rooted();
    for _ in 0..levels {
        maker.directory(b"d");
    }
    maker.file(b"f", b"at the bottom");
    maker.finish()
}

fn longest() -> Vec<u8> {
    let mut maker = Maker::rooted();
    let file = maker.file(&[b'a'; MAX_NAME_LEN], b"x");
    maker.directory(&[b'b'; MAX_NAME_LEN]);
    maker.symlink(&[b'c'; MAX_NAME_LEN], &[b't'; MAX_NAME_LEN]);
    maker.hardlink(&[b'd'; MAX_NAME_LEN], file, &[b'a'; MAX_NAME_LEN]);
    maker.finish()
}

fn largest_attributes() -> Vec<u8> {
    let mut maker = Maker::rooted();
    maker.name(b"a");
    maker.entry(0o100_644);
    maker.item(ItemType::Xattr, &[terminated(&[b'n'; 255]), vec![b'v'; 65535]].concat());
    maker.item(ItemType::Xattr, b"user.small\0");
    maker.item(ItemType::Fcaps, &vec![1; 65791]);
    maker.item(ItemType::Payload, b"x");
    maker.finish()
}

/// One of each kind, with a little of everything.
pub fn every_kind() -> Vec<u8> {
    let mut maker = Maker::new();
    maker.entry(0o40755);
    maker.item(ItemType::Xattr, b"user.root\0value");
    maker.enter();
    maker.name(b"block");
    maker.entry(0o60_600);
    maker.item(ItemType::Device, &words(&[8, 1]));
    maker.directory(b"dir");
    let file = maker.file(b"file", b"some contents");
    maker.leave();
    maker.name(b"fifo");
    maker.entry(0o10_644);
    maker.hardlink(b"link", file, b"dir/file");
    maker.name(b"socket");
    maker.entry(0o140_755);
    maker.symlink(b"symlink", b"dir/file");
    maker.file(b"zero", b"");
    maker.finish()
}

fn contradictory_modes() -> Vec<u8> {
    let mut maker = Maker::new();
    maker.entry(0);
    maker.enter();
    maker.name(b"a");
    maker.entry(0o40755);
    maker.item(ItemType::Payload, b"x");
    maker.name(b"b");
    maker.entry(0o100_644);
    maker.enter();
    maker.leave();
    maker.name(b"c");
    maker.entry(u64::MAX);
    maker.item(ItemType::Symlink, b"\0");
    maker.finish()
}

fn disorder() -> Vec<u8> {
    let mut maker = Maker::split();
    maker.reference(b"a", 1000, 10);
    maker.reference(b"b", 16, 10);
    maker.reference(b"c", 16, 10);
    maker.reference(b"d", 0, 0);
    maker.finish()
}

fn wrong_tables() -> Vec<u8> {
    let mut maker = Maker::rooted();
    for (name, table) in [(b"a", &[][..]), (b"b", &[7; 23]), (b"c", &[7; 24]), (b"d", &[7; 480])] {
        maker.directory(name);
        maker.file(b"child", b"");
        maker.leave_with(table);
    }
    maker.finish()
}

fn names_in_disorder() -> Vec<u8> {
    let mut maker = Maker::rooted();
    for name in [&b"b"[..], b"a", b"a", b".pxarexclude-cli", b"aa", b"a"] {
        maker.file(name, name);
    }
    maker.finish()
}

fn many_findings() -> Vec<u8> {
    let mut maker = Maker::rooted();
    for _ in 0..1500 {
        maker.file(b"a", b"");
    }
    maker.finish()
}
