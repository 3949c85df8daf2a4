//! What holds for every session of a client, seen by the server.

use std::collections::{BTreeMap, HashMap, HashSet};

use pxkit_tests::pbs::hooks::{Place, Record};

/// Most bytes of a body with parameters.
const MOST_BODY: u64 = 512 << 10;

/// Checks all that was asked so far (behaviours 12, 19, 28, 35, 36, 37, 38, 39, 41, 51 and the order of 9.2). What a test did to the
/// client's requests does not matter: only what was answered well counts as done.
#[track_caller]
pub fn check(log: &[Record], streams: usize) {
    let mut sessions: BTreeMap<(u64, bool), Vec<&Record>> = BTreeMap::new();
    for record in log {
        match record.place {
            Some(Place::Rest) => rest(record),
            place => {
                sessions.entry((record.connection, place == Some(Place::Backup))).or_default().push(record)
            }
        }
    }
    for ((_, is_backup), records) in &sessions {
        for record in records {
            inside(record);
        }
        concurrent(records, streams);
        if *is_backup {
            backup(records);
        } else {
            reader(records);
        }
    }
}

fn rest(record: &Record) {
    assert!(record.path.starts_with("/api2/json/"), "{record:?}");
    // 19
    assert!(
        record.get("ns").is_none_or(|ns| !ns.is_empty()) && record.get("no-cache").is_none(),
        "{record:?}"
    );
    let is_login = record.path.ends_with("/access/ticket");
    if is_login || record.path.ends_with("/ping") {
        return;
    }
    // 12
    let has = |name: &str| record.header(name).is_some();
    assert!(has("cookie") != has("authorization"), "{record:?} has two ways in, or none");
    if has("cookie") && record.method != "GET" {
        assert!(has("csrfpreventiontoken"), "{record:?}");
    }
    let raw: Vec<&str> = record.path.split('/').collect();
    // 21
    if raw.contains(&"tasks") {
        assert!(record.path.contains("%3A") && !record.path.contains(':'), "{record:?}");
    }
}

fn inside(record: &Record) {
    // 28
    for name in ["cookie", "authorization", "csrfpreventiontoken"] {
        assert!(record.header(name).is_none(), "{record:?} has the header {name}");
    }
    assert!(!record.path.starts_with("/api2"), "{record:?}");
    assert!(record.raw_query.len() < 4096, "{record:?}");
}

/// 26
fn concurrent(records: &[&Record], streams: usize) {
    let mut events: Vec<(u64, i64)> = Vec::new();
    for record in records {
        events.push((record.began, 1));
        events.extend(record.answered.map(|answered| (answered, -1)));
    }
    events.sort_unstable();
    let mut open = 0;
    for (_, change) in events {
        open += change;
        assert!(open <= i64::try_from(streams).expect("a small number"), "{open} streams at once");
    }
}

fn is_done(record: &Record) -> bool {
    record.status == Some(200)
}

/// Whether `first` was answered before `second` was sent.
fn comes_before(first: &Record, second: &Record) -> bool {
    first.answered.is_some_and(|answered| answered < second.began)
}

fn backup(records: &[&Record]) {
    let calls =
        |call: &str| records.iter().copied().filter(move |record| record.call() == call).collect::<Vec<_>>();
    let previous: Vec<&Record> = calls("GET /previous")
        .into_iter()
        .filter(|record| is_done(record) && !record.raw_query.contains(".blob"))
        .collect();
    let mut closes = Vec::new();
    for kind in ["dynamic", "fixed"] {
        let uploads = calls(&format!("POST /{kind}_chunk"));
        let mut done: HashMap<&str, &Record> = HashMap::new();
        let mut sent: HashSet<(&str, &str)> = HashSet::new();
        let mut short = HashSet::new();
        for upload in &uploads {
            let (digest, wid) =
                (upload.get("digest").expect("a digest"), upload.get("wid").expect("a writer"));
            // 36
            assert!(digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{upload:?}");
            // 35
            if is_done(upload) {
                assert_eq!(upload.get("encoded-size"), Some(&*upload.body_len.to_string()), "{upload:?}");
                done.entry(digest).or_insert(upload);
                // 37
                assert!(sent.insert((wid, digest)), "{upload:?} comes twice");
            }
            // 45, 81
            if kind == "fixed" && upload.get("size") != Some("4194304") && upload.status.is_some() {
                assert!(short.insert(wid), "{upload:?}: a second short chunk");
            }
        }
        let mut appends: BTreeMap<u64, Vec<&Record>> = BTreeMap::new();
        for append in calls(&format!("PUT /{kind}_index")) {
            // 41
            let kind = append.header("content-type").unwrap_or_default();
            assert!(
                kind.starts_with("application/json") && append.raw_query.is_empty(),
                "{append:?}: {kind}"
            );
            assert!(append.body_len < MOST_BODY, "{append:?}");
            let json = append.json();
            let list = |key: &str| json[key].as_array().cloned().unwrap_or_default();
            // It was refused or lost before its body was read.
            if json.is_null() {
                continue;
            }
            assert_eq!(list("digest-list").len(), list("offset-list").len());
            for digest in list("digest-list") {
                let digest = digest.as_str().expect("text");
                // 37, 38
                let is_known = done.get(digest).is_some_and(|upload| comes_before(upload, append))
                    || previous.iter().any(|record| comes_before(record, append))
                    || calls("POST /dynamic_chunk")
                        .iter()
                        .any(|upload| upload.get("digest") == Some(digest) && comes_before(upload, append));
                assert!(is_known, "{append:?} uses {digest} before the server knows it");
            }
            appends.entry(json["wid"].as_u64().expect("a number")).or_default().push(append);
        }
        for (wid, appends) in &appends {
            // 39
            let mut last = None;
            for pair in appends.windows(2) {
                assert!(kind == "fixed" || comes_before(pair[0], pair[1]), "two appends at once for {wid}");
            }
            for append in appends {
                for offset in append.json()["offset-list"].as_array().expect("a list") {
                    let offset = offset.as_u64().expect("a number");
                    assert!(kind == "fixed" || last.is_none_or(|last| last < offset), "{append:?}: {offset}");
                    last = Some(offset);
                }
            }
        }
        for close in calls(&format!("POST /{kind}_close")) {
            let wid: u64 = close.get("wid").and_then(|wid| wid.parse().ok()).expect("a writer");
            for append in appends.get(&wid).into_iter().flatten() {
                assert!(comes_before(append, close), "{close:?} before {append:?} was answered");
            }
            // 43
            assert!(kind == "fixed" || close.get("chunk-count") != Some("0"), "{close:?}");
            closes.push(close);
        }
        for index in calls(&format!("POST /{kind}_index")) {
            let name = index.get("archive-name").expect("a name");
            let same = calls(&format!("POST /{kind}_index"));
            // 76
            assert_eq!(
                same.iter().filter(|other| other.get("archive-name") == Some(name)).count(),
                1,
                "{name} twice"
            );
        }
    }
    let blobs = calls("POST /blob");
    let manifests: Vec<_> =
        blobs.iter().filter(|blob| blob.get("file-name") == Some("index.json.blob")).collect();
    let finishes = calls("POST /finish");
    for manifest in &manifests {
        assert!(
            closes.iter().all(|close| comes_before(close, manifest)),
            "the manifest comes before the closes"
        );
    }
    for finish in &finishes {
        assert!(
            manifests.iter().any(|manifest| comes_before(manifest, finish)),
            "finish before the manifest"
        );
        // 51
        let late = records.iter().find(|record| record.began > finish.began);
        assert!(late.is_none(), "after finish: {late:?}");
    }
    assert!(finishes.len() <= 1 && manifests.len() <= 1);
}

/// 60
fn reader(records: &[&Record]) {
    for chunk in records.iter().filter(|record| record.path == "/chunk") {
        let index = |record: &&&Record| {
            let name = record.get("file-name").unwrap_or_default();
            record.path == "/download" && name.ends_with("idx") && comes_before(record, chunk)
        };
        assert!(records.iter().any(|record| index(&record)), "{chunk:?} before any index");
    }
}

/// A good session passes, and each way to break it is noticed.
#[test]
fn the_rules_can_be_broken() {
    let record = |began: u64, method: &str, target: &str, body: &str| {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Record {
            place: Some(Place::Backup),
            method: method.to_owned(),
            path: path.to_owned(),
            raw_query: query.to_owned(),
            query: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.as_bytes().to_vec(),
            body_len: 20,
            began: 10 * began,
            answered: Some(10 * began + 5),
            status: Some(200),
            ..Record::default()
        }
    };
    let digest = "a".repeat(64);
    let chunk = format!("/dynamic_chunk?digest={digest}&encoded-size=20&size=8&wid=1");
    let append = |offset: u64| format!(r#"{{"wid":1,"digest-list":["{digest}"],"offset-list":[{offset}]}}"#);
    let good = || {
        vec![
            record(1, "POST", "/dynamic_index?archive-name=x.didx", ""),
            record(2, "POST", &chunk, ""),
            record(3, "PUT", "/dynamic_index", &append(0)),
            record(4, "PUT", "/dynamic_index", &append(8)),
            record(5, "POST", "/dynamic_close?wid=1&chunk-count=2&size=16&csum=0", ""),
            record(6, "POST", "/blob?file-name=index.json.blob&encoded-size=20", ""),
            record(7, "POST", "/finish", ""),
        ]
    };
    check(&good(), 1);
    type Break = Box<dyn Fn(&mut Vec<Record>)>;
    let late = |at: usize, answered: u64| -> Break { Box::new(move |log| log[at].answered = Some(answered)) };
    let more = |new: Record| -> Break { Box::new(move |log| log.push(new.clone())) };
    let breaks: Vec<(&str, Break)> = vec![
        ("28", Box::new(|log| log[1].headers.push(("cookie".to_owned(), "x".to_owned())))),
        ("28", Box::new(|log| log[6].path = "/api2/json/finish".to_owned())),
        ("36", Box::new(|log| log[1].query[0].1 = "A".repeat(64))),
        ("35", Box::new(|log| log[1].body_len = 21)),
        ("37", more(record(8, "POST", &chunk, ""))),
        ("38", late(1, 31)),
        ("39", late(2, 41)),
        ("39", Box::new(|log| log[3].body = log[2].body.clone())),
        ("41", Box::new(|log| log[2].headers.clear())),
        ("41", Box::new(|log| log[2].body_len = 512 << 10)),
        ("43", Box::new(|log| log[4].query[1].1 = "0".to_owned())),
        ("51", more(record(8, "POST", "/speedtest", ""))),
        ("76", more(record(0, "POST", "/dynamic_index?archive-name=x.didx", ""))),
        ("order of the close", late(3, 51)),
        ("order of the manifest", late(4, 61)),
        ("order of finish", late(5, 71)),
    ];
    for (name, break_it) in breaks {
        let mut log = good();
        break_it(&mut log);
        let noticed = std::panic::catch_unwind(|| check(&log, 10));
        assert!(noticed.is_err(), "rule {name}");
    }
    let mut log = good();
    log[1].answered = Some(25_000);
    assert!(std::panic::catch_unwind(|| check(&log, 1)).is_err(), "26");
}
