use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::{Emit, Fate, Identity, Listing, Record, RecordContent, Sink};
use crate::chunk::{Cuts, Cutter, FileStart, Sizes};
use crate::decode::{Content, Entries, Event as Decoded};
use crate::encode::{Event, Node};
use crate::format::{
    Attribute, Attributes, Device, Digest, Error, Header, ItemType, PAYLOAD_TAIL_MARKER, PayloadRef,
    START_MARKER, Stat, Timestamp,
};
use crate::index::{DynamicIndex, WriteDynamic};
use crate::reuse::state::Marks;
use crate::reuse::{Budget, File, Injection, Optimal, Policy, decide};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// A payload stream in chunks.
#[derive(Clone, Debug, Default)]
struct Stream {
    bytes: Vec<u8>,
    ends: Vec<u64>,
}

impl Stream {
    fn index(&self) -> DynamicIndex {
        let (mut writer, header) = WriteDynamic::new([0; 16], 0);
        let mut file = header.to_vec();
        let mut start = 0;
        for &end in &self.ends {
            // Equal chunks have equal digests, as they should.
            let mut digest = Digest::default();
            let bytes = &self.bytes[start as usize..end as usize];
            digest.0[..8].copy_from_slice(&crate::format::hash_name(bytes).to_le_bytes());
            file.extend_from_slice(&writer.push(digest, end - start).unwrap().to_bytes());
            start = end;
        }
        DynamicIndex::parse(&file).unwrap()
    }

    fn chunk(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[start as usize..self.ends[at] as usize]
    }
}

/// Assembles the new streams, and checks what a driver relies on.
struct Assembly<'o> {
    old: &'o Stream,
    meta: Vec<u8>,
    new: Stream,
    cutter: Cutter,
    /// Start of the chunk that is being filled.
    chunk: usize,
    /// The current segment's start, files and end as told.
    segment: (u64, Vec<FileStart>, u64),
    injected: u64,
}

impl<'o> Assembly<'o> {
    fn new(old: &'o Stream, cuts: Cuts, sizes: Sizes) -> Self {
        let (meta, new, chunk, segment, injected) = Default::default();
        Self { old, meta, new, cutter: Cutter::new(cuts, sizes), chunk, segment, injected }
    }

    fn end_chunk(&mut self) {
        if self.chunk < self.new.bytes.len() {
            self.new.ends.push(self.new.bytes.len() as u64);
            self.chunk = self.new.bytes.len();
        }
    }
}

impl Sink for Assembly<'_> {
    type Error = Error;

    fn metadata(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.meta.extend_from_slice(bytes);
        Ok(())
    }

    fn segment(&mut self, range: Range<u64>, starts: Vec<FileStart>) -> Result<(), Error> {
        self.end_chunk();
        assert_eq!(range.start, self.new.bytes.len() as u64, "a segment starts where the stream is");
        self.segment = (range.start, starts.clone(), range.end);
        self.cutter.begin(range, starts)
    }

    fn extend(&mut self, end: u64, starts: &[FileStart]) -> Result<(), Error> {
        self.segment.1.extend_from_slice(starts);
        self.segment.2 = end;
        self.cutter.extend(end, starts)
    }

    fn payload(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let cut = self.cutter.scan(bytes)?;
            let (now, later) = bytes.split_at(cut.unwrap_or(bytes.len()));
            self.new.bytes.extend_from_slice(now);
            bytes = later;
            if cut.is_some() {
                self.end_chunk();
            }
        }
        Ok(())
    }

    fn inject(&mut self, chunks: &[Injection]) -> Result<(), Error> {
        self.end_chunk();
        for chunk in chunks {
            let bytes = self.old.chunk(chunk.at);
            assert_eq!(bytes.len() as u64, chunk.size);
            assert!(chunk.used > 0, "a chunk of padding alone");
            self.new.bytes.extend_from_slice(bytes);
            self.injected += chunk.size;
            self.end_chunk();
        }
        Ok(())
    }
}

/// A file by path: its contents, and where the old archive has them if they did not change.
type Tree = BTreeMap<String, (Vec<u8>, Option<u64>)>;

/// What happens to a file between the walk and its reading.
#[derive(Clone, Copy, PartialEq)]
enum Fortune {
    Stays,
    Vanishes,
    Grows,
}

struct Made {
    meta: Vec<u8>,
    payload: Stream,
    padding: u64,
    live: u64,
}

/// Makes an archive of a tree. `fortune` says what happens to the files that are read.
fn make(
    tree: &Tree,
    old: &Stream,
    policy: &Policy,
    cuts: Cuts,
    fortune: &mut dyn FnMut() -> Fortune,
) -> Made {
    let sizes = Sizes::new(512).unwrap();
    let mut listing = Listing::new();
    let mut here: Vec<&str> = Vec::new();
    for (path, (bytes, at)) in tree {
        let dirs: Vec<&str> = path.split('/').collect();
        let dirs = &dirs[..dirs.len() - 1];
        let shared = here.iter().zip(dirs).take_while(|(a, b)| a == b).count();
        while here.len() > shared {
            here.pop();
            listing.leave();
        }
        for dir in &dirs[shared..] {
            here.push(dir);
            listing.enter();
        }
        listing.file(path.as_bytes(), File { size: bytes.len() as u64, old: *at });
    }
    let index = (!old.ends.is_empty()).then(|| old.index());
    let decision = index.as_ref().map(|index| decide(listing.files(), index, policy));
    let mut sink = Assembly::new(old, cuts, sizes);
    let reuse = decision.as_ref().zip(index.as_ref());
    let mut emit = Emit::split(None, &listing, reuse, sizes.max());
    let (stat, dir) =
        (Stat { mode: 0o100_644, ..Stat::default() }, Stat { mode: 0o40_755, ..Stat::default() });
    let attributes = Attributes::new();
    let node = |name| Node { name, stat: &stat, attributes: &attributes };
    let enter = |name| Event::Directory(Node { name, stat: &dir, attributes: &attributes });
    emit.push(&enter(b""), &mut sink).unwrap();
    let mut here: Vec<&str> = Vec::new();
    for (path, (bytes, _)) in tree {
        let parts: Vec<&str> = path.split('/').collect();
        let (name, dirs) = parts.split_last().unwrap();
        let shared = here.iter().zip(dirs).take_while(|(a, b)| a == b).count();
        while here.len() > shared {
            here.pop();
            emit.push(&Event::Leave, &mut sink).unwrap();
        }
        for dir in &dirs[shared..] {
            here.push(dir);
            emit.push(&enter(dir.as_bytes()), &mut sink).unwrap();
        }
        let node = node(name.as_bytes());
        if emit.fate(emit.next()) == Fate::Reuse {
            emit.reuse(node, &mut sink).unwrap();
            continue;
        }
        let mut bytes = bytes.clone();
        match fortune() {
            Fortune::Stays => {}
            Fortune::Vanishes => {
                emit.skip().unwrap();
                continue;
            }
            Fortune::Grows => bytes.extend_from_slice(b"grown"),
        }
        emit.read(node, bytes.len() as u64, &mut sink).unwrap();
        for block in bytes.chunks(700) {
            emit.contents(block, &mut sink).unwrap();
        }
    }
    for _ in 0..=here.len() {
        emit.push(&Event::Leave, &mut sink).unwrap();
    }
    let (meta_size, payload_size) = emit.finish(&mut sink).unwrap();
    sink.end_chunk();
    assert_eq!((meta_size, payload_size), (sink.meta.len() as u64, sink.new.bytes.len() as u64));
    assert_eq!(sink.new.ends.last().copied(), Some(payload_size));
    let reused = decision.as_ref().map_or(0, |decision| decision.totals.reused_bytes);
    if let Some(decision) = &decision {
        assert_eq!(decision.totals.injected_bytes, sink.injected);
    }
    Made { meta: sink.meta, payload: sink.new, padding: sink.injected - reused, live: listing.files().live() }
}

/// Every file of the archive with its contents by reference; references increase.
fn read(made: &Made) -> BTreeMap<String, (Vec<u8>, PayloadRef)> {
    assert_eq!(made.payload.bytes[..16], START_MARKER);
    assert_eq!(made.payload.bytes[made.payload.bytes.len() - 16..], PAYLOAD_TAIL_MARKER);
    let mut files = BTreeMap::new();
    let mut entries = Entries::new();
    let (mut at, mut least) = (0, 0);
    loop {
        let progress = entries.step(&made.meta[at..]).unwrap();
        at += progress.used;
        match progress.event {
            Decoded::Entry(entry) => {
                if let Content::Reference(reference) = entry.content {
                    let start = reference.offset as usize;
                    let end = reference.end().unwrap() as usize;
                    assert!(reference.offset >= least, "references increase");
                    least = reference.end().unwrap();
                    let header = Header::new(ItemType::Payload, reference.size).to_bytes();
                    assert_eq!(made.payload.bytes[start..start + 16], header);
                    let path = String::from_utf8(entry.path.to_vec()).unwrap();
                    files.insert(path, (made.payload.bytes[start + 16..end].to_vec(), reference));
                }
            }
            Decoded::Skip(bytes) => at += bytes as usize,
            Decoded::End => return files,
            _ => {}
        }
    }
}

fn random_path(random: &mut Random) -> String {
    let mut path = String::new();
    for _ in 0..random.below(4) {
        path += &format!("d{}/", random.below(3));
    }
    path + &format!("f{:02}", random.below(40))
}

fn stays() -> Fortune {
    Fortune::Stays
}

#[test]
fn archives_hold_what_the_tree_held_over_many_generations() {
    for seed in 1..=30u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let budget = Budget::percent([0, 1, 5, 10, 20, 50][random.below(6) as usize]);
        let optimal = Optimal { budget, fragment: [0, 16, 256][random.below(3) as usize] };
        let policy = match seed % 3 {
            0 => Policy::Threshold { limit: 1 + random.below(20) as usize },
            _ => Policy::Optimal(optimal),
        };
        let cuts = if seed % 2 == 0 { Cuts::Files } else { Cuts::Reference };
        let mut tree = Tree::new();
        let mut old = Stream::default();
        for generation in 0..30 {
            for _ in 0..if generation == 0 { 40 } else { 3 } {
                let len = [0, 5, 100, 900, 5000][random.below(5) as usize];
                let bytes = random.bytes(len);
                tree.insert(random_path(&mut random), (bytes, None));
            }
            let names: Vec<String> = tree.keys().cloned().collect();
            tree.remove(&names[random.below(names.len() as u64) as usize]);
            // A file must not be where a directory is.
            let clashes: Vec<String> = names
                .iter()
                .filter(|a| names.iter().any(|b| b.starts_with(&format!("{a}/"))))
                .cloned()
                .collect();
            for clash in clashes {
                tree.remove(&clash);
            }
            let made = make(&tree, &old, &policy, cuts, &mut stays);
            let files = read(&made);
            assert_eq!(files.len(), tree.len());
            if matches!(policy, Policy::Optimal(_)) {
                let allowed = u128::from(made.live) * u128::from(budget.as_ppm()) / 1_000_000;
                assert!(
                    u128::from(made.padding) <= allowed,
                    "seed {seed}: {} of {}",
                    made.padding,
                    made.live
                );
            }
            for (path, (bytes, at)) in &mut tree {
                let (found, reference) = &files[path];
                assert_eq!(found, bytes, "seed {seed}, generation {generation}: {path}");
                *at = Some(reference.offset);
            }
            old = made.payload;
        }
    }
}

#[test]
fn files_that_change_or_vanish_meanwhile_leave_a_good_archive() {
    for seed in 1..=40u64 {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mut tree = Tree::new();
        for _ in 0..60 {
            let len = random.below(1500) as usize;
            let bytes = random.bytes(len);
            tree.insert(format!("d{}/{:03}", random.below(4), random.below(500)), (bytes, None));
        }
        let policy = Policy::default();
        let first = make(&tree, &Stream::default(), &policy, Cuts::Files, &mut stays);
        let files = read(&first);
        for (path, (bytes, at)) in &mut tree {
            *at = Some(files[path].1.offset);
            if random.below(4) == 0 {
                bytes.iter_mut().for_each(|byte| *byte = !*byte);
                *at = None;
            }
        }
        let mut fortunes = Vec::new();
        let made = make(&tree, &first.payload, &policy, Cuts::Files, &mut || {
            let fortune = [Fortune::Stays, Fortune::Vanishes, Fortune::Grows][random.below(3) as usize];
            fortunes.push(fortune);
            fortune
        });
        let files = read(&made);
        let gone = fortunes.iter().filter(|&&fortune| fortune == Fortune::Vanishes).count();
        assert_eq!(files.len() + gone, tree.len());
        for (path, (found, _)) in &files {
            let bytes = &tree[path].0;
            assert!(found == bytes || found.strip_suffix(b"grown") == Some(bytes), "seed {seed}: {path}");
        }
    }
}

#[test]
fn cuts_do_not_depend_on_how_much_is_known_ahead() {
    let mut random = Random(7);
    for cuts in [Cuts::Files, Cuts::Reference] {
        let mut tree = Tree::new();
        for number in 0..4000 {
            let len = if number % 500 == 0 { 60_000 } else { random.below(8000) as usize };
            let bytes = random.bytes(len);
            tree.insert(format!("{:02}/{:02}/{number:04}", number / 300, number / 40), (bytes, None));
        }
        let made = make(&tree, &Stream::default(), &Policy::default(), cuts, &mut stays);
        // All files known from the start.
        let files = read(&made);
        let mut starts = Vec::new();
        let mut previous: Option<&String> = None;
        for (path, (_, reference)) in &files {
            let previous_path = previous.map(|path| path.as_bytes());
            starts.push(FileStart::new(reference.offset, path.as_bytes(), previous_path));
            previous = Some(path);
        }
        let mut cutter = Cutter::new(cuts, Sizes::new(512).unwrap());
        let tail = made.payload.bytes.len() - 16;
        cutter.begin(16..tail as u64, starts).unwrap();
        let (mut ends, mut at) = (vec![16], 16);
        while let Some(cut) = cutter.scan(&made.payload.bytes[at..tail]).unwrap() {
            at += cut;
            ends.push(at as u64);
            if at == tail {
                break;
            }
        }
        ends.push(tail as u64 + 16);
        assert!(tail > 12 << 20, "more than is told ahead");
        assert_eq!(made.payload.ends, ends);
    }
}

#[test]
fn an_archive_without_files_is_two_markers() {
    for old in [Stream::default(), Stream { bytes: vec![0; 1000], ends: vec![1000] }] {
        let made = make(&Tree::new(), &old, &Policy::default(), Cuts::Files, &mut stays);
        assert_eq!(made.payload.bytes.len(), 32);
        assert_eq!(made.payload.ends, [16, 32]);
    }
}

#[test]
fn records_come_back_from_the_spool() {
    let mut attributes = Attributes::new();
    attributes.push(Attribute::Xattr { name: b"user.a", value: b"1" }).unwrap();
    attributes.push(Attribute::QuotaProjid(7)).unwrap();
    let stat = Stat { mode: 0o100_640, flags: 5, uid: 1, gid: 2, mtime: Timestamp { secs: -3, nanos: 4 } };
    let ctime = Timestamp { secs: -1, nanos: 999_999_999 };
    let marks = Marks::SETTLED.with_if(true, Marks::WHOLE);
    let identity = Identity { dev: 1 << 40, ino: 9, birth: -5, ctime, links: u32::MAX, marks };
    let contents = [
        RecordContent::Directory,
        RecordContent::File { size: u64::MAX },
        RecordContent::Link { size: 0 },
        RecordContent::Symlink(b"to/there"),
        RecordContent::Device(Device { major: 8, minor: 1 }),
        RecordContent::Fifo,
        RecordContent::Socket,
    ];
    let mut spool = Vec::new();
    for content in contents {
        let node = Node { name: b"name \xff", stat: &stat, attributes: &attributes };
        Record { node, identity, content }.write(&mut spool).unwrap();
        spool.extend_from_slice(&Record::LEAVE);
    }
    let (mut into_stat, mut into_attributes) = (Stat::default(), Attributes::new());
    let mut rest = spool.as_slice();
    for content in contents {
        for is_leave in [false, true] {
            let mut length = 1;
            // However little of it is there, the length is told in at most one more step.
            while Record::length(&rest[..length]).unwrap() != length {
                length = Record::length(&rest[..length]).unwrap();
            }
            let (bytes, later) = rest.split_at(length);
            let record = Record::parse(bytes, &mut into_stat, &mut into_attributes).unwrap();
            assert_eq!(record.is_none(), is_leave);
            let glance = Record::glance(bytes).unwrap();
            assert_eq!(glance.map(|(_, name)| name), (!is_leave).then_some(&b"name \xff"[..]));
            if let Some(Record { node, identity: also_got, content: got }) = record {
                assert_eq!(also_got, identity);
                assert_eq!(
                    (node.name, *node.stat, node.attributes),
                    (b"name \xff".as_slice(), stat, &attributes)
                );
                assert_eq!(got, content);
                assert!(
                    Record::parse(&bytes[..length - 1], &mut Stat::default(), &mut Attributes::new())
                        .is_err()
                );
            }
            rest = later;
        }
    }
    assert!(rest.is_empty());
    assert!(Record::length(&[99, 255, 255, 255, 255, 255, 255, 255]).is_err());
}
