use alloc::string::ToString as _;
use alloc::vec;

use super::*;

/// Codes, positions and entries of what is irregular.
fn anomalies(
    payloads: &[(u64, u64)],
    size: u64,
    index: Option<&DynamicIndex>,
) -> Vec<(&'static str, u64, Option<u32>)> {
    let tree = references(payloads);
    let map = Map::new(&tree, Source::Payload, size);
    let layout = Layout::new(&tree, &map, index);
    let findings = layout.anomalies(&ChunkTable::new(&layout));
    assert_eq!(findings.total(), findings.kept().len() as u64);
    findings.kept().iter().map(|finding| (finding.what.code(), finding.offset, finding.entry)).collect()
}

#[test]
fn a_regular_stream_has_none() {
    assert_eq!(anomalies(&[(16, 4), (36, 0), (52, 8)], 92, None), []);
    assert_eq!(anomalies(&[], 32, None), []);
    let index = index_of([(40, Digest([1; 32])), (92, Digest([2; 32]))].into_iter());
    assert_eq!(anomalies(&[(16, 4), (36, 0), (60, 0)], 92, Some(&index)), []);
}

#[test]
fn each_anomaly_has_its_place() {
    // The second lies before the first, without touching it.
    assert_eq!(anomalies(&[(50, 4), (16, 18)], 86, None), [("backwards", 16, Some(2))]);
    // What follows the one that goes back is measured by that one.
    let back = [("backwards", 16, Some(2)), ("unreferenced", 36, None), ("unreferenced", 70, None)];
    assert_eq!(anomalies(&[(100, 4), (16, 4), (50, 4)], 136, None), back);
    assert_eq!(
        anomalies(&[(16, 10), (40, 4)], 76, None),
        [("backwards", 40, Some(2)), ("overlap", 40, Some(2))]
    );
    assert_eq!(anomalies(&[(8, 8), (32, 0)], 64, None), [("outside", 8, Some(1))]);
    assert_eq!(anomalies(&[(16, 100)], 100, None), [("outside", 16, Some(1)), ("no-tail-marker", 100, None)]);
    assert_eq!(anomalies(&[(16, 0), (u64::MAX - 5, 9)], 48, None), [("outside", u64::MAX - 5, Some(2))]);
    assert_eq!(anomalies(&[(16, 0), (40, 0)], 72, None), [("unreferenced", 32, None)]);
    let index =
        index_of([(32, 1), (60, 2), (90, 3)].map(|(end, digest)| (end, Digest([digest; 32]))).into_iter());
    assert_eq!(
        anomalies(&[(16, 0), (70, 0)], 102, Some(&index)),
        [("dead-chunk", 32, None), ("index-size", 90, None)]
    );
}

#[test]
fn findings_are_bounded_and_counted() {
    let payloads = vec![(20, 4); 5000];
    let tree = references(&payloads);
    let map = Map::new(&tree, Source::Payload, 60);
    let layout = Layout::new(&tree, &map, None);
    let mut findings = layout.anomalies(&ChunkTable::default());
    assert_eq!(findings.kept().len(), Findings::KEPT);
    assert_eq!(findings.total(), 2 * 4999 + 2);
    assert_eq!(findings.errors(), 2 * 4999);
    findings.append(&findings.clone());
    assert_eq!((findings.kept().len(), findings.errors()), (Findings::KEPT, 4 * 4999));
    assert!(findings.counts().all(|(code, count)| matches!(
        (code, count),
        ("overlap" | "backwards", 9998) | ("unreferenced", 4) | (_, 0)
    )));
}

#[test]
fn every_anomaly_has_a_sentence_and_a_code() {
    let error = Header::parse(&[0; 16], 5).unwrap_err();
    let all = [
        Anomaly::Overlap { with: 1, end: 2 },
        Anomaly::Backwards { least: 3 },
        Anomaly::Outside { end: 4, size: 5 },
        Anomaly::Header { error },
        Anomaly::Unreferenced { bytes: 6 },
        Anomaly::DeadChunk { number: 7, digest: Digest([8; 32]), bytes: 9 },
        Anomaly::IndexSize { index: 10, size: 11 },
        Anomaly::NoTailMarker,
        Anomaly::Marker { expected: ItemType::PayloadTailMarker },
    ];
    assert_eq!(all.map(|what| what.code()), Anomaly::CODES);
    let sentences = all.map(|what| what.to_string());
    assert_eq!(sentences[1], "payload reference goes backwards: expected 3 or more");
    assert_eq!(sentences[8], "expected PAYLOAD_TAIL_MARKER");
    let notices = all.iter().filter(|what| what.is_notice()).map(Anomaly::code);
    assert_eq!(notices.collect::<Vec<_>>(), ["unreferenced", "dead-chunk"]);
}

#[test]
fn headers_are_looked_at_in_batches() {
    use ItemType::{Goodbye, Payload, PayloadStartMarker, PayloadTailMarker};
    let items = [
        (PayloadStartMarker, 0),
        (Payload, 4),
        (Payload, 90),
        (Goodbye, 24),
        (Payload, 3),
        (PayloadTailMarker, 0),
    ];
    let stream = stream(&items);
    let size = stream.len() as u64;
    // The third file's header is another item, the fourth has another size, the last is not there at all.
    let tree = references(&[(16, 4), (36, 90), (142, 24), (182, 2), (size - 8, 0)]);
    let map = Map::new(&tree, Source::Payload, size);
    let layout = Layout::new(&tree, &map, None);
    let check = |join, longest| {
        let mut positions = 0..map.files();
        let check = HeaderCheck::next(&layout, &mut positions, Batching { join, longest }).unwrap();
        assert!(HeaderCheck::next(&layout, &mut positions, Batching::default()).is_none());
        let (findings, wants) = run(check, &stream);
        let kept = findings.kept().iter().map(|finding| (finding.what.code(), finding.offset, finding.entry));
        assert_eq!(kept.collect::<Vec<_>>(), [("header", 142, Some(3)), ("header", 182, Some(4))]);
        wants.into_iter().map(|want| (want.start, want.end)).collect::<Vec<_>>()
    };
    assert_eq!(check(0, 1000), [(16, 32), (36, 52), (142, 158), (182, 198)]);
    assert_eq!(check(10, 1000), [(16, 52), (142, 158), (182, 198)]);
    assert_eq!(check(100, 1000), [(16, 198)]);
    assert_eq!(check(100, 150), [(16, 158), (182, 198)]);
    assert_eq!(check(u64::MAX, 0), [(16, 32), (36, 52), (142, 158), (182, 198)]);
}

#[test]
fn markers_are_looked_at() {
    use ItemType::{Payload, PayloadStartMarker, PayloadTailMarker};
    let tree = references(&[(16, 4)]);
    let codes = |items: &[(ItemType, u64)]| {
        let stream = stream(items);
        let map = Map::new(&tree, Source::Payload, stream.len() as u64);
        let (findings, _) = run(MarkerCheck::new(&Layout::new(&tree, &map, None)), &stream);
        findings.kept().iter().map(|finding| finding.offset).collect::<Vec<_>>()
    };
    assert_eq!(codes(&[(PayloadStartMarker, 0), (Payload, 4), (PayloadTailMarker, 0)]), [0u64; 0]);
    assert_eq!(codes(&[(PayloadStartMarker, 0), (Payload, 4), (PayloadStartMarker, 0)]), [36]);
    assert_eq!(codes(&[(Payload, 0), (Payload, 4), (Payload, 0)]), [0, 36]);
    assert_eq!(codes(&[(PayloadStartMarker, 0), (Payload, 4)]), [0u64; 0]);
}
