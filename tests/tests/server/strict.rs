//! The server of the tests does what a real one was seen to do (protocol 12, 13, 17).

use bytes::Bytes;
use pxkit::store::{Local, Namespace, Options as StoreOptions, Repository as _, Verdict};
use pxkit_tests::pbs::access::{ALL, User};
use pxkit_tests::pbs::{Options, Server};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::raw::{Raw, Session, hex, plain_blob, query, text};

const BACKUP: &str = "proxmox-backup-protocol-v1";
const READER: &str = "proxmox-backup-reader-protocol-v1";
const TIME: i64 = 1_593_179_765;

fn digest(data: &[u8]) -> String {
    hex(&Sha256::digest(data))
}

fn start() -> Server {
    Server::start(Options { delay: std::time::Duration::ZERO, ..Options::default() })
}

fn backup(server: &Server, id: &str, time: i64) -> Session {
    let call = format!("GET /api2/json/backup?{}", query("host", id, time));
    Raw::upgrade_patiently(server, &call, BACKUP)
}

fn refused(server: &Server, user: &User, path: &str, protocol: &str) -> (u16, String) {
    let raw = Raw::new(server, user);
    raw.upgrade(&format!("GET /api2/json/{path}"), protocol).err().expect("a refusal")
}

fn manifest(files: &Value, id: &str, time: i64) -> Vec<u8> {
    let manifest = json!({
        "backup-id": id, "backup-time": time, "backup-type": "host", "files": files, "signature": null, "unprotected": {},
    });
    plain_blob(manifest.to_string().as_bytes())
}

/// The transcript of a backup, 12, and its restore, 13.
#[test]
fn the_transcripts() {
    let server = start();
    let (a, b, c) = (vec![b'A'; 1000], vec![b'B'; 2000], vec![b'C'; 500]);
    let (da, db, dc) = (digest(&a), digest(&b), digest(&c));
    let session = backup(&server, "elsa", TIME);
    let good = |answer: (u16, Vec<u8>), wanted: Value| {
        let (status, body) = text(answer);
        assert_eq!((status, body), (200, json!({ "data": wanted }).to_string()));
    };
    good(session.call("GET", "/previous_backup_time"), Value::Null);
    good(session.call("POST", "/dynamic_index?archive-name=root.mpxar.didx"), 1.into());
    good(session.call("POST", "/dynamic_index?archive-name=root.ppxar.didx"), 2.into());
    good(session.chunk("dynamic", 2, &db, 2000, plain_blob(&b)), (&*db).into());
    good(session.chunk("dynamic", 1, &da, 1000, plain_blob(&a)), (&*da).into());
    good(session.chunk("dynamic", 2, &dc, 500, plain_blob(&c)), (&*dc).into());
    good(session.append("dynamic", 1, &[(&da, 0)]), Value::Null);
    good(session.append("dynamic", 2, &[(&db, 0), (&dc, 2000)]), Value::Null);
    let ppxar = "b98d3d84684ffdfa50d80aceee7a3b52f371fe70e7edc90ac5f93f250d4de770";
    let mpxar = "ad6bf2d0c4e4c275117d94abc6e1f15e9476c8fb0eb89a0a548bd59044aae2b7";
    let close = |wid, count, size, csum| {
        session.call("POST", &format!("/dynamic_close?chunk-count={count}&csum={csum}&size={size}&wid={wid}"))
    };
    good(close(2, 2, 2500, ppxar), Value::Null);
    good(close(1, 1, 1000, mpxar), Value::Null);
    let files = json!([
        { "crypt-mode": "none", "csum": ppxar, "filename": "root.ppxar.didx", "size": 2500 },
        { "crypt-mode": "none", "csum": mpxar, "filename": "root.mpxar.didx", "size": 1000 },
    ]);
    let blob = manifest(&files, "elsa", TIME);
    let blob_len = blob.len();
    good(session.blob("index.json.blob", blob), Value::Null);
    good(session.call("POST", "/finish"), Value::Null);
    session.close();

    let mut rest = Raw::new(&server, server.token());
    let list =
        rest.data("GET /api2/json/admin/datastore/store1/snapshots?backup-id=elsa&backup-type=host", None);
    assert_eq!((list[0]["backup-time"].as_i64(), list.as_array().map(Vec::len)), (Some(TIME), Some(1)));
    let directory = server.root().join("host/elsa/2020-06-26T13:56:05Z");
    let len = |name: &str| std::fs::metadata(directory.join(name)).expect("a file").len();
    assert_eq!((len("root.mpxar.didx"), len("root.ppxar.didx")), (4136, 4176));
    let found = pxkit_tests::pbs::manifest::read(&directory.join("index.json.blob")).expect("a manifest");
    let stats = json!({ "count": 3, "size": 3500 + blob_len, "compressed_size": 3536, "duplicates": 0 });
    assert_eq!(found["unprotected"]["chunk_upload_stats"], stats);

    let reader = || {
        let call = format!("GET /api2/json/reader?{}", query("host", "elsa", TIME));
        Raw::upgrade_patiently(&server, &call, READER)
    };
    let session = reader();
    let chunk = |digest: &str| session.call("GET", &format!("/chunk?digest={digest}"));
    assert_eq!(text(chunk(&db)), (401, format!("download chunk {db} not allowed")));
    let download = |name: &str| session.call("GET", &format!("/download?file-name={name}"));
    assert_eq!(download("root.mpxar.didx").1.len(), 4136);
    assert_eq!(chunk(&db).0, 401);
    assert_eq!(download("root.ppxar.didx").1.len(), 4176);
    assert_eq!(chunk(&da), (200, plain_blob(&a)));
    assert_eq!(chunk(&db), (200, plain_blob(&b)));
    assert_eq!(chunk(&dc).1.len(), 512);
    assert_eq!(text(download("index.json")).1, "unknown archive type: \"index.json\"");
    assert_eq!(download("absent.blob").0, 404);
    let forget = format!(
        "DELETE /api2/json/admin/datastore/store1/snapshots?backup-id=elsa&backup-time={TIME}&backup-type=host"
    );
    let (status, why) = text(rest.rest(&forget, None));
    assert!(status == 400 && why.contains("unable to acquire snapshot lock"), "{why}");
    session.close();

    // The second run: nothing is uploaded.
    let session = backup(&server, "elsa", TIME + 1);
    good(session.call("GET", "/previous_backup_time"), TIME.into());
    assert_eq!(session.call("GET", "/previous?archive-name=root.ppxar.didx").1.len(), 4176);
    good(session.call("POST", "/dynamic_index?archive-name=root.ppxar.didx"), 1.into());
    assert_eq!(text(session.append("dynamic", 1, &[(&da, 0)])), (400, format!("no such chunk {da}")));
    good(session.append("dynamic", 1, &[(&db, 0), (&dc, 2000)]), Value::Null);
    session.close();
    // What is not finished goes away.
    pxkit_tests::cli::wait_until("the snapshot is removed", || {
        !server.root().join("host/elsa/2020-06-26T13:56:06Z").exists()
    });
    assert!(directory.exists());
}

/// The store is one that pxkit finds good.
#[test]
fn what_it_keeps_verifies() {
    let server = start();
    let session = backup(&server, "elsa", TIME);
    let data = vec![7; 300_000];
    let blob = plain_blob(b"small");
    assert_eq!(session.blob("x.conf.blob", blob.clone()).0, 200);
    assert_eq!(session.call("POST", "/fixed_index?archive-name=disk.img.fidx&size=300000").0, 200);
    let sum = digest(&data);
    assert_eq!(session.chunk("fixed", 1, &sum, data.len(), plain_blob(&data)).0, 200);
    assert_eq!(session.append("fixed", 1, &[(&sum, 0)]).0, 200);
    let csum = digest(&Sha256::digest(&data));
    assert_eq!(
        session.call("POST", &format!("/fixed_close?chunk-count=1&csum={csum}&size=300000&wid=1")).0,
        200
    );
    let files = json!([
        { "crypt-mode": "none", "csum": csum, "filename": "disk.img.fidx", "size": 300_000 },
        { "crypt-mode": "none", "csum": digest(&blob), "filename": "x.conf.blob", "size": blob.len() },
    ]);
    assert_eq!(session.blob("index.json.blob", manifest(&files, "elsa", TIME)).0, 200);
    assert_eq!(session.call("POST", "/finish").0, 200);
    session.close();
    let local = Local::open(server.root(), StoreOptions::default()).expect("a store");
    let group = "host/elsa".parse().expect("a group");
    let snapshots = local.snapshots(&Namespace::default(), &group).expect("snapshots");
    let verification = local.verification(1, TIME);
    let found = verification.snapshot(&Namespace::default(), &snapshots[0].id).expect("verified");
    assert_eq!((found.verdict, found.errors), (Verdict::Ok, vec![]));
    assert_eq!(local.groups(&Namespace::default()).expect("groups")[0].owner, "tester@pbs!tok");

    // The same as a task.
    let mut rest = Raw::new(&server, server.token());
    let upid = rest.data("POST /api2/json/admin/datastore/store1/verify", Some(&json!({})));
    let upid = upid.as_str().expect("a name").replace(':', "%3A").replace('!', "%21").replace('@', "%40");
    let status = format!("GET /api2/json/nodes/localhost/tasks/{}/status", upid.replace('\\', "%5C"));
    assert_eq!(rest.data(&status, None)["status"], "running");
    assert_eq!(rest.data(&status, None)["exitstatus"], "OK");
}

/// What a session refuses, with the texts of 17.
#[test]
fn refusals_of_a_backup() {
    let server = start();
    let session = backup(&server, "elsa", TIME);
    let call = |method: &str, path: &str| text(session.call(method, path));
    let says = |answer: (u16, String), status: u16, wanted: &str| {
        assert_eq!(answer.0, status, "{}", answer.1);
        assert!(answer.1.contains(wanted), "{wanted}: {}", answer.1);
    };
    let pv = "parameter verification failed - ";
    says(call("POST", "/finish"), 400, "backup does not contain valid files (file count == 0)");
    says(call("GET", "/x"), 404, "Path '/x' not found.");
    says(call("GET", "/finish"), 404, "Path '/finish' not found.");
    says(call("GET", "/previous?archive-name=x.didx"), 400, "no valid previous backup");
    says(call("POST", "/dynamic_index?archive-name=x.fidx"), 400, "wrong archive extension: 'x.fidx'");
    says(
        call("POST", "/dynamic_index?archive-name=.x.didx"),
        400,
        &format!("{pv}'archive-name': value does not"),
    );
    says(call("POST", "/dynamic_close?wid=99&chunk-count=1&size=1&csum=x"), 400, &format!("{pv}'csum'"));
    let csum = "0".repeat(64);
    let close = format!("/dynamic_close?wid=99&chunk-count=1&size=1&csum={csum}");
    says(call("POST", &close), 400, "dynamic writer '99' not registered");
    says(
        call("POST", &close.replace("99", "257")),
        400,
        &format!("{pv}'wid': value must have a maximum value of 256 (got 257)"),
    );
    assert_eq!(call("POST", "/dynamic_index?archive-name=x.didx").0, 200);
    says(call("POST", "/finish"), 400, "found open index writer");
    let data = b"some data".to_vec();
    let sum = digest(&data);
    let chunk = |sum: &str, size: usize, blob: Vec<u8>| text(session.chunk("dynamic", 1, sum, size, blob));
    says(chunk(&sum, 8, plain_blob(&data)), 400, "detected chunk with wrong length (8 != 9).");
    says(chunk(&csum, 9, plain_blob(&data)), 400, "detected chunk with wrong digest.");
    says(
        chunk(&sum.to_uppercase(), 9, plain_blob(&data)),
        400,
        &format!("{pv}'digest': value does not match the regex pattern"),
    );
    says(chunk(&sum, 9, vec![0; 21]), 400, "unable to parse raw blob - wrong magic");
    says(chunk(&sum, 16_777_217, plain_blob(&data)), 400, "maximum value of 16777216");
    let mut sealed = vec![0x7b, 0x67, 0x85, 0xbe, 0x22, 0x2d, 0x4c, 0xf0];
    sealed.resize(43, 0);
    says(chunk(&sum, 9, sealed.clone()), 400, "encrypted blob too small (43 bytes).");
    let announced = |len: usize, body: Vec<u8>| {
        let path = format!("/dynamic_chunk?digest={sum}&encoded-size={len}&size=9&wid=1");
        text(session.send("POST", &path, Some("application/octet-stream"), body.into()))
    };
    says(announced(22, plain_blob(&data)), 400, "uploaded chunk has unexpected size.");
    says(announced(20, plain_blob(&data)), 400, "uploaded chunk is larger than announced.");
    let mut bad_crc = plain_blob(&data);
    bad_crc[8] ^= 1;
    assert_eq!(chunk(&sum, 9, bad_crc).0, 200);
    assert_eq!(
        std::fs::read(server.root().join(format!(".chunks/{}/{sum}", &sum[..4]))).unwrap(),
        plain_blob(&data)
    );
    sealed.resize(60, 0);
    says(chunk(&sum, 9, sealed), 400, "Overwriting unencrypted chunk");
    says(text(session.append("dynamic", 1, &[(&sum, 9)])), 400, "got strange chunk offset (0 != 9)");
    let form = "application/x-www-form-urlencoded";
    let body = Bytes::from("{}");
    says(text(session.send("PUT", "/dynamic_index", Some(form), body.clone())), 400, "parameter is missing");
    says(
        text(session.send("PUT", "/dynamic_index", Some("text/plain"), body)),
        400,
        "unsupported content type",
    );
    says(
        text(session.send("PUT", "/dynamic_index", Some("application/json"), vec![b' '; 512 << 10].into())),
        400,
        "Request body too large",
    );
    assert_eq!(session.append("dynamic", 1, &[(&sum, 0)]).0, 200);
    let mut entry = 9u64.to_le_bytes().to_vec();
    entry.extend(Sha256::digest(&data));
    let right = digest(&entry);
    let close = |count: u64, size: u64, csum: &str| {
        call("POST", &format!("/dynamic_close?wid=1&chunk-count={count}&size={size}&csum={csum}"))
    };
    says(close(2, 9, &right), 400, "close failed - unexpected chunk count (1 != 2)");
    says(close(1, 8, &right), 400, "unexpected file size (9 != 8)");
    assert_eq!(close(1, 9, &right.to_uppercase()).0, 200);
    says(close(1, 9, &right), 400, "dynamic writer '1' not registered");
    let mut blob = plain_blob(b"x");
    says(text(session.blob("x.didx", blob.clone())), 400, "wrong blob file extension: 'x.didx'");
    let blob_of = |len: usize| {
        let path = format!("/blob?encoded-size={len}&file-name=x.blob");
        text(session.send("POST", &path, None, blob.clone().into()))
    };
    says(blob_of(14), 400, "got blob with unexpected length (14 != 13)");
    blob[8] ^= 1;
    says(text(session.blob("x.blob", blob)), 400, "Data blob has wrong CRC checksum.");
    // Images.
    assert_eq!(text(session.call("POST", "/fixed_index?archive-name=d.img.fidx&size=9000000")).0, 200);
    assert_eq!(text(session.chunk("fixed", 2, &sum, 9, plain_blob(&data))).0, 200);
    says(text(session.chunk("fixed", 2, &sum, 9, plain_blob(&data))), 400, "detected multiple end chunks");
    says(text(session.append("fixed", 2, &[(&sum, 1)])), 400, "got unaligned chunk (pos = 1)");
    says(text(session.append("fixed", 2, &[(&sum, 0)])), 400, "chunk with unexpected length (9 != 4194304");
    says(
        text(session.append("fixed", 2, &[(&sum, 12 << 20)])),
        400,
        "refusing to resize from 9000000 to 12582921",
    );
    // The manifest.
    says(
        call("POST", "/fixed_close?wid=2&chunk-count=0&size=9000000&csum=".to_owned().as_str()),
        400,
        "'csum'",
    );
    session.close();
    let session = backup(&server, "elsa", TIME + 1);
    assert_eq!(session.blob("x.conf.blob", plain_blob(b"x")).0, 200);
    let call = |method: &str, path: &str| text(session.call(method, path));
    says(call("POST", "/finish"), 400, "unable to update manifest blob - ");
    says(call("POST", "/finish"), 400, "backup is already in the process of finishing.");
    says(call("POST", "/dynamic_index?archive-name=x.didx"), 400, "already in the process of finishing.");
    session.close();
    let session = backup(&server, "elsa", TIME + 2);
    let odd =
        json!({ "backup-id": "x", "backup-time": 1, "backup-type": "vm", "files": [], "unprotected": 1 });
    assert_eq!(session.blob("index.json.blob", plain_blob(odd.to_string().as_bytes())).0, 200);
    let reset = session.try_send("POST", "/finish", None, Bytes::new()).expect_err("a reset");
    assert_eq!(reset.reason(), Some(h2::Reason::CANCEL));
    session.close();
}

/// What an upgrade refuses.
#[test]
fn refusals_of_an_upgrade() {
    let other = User::new("other@pbs!t", "s");
    let nobody = User::with("nobody@pbs!t", "s", &[]);
    let mut options = Options { delay: std::time::Duration::ZERO, ..Options::default() };
    options.users.extend([other.clone(), nobody.clone()]);
    let server = Server::start(options);
    let token = server.token().clone();
    let new = |id: &str, time: i64| format!("backup?{}", query("host", id, time));
    let session = backup(&server, "elsa", TIME);
    let busy = refused(&server, &token, &new("elsa", TIME + 1), BACKUP);
    assert!(busy.0 == 400 && busy.1.starts_with("unable to acquire backup group lock"), "{busy:?}");
    assert_eq!(session.blob("index.json.blob", manifest(&json!([]), "elsa", TIME)).0, 200);
    assert_eq!(session.call("POST", "/finish").0, 200);
    session.close();
    let says = |user: &User, path: &str, protocol: &str| {
        let mut refusal = refused(&server, user, path, protocol);
        // The lock of the session before goes with its connection.
        while refusal.1.contains("lock") {
            refusal = refused(&server, user, path, protocol);
        }
        format!("{} {}", refusal.0, refusal.1)
    };
    let pv = "parameter verification failed - ";
    assert_eq!(says(&token, &new("elsa", TIME), BACKUP), "400 backup timestamp is older than last backup.");
    assert_eq!(
        says(&token, &new("elsa", 0), BACKUP),
        format!("400 {pv}'backup-time': value must have a minimum value of 1 (got 0)")
    );
    assert_eq!(
        says(&token, &new("-x", TIME), BACKUP),
        format!("400 {pv}'backup-id': value does not match the regex pattern")
    );
    assert_eq!(
        says(&token, &format!("{}&ns=nowhere", new("elsa", TIME + 1)), BACKUP),
        "404 namespace not found"
    );
    assert_eq!(
        says(&token, &format!("{}&x=1", new("elsa", TIME + 1)), BACKUP),
        format!("400 {pv}'x': schema does not allow additional properties.")
    );
    assert_eq!(says(&token, &new("elsa", TIME + 1), READER), "400 invalid protocol name");
    assert_eq!(
        says(&token, &new("benchmark", TIME), BACKUP),
        "400 unable to run benchmark without --benchmark flags"
    );
    assert_eq!(
        says(&token, &new("elsa", 253_402_300_800), BACKUP),
        "400 epoch_to_rfc3339_utc: wrong year '10000'"
    );
    assert_eq!(
        says(&other, &new("elsa", TIME + 1), BACKUP),
        "400 backup owner check failed (other@pbs!t != tester@pbs!tok)"
    );
    assert_eq!(
        says(&nobody, &new("elsa", TIME + 1), BACKUP),
        "403 missing permissions 'Datastore.Backup' on '/datastore/store1'"
    );
    let reader = format!("reader?{}", query("host", "elsa", TIME));
    assert_eq!(says(&nobody, &reader, READER), "400 no permissions on /datastore/store1");
    assert_eq!(
        says(&token, &reader.replace("elsa", "else"), READER),
        "400 snapshot host/else/2020-06-26T13:56:05Z does not exist."
    );
    let wrong = User::new(&token.auth_id, "wrong");
    assert_eq!(says(&wrong, &new("elsa", TIME + 1), BACKUP), "401 authentication failed");
    assert!(says(&token, &new(&"x".repeat(200), TIME), BACKUP).ends_with("File name too long"));
    let raw = Raw::new(&server, &token);
    let refusal = raw.upgrade_with(&format!("GET /api2/json/{}", new("elsa", TIME + 1)), "").err();
    assert_eq!(refusal, Some((400, "missing Upgrade header".to_owned())));
    assert_eq!(ALL.len(), 6);
}
