use alloc::vec::Vec;
use alloc::{format, vec};
use core::ops::Range;

use sha2::{Digest as _, Sha256};

use super::scan::LANE;
use super::table::TABLE;
use super::*;
use crate::format::Class;

/// Section 6.2 word for word: every byte hashed, a window array.
fn bytewise(data: &[u8], average: u64) -> Vec<usize> {
    let (min, max, mask) = (average as usize / 4, average as usize * 4, 2 * average as u32 - 1);
    let (mut cuts, mut start) = (Vec::new(), 0);
    let mut hash = 0_u32;
    for at in 0..data.len() {
        hash = hash.rotate_left(1) ^ TABLE[usize::from(data[at])];
        if at - start >= 64 {
            hash ^= TABLE[usize::from(data[at - 64])];
        }
        let size = at + 1 - start;
        if size > 64 && (size >= max || size >= min && hash & mask >= mask - 2) {
            cuts.push(at + 1);
            (hash, start) = (0, at + 1);
        }
    }
    cuts
}

fn xorshift(state: &mut u32) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    *state
}

/// Inputs of section 6.5.
fn ctr() -> Vec<u8> {
    (0..262_144_u32).flat_map(u32::to_le_bytes).collect()
}

fn xs() -> Vec<u8> {
    let mut state = 1;
    (0..524_288).flat_map(|_| xorshift(&mut state).to_le_bytes()).collect()
}

fn lcg() -> Vec<u8> {
    let mut x = 42_u32;
    let mut next = || {
        x = x.wrapping_mul(1_103_515_245).wrapping_add(12345);
        (x >> 16) as u8
    };
    (0..1 << 20).map(|_| next()).collect()
}

fn sha() -> Vec<u8> {
    (0..65_536_u64).flat_map(|i| <[u8; 32]>::from(Sha256::digest(i.to_le_bytes()))).collect()
}

fn fox() -> Vec<u8> {
    b"The quick brown fox jumps over the lazy dog. ".iter().copied().cycle().take(1 << 20).collect()
}

/// Cuts of a stream that comes in blocks of the sizes that `block` gives.
fn plain(data: &[u8], average: u64, mut block: impl FnMut() -> usize) -> Vec<usize> {
    let mut chunker = Chunker::new(Sizes::new(average).unwrap());
    let (mut cuts, mut at) = (Vec::new(), 0);
    while at < data.len() {
        let end = data.len().min(at + block());
        while let Some(n) = chunker.scan(&data[at..end]) {
            at += n;
            cuts.push(at);
        }
        at = end;
    }
    cuts
}

#[test]
fn vectors_of_the_plain_chunker() {
    let digest = |data: &[u8]| format!("{:?}", crate::format::Digest(Sha256::digest(data).into()));
    assert_eq!(digest(&ctr()), "21b9bf484e8bb6ca346d2cd113f24594cadb15c31c3e6ea4bd99897b1e728282");
    assert_eq!(digest(&xs()), "e21494af2d6fffe1dab51d94394411c0663556f7c0a0a2a608afa8be12e9d8da");
    assert_eq!(digest(&lcg()), "83ca4e634ec8cfaf91999319ac8ed84cff7f147b3f6ef2fdec1c0a50f556f294");
    assert_eq!(digest(&sha()), "ac228632779f6d3578c581e26b4349bc9bb9ace7b6ab98ea878da0a490878bb9");
    assert_eq!(digest(&fox()), "974d68c2de6416d08044161c0473407364625258afd53e6be588624aade997ae");
    let maximal: &[usize] = &[262_144, 524_288, 786_432, 1_048_576];
    let vectors: [(Vec<u8>, u64, &[usize]); 8] = [
        (ctr(), 64, &[143_377, 405_521, 667_665, 929_809, 1_048_576]),
        (
            xs(),
            64,
            &[
                139_961, 269_233, 334_000, 374_489, 401_802, 421_904, 438_942, 465_224, 520_684, 541_411,
                709_137, 784_371, 873_943, 907_445, 935_862, 1_039_065, 1_146_491, 1_174_686, 1_234_951,
                1_316_781, 1_338_244, 1_364_316, 1_484_411, 1_506_337, 1_662_418, 1_789_463, 1_845_571,
                1_906_445, 1_977_423, 2_022_980, 2_097_152,
            ],
        ),
        (
            lcg(),
            64,
            &[
                45620, 133_356, 152_141, 181_064, 298_704, 318_941, 451_708, 478_243, 504_029, 525_925,
                652_216, 700_259, 762_542, 840_422, 867_150, 922_274, 946_507, 965_038, 1_025_107, 1_048_576,
            ],
        ),
        (lcg(), 128, &[45620, 181_064, 478_243, 700_259, 840_422, 922_274, 965_038, 1_025_107, 1_048_576]),
        (
            sha(),
            64,
            &[
                66406, 127_144, 252_581, 304_107, 320_900, 338_383, 392_621, 436_552, 473_700, 510_244,
                578_214, 646_528, 689_386, 774_232, 862_287, 1_021_053, 1_045_358, 1_071_517, 1_142_535,
                1_280_813, 1_308_544, 1_330_954, 1_357_764, 1_442_570, 1_464_378, 1_720_132, 1_885_303,
                1_913_287, 1_967_705, 2_000_647, 2_060_036, 2_097_152,
            ],
        ),
        (
            sha(),
            256,
            &[
                74719, 510_244, 774_232, 1_071_517, 1_147_756, 1_280_813, 1_442_570, 1_720_132, 2_000_647,
                2_097_152,
            ],
        ),
        (vec![0; 1 << 20], 64, maximal),
        (fox(), 64, maximal),
    ];
    for (data, average, expected) in vectors {
        for block in [1, 7, 4096, 65_536, data.len()] {
            let mut cuts = plain(&data, average << 10, || block);
            // The lists end with the input.
            if cuts.last() != Some(&data.len()) {
                cuts.push(data.len());
            }
            assert_eq!(cuts, expected, "{average} KiB in blocks of {block}");
        }
    }
}

#[test]
fn same_as_the_bytewise_loop() {
    let mut state = 7;
    let periodic = |period: usize| -> Vec<u8> {
        let random = xs();
        random[..period].iter().copied().cycle().take(300_000).collect()
    };
    let mut inputs: Vec<Vec<u8>> = [1, 2, 32, 45, 64, 65, 1000].map(periodic).to_vec();
    inputs.push(xs()[..600_000].to_vec());
    for data in &inputs {
        for average in [512, 1024, 4096, 8192, 65_536] {
            let expected = bytewise(data, average);
            for largest in [1, 3, 63, 64, 65, 129, 5000, 200_000, 1 << 30] {
                let cuts = plain(data, average, || 1 + xorshift(&mut state) as usize % largest);
                assert_eq!(cuts, expected, "average {average}, blocks up to {largest}");
            }
        }
    }
}

/// Hits around the seams of lanes, and in both lanes at once: the first one counts.
#[test]
fn seams_of_lanes() {
    const AVERAGE: u64 = 65_536;
    let noise = xs();
    let is_hit = |window: &&[u8]| {
        let hash = window.iter().fold(0_u32, |hash, &byte| hash.rotate_left(1) ^ TABLE[usize::from(byte)]);
        hash & 0x1_ffff >= 0x1_fffd
    };
    let hit = noise.windows(WINDOW).find(is_hit).expect("one in 43,691");
    // Zeros have no hits. In one block the lanes begin behind the least chunk and the 64 bytes that might have come before the block.
    let (lanes, mut state) = (AVERAGE as usize / 4 + WINDOW, 5);
    let check = |places: &[usize], state: &mut u32| {
        let mut data = vec![0; 4 * AVERAGE as usize];
        for place in places {
            data[place - WINDOW..*place].copy_from_slice(hit);
        }
        let expected = bytewise(&data, AVERAGE);
        assert_eq!(expected.first(), places.iter().min());
        assert_eq!(plain(&data, AVERAGE, || 1 << 30), expected, "{places:?}");
        assert_eq!(plain(&data, AVERAGE, || 1 + xorshift(state) as usize % 100_000), expected, "{places:?}");
    };
    for lane in 0..6 {
        for off in [0, 1, 2, 15, 16, 17, 62, 63, 64, 65, LANE / 2] {
            check(&[lanes + lane * LANE + off], &mut state);
            check(&[lanes + (lane + 1) * LANE - off], &mut state);
        }
        // The other lane hits earlier in its own count, at the same place, in the same group, and later.
        for (left, right) in [(5000, 1000), (1000, 1000), (1007, 1001), (1000, 5000), (LANE - 64, 64)] {
            let at = |lane: usize, off: usize| lanes + lane * LANE + off;
            check(&[at(lane, left), at(lane + 1, right)], &mut state);
        }
    }
}

#[test]
fn averages() {
    for average in [0, 256, 511, 513, 3 << 16, 8 << 20, u64::MAX] {
        assert_eq!(Sizes::new(average).unwrap_err().class(), Class::Caller);
    }
    for average in [64, 128, 256, 512, 1024, 2048, 4096].map(|kib| kib << 10) {
        let sizes = Sizes::new(average).unwrap();
        assert_eq!((sizes.min(), sizes.average(), sizes.max()), (average / 4, average, average * 4));
    }
    assert_eq!(Sizes::new(4 << 20).unwrap(), Sizes::ARCHIVE);
    assert_eq!(Sizes::new(512 << 10).unwrap(), Sizes::CATALOG);
}

/// Cuts of a segment; `data` is what lies in it.
fn segment(
    cutter: &mut Cutter,
    data: &[u8],
    range: Range<u64>,
    starts: &[FileStart],
    mut block: impl FnMut() -> usize,
) -> Vec<usize> {
    cutter.begin(range.clone(), starts.to_vec()).unwrap();
    let (mut cuts, mut at) = (Vec::new(), 0);
    while at < data.len() {
        let end = data.len().min(at + block());
        while at < end {
            let Some(n) = cutter.scan(&data[at..end]).unwrap() else { break };
            at += n;
            cuts.push(range.start as usize + at);
        }
        at = end;
        assert_eq!(cutter.position(), range.start + at as u64);
    }
    cuts
}

fn at(offsets: &[u64]) -> Vec<FileStart> {
    offsets.iter().map(|&offset| FileStart { offset, depth: 0, hash: 0 }).collect()
}

/// Section 6.6. P2a and P2c need the reference's block sizes: they differ by intent, the rule gives P2b and P2d for any blocks. P4' is
/// lost in the reference because its suggestion comes late; ours come ahead.
#[test]
fn vectors_of_the_payload_chunker() {
    let (ctr, zero) = (ctr(), vec![0; 1 << 20]);
    let p2: &[u64] = &[0, 16383, 16384, 16385, 278_528, 278_529];
    let p2c: &[u64] = &[20_000, 30_000, 100_000, 200_000, 210_000, 500_000, 900_000];
    let vectors: [(&[u8], &[u64], &[usize]); 7] = [
        (
            &ctr,
            &[32_768, 49_152, 143_377, 300_000, 700_000, 1_000_000],
            &[32_768, 49_152, 143_377, 300_000, 405_521, 667_665, 700_000, 929_809, 1_000_000, 1_048_576],
        ),
        (&ctr, p2, &[16_384, 143_377, 278_528, 405_521, 667_665, 929_809, 1_048_576]),
        (
            &ctr,
            p2c,
            &[20_000, 100_000, 143_377, 200_000, 405_521, 500_000, 667_665, 900_000, 929_809, 1_048_576],
        ),
        (&zero, &[262_143], &[262_143, 524_287, 786_431, 1_048_575, 1_048_576]),
        (&zero, &[262_144], &[262_144, 524_288, 786_432, 1_048_576]),
        (&zero, &[262_145], &[262_144, 524_288, 786_432, 1_048_576]),
        (&zero, &[100_000], &[100_000, 362_144, 624_288, 886_432, 1_048_576]),
    ];
    for (data, starts, expected) in vectors {
        for block in [1, 4096, 65_536, 100_000, 1 << 20] {
            let mut cutter = Cutter::new(Cuts::Reference, Sizes::new(65_536).unwrap());
            let cuts = segment(&mut cutter, data, 0..1 << 20, &at(starts), || block);
            assert_eq!(cuts, expected, "{starts:?} in blocks of {block}");
        }
    }
}

/// Section 5.6: injections end segments and start new ones behind what they inject.
#[test]
fn vector_of_forced_boundaries() {
    let ctr = ctr();
    let mut cutter = Cutter::new(Cuts::Reference, Sizes::new(65_536).unwrap());
    let (mut sizes, mut raw, mut position) = (Vec::new(), 0, 0);
    for (boundary, injected) in
        [(32_768, 1024), (131_072, 2048), (657_408, 512), (658_432, 0), (1_052_160, 0)]
    {
        let range = position..boundary;
        let data = &ctr[raw..raw + (boundary - position) as usize];
        let starts: Vec<u64> = [32_768, 65_536].into_iter().filter(|start| range.contains(start)).collect();
        let mut last = position as usize;
        for cut in segment(&mut cutter, data, range, &at(&starts), || 10_000) {
            sizes.push(cut - last);
            last = cut;
        }
        raw += data.len();
        position = boundary + injected;
    }
    assert_eq!(sizes, [32_768, 31_744, 65_536, 262_144, 262_144, 512, 262_144, 131_584]);
    assert_eq!(raw, ctr.len());
}

/// Rule SD as 10.13 states it, over all data at once.
fn sd(data: &[u8], average: u64, starts: &[FileStart]) -> Vec<usize> {
    let (a, end) = (average as usize, data.len());
    let s = (256 << 10).min(a / 4);
    let (mut cuts, mut base) = (Vec::new(), 0);
    while base < end {
        let window = base + s * 3 / 4..=base + s * 3 / 2;
        let offset = |start: &FileStart| start.offset as usize;
        let inside = starts.iter().filter(|start| window.contains(&offset(start)));
        let cut = if end <= *window.end() {
            end
        } else if let Some(best) = inside.min_by_key(|start| (start.depth, start.hash, start.offset)) {
            offset(best)
        } else {
            let h =
                bytewise(&data[base..end.min(base + 4 * a)], average).first().map_or(end, |cut| base + cut);
            match starts.iter().map(offset).find(|&start| start > *window.end()) {
                Some(f) if f <= base + 4 * a && (f <= h || f - h < a / 4) => f,
                _ => h,
            }
        };
        cuts.push(cut);
        base = cut;
    }
    cuts
}

#[test]
fn cuts_at_files_follow_the_rule_in_any_blocks() {
    let data = xs();
    let mut state = 99;
    for round in 0..60 {
        let average = 1 << (10 + round % 7);
        let len = 1 + xorshift(&mut state) as usize % 1_000_000;
        let data = &data[..len];
        let largest = [200, 2000, 20_000, 200_000][round as usize % 4];
        let (mut starts, mut offset) = (Vec::new(), 0);
        while offset < len as u64 {
            let (depth, hash) = (xorshift(&mut state) % 3, u64::from(xorshift(&mut state) % 50));
            starts.push(FileStart { offset, depth, hash });
            offset += 16 + u64::from(xorshift(&mut state) % largest);
        }
        let expected = sd(data, average, &starts);
        let moved: Vec<_> = starts.iter().map(|s| FileStart { offset: s.offset + 1000, ..*s }).collect();
        for block in [1, 100, 4096, 300_000, len] {
            let mut cutter = Cutter::new(Cuts::Files, Sizes::new(average).unwrap());
            let next = || 1 + xorshift(&mut state) as usize % block;
            assert_eq!(segment(&mut cutter, data, 0..len as u64, &starts, next), expected, "round {round}");
            // The rule knows no absolute positions, and nothing of the segment before is left.
            let cuts = segment(&mut cutter, data, 1000..1000 + len as u64, &moved, || block);
            assert!(cuts.iter().map(|cut| cut - 1000).eq(expected.iter().copied()), "round {round}");
        }
    }
}

#[test]
fn keys_of_files() {
    let depth =
        |path: &str, previous: &str| FileStart::new(0, path.as_bytes(), Some(previous.as_bytes())).depth;
    assert_eq!(FileStart::new(0, b"a/b", None).depth, 0);
    assert_eq!([depth("b", "a"), depth("x/b", "x/a"), depth("x/y/b", "x/y/a")], [u32::MAX; 3]);
    assert_eq!([depth("b", "x/a"), depth("x/b", "a"), depth("x/b", "y/a"), depth("xy/b", "x/a")], [0; 4]);
    assert_eq!([depth("x/y/b", "x/a"), depth("x/b", "x/y/a"), depth("x/y/b", "x/z/a")], [1; 3]);
    assert_eq!(depth("x/y/z/b", "x/y/w/v/a"), 2);
    let (one, other) = (FileStart::new(7, b"a/b", None), FileStart::new(7, b"a/c", None));
    assert_eq!((one.offset, one.hash), (7, crate::format::hash_name(b"a/b")));
    assert_ne!(one.hash, other.hash);
}

#[test]
fn misuse_of_segments() {
    let mut cutter = Cutter::new(Cuts::Files, Sizes::new(1024).unwrap());
    assert!(cutter.scan(b"x").is_err());
    #[expect(clippy::reversed_empty_ranges, reason = "that is the case")]
    let reversed = 10..5;
    for (range, starts) in [
        (0..100, at(&[5, 5])),
        (0..100, at(&[6, 5])),
        (0..100, at(&[100])),
        (10..100, at(&[9])),
        (reversed, at(&[])),
        (0..u64::MAX, at(&[])),
    ] {
        assert_eq!(cutter.begin(range, starts).unwrap_err().class(), Class::Caller);
    }
    for cuts in [Cuts::Files, Cuts::Reference] {
        let mut cutter = Cutter::new(cuts, Sizes::new(1024).unwrap());
        cutter.begin(0..100, Vec::new()).unwrap();
        assert_eq!(cutter.scan(&[]), Ok(None));
        assert_eq!(cutter.scan(&[0; 99]), Ok(None));
        assert_eq!(cutter.scan(&[0; 2]), Ok(Some(1)));
        assert_eq!(cutter.scan(&[]), Ok(None));
        assert_eq!(cutter.scan(&[0]).unwrap_err().class(), Class::Caller);
        // An empty segment takes nothing.
        cutter.begin(50..50, Vec::new()).unwrap();
        assert_eq!((cutter.scan(&[]), cutter.position()), (Ok(None), 50));
        assert!(cutter.scan(&[0]).is_err());
    }
}
