//! What the reference's archives consist of, by its own account (`golden/README.md`).

use pxkit_core::access::Source;
use pxkit_core::layout::{
    Anomaly, Batching, Class, Findings, GhostWalk, HeaderCheck, History, MarkerCheck, Owner, Remains,
};
use pxkit_tests::golden;
use pxkit_tests::laid_out::LaidOut;

const META: [&str; 4] = [
    "host/meta/2026-11-22T21:15:54Z",
    "host/meta/2026-11-22T21:15:55Z",
    "host/meta/2026-11-22T21:15:56Z",
    "host/meta/2026-11-22T21:15:58Z",
];

/// As the reference prints sizes.
fn kib(bytes: u64) -> String {
    format!("{:.3} KiB", bytes as f64 / 1024.0)
}

#[test]
fn padding_is_what_the_reference_counted() {
    let expected =
        [("0.000 KiB", 0, 128), ("21.209 KiB", 3, 118), ("17.241 KiB", 3, 128), ("26.292 KiB", 6, 125)];
    for (name, expected) in META.into_iter().zip(expected) {
        let archive = LaidOut::golden(name);
        let layout = archive.layout();
        let totals = layout.totals();
        let partial = archive.chunks().iter(&layout).filter(|chunk| chunk.dead() > 0).count();
        assert_eq!((&*kib(totals.padding.total()), partial, totals.files), expected, "{name}");
        assert_eq!(totals.live + totals.padding.total() + 32, layout.size());
    }
    for name in ["host/data/latest", "host/legacy/latest", "host/sign/latest"] {
        assert_eq!(LaidOut::golden(name).layout().totals().padding.total(), 0, "{name}");
    }
}

/// Checks everything that can be checked with both streams.
fn findings(archive: &LaidOut) -> Findings {
    let layout = archive.layout();
    let mut findings = layout.anomalies(&archive.chunks());
    findings.append(&archive.run(MarkerCheck::new(&layout)).unwrap());
    let mut positions = 0..archive.map.files();
    while let Some(check) = HeaderCheck::next(&layout, &mut positions, Batching::default()) {
        findings.append(&archive.run(check).unwrap());
    }
    findings
}

#[test]
fn the_reference_wrote_nothing_irregular_but_a_chunk_for_nothing() {
    for (number, name) in META.into_iter().enumerate() {
        let findings = findings(&LaidOut::golden(name));
        assert_eq!(findings.errors(), 0, "{name}: {findings:?}");
        let dead = findings
            .kept()
            .iter()
            .filter(|finding| matches!(finding.what, Anomaly::DeadChunk { number: 29, bytes: 21_686, .. }));
        // Where a range of files that are re-used ends with a chunk, it takes the next along.
        assert_eq!((findings.total(), dead.count()), if number == 1 { (1, 1) } else { (0, 0) }, "{name}");
    }
    for name in golden::ARCHIVED {
        let read = |suffix: &str| golden::archive(&format!("{name}.{suffix}"));
        for archive in
            [LaidOut::new(read("pxar"), None, None), LaidOut::new(read("mpxar"), Some(read("ppxar")), None)]
        {
            assert_eq!(findings(&archive).total(), 0, "{name}");
            let totals = archive.layout().totals();
            let sum = totals.live + totals.markers + totals.metadata;
            assert_eq!(sum, archive.layout().size(), "{name}");
            let is_split = archive.map.source() == Source::Payload;
            assert_eq!((totals.metadata == 0, totals.markers), (is_split, if is_split { 32 } else { 0 }));
        }
    }
}

#[test]
fn ghosts_are_the_files_that_went() {
    let archives = META.map(LaidOut::golden);
    // Files that were left out, changed, or removed, by the generation in which that happened: path and size as it was.
    let first = &archives[0];
    let of = |path: &str| (path.to_owned(), first.tree.size(first.find(path)));
    let excluded: Vec<_> = (0..4).map(|file| of(&format!("dir5/small0{file}"))).collect();
    for (number, archive) in archives.iter().enumerate().skip(1) {
        let layout = archive.layout();
        let mut history = History::new();
        for older in archives[..number].iter().rev() {
            history.push(older.layout(), &older.order);
        }
        let mut named = Vec::new();
        for gap in layout.gaps(0..layout.size()) {
            let found = archive.run(GhostWalk::new(gap.clone(), usize::MAX)).unwrap();
            assert_eq!(found.unknown_bytes, 0);
            let mut remnants = found.kept.iter();
            history.trace(&layout, gap.range, &mut |trace| {
                let remnant = remnants.next().expect("as many as there are files");
                assert_eq!(remnant.range, trace.range);
                let former = trace.former.expect("all chunks come from the first snapshots");
                let old = &archives[number - 1 - former.archive];
                match (remnant.what, former.owner) {
                    (Remains::Ghost { size }, Owner::Payload(id)) => {
                        assert_eq!(old.tree.size(id), size);
                        named.push((old.path(id), size));
                    }
                    (Remains::Marker, Owner::StartMarker | Owner::TailMarker) => {}
                    other => panic!("{other:?}"),
                }
                true
            });
            assert_eq!(remnants.next(), None);
        }
        match number {
            1 => assert_eq!(named, excluded),
            2 => assert_eq!(named.len(), 5),
            _ => {
                let gone: Vec<_> = named.iter().map(|(path, _)| path.as_str()).collect();
                for path in ["dir0/small10", "dir2/small10"] {
                    assert!(gone.contains(&path), "{gone:?}");
                }
                assert_eq!(named.len(), 7);
            }
        }
    }
}

#[test]
fn classes_of_the_last_snapshot() {
    let archive = LaidOut::golden(META[3]);
    let padding = archive.layout().totals().padding;
    let classes = Class::ALL.map(|class| padding.of(class));
    // The old start marker; two tails of chunks, and the old tail marker; two files from between others.
    assert_eq!(classes, [16, 8567 + 9072 + 16, 0, 1886 + 7366, 0]);
}
