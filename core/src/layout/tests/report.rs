//! Reports and lists agree with each other and with what they are made of.

use alloc::string::String;
use alloc::vec;

use serde_json::Value;

use super::super::compare::compare;
use super::*;
use crate::format::Timestamp;

/// Two files with odd names, padding of three classes; chunks of 64, 36, 100 and 64 bytes.
fn odd() -> (Tree, Map, DynamicIndex) {
    let mut builder = TreeBuilder::new();
    add(&mut builder, b"", Kind::Directory, &Stat::default(), Content::None);
    add(&mut builder, b"d,\"x\"", Kind::Directory, &Stat::default(), Content::None);
    let stat = Stat { mtime: Timestamp { secs: 5, nanos: 0 }, ..Stat::default() };
    add(&mut builder, b"\xffn", Kind::File, &stat, Content::Reference(PayloadRef { offset: 26, size: 10 }));
    builder.leave();
    add(&mut builder, b"e", Kind::File, &stat, Content::Reference(PayloadRef { offset: 220, size: 12 }));
    let index = index_of([64, 100, 200, 264].map(|end| (end, Digest([end as u8; 32]))).into_iter());
    let tree = builder.finish();
    let map = Map::new(&tree, Source::Payload, 264);
    (tree, map, index)
}

fn text(write: impl FnOnce(&mut String) -> core::fmt::Result) -> String {
    let mut out = String::new();
    write(&mut out).unwrap();
    out
}

#[test]
fn ranges_as_csv_and_json() {
    let (tree, map, index) = odd();
    let layout = Layout::new(&tree, &map, Some(&index));
    let csv = text(|out| write_ranges(&layout, 0..264, Format::Csv, out));
    let expected = "start,end,bytes,owner,class,entry,path,path_hex
0,16,16,marker,start,,,
16,26,10,padding,inner,,,
26,52,26,payload,,2,\"/d,\"\"x\"\"/\u{fffd}n\",2f642c2278222fff6e
52,64,12,padding,tail,,,
64,100,36,padding,whole,,,
100,200,100,padding,whole,,,
200,220,20,padding,head,,,
220,248,28,payload,,3,/e,
248,264,16,marker,tail,,,
";
    assert_eq!(csv, expected);
    let json = text(|out| write_ranges(&layout, 20..30, Format::Json, out));
    let expected = "{\"start\":16,\"end\":26,\"bytes\":10,\"owner\":\"padding\",\"class\":\"inner\"}
{\"start\":26,\"end\":52,\"bytes\":26,\"owner\":\"payload\",\"entry\":2,\"path\":\"/d,\\\"x\\\"/\u{fffd}n\",\"path_hex\":\"2f642c2278222fff6e\"}
";
    assert_eq!(json, expected);
}

#[test]
fn chunks_and_padding_as_csv() {
    let (tree, map, index) = odd();
    let layout = Layout::new(&tree, &map, Some(&index));
    let table = ChunkTable::new(&layout);
    let csv = text(|out| write_chunks(&layout, table.iter(&layout), Some(&[1, 0, 2, 0]), Format::Csv, out));
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 5);
    assert!(csv.contains(",26,16,22,65.6,0,12,0,10,1,"), "{csv}");
    assert_eq!(rows[2][5..14], ["0", "0", "36", "0.0", "0", "0", "36", "0", "0"]);
    assert_eq!(rows[3].last(), Some(&"2"));
    // An older archive in which the second chunk was a file's.
    let old = references(&[(16, 20)]);
    let old_index =
        index_of([(16, Digest([7; 32])), (52, Digest([100; 32])), (68, Digest([8; 32]))].into_iter());
    let old_map = Map::new(&old, Source::Payload, 68);
    let (order, mut history) = (DigestOrder::new(&old_index), History::new());
    history.push(Layout::new(&old, &old_map, Some(&old_index)), &order);
    let csv = text(|out| write_padding(&layout, 52..210, &history, Format::Csv, out));
    let expected = "start,end,bytes,class,remains,size,former,former_offset,path,path_hex
52,64,12,tail,,,,,,
64,100,36,whole,,,0,16,/f,
100,200,100,whole,,,,,,
200,220,20,head,,,,,,
";
    assert_eq!(csv, expected);
    let remnants = [
        Remnant { range: 64..100, what: Remains::Ghost { size: 20 } },
        Remnant { range: 100..116, what: Remains::Marker },
        Remnant { range: 116..200, what: Remains::Unknown },
    ];
    let json = text(|out| write_remnants(&layout, &remnants, &history, Format::Json, out));
    let rows: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&rows[0]["remains"], &rows[0]["size"], &rows[0]["path"]),
        (&"ghost".into(), &20.into(), &"/f".into())
    );
    assert_eq!(rows[1]["remains"], "marker");
    assert_eq!((&rows[2]["start"], &rows[2]["end"]), (&116.into(), &200.into()));
}

#[test]
fn changes_as_json() {
    let (tree, map, _) = odd();
    let new = references(&[(16, 12)]);
    let new_map = Map::new(&new, Source::Payload, 60);
    let (a, b) = (Layout::new(&tree, &map, None), Layout::new(&new, &new_map, None));
    let json = text(|out| write_changes(&a, &b, &compare(&a, &b), Format::Json, out));
    let rows: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let field = |row: usize, key: &str| rows[row][key].as_str().unwrap_or_default();
    assert_eq!(rows.len(), 4);
    assert_eq!((field(0, "change"), field(0, "path"), rows[0]["size"].as_u64()), ("added", "/f", Some(12)));
    assert_eq!(
        (field(1, "change"), field(1, "type"), field(1, "path")),
        ("removed", "directory", "/d,\"x\"")
    );
    assert_eq!((field(3, "path"), rows[3]["old_size"].as_u64()), ("/e", Some(12)));
    // The other way around, with a time that changed, and moved.
    let older = {
        let mut builder = TreeBuilder::new();
        add(&mut builder, b"", Kind::Directory, &Stat::default(), Content::None);
        let stat = Stat { mtime: Timestamp { secs: 5, nanos: 0 }, ..Stat::default() };
        add(&mut builder, b"g", Kind::File, &stat, Content::Reference(PayloadRef { offset: 16, size: 12 }));
        builder.finish()
    };
    let older_map = Map::new(&older, Source::Payload, 60);
    let (a, b) = (Layout::new(&older, &older_map, None), Layout::new(&tree, &map, None));
    let json = text(|out| write_changes(&a, &b, &compare(&a, &b), Format::Json, out));
    let moved = json.lines().find(|line| line.contains("moved")).unwrap();
    let moved: Value = serde_json::from_str(moved).unwrap();
    assert_eq!((&moved["path"], &moved["old_path"]), (&"/e".into(), &"/g".into()));
    assert_eq!(moved["evidence"], "likely");
}

#[test]
fn the_report_says_what_the_lists_say() {
    let (tree, map, index) = odd();
    let layout = Layout::new(&tree, &map, Some(&index));
    let table = ChunkTable::new(&layout);
    let findings = layout.anomalies(&table);
    let remnants = Remnants { ghosts: 1, ghost_bytes: 2, marker_bytes: 3, unknown_bytes: 4, kept: vec![] };
    let report = Report {
        layout,
        chunks: &table,
        findings: &findings,
        checked: true,
        remnants: Some(&remnants),
        ages: Some(&[1, 0, 2, 0]),
        history: None,
    };
    let json = report.to_json();
    let number =
        |pointer: &str| json.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}"));
    let ranges = text(|out| write_ranges(&layout, 0..u64::MAX, Format::Json, out));
    let ranges: Vec<Value> = ranges.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sum = |owner: &str, class: &str| {
        let is_meant = |row: &&Value| row["owner"] == owner && (class.is_empty() || row["class"] == class);
        ranges.iter().filter(is_meant).map(|row| row["bytes"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(number("/live"), sum("payload", ""));
    assert_eq!(number("/markers"), sum("marker", ""));
    assert_eq!(number("/padding/bytes"), sum("padding", ""));
    for class in Class::ALL {
        assert_eq!(number(&alloc::format!("/padding/{}", class.name())), sum("padding", class.name()));
    }
    assert_eq!(json["padding"]["percent_of_live"], 329.629);
    assert_eq!((number("/size"), number("/entries"), number("/files")), (264, 4, 2));
    assert_eq!(
        (number("/chunks/count"), number("/chunks/bytes"), number("/chunks/without_live")),
        (4, 264, 2)
    );
    let uses: Vec<_> =
        json["chunks"]["use_tenths"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    assert_eq!(uses, [2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
    let rewrite = json["rewrite"].as_array().unwrap();
    let counts: Vec<_> = rewrite.iter().map(|step| step["chunks"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 2, 4]);
    assert_eq!((&rewrite[2]["reads"], &rewrite[2]["frees"]), (&54.into(), &178.into()));
    assert_eq!(json["worst_chunks"][0]["chunk"], 2);
    assert_eq!((number("/findings/total"), number("/findings/errors")), (2, 0));
    assert_eq!(number("/findings/counts/dead-chunk"), 2);
    assert_eq!((number("/ghosts/count"), number("/ghosts/unknown")), (1, 4));
    assert_eq!((number("/generations/0/chunks"), number("/generations/2/dead")), (2, 100));
    let findings = text(|out| write_findings(&layout, &findings, Format::Csv, out));
    assert!(
        findings.starts_with(
            "stream,offset,code,level,finding,entry,path,path_hex\npayload,64,dead-chunk,notice,"
        )
    );
    // Without an index less is known.
    let layout = Layout::new(&tree, &map, None);
    let findings = layout.anomalies(&ChunkTable::default());
    let bare = Report {
        layout,
        chunks: &ChunkTable::default(),
        findings: &findings,
        ages: None,
        remnants: None,
        ..report
    };
    let json = bare.to_json();
    assert!(
        json.get("chunks").is_none() && json.get("generations").is_none() && json.get("ghosts").is_none()
    );
    assert_eq!(json["findings"]["counts"]["unreferenced"], 2);
}
