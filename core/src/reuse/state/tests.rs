use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::format::{Attribute, Attributes, Digest, Kind, PayloadRef, Stat, Timestamp};
use crate::reuse::{NewFile, OldEntry, Rules, Verdict, Why, compare};

const ALL: Marks = Marks::from_bits(7);

fn trace(ino: u64) -> Trace {
    let ctime = Timestamp { secs: 1000 + ino as i64, nanos: 5 };
    Trace { device: 0, ino, birth: 77, ctime, links: 1, marks: ALL }
}

fn binding(seed: u8) -> Binding {
    Binding { scope: Digest([seed; 32]), metadata: Digest([seed ^ 1; 32]), payload: Digest([seed ^ 2; 32]) }
}

fn file(count: u64, salt: u64, binding: Binding) -> Vec<u8> {
    let mut file = vec![0; Header::SIZE];
    let mut writer = WriteState::new(salt);
    (0..count).for_each(|ino| writer.push(&trace(ino), &mut file));
    let header = writer.finish(binding, &mut file);
    file[..Header::SIZE].copy_from_slice(&header.to_bytes());
    file
}

fn open(file: &[u8], wanted: &Binding) -> Result<Header, Unfit> {
    let head = file.first_chunk().ok_or(Unfit::Damaged)?;
    Header::parse(head, file.len() as u64, wanted)
}

fn get(file: &[u8], header: &Header, number: u64) -> Option<Trace> {
    let (block, at) = header.place(number)?;
    let range = header.block(block);
    let traces = header.traces(block, file.get(range.start as usize..range.end as usize)?)?;
    traces.get(at).map(Trace::parse)
}

#[test]
fn traces_come_back() {
    for count in [0, 1, 2, 1023, 1024, 1025, 5000] {
        let file = file(count, 9, binding(1));
        let header = open(&file, &binding(1)).unwrap();
        assert_eq!(header.count, count);
        for number in 0..count {
            assert_eq!(get(&file, &header, number), Some(trace(number)), "{number} of {count}");
        }
        assert_eq!((header.place(count), header.place(u64::MAX)), (None, None));
        assert!(header.block(u64::MAX).is_empty() && header.traces(u64::MAX, &[]).is_none());
    }
    let odd = Trace {
        device: 0xfffe,
        ino: u64::MAX,
        birth: i64::MIN,
        ctime: Timestamp { secs: -1, nanos: 999_999_999 },
        links: u32::MAX,
        marks: Marks::default(),
    };
    assert_eq!(Trace::parse(&odd.to_bytes()), odd);
}

/// The layout is a promise to later versions; these are bytes written down by hand.
#[test]
fn the_layout_is_what_the_documentation_says() {
    let bytes = file(1, 0x0102_0304_0506_0708, binding(0x40));
    assert_eq!(bytes.len(), 132 + 36 + 4);
    assert_eq!(bytes[..16], *b"\x93pxkSTA\n\x01\0\0\0\x24\0\0\0");
    assert_eq!(bytes[16..32], *b"\x01\0\0\0\0\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01");
    assert_eq!((&bytes[32..64], bytes[64], bytes[96]), (&[0x40; 32][..], 0x41, 0x42));
    let mut expected = vec![0, 0, 0, 0, 0, 0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0];
    expected.extend_from_slice(&[0xe8, 3, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 7, 0]);
    assert_eq!(bytes[132..168], expected);
}

#[test]
fn whatever_is_damaged_is_not_used() {
    let whole = file(1500, 3, binding(1));
    let header = open(&whole, &binding(1)).unwrap();
    let blocks = [header.block(0), header.block(1)];
    for at in (0..whole.len()).step_by(7).chain(0..Header::SIZE) {
        let mut file = whole.clone();
        file[at] ^= 1 << (at % 8);
        let Ok(header) = open(&file, &binding(1)) else {
            assert!(at < Header::SIZE);
            continue;
        };
        for (block, number) in [(&blocks[0], 0), (&blocks[1], 1400)] {
            let is_hit = block.contains(&(at as u64));
            assert_eq!(get(&file, &header, number).is_none(), is_hit, "byte {at}");
        }
    }
    for len in [0, 1, Header::SIZE - 1, Header::SIZE, Header::SIZE + 1, whole.len() - 1] {
        assert_eq!(open(&whole[..len], &binding(1)), Err(Unfit::Damaged), "{len}");
    }
    let mut longer = whole.clone();
    longer.push(0);
    assert_eq!(open(&longer, &binding(1)), Err(Unfit::Damaged));
    // Blocks of another file, or at another place, are not those.
    let (start, end) = (blocks[0].start as usize, blocks[0].end as usize);
    let mut mixed = whole.clone();
    mixed[start..end].copy_from_slice(&file(1500, 4, binding(1))[start..end]);
    assert_eq!(get(&mixed, &header, 0), None);
    let two = file(2048, 3, binding(1));
    let header = open(&two, &binding(1)).unwrap();
    let range = header.block(0);
    assert!(header.traces(1, &two[range.start as usize..range.end as usize]).is_none());
}

#[test]
fn a_file_belongs_to_one_snapshot_of_one_directory() {
    let file = file(3, 1, binding(1));
    let other_scope = Binding { scope: Digest([9; 32]), ..binding(1) };
    let other_metadata = Binding { metadata: Digest([9; 32]), ..binding(1) };
    let other_payload = Binding { payload: Digest([9; 32]), ..binding(1) };
    assert_eq!(open(&file, &other_scope), Err(Unfit::OtherScope));
    assert_eq!(open(&file, &other_metadata), Err(Unfit::OtherSnapshot));
    assert_eq!(open(&file, &other_payload), Err(Unfit::OtherSnapshot));
    let mut newer = file.clone();
    newer[8] = 2;
    let crc = crate::blob::Crc32::of(&newer[..128]);
    newer[128..132].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(open(&newer, &binding(1)), Err(Unfit::Version(2)));
}

fn devices() -> Devices {
    let mut devices = Devices::new();
    let root = devices.number(50);
    devices.enter(root, Some(&trace(1)));
    devices
}

#[test]
fn nodes_are_related_by_inode_and_time_of_change() {
    let (devices, old) = (devices(), trace(5));
    let relate = |new: Trace| devices.relate(&new, Some(&old));
    assert_eq!(relate(old), Kinship::Untouched);
    assert_eq!(relate(Trace { ino: 6, ..old }), Kinship::Other);
    let later = Timestamp { nanos: 6, ..old.ctime };
    assert_eq!(
        relate(Trace { ctime: later, ..old }),
        Kinship::Touched { links_changed: false, was_settled: true }
    );
    assert_eq!(
        relate(Trace { ctime: later, links: 2, ..old }),
        Kinship::Touched { links_changed: true, was_settled: true }
    );
    // A clock that was set back is no help to anybody.
    let earlier = Timestamp { secs: old.ctime.secs - 9999, ..old.ctime };
    assert!(matches!(relate(Trace { ctime: earlier, ..old }), Kinship::Touched { .. }));
    // The number was given to another inode.
    assert_eq!(relate(Trace { ctime: later, birth: 78, ..old }), Kinship::Other);
    // Nobody knows when it was made.
    let unborn = Trace { birth: 0, ..old };
    assert_eq!(devices.relate(&unborn, Some(&unborn)), Kinship::Untouched);
    assert_eq!(devices.relate(&Trace { ctime: later, ..unborn }, Some(&unborn)), Kinship::Other);

    let young = Trace { marks: Marks::STABLE, ..old };
    assert_eq!(devices.relate(&old, Some(&young)), Kinship::Young);
    assert_eq!(
        devices.relate(&Trace { ctime: later, ..old }, Some(&young)),
        Kinship::Touched { links_changed: false, was_settled: false }
    );
    // Whether it is young now says nothing of then.
    assert_eq!(devices.relate(&young, Some(&old)), Kinship::Untouched);
    // Inodes that do not stay.
    let vague = Trace { marks: Marks::SETTLED, ..old };
    assert_eq!(devices.relate(&vague, Some(&old)), Kinship::Unknown);
    assert_eq!(devices.relate(&old, Some(&vague)), Kinship::Unknown);
    assert_eq!(devices.relate(&old, None), Kinship::Unknown);
}

#[test]
fn file_systems_are_told_by_where_they_are_mounted() {
    // The same tree after devices were numbered anew, and in another order.
    let mut devices = Devices::new();
    let (root, volume) = (devices.number(70), devices.number(4));
    assert_eq!(devices.number(70), root);
    let [old_root, old_volume] = [trace(1), Trace { device: 1, ..trace(2) }];
    let new = |device, old: Trace| Trace { device, ..old };
    assert_eq!(devices.relate(&new(root, old_root), Some(&old_root)), Kinship::Unknown);
    devices.enter(root, Some(&old_root));
    devices.enter(volume, Some(&old_volume));
    assert_eq!(devices.relate(&new(root, old_root), Some(&old_root)), Kinship::Untouched);
    assert_eq!(devices.relate(&new(volume, old_volume), Some(&old_volume)), Kinship::Untouched);
    assert_eq!(devices.relate(&new(root, old_volume), Some(&old_volume)), Kinship::Other);

    // Where nothing was before, or what was there is somewhere else already, nothing is known.
    let third = devices.number(5);
    devices.enter(third, None);
    devices.enter(third, Some(&old_root));
    assert_eq!(devices.former(third), None);
    assert_eq!(devices.relate(&new(third, old_root), Some(&old_root)), Kinship::Unknown);
    // More file systems than numbers.
    let mut many = Devices::new();
    let numbers: Vec<u16> = (0..70_000).map(|dev| many.number(dev)).collect();
    assert_eq!(numbers[65_534], 65_534);
    assert!(numbers[65_535..].iter().all(|&number| number == Trace::OTHER_DEVICES));
    many.enter(Trace::OTHER_DEVICES, Some(&old_root));
    assert_eq!(many.former(Trace::OTHER_DEVICES), None);
    many.enter(3, Some(&Trace { device: Trace::OTHER_DEVICES, ..old_root }));
    assert_eq!(many.former(3), None);
}

/// What is found about a file with this kinship, if this is the same or not.
fn verdicts(kinship: Kinship, change: impl Fn(&mut Stat, &mut Attributes), racy: bool) -> [Verdict; 3] {
    let mut attributes = Attributes::new();
    attributes.push(Attribute::Xattr { name: b"user.a", value: b"1" }).unwrap();
    let mtime = Timestamp { secs: 50, nanos: 0 };
    let stat = Stat { mode: 0o100_644, flags: 0, uid: 1, gid: 2, mtime };
    let payload = Some(PayloadRef { offset: 16, size: 9 });
    let old = OldEntry {
        kind: Some(Kind::File),
        stat,
        attributes: attributes.clone(),
        payload,
        ..OldEntry::default()
    };
    let (mut stat, mut attributes) = (stat, attributes);
    change(&mut stat, &mut attributes);
    let new = NewFile { stat: &stat, attributes: &attributes, size: 9 };
    let racy_from = Timestamp { secs: if racy { 50 } else { 60 }, nanos: 0 };
    [Sharpness::Compatible, Sharpness::Loose, Sharpness::Strict].map(|sharpness| {
        let rules = Rules { payload_size: 1000, racy_from, trust_mtime_size: false, sharpness };
        compare(new, &old, kinship, &rules)
    })
}

#[test]
fn verdicts_follow_kinship_and_sharpness() {
    use Verdict::{Read, Unchanged};
    let same = |_: &mut Stat, _: &mut Attributes| ();
    let chmod = |stat: &mut Stat, _: &mut Attributes| stat.mode = 0o100_600;
    let value = |_: &mut Stat, attributes: &mut Attributes| {
        attributes.clear();
        attributes.push(Attribute::Xattr { name: b"user.a", value: b"2" }).unwrap();
    };
    let touched = |links_changed, was_settled| Kinship::Touched { links_changed, was_settled };
    let unchanged = [Unchanged(16); 3];
    let metadata = [Read(Why::Metadata); 3];

    assert_eq!(verdicts(Kinship::Untouched, same, false), unchanged);
    // A time in the future is no reason to doubt what was not touched, nor is metadata that nobody could read before.
    assert_eq!(verdicts(Kinship::Untouched, same, true), unchanged);
    assert_eq!(verdicts(Kinship::Untouched, chmod, false), unchanged);
    assert_eq!(verdicts(Kinship::Young, same, false), [Unchanged(16), Unchanged(16), Read(Why::Racy)]);
    assert_eq!(verdicts(Kinship::Young, chmod, false), metadata);

    assert_eq!(
        verdicts(touched(false, true), same, false),
        [Unchanged(16), Unchanged(16), Read(Why::Touched)]
    );
    assert_eq!(verdicts(touched(true, true), same, false), unchanged);
    assert_eq!(verdicts(touched(false, true), chmod, false), unchanged);
    assert_eq!(verdicts(touched(false, true), value, false), unchanged);
    assert_eq!(verdicts(touched(true, false), same, false), [Unchanged(16), Unchanged(16), Read(Why::Racy)]);
    assert_eq!(verdicts(touched(false, false), chmod, false), metadata);

    let replaced = Read(Why::Replaced);
    assert_eq!(verdicts(Kinship::Other, same, false), [Unchanged(16), replaced, replaced]);
    assert_eq!(verdicts(Kinship::Other, chmod, false), metadata);
    assert_eq!(verdicts(Kinship::Unknown, same, false), unchanged);
    assert_eq!(verdicts(Kinship::Unknown, chmod, false), metadata);
    assert_eq!(verdicts(Kinship::Unknown, same, true), [Read(Why::Racy); 3]);

    // Another size or time is always a change.
    let edit = |stat: &mut Stat, _: &mut Attributes| stat.mtime.nanos = 1;
    for kinship in [Kinship::Untouched, Kinship::Young, touched(true, true), Kinship::Other] {
        assert_eq!(verdicts(kinship, edit, false), [Read(Why::Changed); 3]);
    }
}

#[test]
fn a_state_against_which_nearly_all_files_speak_is_void() {
    for (doubtful, is_void) in [(1000, true), (901, true), (900, false), (0, false)] {
        let mut doubt = Doubt::new();
        let mut found = None;
        for number in 0..1000 {
            assert!(found.is_none() && !doubt.is_decided());
            found = doubt.candidate((number < doubtful).then_some((number, 16 + number as u64)));
        }
        assert!(doubt.is_decided());
        assert_eq!(found.is_some(), is_void, "{doubtful}");
        if let Some(found) = found {
            assert_eq!((found.len(), found[3]), (doubtful, (3, 19)));
        }
        // Once is enough.
        assert_eq!((0..5000).find_map(|number| doubt.candidate(Some((number, 16)))), None);
    }
    let mut doubt = Doubt::new();
    assert_eq!((0..999).find_map(|number| doubt.candidate(Some((number, 16)))), None);
}

#[test]
fn files_are_found_at_another_path() {
    let mtime = Timestamp { secs: 3, nanos: 4 };
    let was = |offset, size| PayloadRef { offset, size };
    let find = |new: Trace, old: Trace, mtimes: [Timestamp; 2], size: u64| {
        let devices = devices();
        let mut moved = Moved::new();
        moved.gone(&trace(90), mtime, was(4000, 10));
        moved.gone(&old, mtimes[0], was(500, 10));
        moved.gone(&trace(2), mtime, was(6000, 10));
        moved.come(7, &new, size, mtimes[1], &devices);
        moved.matches().collect::<Vec<_>>()
    };
    let (old, renamed) = (trace(5), Timestamp { secs: 99_999, nanos: 0 });
    let new = Trace { ctime: renamed, ..old };
    assert_eq!(find(new, old, [mtime; 2], 10), [(7, 500)]);
    assert_eq!(find(old, old, [mtime; 2], 10), [(7, 500)]);
    assert_eq!(find(new, old, [mtime; 2], 11), []);
    assert_eq!(find(new, old, [mtime, renamed], 10), []);
    assert_eq!(find(Trace { ino: 6, ..new }, old, [mtime; 2], 10), []);
    // An inode with a number that was used before.
    assert_eq!(find(Trace { birth: 78, ..new }, old, [mtime; 2], 10), []);
    let unborn = Trace { birth: 0, ..old };
    assert_eq!(find(Trace { birth: 0, ..new }, unborn, [mtime; 2], 10), []);
    assert_eq!(find(unborn, unborn, [mtime; 2], 10), [(7, 500)]);
    // What cannot be trusted, on either side.
    assert_eq!(find(new, Trace { marks: Marks::STABLE, ..old }, [mtime; 2], 10), []);
    assert_eq!(find(new, Trace { marks: Marks::SETTLED, ..old }, [mtime; 2], 10), []);
    assert_eq!(find(Trace { marks: Marks::SETTLED, ..new }, old, [mtime; 2], 10), []);
    assert_eq!(find(Trace { device: 1, ..new }, old, [mtime; 2], 10), []);
}
