//! Rules 1 to 10: headers, constants, sizes.

use pxkit_core::format::{Header, ItemType, Problem, hash_name};
use pxkit_tests::handmade::{Maker, item, raw, terminated, words};

use super::{FIRST, accepted, clean, error, refused};

/// Each constant as the specification prints its bytes (1.3), and most content bytes (1.4).
const TABLE: [(ItemType, [u8; 8], Option<u64>); 22] = {
    use ItemType::*;
    [
        (FormatVersion, [0x0d, 0xa4, 0x16, 0xdf, 0x75, 0x6c, 0x0f, 0x73], Some(8)),
        (Prelude, [0x1b, 0x77, 0x7b, 0x9f, 0x9d, 0xd7, 0x09, 0xe3], None),
        (Entry, [0xef, 0xac, 0x88, 0xe5, 0x74, 0x64, 0x95, 0xd5], Some(40)),
        (EntryV1, [0xff, 0xce, 0x1c, 0x1c, 0x0a, 0x85, 0xda, 0x11], Some(32)),
        (Filename, [0xb3, 0x17, 0x39, 0x06, 0x21, 0x11, 0x70, 0x16], Some(4097)),
        (Symlink, [0x5f, 0xdc, 0xf5, 0xdb, 0xe7, 0x71, 0xf9, 0x27], Some(4097)),
        (Device, [0xe9, 0x5c, 0x6d, 0x58, 0x06, 0xe9, 0xc9, 0x9f], Some(16)),
        (Xattr, [0x03, 0xcd, 0x7d, 0xb5, 0x29, 0x02, 0xab, 0x0d], Some(65791)),
        (AclUser, [0xb8, 0x55, 0x7d, 0x45, 0x0a, 0x54, 0xe8, 0x2c], Some(16)),
        (AclGroup, [0xab, 0x03, 0x4c, 0xb0, 0xce, 0x3e, 0x6e, 0x13], Some(16)),
        (AclGroupObj, [0x76, 0x28, 0x58, 0xe9, 0x31, 0x80, 0x86, 0x10], Some(8)),
        (AclDefault, [0xf5, 0x96, 0x68, 0x5a, 0x41, 0x13, 0xbb, 0xbb], Some(32)),
        (AclDefaultUser, [0x1f, 0xcd, 0x32, 0x05, 0xb4, 0x57, 0x93, 0xc8], Some(16)),
        (AclDefaultGroup, [0xfe, 0x8f, 0x03, 0x16, 0x58, 0x8a, 0x0a, 0xf9], Some(16)),
        (Fcaps, [0x67, 0xfb, 0xf7, 0xb5, 0x9d, 0xdd, 0xa9, 0x2d], Some(65791)),
        (QuotaProjid, [0xbb, 0x1c, 0x7d, 0x2f, 0xe8, 0x40, 0x75, 0xe0], Some(8)),
        (Hardlink, [0x75, 0x72, 0xbd, 0x22, 0x84, 0x9c, 0x26, 0x51], Some(4105)),
        (Payload, [0x25, 0x1a, 0x7c, 0x0b, 0x1b, 0x7a, 0x14, 0x28], None),
        (PayloadRef, [0x7e, 0x97, 0xba, 0xc4, 0x6b, 0x3d, 0x9d, 0x41], Some(16)),
        (Goodbye, [0x1d, 0x73, 0xd5, 0x42, 0xa6, 0x4f, 0xec, 0x2f], None),
        (PayloadStartMarker, [0xd2, 0x4e, 0x4a, 0x19, 0xc2, 0x68, 0x4c, 0x83], Some(0)),
        (PayloadTailMarker, [0xb5, 0x81, 0x4c, 0x98, 0x8b, 0xb7, 0x72, 0x6c], Some(0)),
    ]
};

/// An archive whose root's first child is `item`, which has its header alone.
fn header_in_entry(kind: ItemType, full_size: u64) -> Vec<u8> {
    let mut maker = Maker::new();
    maker.entry(0o40755);
    maker.append(&raw(kind.htype(), full_size, &[]));
    maker.bytes
}

#[test]
fn rule_01_headers_are_type_then_size_in_little_endian() {
    for (kind, bytes, _) in TABLE {
        let header = Header::new(kind, kind.content_limits().0);
        assert_eq!(header.to_bytes()[..8], bytes, "{kind}");
        assert_eq!(header.to_bytes()[8..], header.full_size().to_le_bytes());
        assert_eq!(Header::parse(&header.to_bytes(), 0), Ok(header));
    }
}

#[test]
fn rule_02_sizes_include_the_header() {
    let mut maker = Maker::rooted();
    maker.file(b"empty", b"");
    assert_eq!(maker.position(), FIRST + 22 + 56 + 16);
    clean(&maker.finish());
    assert_eq!(Header::new(ItemType::Payload, 0).full_size(), 16);
}

#[test]
fn rule_03_constants_are_hashes_of_their_seeds() {
    assert_eq!(ItemType::ALL.len(), TABLE.len());
    for (kind, bytes, _) in TABLE {
        assert_eq!(hash_name(kind.seed().as_bytes()).to_le_bytes(), bytes, "{kind}");
    }
    let tail = hash_name(b"__PROXMOX_FORMAT_PXAR_GOODBYE_TAIL_MARKER__");
    assert_eq!(tail, 0xef5e_ed5b_753e_1555);
}

#[test]
fn rule_04_hashes_of_names() {
    // The generic check of SipHash is a test in core, where keys can be chosen.
    for (name, hash) in [
        (&b"b"[..], 0x4d1d_a3f5_12e8_c733),
        (b"f", 0x4376_aba4_e3d5_1140),
        (b"empty", 0x9c7b_d2e4_b3b6_0004),
        (b".pxarexclude", 0x85bd_dec7_9cb1_1d67),
        (b"file_4", 0x00bf_d468_6af0_2b7d),
        (b"file_8", 0xf751_5c7d_2361_1fc5),
    ] {
        assert_eq!(hash_name(name), hash);
    }
}

#[test]
fn rule_05_sizes_below_the_header_are_refused() {
    for full_size in [0, 1, 15] {
        for (kind, _, _) in TABLE {
            let expected = error(FIRST, kind, Problem::ShortHeader { full_size });
            assert_eq!(refused(&header_in_entry(kind, full_size)), expected);
        }
    }
}

#[test]
fn rule_06_oversized_content_is_refused_for_each_type() {
    for (kind, _, most) in TABLE {
        let Some(most) = most else { continue };
        for got in [most + 1, 1 << 40, u64::MAX - 16] {
            let error = refused(&header_in_entry(kind, 16 + got));
            assert_eq!((error.offset, error.item), (FIRST, Some(kind)));
            let Problem::ContentSize { most: said, got: found, .. } = error.problem else {
                panic!("{error}")
            };
            assert_eq!((said, found), (most, got), "{kind}");
        }
    }
}

#[test]
fn rule_06_contents_and_tables_may_have_any_size() {
    let mut maker = Maker::rooted();
    maker.name(b"huge");
    maker.entry(0o100_644);
    maker.append(&raw(ItemType::Payload.htype(), u64::MAX, b"and a few bytes"));
    let error = refused(&maker.bytes);
    let left = Problem::Range { expected: "an end below 2^64", got: u64::MAX - 16 };
    assert_eq!(error.problem, left, "the end of these contents is no position");
    let mut maker = Maker::rooted();
    maker.name(b"huge");
    maker.entry(0o100_644);
    let at = maker.append(&raw(ItemType::Payload.htype(), 1 << 60, b"and a few bytes")) + 16;
    let short = Problem::Truncated { expected: (1 << 60) - 16, got: 15 };
    let found = refused(&maker.bytes);
    assert_eq!((found.offset, found.problem), (at, short));
}

#[test]
fn rule_07_items_of_fixed_size_have_exactly_that() {
    use ItemType::*;
    for (kind, size) in [
        (FormatVersion, 8),
        (Entry, 40),
        (EntryV1, 32),
        (Device, 16),
        (AclUser, 16),
        (AclGroup, 16),
        (AclGroupObj, 8),
        (AclDefault, 32),
        (AclDefaultUser, 16),
        (AclDefaultGroup, 16),
        (QuotaProjid, 8),
        (PayloadRef, 16),
    ] {
        for got in [0, 1, size - 1, size + 1] {
            let expected = error(FIRST, kind, Problem::ContentSize { least: size, most: size, got });
            assert_eq!(refused(&header_in_entry(kind, 16 + got)), expected);
        }
    }
}

#[test]
fn rule_08_unknown_types_are_refused() {
    for htype in [0, 1, ItemType::Entry.htype() + 1, 0xef5e_ed5b_753e_1555, u64::MAX] {
        let at_start = raw(htype, 16, &[]);
        let mut in_entry = Maker::new();
        in_entry.entry(0o40755);
        in_entry.append(&raw(htype, 17, b"x"));
        let mut in_directory = Maker::rooted();
        in_directory.file(b"f", b"");
        let place = in_directory.append(&raw(htype, 17, b"x"));
        for (archive, offset) in [(at_start, 0), (in_entry.bytes, FIRST), (in_directory.bytes, place)] {
            let error = refused(&archive);
            assert_eq!((error.offset, error.item), (offset, None));
            assert_eq!(error.problem, Problem::UnknownType { htype });
        }
    }
}

#[test]
fn rule_08_markers_of_the_payload_stream_are_out_of_place() {
    for kind in [ItemType::PayloadStartMarker, ItemType::PayloadTailMarker] {
        let error = refused(&item(kind, &[]));
        let expected = "FORMAT_VERSION or the root's ENTRY";
        assert_eq!((error.offset, error.problem), (0, Problem::Order { expected }));
    }
}

#[test]
fn rule_09_longest_attribute() {
    let archive = |value: usize| {
        let mut maker = Maker::new();
        maker.entry(0o40755);
        maker.item(ItemType::Xattr, &[&terminated(&[b'n'; 255])[..], &vec![b'v'; value]].concat());
        maker.enter();
        maker.finish()
    };
    clean(&archive(65535));
    let problem = Problem::ContentSize { least: 1, most: 65791, got: 65792 };
    assert_eq!(refused(&archive(65536)), error(FIRST, ItemType::Xattr, problem));
}

#[test]
fn rule_10_longest_name() {
    let archive = |length: usize| {
        let mut maker = Maker::rooted();
        maker.file(&vec![b'n'; length], b"x");
        maker.finish()
    };
    clean(&archive(4096));
    let problem = Problem::ContentSize { least: 2, most: 4097, got: 4098 };
    assert_eq!(refused(&archive(4097)), error(FIRST, ItemType::Filename, problem));
}

#[test]
fn every_proper_prefix_of_an_archive_is_refused_where_it_ends() {
    let mut maker = Maker::rooted();
    maker.file(b"a", b"hi");
    maker.symlink(b"s", b"target");
    maker.directory(b"z");
    let archive = maker.finish();
    clean(&archive);
    for end in 0..archive.len() {
        let error = refused(&archive[..end]);
        let Problem::Truncated { expected, got } = error.problem else { panic!("at {end}: {error}") };
        assert_eq!(error.offset + got, end as u64, "the end is where it is");
        assert!(expected > got);
    }
}

#[test]
fn versions_and_sizes_are_read_as_numbers_of_64_bits() {
    let archive = [item(ItemType::FormatVersion, &words(&[2 | 1 << 63]))].concat();
    let problem = Problem::Value { expected: "version 1 or 2", got: 2 | 1 << 63 };
    assert_eq!(refused(&archive), error(0, ItemType::FormatVersion, problem));
    assert!(accepted(&Maker::split().finish()).is_empty());
}
