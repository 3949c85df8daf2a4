//! Rules 11 to 32: entries and their items.

use pxkit_core::decode::{Entry, Irregularity};
use pxkit_core::encode::{Encoder, Event, Node};
use pxkit_core::format::{
    Attribute, Attributes, DefaultAcl, Device, ItemType, Kind, NO_MASK, Permissions, Problem, Stat, Timestamp,
};
use pxkit_tests::handmade::{Maker, item, stat, terminated, words};
use pxkit_tests::observe;

use super::{FIRST, accepted, clean, error, finding, lines, refused};

/// The metadata of every entry of an archive.
fn stats(archive: &[u8]) -> Vec<Stat> {
    let mut stats = Vec::new();
    let mut see = |entry: Option<&Entry<'_>>| stats.extend(entry.map(|entry| *entry.stat));
    let outcome = observe::entries(archive, &mut (), &mut || 1, &mut see);
    assert_eq!(outcome.result, Ok(()));
    stats
}

/// Kinds of all entries but the root.
fn kinds(archive: &[u8]) -> Vec<Kind> {
    let mut kinds = Vec::new();
    let mut see = |entry: Option<&Entry<'_>>| kinds.extend(entry.map(|entry| entry.kind));
    let outcome = observe::entries(archive, &mut (), &mut || 7, &mut see);
    assert_eq!(outcome.result, Ok(()));
    kinds.remove(0);
    kinds
}

/// A root that has these attribute items.
fn with_attributes(items: &[Vec<u8>]) -> Vec<u8> {
    let mut maker = Maker::new();
    maker.entry(0o40755);
    maker.append(&items.concat());
    maker.enter();
    maker.finish()
}

fn xattr(name: &[u8], value: &[u8]) -> Vec<u8> {
    item(ItemType::Xattr, &[name, &[0], value].concat())
}

#[test]
fn rule_11_fields_of_an_entry() {
    let mut content = words(&[0o102_755, 0x10_0000]);
    content.extend([1, 2, 3, 4, 5, 6, 7, 8]);
    content.extend([0xff; 8]);
    content.extend([0xff, 0xc9, 0x9a, 0x3b, 0, 0, 0, 0]);
    let mut maker = Maker::rooted();
    maker.name(b"f");
    maker.item(ItemType::Entry, &content);
    assert_eq!(maker.position(), FIRST + 18 + 56);
    maker.item(ItemType::Payload, b"");
    let archive = maker.finish();
    clean(&archive);
    let expected = Stat {
        mode: 0o102_755,
        flags: 0x10_0000,
        uid: 0x0403_0201,
        gid: 0x0807_0605,
        mtime: Timestamp { secs: -1, nanos: 999_999_999 },
    };
    assert_eq!(stats(&archive)[1], expected);
    assert_eq!(expected.to_bytes()[..], content);
}

#[test]
fn rule_12_old_entries_are_readable() {
    let mut maker = Maker::new();
    maker.entry_v1(0o40700, 1_700_000_000_123_456_789);
    maker.enter();
    maker.name(b"f");
    maker.entry_v1(0o100_600, 999_999_999);
    maker.item(ItemType::Payload, b"old");
    let archive = maker.finish();
    assert_eq!(accepted(&archive), [finding(0, Irregularity::OldEntry)], "said once");
    let stats = stats(&archive);
    let mtime = Timestamp { secs: 1_700_000_000, nanos: 123_456_789 };
    assert_eq!(stats[0], Stat { mode: 0o40700, flags: 0, uid: 7, gid: 8, mtime });
    assert_eq!(stats[1].mtime, Timestamp { secs: 0, nanos: 999_999_999 });
}

#[test]
fn rule_13_times_before_1970_are_floored() {
    let mut content = stat(0o100_644);
    content[24..32].copy_from_slice(&[0xf7, 0x67, 0xd0, 0xed, 0xff, 0xff, 0xff, 0xff]);
    content[32..36].copy_from_slice(&999_000_000u32.to_le_bytes());
    let mut maker = Maker::rooted();
    maker.name(b"1960");
    maker.item(ItemType::Entry, &content);
    maker.item(ItemType::Payload, b"");
    let secs = i64::from_le_bytes([0xf7, 0x67, 0xd0, 0xed, 0xff, 0xff, 0xff, 0xff]);
    let stat = stats(&maker.finish())[1];
    assert_eq!(stat.mtime, Timestamp { secs, nanos: 999_000_000 });
    assert_eq!(stat.to_bytes()[..], content);
}

#[test]
fn rule_14_writers_keep_the_order_of_attributes() {
    let user = Permissions { id: 5, permissions: 4 };
    let default = DefaultAcl { user_obj: 7, group_obj: 5, other: 5, mask: 7 };
    let all = [
        (Attribute::Xattr { name: b"user.zz", value: b"1" }, xattr(b"user.zz", b"1")),
        (Attribute::AclUser(user), item(ItemType::AclUser, &words(&[5, 4]))),
        (Attribute::AclGroup(user), item(ItemType::AclGroup, &words(&[5, 4]))),
        (Attribute::AclGroupObj(4), item(ItemType::AclGroupObj, &words(&[4]))),
        (Attribute::AclDefault(default), item(ItemType::AclDefault, &words(&[7, 5, 5, 7]))),
        (Attribute::AclDefaultUser(user), item(ItemType::AclDefaultUser, &words(&[5, 4]))),
        (Attribute::AclDefaultGroup(user), item(ItemType::AclDefaultGroup, &words(&[5, 4]))),
        (Attribute::Fcaps(b"caps"), item(ItemType::Fcaps, b"caps")),
        (Attribute::QuotaProjid(9), item(ItemType::QuotaProjid, &words(&[9]))),
    ];
    let mut attributes = Attributes::new();
    all.iter().for_each(|(attribute, _)| attributes.push(*attribute).unwrap());
    let bytes: Vec<u8> = all.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    assert_eq!(attributes.as_bytes(), bytes);
    for (late, (attribute, _)) in all.iter().enumerate() {
        let mut attributes = Attributes::new();
        for (later, _) in &all[late + 1..] {
            attributes.clear();
            attributes.push(*later).unwrap();
            assert!(attributes.push(*attribute).is_err(), "{attribute:?} after {later:?}");
        }
    }
}

#[test]
fn rule_15_attributes_in_any_order_are_readable() {
    let projid = item(ItemType::QuotaProjid, &words(&[9]));
    let archive = with_attributes(&[projid.clone(), xattr(b"user.a", b"1"), item(ItemType::Fcaps, b"x")]);
    let out_of_order = |offset, item| finding(offset, Irregularity::AttributeOrder { item });
    let xattr_at = FIRST + projid.len() as u64;
    let fcaps_at = xattr_at + 16 + 8;
    let expected = [out_of_order(xattr_at, ItemType::Xattr), out_of_order(fcaps_at, ItemType::Fcaps)];
    assert_eq!(accepted(&archive), expected);
}

#[test]
fn rule_16_single_attributes_are_refused_a_second_time() {
    for (kind, content) in [
        (ItemType::AclGroupObj, words(&[4])),
        (ItemType::AclDefault, words(&[7, 5, 5, NO_MASK])),
        (ItemType::Fcaps, b"caps".to_vec()),
        (ItemType::QuotaProjid, words(&[9])),
    ] {
        let one = item(kind, &content);
        clean(&with_attributes(std::slice::from_ref(&one)));
        let offset = FIRST + one.len() as u64;
        let twice = with_attributes(&[one.clone(), one.clone()]);
        assert_eq!(refused(&twice), error(offset, kind, Problem::Repeated));
        // Also with another item in between, and not across entries.
        let mut others = vec![xattr(b"user.a", b"")];
        if kind != ItemType::QuotaProjid {
            others.push(item(ItemType::QuotaProjid, &words(&[1])));
        }
        for other in others {
            let between = with_attributes(&[one.clone(), other, one.clone()]);
            assert_eq!(refused(&between).problem, Problem::Repeated);
        }
        let mut maker = Maker::new();
        maker.entry(0o40755);
        maker.append(&one);
        maker.enter();
        maker.name(b"f");
        maker.entry(0o100_644);
        maker.append(&one);
        maker.item(ItemType::Payload, b"");
        clean(&maker.finish());
    }
}

#[test]
fn rule_17_repeated_attributes_keep_their_order() {
    let acl = |kind, id| item(kind, &words(&[id, 6]));
    use ItemType::{AclDefaultGroup, AclDefaultUser, AclGroup, AclUser};
    let mut items = vec![xattr(b"user.zz", b"1"), xattr(b"user.aa", b"2"), xattr(b"trusted.t", b"3")];
    for kind in [AclUser, AclGroup, AclDefaultUser, AclDefaultGroup] {
        items.extend([acl(kind, 1000), acl(kind, 5)]);
    }
    let archive = with_attributes(&items);
    clean(&archive);
    let mut seen = Vec::new();
    observe::entries(&archive, &mut (), &mut || 3, &mut |entry| {
        seen.extend(entry.map(|entry| entry.attributes.as_bytes().to_vec()));
    });
    assert_eq!(seen, [items.concat()]);
}

#[test]
fn rule_18_values_hold_any_bytes_or_none() {
    let archive = with_attributes(&[xattr(b"user.nul", b"a\0b\0"), xattr(b"user.empty", b"")]);
    clean(&archive);
    observe::entries(&archive, &mut (), &mut || 1, &mut |entry| {
        let Some(entry) = entry else { return };
        let found: Vec<_> = entry.attributes.iter().collect();
        let expected = [
            Attribute::Xattr { name: b"user.nul", value: b"a\0b\0" },
            Attribute::Xattr { name: b"user.empty", value: b"" },
        ];
        assert_eq!(found, expected);
    });
}

#[test]
fn rule_19_attributes_without_nul_are_refused() {
    let archive = with_attributes(&[item(ItemType::Xattr, b"user.name")]);
    let problem = Problem::Content { expected: "a name that ends in NUL" };
    assert_eq!(refused(&archive), error(FIRST, ItemType::Xattr, problem));
}

#[test]
fn rule_23_absent_masks_are_ones() {
    assert_eq!(NO_MASK.to_le_bytes(), [0xff; 8]);
    let mut attributes = Attributes::new();
    let acl = DefaultAcl { user_obj: 7, group_obj: 5, other: 0, mask: NO_MASK };
    attributes.push(Attribute::AclDefault(acl)).unwrap();
    assert_eq!(attributes.as_bytes()[40..], [0xff; 8]);
}

#[test]
fn rule_24_project_zero_is_not_written() {
    assert!(Attributes::new().push(Attribute::QuotaProjid(0)).is_err());
}

#[test]
fn rule_25_names_end_in_nul() {
    let archive = |content: &[u8]| {
        let mut maker = Maker::rooted();
        maker.item(ItemType::Filename, content);
        maker.entry(0o100_644);
        maker.item(ItemType::Payload, b"");
        maker.finish()
    };
    let refuse = |content: &[u8], expected| {
        let problem = Problem::Content { expected };
        assert_eq!(refused(&archive(content)), error(FIRST, ItemType::Filename, problem));
    };
    refuse(b"name", "a NUL as last byte");
    refuse(b"na\0me\0", "no NUL but the last byte");
    refuse(b"\0\0", "no NUL but the last byte");
    let mut maker = Maker::rooted();
    maker.name(b"a");
    assert_eq!(maker.position() - FIRST, 18);
}

#[test]
fn rule_26_names_that_are_no_names_are_refused() {
    let none = Attributes::new();
    let (dir, file) =
        (Stat { mode: 0o40755, ..Stat::default() }, Stat { mode: 0o100_644, ..Stat::default() });
    for name in [&b"."[..], b"..", b"/", b"a/b", b"/abs", b"trail/"] {
        let mut maker = Maker::rooted();
        maker.file(name, b"");
        let error = refused(&maker.finish());
        assert_eq!((error.offset, error.item), (FIRST, Some(ItemType::Filename)));
        assert!(matches!(error.problem, Problem::Content { .. }), "{error}");
        let (mut encoder, mut out) = (Encoder::unified(), Vec::new());
        let node = Node { name: b"", stat: &dir, attributes: &none };
        encoder.push(&Event::Directory(node), &mut out, &mut Vec::new()).unwrap();
        let node = Node { name, stat: &file, attributes: &none };
        assert!(encoder.push(&Event::File { node, size: 0 }, &mut out, &mut Vec::new()).is_err());
    }
    let mut maker = Maker::rooted();
    maker.file(b"", b"");
    let problem = Problem::ContentSize { least: 2, most: 4097, got: 1 };
    assert_eq!(refused(&maker.finish()), error(FIRST, ItemType::Filename, problem));
}

#[test]
fn rule_27_names_are_bytes() {
    let name: Vec<u8> = (1..=255).filter(|&b| b != b'/').collect();
    let mut maker = Maker::rooted();
    maker.file(&name, b"");
    let archive = maker.finish();
    clean(&archive);
    let mut seen = Vec::new();
    observe::entries(&archive, &mut (), &mut || 2, &mut |e| seen.extend(e.map(|e| e.name().to_vec())));
    assert_eq!(seen, [Vec::new(), name]);
}

#[test]
fn rule_28_targets_end_in_nul() {
    let archive = |content: &[u8]| {
        let mut maker = Maker::rooted();
        maker.name(b"s");
        maker.entry(0o120_777);
        maker.item(ItemType::Symlink, content);
        maker.finish()
    };
    clean(&archive(&terminated(&[b't'; 4096])));
    clean(&archive(&terminated(b"../../anywhere/./")));
    clean(&archive(b"\0"));
    let offset = FIRST + 18 + 56;
    for (content, expected) in
        [(&b"target"[..], "a NUL as last byte"), (b"tar\0get\0", "no NUL but the last byte")]
    {
        let problem = Problem::Content { expected };
        assert_eq!(refused(&archive(content)), error(offset, ItemType::Symlink, problem));
    }
    let problem = Problem::ContentSize { least: 1, most: 4097, got: 4098 };
    assert_eq!(refused(&archive(&[b't'; 4098])), error(offset, ItemType::Symlink, problem));
}

#[test]
fn rule_29_devices_have_64_bit_numbers() {
    let mut maker = Maker::rooted();
    maker.name(b"d");
    maker.entry(0o60_600);
    maker.item(ItemType::Device, &words(&[259, 0xdcba_5678_0001_1170]));
    let archive = maker.finish();
    clean(&archive);
    let expected = Device { major: 259, minor: 0xdcba_5678_0001_1170 };
    assert!(lines(&archive).iter().any(|line| line.contains(&format!("{expected:?}"))));
    assert_eq!(Device::from_dev_t(0xabcd_1dcb_a562_3478), Device { major: 0xabcd_1234, minor: 0xdcba_5678 });
}

#[test]
fn rule_30_fifos_and_sockets_are_told_by_their_mode() {
    let mut maker = Maker::rooted();
    maker.name(b"a-fifo");
    maker.entry(0o10_644);
    maker.name(b"b-socket");
    maker.entry(0o140_755);
    maker.directory(b"c-dir");
    maker.leave();
    maker.name(b"d-fifo");
    maker.entry(0o10_600);
    let archive = maker.finish();
    clean(&archive);
    assert_eq!(kinds(&archive), [Kind::Fifo, Kind::Socket, Kind::Directory, Kind::Fifo]);
}

#[test]
fn rule_31_empty_files_have_their_item() {
    // Without it, the entry is a directory, and swallows what follows.
    let mut maker = Maker::rooted();
    let filename = maker.name(b"f");
    maker.entry(0o100_644);
    maker.enter();
    let archive = maker.finish();
    assert_eq!(kinds(&archive), [Kind::Directory]);
    let mode = Irregularity::Mode { mode: 0o100_644, kind: Kind::Directory };
    assert_eq!(accepted(&archive), [finding(filename, mode)]);
}

#[test]
fn rule_32_the_root_is_a_directory_without_name() {
    use ItemType::*;
    let problem = |expected| Problem::Order { expected };
    let start = "FORMAT_VERSION or the root's ENTRY";
    assert_eq!(refused(&item(Filename, b"a\0")), error(0, Filename, problem(start)));
    let root = "FILENAME or GOODBYE: the root is a directory";
    for (kind, content) in [(Payload, vec![]), (PayloadRef, words(&[16, 0])), (Symlink, b"x\0".to_vec())] {
        let archive = [item(Entry, &stat(0o40755)), item(kind, &content)].concat();
        assert_eq!(refused(&archive), error(FIRST, kind, problem(root)));
    }
    let device = [item(Entry, &stat(0o20_600)), item(Device, &words(&[1, 3]))].concat();
    assert_eq!(refused(&device), error(FIRST, Device, problem(root)));
}

#[test]
fn entries_follow_their_names_and_nothing_else() {
    use ItemType::*;
    let inside = "an attribute, SYMLINK, DEVICE, PAYLOAD, PAYLOAD_REF, FILENAME or GOODBYE";
    let mut maker = Maker::rooted();
    maker.name(b"f");
    maker.entry(0o100_644);
    let second = maker.entry(0o100_644);
    assert_eq!(refused(&maker.bytes), error(second, Entry, Problem::Order { expected: inside }));
    let mut maker = Maker::rooted();
    maker.file(b"f", b"");
    let lone = maker.entry(0o100_644);
    let expected = "FILENAME or GOODBYE";
    assert_eq!(refused(&maker.bytes), error(lone, Entry, Problem::Order { expected }));
    let mut maker = Maker::rooted();
    maker.name(b"f");
    let payload = maker.item(Payload, b"");
    let expected = "ENTRY or HARDLINK";
    assert_eq!(refused(&maker.bytes), error(payload, Payload, Problem::Order { expected }));
}
