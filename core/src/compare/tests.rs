use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::*;
use crate::format::{Attribute, Attributes, Digest};
use crate::index::Part;

/// The parts of a stream of chunks (a number as digest, bytes) that belong to a range.
fn parts(chunks: &[(u8, u64)], range: core::ops::Range<u64>) -> Vec<Part> {
    let (mut out, mut at) = (Vec::new(), 0);
    for (index, &(digest, len)) in chunks.iter().enumerate() {
        let (start, end) = (range.start.max(at), range.end.min(at + len));
        if start < end {
            let within = start - at..end - at;
            out.push(Part { index, digest: Digest([digest; 32]), extent: at..at + len, within });
        }
        at += len;
    }
    out
}

fn unshared(a: &[Part], b: &[Part]) -> Vec<(u64, u64)> {
    let ranges = Unshared::new(a.iter().cloned(), b.iter().cloned());
    ranges.map(|range| (range.start, range.end)).collect()
}

#[test]
fn chunks_that_say_all() {
    let a = parts(&[(1, 10), (2, 20), (3, 10)], 5..35);
    assert_eq!(same_parts(a.iter().cloned(), a.iter().cloned()), Some(true));
    assert_eq!(unshared(&a, &a), []);
    // A whole chunk in the middle is another one.
    let b = parts(&[(1, 10), (9, 20), (3, 10)], 5..35);
    assert_eq!(same_parts(a.iter().cloned(), b.iter().cloned()), Some(false));
    assert_eq!(unshared(&a, &b), [(5, 25)]);
    // A part of a chunk is another one, which may hold the same there.
    let c = parts(&[(9, 10), (2, 20), (3, 10)], 5..35);
    assert_eq!(same_parts(a.iter().cloned(), c.iter().cloned()), None);
    assert_eq!(unshared(&a, &c), [(0, 5)]);
    // The same chunks, but not the same places of them.
    let d = parts(&[(1, 10), (2, 20), (3, 10)], 4..34);
    assert_eq!(same_parts(a.iter().cloned(), d.iter().cloned()), None);
    assert_eq!(unshared(&a, &d), [(0, 30)]);
    assert_eq!(same_parts(core::iter::empty(), core::iter::empty()), Some(true));
}

#[test]
fn chunks_that_begin_elsewhere() {
    // The same bytes from position 10 on, in chunks that begin at other positions of the files before and behind that.
    let a = parts(&[(1, 10), (2, 20), (3, 7)], 0..37);
    let b = parts(&[(4, 4), (5, 6), (2, 20), (6, 3), (3, 7)], 0..37);
    assert_eq!(unshared(&a, &b), [(0, 10), (30, 37)]);
    assert_eq!(same_parts(a.iter().cloned(), b.iter().cloned()), None);
}

#[test]
fn paths_in_the_order_of_archives() {
    let sorted: Vec<&[u8]> =
        vec![b"", b"a", b"a/b", b"a/b/c", b"a/b!", b"a/c", b"a\x01", b"a!", b"a-b", b"a.b", b"aa", b"\xff"];
    for (i, a) in sorted.iter().enumerate() {
        for (j, b) in sorted.iter().enumerate() {
            assert_eq!(path_order(a, b), i.cmp(&j), "{a:?} {b:?}");
            let by_component = a.split(|&c| c == b'/').cmp(b.split(|&c| c == b'/'));
            assert!(path_order(a, b) == by_component || a.is_empty() || b.is_empty());
        }
    }
    assert_eq!(path_order(b"a/b", b"a/b"), Ordering::Equal);
}

#[test]
fn attributes_by_their_kind() {
    let xattr = |name, value| Attribute::Xattr { name, value };
    let of = |all: &[Attribute<'_>]| {
        let mut attributes = Attributes::new();
        all.iter().for_each(|attribute| attributes.push(*attribute).unwrap());
        attributes
    };
    let names = |a: &[Attribute<'_>], b: &[Attribute<'_>]| -> Vec<&'static str> {
        attributes_differ(&of(a), &of(b)).names().collect()
    };
    let (one, two) = (xattr(b"user.a", b"1"), xattr(b"user.b", b"2"));
    assert_eq!(names(&[one, two], &[one, two]), [""; 0]);
    assert_eq!(names(&[one, two], &[two, one]), [""; 0]);
    assert_eq!(names(&[one], &[]), ["xattrs"]);
    assert_eq!(names(&[one], &[xattr(b"user.a", b"2")]), ["xattrs"]);
    let acl = [one, Attribute::AclGroupObj(5), Attribute::Fcaps(b"x"), Attribute::QuotaProjid(4)];
    assert_eq!(names(&acl, &[one]), ["acl", "fcaps", "project"]);
    assert_eq!(names(&acl, &[one, Attribute::AclGroupObj(4), acl[2], acl[3]]), ["acl"]);
}
