//! Archives in the chunks of a snapshot: the same bytes as in a file, and no chunk more than needed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use pxkit::cli::{Extracting, OpenArgs, RepositoryArgs, Restore, Talk};
use pxkit::cmd::extraction::Extraction;
use pxkit::cmd::restore::restore;
use pxkit::input::Opened;
use pxkit::report::Outcome;
use pxkit::source::{ByteSource as _, ChunkReader, ChunkedArchive};
use pxkit::store::{ArchiveName, OpenSnapshot as _};
use pxkit_core::blob::CryptMode;
use pxkit_core::format::{Digest, Header, ItemType, MAX_CHUNK_SIZE, PayloadRef, START_MARKER};
use pxkit_tests::chunked::Memory;
use pxkit_tests::disk::Scratch;
use pxkit_tests::handmade::Maker;
use pxkit_tests::random::{self, Rng, Shape};
use pxkit_tests::{archive, describe};

/// Restores `archive` of a snapshot with these patterns.
fn run(
    snapshot: &Arc<Memory>,
    archive: &str,
    target: &Path,
    patterns: &[&str],
    strict: bool,
) -> anyhow::Result<Outcome> {
    let args = Restore {
        snapshot: snapshot.id().to_string().parse().expect("a snapshot"),
        archive: archive.to_owned(),
        target: target.to_owned(),
        patterns: patterns.iter().map(Into::into).collect(),
        repository: RepositoryArgs::default(),
        open: OpenArgs::default(),
        how: how(strict),
    };
    restore(snapshot.clone(), &args)
}

fn how(strict: bool) -> Extracting {
    let talk = Talk { quiet: true, ..Talk::default() };
    // Not only root runs this.
    Extracting { strict, no_owner: true, talk, ..Extracting::default() }
}

/// A split archive of files of `size` bytes each, with the ranges of their payloads.
fn files(names: &[&str], size: usize) -> (Vec<u8>, Vec<u8>, Vec<PayloadRef>) {
    let (mut maker, mut payload, mut references) = (Maker::split(), Vec::new(), Vec::new());
    payload.extend_from_slice(&START_MARKER);
    for (number, name) in names.iter().enumerate() {
        let contents = Rng::new(number as u64).bytes(size);
        let reference = PayloadRef { offset: payload.len() as u64, size: size as u64 };
        payload.extend_from_slice(&Header::new(ItemType::Payload, size as u64).to_bytes());
        payload.extend_from_slice(&contents);
        maker.reference(name.as_bytes(), reference.offset, reference.size);
        references.push(reference);
    }
    (maker.finish(), payload, references)
}

fn contents(number: u64, size: usize) -> Vec<u8> {
    Rng::new(number).bytes(size)
}

#[test]
fn any_range_reads_as_from_a_file() {
    let mut rng = Rng::new(1);
    let bytes = rng.bytes(300_000);
    for longest in [1, 7, 4096, 100_000, 1_000_000] {
        let mut memory = Memory::default();
        // Of single bytes there are enough in a part.
        let bytes = &bytes[..bytes.len().min(longest * 500)];
        let mut lengths = Rng::new(2);
        memory.stream("a.pxar.didx", bytes, || 1 + lengths.below(longest));
        let memory = memory.share();
        let source = ChunkedArchive::open(Arc::new(ChunkReader::new(memory.clone())), "a.pxar.didx").unwrap();
        assert_eq!(source.size(), bytes.len() as u64);
        for _ in 0..200 {
            let start = rng.below(bytes.len());
            let end = start + rng.below(bytes.len() - start + 1);
            let mut read = vec![0; end - start];
            source.read_exact_at(&mut read, start as u64).unwrap();
            assert!(read == bytes[start..end], "{start}..{end}");
            read.clear();
            let mut take = |piece: &[u8]| {
                read.extend_from_slice(piece);
                Ok(())
            };
            source.pass(start as u64..end as u64, &mut Vec::new(), &mut take).unwrap();
            assert!(read == bytes[start..end], "{start}..{end}");
        }
        let size = source.size();
        assert_eq!(source.read_at(&mut [0; 4], size).unwrap(), 0);
        assert!(source.read_exact_at(&mut [0; 4], size - 2).is_err());
        assert!(source.pass(size - 2..size + 2, &mut Vec::new(), &mut |_| Ok(())).is_err());
        // Everything fits into the cache, so nothing was decoded twice.
        drop(source);
        let reads = memory.take_reads();
        assert_eq!(reads.len(), reads.iter().collect::<BTreeSet<_>>().len());
    }
}

#[test]
fn restores_what_extracting_the_files_does() {
    for seed in 0..12 {
        let tree = random::tree(seed, Shape { nodes: 80, on_disk: true });
        let (unified, (meta, payload)) = (archive::unified(&tree), archive::split(&tree, None));
        let mut lengths = Rng::new(seed);
        let longest = [50, 1000, 100_000][seed as usize % 3];
        let mut length = || 1 + lengths.below(longest);
        let mut memory = Memory::default();
        memory.stream("whole.pxar.didx", &unified, &mut length);
        memory.stream("a.mpxar.didx", &meta, &mut length);
        memory.stream("a.ppxar.didx", &payload, &mut length);
        let memory = memory.share();
        let scratch = Scratch::new();
        let file = scratch.join("whole.pxar");
        fs::write(&file, unified).unwrap();
        let opened = Opened::file(&file, None).unwrap();
        let (target, how) = (scratch.join("extracted"), how(false));
        let outcome = Extraction { opened, target: &target, patterns: &[], how: &how }.run().unwrap();
        for (archive, out) in [("whole.pxar", "one"), ("a.pxar", "two")] {
            let out = scratch.join(out);
            assert_eq!(run(&memory, archive, &out, &[], false).unwrap(), outcome, "tree {seed}");
            describe::assert_same(&target, &out);
        }
    }
}

/// The digests of the chunks that hold bytes of a reference.
fn chunks_of(memory: &Memory, name: &str, references: &[PayloadRef]) -> BTreeSet<Digest> {
    let index = memory.index(name).unwrap();
    let parts = references.iter().flat_map(|reference| {
        index.parts(reference.offset..reference.end().unwrap()).unwrap().map(|part| part.digest)
    });
    parts.collect()
}

#[test]
fn one_small_file_costs_its_chunks_only() {
    let names: Vec<String> = (0..500).map(|number| format!("f{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let (meta, payload, references) = files(&names, 3000);
    let mut memory = Memory::default();
    let meta_chunks = memory.stream("a.mpxar.didx", &meta, || 4096);
    memory.stream("a.ppxar.didx", &payload, || 10_000);
    let memory = memory.share();
    // At the end, and in the middle, where there is more that could be read ahead in vain.
    for (file, pattern, most_meta) in [(499, "/f499", 6), (100, "/f100", 6), (499, "*99", meta_chunks.len())]
    {
        let wanted = chunks_of(&memory, "a.ppxar.didx", &references[file..=file]);
        let scratch = Scratch::new();
        memory.take_reads();
        let patterns = [pattern, "!f0*", "!f1*", "!f2*", "!f3*"];
        let patterns = if pattern == "*99" { &patterns[..] } else { &patterns[..1] };
        assert_eq!(run(&memory, "a.pxar", scratch.path(), patterns, true).unwrap(), Outcome::Complete);
        let name = format!("f{file}");
        assert!(fs::read(scratch.join(&name)).unwrap() == contents(file as u64, 3000));
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
        let reads = memory.take_reads();
        let (meta_reads, payload_reads): (Vec<_>, Vec<_>) =
            reads.into_iter().partition(|digest| meta_chunks.contains(digest));
        assert_eq!(payload_reads, wanted.iter().copied().collect::<Vec<_>>());
        assert!(meta_reads.len() <= most_meta, "{} of {}", meta_reads.len(), meta_chunks.len());
    }
}

#[test]
fn every_subset_of_three_files() {
    let names = ["a", "b", "c"];
    let (meta, payload, references) = files(&names, 9000);
    let mut memory = Memory::default();
    let meta_chunks = memory.stream("a.mpxar.didx", &meta, || 100);
    memory.stream("a.ppxar.didx", &payload, || 4000);
    let memory = memory.share();
    for subset in 1..8 {
        for slash in ["", "/"] {
            let chosen: Vec<usize> = (0..3).filter(|file| subset >> file & 1 == 1).collect();
            let patterns: Vec<String> =
                chosen.iter().map(|&file| format!("{slash}{}", names[file])).collect();
            let patterns: Vec<&str> = patterns.iter().map(|pattern| &**pattern).collect();
            let scratch = Scratch::new();
            memory.take_reads();
            assert_eq!(run(&memory, "a.mpxar", scratch.path(), &patterns, true).unwrap(), Outcome::Complete);
            for (file, name) in names.iter().enumerate() {
                let expected = chosen.contains(&file).then(|| contents(file as u64, 9000));
                assert!(fs::read(scratch.join(name)).ok() == expected, "{name} of {patterns:?}");
            }
            let references: Vec<PayloadRef> = chosen.iter().map(|&file| references[file]).collect();
            let wanted = chunks_of(&memory, "a.ppxar.didx", &references);
            let reads: Vec<_> =
                memory.take_reads().into_iter().filter(|digest| !meta_chunks.contains(digest)).collect();
            assert_eq!(reads, wanted.into_iter().collect::<Vec<_>>(), "{patterns:?}");
        }
    }
}

#[test]
fn a_lost_chunk_costs_the_files_in_it() {
    let names: Vec<String> = (0..40).map(|number| format!("f{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let (meta, payload, references) = files(&names, 1000);
    let mut memory = Memory::default();
    memory.stream("a.mpxar.didx", &meta, || 5000);
    let chunks = memory.stream("a.ppxar.didx", &payload, || 7000);
    memory.lose(chunks[2]);
    let memory = memory.share();
    let scratch = Scratch::new();
    // What is there already is not lost either.
    fs::write(scratch.join("f15"), "old").unwrap();
    let mut args = Restore {
        snapshot: memory.id().to_string().parse().unwrap(),
        archive: "a.pxar".into(),
        target: scratch.path().to_owned(),
        patterns: Vec::new(),
        repository: RepositoryArgs::default(),
        open: OpenArgs::default(),
        how: how(false),
    };
    args.how.overwrite = true;
    assert_eq!(restore(memory.clone(), &args).unwrap(), Outcome::Incomplete);
    let lost = 14_000..21_000;
    let mut missing = 0;
    for (number, (name, reference)) in names.iter().zip(&references).enumerate() {
        let whole = reference.end().unwrap() <= lost.start || reference.offset >= lost.end;
        let expected = match *name {
            _ if whole => Some(contents(number as u64, 1000)),
            "f15" => Some(b"old".to_vec()),
            _ => None,
        };
        missing += usize::from(!whole);
        assert!(fs::read(scratch.join(name)).ok() == expected, "{name}");
    }
    assert!(missing >= 6);
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 40 - missing + 1, "no temporary file is left");
    let attempts = memory.take_reads().into_iter().filter(|digest| *digest == chunks[2]).count();
    assert_eq!(attempts, 1, "for all files in it");

    let strict = Scratch::new();
    let error = run(&memory, "a.pxar", strict.path(), &[], true).unwrap_err();
    let text = format!("{error:#}");
    for words in [&chunks[2].to_string(), "bytes 14000 to 21000 of a.ppxar.didx", "it is missing", "\"/f"] {
        assert!(text.contains(words), "{words} in {text}");
    }
}

#[test]
fn lost_metadata_ends_it_with_what_came_before() {
    let names = ["a", "b", "c", "d"];
    let (meta, payload, _) = files(&names, 100);
    let mut memory = Memory::default();
    let chunks = memory.stream("a.mpxar.didx", &meta, || 200);
    memory.stream("a.ppxar.didx", &payload, || 1000);
    memory.lose(chunks[2]);
    let memory = memory.share();
    let scratch = Scratch::new();
    let text = format!("{:#}", run(&memory, "a.pxar", scratch.path(), &[], false).unwrap_err());
    assert!(text.contains("bytes 400 to 600 of a.mpxar.didx"), "{text}");
    assert_eq!(fs::read(scratch.join("a")).unwrap(), contents(0, 100));
}

#[test]
fn indexes_that_promise_too_much_are_refused() {
    let reader = |memory: Memory| Arc::new(ChunkReader::new(memory.share()));
    // No chunk is that long; nothing is allocated for it, and nobody asks for it.
    struct Huge(Memory, u64);
    impl std::fmt::Debug for Huge {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.fmt(f)
        }
    }
    impl pxkit::store::OpenSnapshot for Huge {
        fn id(&self) -> &pxkit::store::SnapshotId {
            self.0.id()
        }
        fn manifest(&self) -> &pxkit_core::blob::Manifest {
            self.0.manifest()
        }
        fn index(&self, _: &str) -> anyhow::Result<pxkit_core::index::DynamicIndex> {
            let mut file = vec![0; 4096];
            file[..8].copy_from_slice(&[0x1c, 0x91, 0x4e, 0xa5, 0x19, 0xba, 0xb3, 0xcd]);
            file.extend_from_slice(&self.1.to_le_bytes());
            file.extend_from_slice(&[1; 32]);
            Ok(pxkit_core::index::DynamicIndex::parse(&file)?)
        }
        fn image(&self, name: &str) -> anyhow::Result<pxkit_core::index::FixedIndex> {
            self.0.image(name)
        }
        fn encoded_blob(&self, name: &str) -> anyhow::Result<Vec<u8>> {
            self.0.encoded_blob(name)
        }
        fn encoded_chunk(&self, digest: &Digest, _: &mut Vec<u8>) -> anyhow::Result<()> {
            panic!("chunk {digest} was asked for")
        }
    }
    for len in [MAX_CHUNK_SIZE + 1, u64::MAX - 1] {
        let mut memory = Memory::default();
        memory.stream("a.pxar.didx", &Maker::rooted().finish(), || 1000);
        let reader = Arc::new(ChunkReader::new(Arc::new(Huge(memory, len))));
        let huge = ChunkedArchive::open(reader, "a.pxar.didx").unwrap();
        assert_eq!(huge.size(), len);
        huge.will_read(0..len);
        let error = huge.read_at(&mut [0; 10], len / 2).unwrap_err().to_string();
        let expected = format!("the index gives it {len} bytes, and no chunk has more than 16777216");
        assert!(error.contains(&expected), "{error}");
    }

    let mut memory = Memory::default();
    memory.list("a.mpxar.didx", 1, Digest::default(), CryptMode::Encrypt);
    memory.list("b.mpxar.didx", 1, Digest::default(), CryptMode::None);
    let manifest = memory.manifest().clone();
    let reader = reader(memory);
    let open = |name| {
        let archive = ArchiveName::find(&manifest, name).unwrap();
        Opened::stored(&reader, &archive, true).unwrap_err().to_string()
    };
    assert!(open("a.pxar").contains("a.mpxar.didx is encrypted"), "{}", open("a.pxar"));
    assert!(open("b.pxar").contains("no such index"), "{}", open("b.pxar"));
}

#[test]
fn images_and_small_files_come_as_they_are() {
    let mut image = vec![0; 1 << 20];
    image[300_000..400_000].copy_from_slice(&Rng::new(3).bytes(100_000));
    image.truncate((1 << 20) - 5000);
    let mut memory = Memory::default();
    memory.disk("disk.img.fidx", &image, 1 << 16);
    memory.small("a.conf.blob", b"text\n");
    let memory = memory.share();
    let scratch = Scratch::new();
    let target = scratch.join("disk");
    assert_eq!(run(&memory, "disk.img", &target, &[], false).unwrap(), Outcome::Complete);
    assert!(fs::read(&target).unwrap() == image);
    let blocks = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(&target).unwrap());
    assert!(blocks * 512 < 300_000, "zeros are holes, not {blocks} blocks");
    let error = format!("{:#}", run(&memory, "disk.img", &target, &[], false).unwrap_err());
    assert!(error.contains("exists already"), "{error}");
    let error = run(&memory, "a.conf", &scratch.join("x"), &["*"], false).unwrap_err().to_string();
    assert!(error.contains("patterns do not apply"), "{error}");
    run(&memory, "a.conf", &scratch.join("a"), &[], false).unwrap();
    assert_eq!(fs::read(scratch.join("a")).unwrap(), b"text\n");
    run(&memory, "index.json", &scratch.join("m"), &[], false).unwrap();
    assert_eq!(fs::read_to_string(scratch.join("m")).unwrap(), memory.manifest().to_json());
}

#[test]
fn a_damaged_image_is_not_half_there() {
    let mut memory = Memory::default();
    let image = Rng::new(4).bytes(1 << 18);
    memory.disk("disk.img.fidx", &image, 1 << 16);
    let last = memory.image("disk.img.fidx").unwrap().digests()[3];
    memory.lose(last);
    let memory = memory.share();
    let scratch = Scratch::new();
    let target = scratch.join("disk");
    let error = format!("{:#}", run(&memory, "disk.img", &target, &[], false).unwrap_err());
    assert!(error.contains("bytes 196608 to 262144 of disk.img.fidx"), "{error}");
    // Over another it stays what it was.
    fs::write(&target, "old").unwrap();
    let mut args = Restore {
        snapshot: memory.id().to_string().parse().unwrap(),
        archive: "disk.img".into(),
        target: target.clone(),
        patterns: Vec::new(),
        repository: RepositoryArgs::default(),
        open: OpenArgs::default(),
        how: how(false),
    };
    args.how.overwrite = true;
    assert!(restore(memory, &args).is_err());
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
}
