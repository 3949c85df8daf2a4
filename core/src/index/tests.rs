use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};

use sha2::{Digest as _, Sha256};

use super::*;
use crate::format::{Class, Digest, MAX_CHUNK_SIZE, Problem};

const UUID: [u8; 16] =
    [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];

fn sha(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

fn write(chunks: &[(Digest, u64)]) -> (Vec<u8>, Written) {
    let (mut writer, header) = WriteDynamic::new(UUID, 1_600_000_000);
    let mut file = header.to_vec();
    for &(digest, len) in chunks {
        file.extend_from_slice(&writer.push(digest, len).unwrap().to_bytes());
    }
    let written = writer.finish().unwrap();
    file[..80].copy_from_slice(&written.header);
    (file, written)
}

fn run(byte: u8, len: usize) -> (Digest, u64) {
    (sha(&vec![byte; len]), len as u64)
}

fn abc() -> (Vec<u8>, Written) {
    write(&[run(b'A', 1000), run(b'B', 2000), run(b'C', 500)])
}

/// Datastore specification 19.3.
#[test]
fn vector_of_a_dynamic_index() {
    let (file, written) = abc();
    assert_eq!(sha(&file).to_string(), "bbc78bfa2a11d54e109a6fc098d2aa34820a23876dfb754dde2578d7966bc980");
    let checksum = "96fe96075df0c42620f56dfb99b43bfb539317d8ca1473441d11d6516747cefd";
    assert_eq!((written.size, written.count, written.checksum.to_string()), (3500, 3, checksum.to_string()));
    let index = DynamicIndex::parse(&file).unwrap();
    assert_eq!(index.header(), IndexHeader { uuid: UUID, ctime: 1_600_000_000, checksum: written.checksum });
    assert_eq!((index.size(), index.count(), index.checksum()), (3500, 3, written.checksum));
    assert_eq!(
        index.chunks()[1].digest.to_string(),
        "e102cc048a84ab60402d04294d30bfd8a7d02fbec6dee1288d7025751975286b"
    );
    for (chunks, expected) in [
        (vec![run(b'A', 1000)], "ad6bf2d0c4e4c275117d94abc6e1f15e9476c8fb0eb89a0a548bd59044aae2b7"),
        (
            vec![run(b'A', 1000), run(b'A', 1000)],
            "99d55216a9717d5face762e27b568a462f915cd5caacb4f2c5dd6da4117b99f2",
        ),
        (
            vec![run(b'B', 2000), run(b'C', 500)],
            "b98d3d84684ffdfa50d80aceee7a3b52f371fe70e7edc90ac5f93f250d4de770",
        ),
        (
            vec![run(b'B', 2000), run(b'C', 500), run(b'B', 2000)],
            "1fbc1d23a40781170de344522c9768f6b3faf2e1fb269e427c0792bfd444693a",
        ),
        // Change detection 7.1.
        (
            vec![(Digest([0xaa; 32]), 1024), (Digest([0xbb; 32]), 1024), (Digest([0xaa; 32]), 1024)],
            "ffbe85dc88aa85c89288279410a8fb97f2c76e6a8d698f150bcb2b0f67df5ca8",
        ),
    ] {
        assert_eq!(write(&chunks).1.checksum.to_string(), expected);
    }
}

fn fixed() -> Vec<u8> {
    let mut file = vec![0; 4096];
    file[..8].copy_from_slice(&[0x2f, 0x7f, 0x41, 0xed, 0x91, 0xfd, 0x0f, 0xcd]);
    file[8..24].copy_from_slice(&UUID);
    file[24..32].copy_from_slice(&1_600_000_000_u64.to_le_bytes());
    file[64..72].copy_from_slice(&(5_u64 << 20).to_le_bytes());
    file[72..80].copy_from_slice(&(4_u64 << 20).to_le_bytes());
    file.extend_from_slice(&sha(&vec![0; 4 << 20]).0);
    file.extend_from_slice(&sha(&vec![1; 1 << 20]).0);
    let checksum = sha(&file[4096..]);
    file[32..64].copy_from_slice(&checksum.0);
    file
}

/// Datastore specification 19.4.
#[test]
fn vector_of_a_fixed_index() {
    let file = fixed();
    assert_eq!(sha(&file).to_string(), "49ee8db1df986d5dd8963899745f6e1f587e1b45035b1b2200c23e2962f33325");
    let index = FixedIndex::parse(&file).unwrap();
    assert_eq!(
        index.checksum().to_string(),
        "12985622eb63d48aed52c6af39cea713a419ba5b5d0a470eeb0204cd20a9d0e2"
    );
    assert_eq!(index.header(), IndexHeader { uuid: UUID, ctime: 1_600_000_000, checksum: index.checksum() });
    assert_eq!((index.size(), index.chunk_size(), index.digests().len()), (5 << 20, 4 << 20, 2));
    assert_eq!(
        [index.find((4 << 20) - 1), index.find(4 << 20), index.find(5 << 20)],
        [Some(0), Some(1), None]
    );
    assert_eq!([index.extent(1), index.extent(2)], [Some(4 << 20..5 << 20), None]);
    let parts: Vec<_> = index.parts((4 << 20) - 1..5 << 20).unwrap().map(|part| part.within).collect();
    assert_eq!(parts, [(4 << 20) - 1..4 << 20, 0..1 << 20]);
}

#[test]
fn a_fixed_index_is_written_as_it_is_read() {
    let (mut writer, header) = WriteFixed::new(UUID, 1_600_000_000);
    let mut file = header.to_vec();
    // While it is written it is no index that anybody could read.
    assert!(FixedIndex::parse(&file).is_err());
    let mut index = WriteIndex::Fixed(writer.clone());
    for (digest, len) in [run(0, 4 << 20), run(1, 1 << 20)] {
        writer.push(digest, len).unwrap();
        index.push(digest, len, &mut file).unwrap();
    }
    assert_eq!(index.size(), 5 << 20);
    let written = index.finish().unwrap();
    file[..80].copy_from_slice(&written.header);
    assert!(file == fixed());
    assert_eq!((written.size, written.count), (5 << 20, 2));
    assert_eq!(written.checksum, FixedIndex::parse(&file).unwrap().checksum());
    // Nothing comes after a short chunk, and none is empty or too large.
    assert!(writer.push(Digest::default(), 1).is_err());
    let (mut writer, _) = WriteFixed::new(UUID, 0);
    assert!(writer.push(Digest::default(), 0).is_err());
    assert!(writer.push(Digest::default(), IMAGE_CHUNK_SIZE + 1).is_err());
    assert!(writer.clone().finish().is_err());
    // A multiple of the size of chunks has no short one.
    writer.push(Digest::default(), IMAGE_CHUNK_SIZE).unwrap();
    writer.push(Digest::default(), IMAGE_CHUNK_SIZE).unwrap();
    assert_eq!(writer.finish().unwrap().size, 2 * IMAGE_CHUNK_SIZE);
}

#[test]
fn pieces_of_any_size_give_the_same() {
    let (file, image) = (abc().0, fixed());
    let (whole, fixed_whole) = (DynamicIndex::parse(&file).unwrap(), FixedIndex::parse(&image).unwrap());
    for size in [1, 7, 39, 40, 41, 4095, 4096, 4097] {
        let mut reader = ReadDynamic::new(file.len() as u64).unwrap();
        file.chunks(size).for_each(|piece| reader.push(piece).unwrap());
        assert_eq!(reader.finish().unwrap(), whole, "{size}");
        let mut reader = ReadFixed::new(image.len() as u64).unwrap();
        image.chunks(size).for_each(|piece| reader.push(piece).unwrap());
        assert_eq!(reader.finish().unwrap(), fixed_whole, "{size}");
    }
    let mut reader = ReadDynamic::new(file.len() as u64).unwrap();
    reader.push(&file[..4137]).unwrap();
    assert_eq!(
        reader.clone().finish().unwrap_err().problem,
        Problem::Truncated { expected: 4216 - 4137, got: 0 }
    );
    assert_eq!(reader.push(&file).unwrap_err().class(), Class::Caller);
}

#[test]
fn ranges_and_their_chunks() {
    let index = DynamicIndex::parse(&abc().0).unwrap();
    let found = [0, 999, 1000, 2999, 3000, 3499].map(|offset| index.find(offset).unwrap());
    assert_eq!(found, [0, 0, 1, 1, 2, 2]);
    assert_eq!([index.find(3500), index.find(u64::MAX)], [None, None]);
    assert_eq!([index.extent(0), index.extent(2), index.extent(3)], [Some(0..1000), Some(3000..3500), None]);
    let parts = |range| {
        let parts = index.parts(range).unwrap();
        parts.map(|part| (part.index, part.within)).collect::<Vec<_>>()
    };
    assert_eq!(parts(0..3500), [(0, 0..1000), (1, 0..2000), (2, 0..500)]);
    // Ends on an edge: the next chunk is not touched.
    assert_eq!(parts(999..3000), [(0, 999..1000), (1, 0..2000)]);
    assert_eq!(parts(1000..1001), [(1, 0..1)]);
    assert_eq!(parts(1500..1500), []);
    assert_eq!(parts(3500..3500), []);
    let refused =
        [index.parts(0..3501), index.parts(u64::MAX..u64::MAX)].map(|parts| parts.unwrap_err().class());
    assert_eq!(refused, [Class::Format; 2]);
    #[expect(clippy::reversed_empty_ranges, reason = "that is the case")]
    let reversed = index.parts(2..1);
    assert_eq!(reversed.unwrap_err().class(), Class::Caller);
    // Byte by byte against a search from the start.
    for offset in 0..3500 {
        let expected = index.chunks().iter().position(|chunk| chunk.end > offset);
        assert_eq!(index.find(offset), expected);
    }
}

#[test]
fn equal_digests_at_two_ends_are_two_chunks() {
    let index = DynamicIndex::parse(&write(&[run(b'A', 1000), run(b'A', 1000)]).0).unwrap();
    let [first, second] = index.chunks() else { panic!("two chunks") };
    assert_eq!(first.digest, second.digest);
    assert_ne!(first, second);
}

fn refusal<T: core::fmt::Debug>(result: Result<T, crate::format::Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn broken_dynamic_indexes_are_refused() {
    let (file, written) = abc();
    for size in [0, 8, 4095, 4096, 4135] {
        assert!(refusal(ReadDynamic::new(size)).contains("expected 4136 more bytes"), "{size}");
    }
    for size in [4137, 4175, 4215, u64::MAX] {
        assert!(refusal(ReadDynamic::new(size)).contains("whole entries"), "{size}");
    }
    let damaged = |at: usize, bytes: &[u8]| {
        let mut file = file.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        DynamicIndex::parse(&file)
    };
    assert!(refusal(damaged(0, &[0x2f])).contains("magic"));
    for end in [0, 999, 1000_u64] {
        let text = refusal(damaged(4136, &end.to_le_bytes()));
        assert_eq!(text, format!("offset 4136: expected an end behind that of the entry before, got {end}"));
    }
    assert!(refusal(damaged(4096, &[0; 40])).contains("16384"));
    // None of these matters to a reader.
    let other = damaged(8, &[0xee; 4088]).unwrap();
    assert_eq!((other.checksum(), other.size()), (written.checksum, 3500));
    assert_ne!(other.header().checksum, other.checksum());
    // What the manifest would notice.
    assert_ne!(damaged(4110, &[0x55]).unwrap().checksum(), written.checksum);
}

#[test]
fn broken_fixed_indexes_are_refused() {
    let file = fixed();
    let damaged = |at: usize, value: u64| {
        let mut file = file.clone();
        file[at..at + 8].copy_from_slice(&value.to_le_bytes());
        FixedIndex::parse(&file)
    };
    for chunk_size in [0, 3 << 20, u64::MAX] {
        assert!(refusal(damaged(72, chunk_size)).contains("power of two"), "{chunk_size}");
    }
    for size in [0, 4 << 20, (8 << 20) + 1, u64::MAX] {
        assert!(refusal(damaged(64, size)).contains("as many chunks"), "{size}");
    }
    assert!(damaged(64, 8 << 20).is_ok());
    assert!(refusal(ReadFixed::new(4096)).contains("expected 4128"));
    assert!(refusal(ReadFixed::new(4129)).contains("whole entries"));
}

#[test]
fn what_must_not_be_written() {
    let (mut writer, _) = WriteDynamic::new(UUID, 0);
    assert_eq!(writer.clone().finish().unwrap_err().class(), Class::Caller);
    for len in [0, MAX_CHUNK_SIZE + 1] {
        assert_eq!(writer.push(Digest::default(), len).unwrap_err().class(), Class::Caller);
    }
    assert_eq!(writer.push(Digest::default(), MAX_CHUNK_SIZE).unwrap().end, MAX_CHUNK_SIZE);
    assert_eq!(writer.size(), MAX_CHUNK_SIZE);
}
