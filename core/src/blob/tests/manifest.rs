use serde_json::json;

use super::*;

const UNSIGNED: &str = include_str!("unsigned.json");
const SIGNATURE: &str = "d7b446fb7db081662081d4b40fedd858a1d6307a5aff4ecff7d5bf4fd35679e9";

fn file(filename: &str, crypt_mode: CryptMode, size: u64, csum: Digest) -> FileEntry {
    FileEntry { filename: filename.to_string(), crypt_mode, size, csum }
}

fn signed() -> Manifest {
    let mut manifest = Manifest::new(BackupType::Host, "elsa", 1_593_179_765);
    manifest.files.push(file("test1.img.fidx", CryptMode::Encrypt, 200, Digest([1; 32])));
    manifest.files.push(file("abc.blob", CryptMode::None, 200, Digest([2; 32])));
    manifest.signature = Some(SIGNATURE.to_string());
    manifest
}

/// RFC 2104, for a key of at most 64 bytes.
fn hmac(key: &[u8], text: &str) -> String {
    let pad = |byte: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ byte).collect() };
    let inner = sha(&[&pad(0x36)[..], text.as_bytes()].concat());
    sha(&[&pad(0x5c)[..], &inner.0].concat()).to_string()
}

/// Datastore specification 19.5.
#[test]
fn vector_of_the_signature() {
    let manifest = signed();
    let ones = "01".repeat(32);
    let twos = "02".repeat(32);
    assert_eq!(
        manifest.canonical(),
        format!(
            "{{\"backup-id\":\"elsa\",\"backup-time\":1593179765,\"backup-type\":\"host\",\"files\":[\
             {{\"crypt-mode\":\"encrypt\",\"csum\":\"{ones}\",\"filename\":\"test1.img.fidx\",\"size\":200}},\
             {{\"crypt-mode\":\"none\",\"csum\":\"{twos}\",\"filename\":\"abc.blob\",\"size\":200}}]}}"
        )
    );
    let key = hex("758495a21c31047f543f46d694700e02d168568bab37bb0ceece947b591f5100");
    assert_eq!(hmac(&key, &manifest.canonical()), SIGNATURE);
    // Not covered, and covered.
    let mut other = manifest.clone();
    other.unprotected.insert("notes".to_string(), json!("first line\nsecond line"));
    assert_eq!(hmac(&key, &other.canonical()), SIGNATURE);
    other.files[1].size += 1;
    assert_ne!(hmac(&key, &other.canonical()), SIGNATURE);
}

/// Datastore specification 10.1 and 19.6.
#[test]
fn vector_of_the_blob() {
    let manifest = Manifest::parse(UNSIGNED.as_bytes()).unwrap();
    assert_eq!(manifest.file("root.mpxar.didx").unwrap().size, 1000);
    assert_eq!((manifest.files.len(), &manifest.signature), (2, &None));
    let text = manifest.to_json();
    assert_eq!((text.len(), &text[..]), (496, UNSIGNED));
    let blob = Frame::choose(text.as_bytes(), None).unwrap().to_vec();
    assert_eq!(blob[..12], hex("42ab3807be8370a19eca58f4"));
    assert_eq!(sha(&blob).to_string(), "9cdd5f63f13150edeb1173367bbb026127eb65404dd4f9d47a0b3a4ce756afc3");
}

#[test]
fn what_may_be_absent_or_null() {
    let files = "[{\"filename\":\"a.blob\",\"size\":1,\"csum\":\"CSUM\",\"later\":[null]}]";
    let files = files.replace("CSUM", &"AB".repeat(32));
    let text = |rest: &str| {
        format!("{{\"files\":{files},\"backup-type\":\"ct\",\"backup-id\":\"7\",\"backup-time\":-5{rest}}}")
    };
    let bare = Manifest::parse(text("").as_bytes()).unwrap();
    assert_eq!((bare.backup_type, bare.backup_time), (BackupType::Ct, -5));
    assert_eq!(bare.files, [file("a.blob", CryptMode::None, 1, Digest([0xab; 32]))]);
    assert!(bare.unprotected.is_empty());
    for rest in [",\"signature\":null", ",\"unprotected\":{}", ",\"unprotected\":null,\"later\":{\"x\":1.5}"]
    {
        let other = Manifest::parse(text(rest).as_bytes()).unwrap();
        assert_eq!((other.canonical(), other), (bare.canonical(), bare.clone()), "{rest}");
    }
}

#[test]
fn unknown_keys_of_the_unprotected_part_survive() {
    let unprotected = json!({
        "zeta": { "b": [1, null, true, -2.5], "a": {} },
        "notes": "a\u{1}\"\\/\u{7f}é\u{2028}",
        "chunk_upload_stats": { "count": u64::MAX, "size": i64::MIN },
        "key-fingerprint": "12:b9",
    });
    let mut manifest = signed();
    manifest.unprotected = unprotected.as_object().unwrap().clone();
    let again = Manifest::parse(manifest.to_json().as_bytes()).unwrap();
    assert_eq!(again, manifest);
    assert_eq!((again.key_fingerprint(), again.walk_start()), (Some("12:b9"), None));
    let mut written = again.clone();
    written.set_walk_start(1_600_000_000_123_456_789);
    let again = Manifest::parse(written.to_json().as_bytes()).unwrap();
    assert_eq!(again.walk_start(), Some(1_600_000_000_123_456_789));
    assert_eq!(again.unprotected["zeta"], unprotected["zeta"]);
    written.unprotected.insert("pxkit".to_string(), json!({ "walk-start": 1, "other": 2 }));
    written.set_walk_start(3);
    assert_eq!(written.unprotected["pxkit"], json!({ "walk-start": 3, "other": 2 }));
    written.unprotected.insert("pxkit".to_string(), json!("text"));
    written.set_walk_start(4);
    assert_eq!(written.walk_start(), Some(4));
}

/// Datastore specification 10.3, rule 2.
#[test]
fn escapes_of_the_canonical_form() {
    let mut manifest = Manifest::new(BackupType::Vm, "\"\\/\u{8}\t\n\u{c}\r\0\u{1f}\u{7f}é€😀", 0);
    let id = "\\\"\\\\/\\b\\t\\n\\f\\r\\u0000\\u001f\u{7f}é€😀";
    let expected =
        format!("{{\"backup-id\":\"{id}\",\"backup-time\":0,\"backup-type\":\"vm\",\"files\":[]}}");
    assert_eq!(manifest.canonical(), expected);
    assert_eq!(Manifest::parse(manifest.to_json().as_bytes()).unwrap(), manifest);
    manifest.backup_time = i64::MIN;
    assert!(manifest.canonical().contains(":-9223372036854775808,"));
}

#[test]
fn refusals_name_the_field() {
    let refused = |from: &str, to: &str| {
        assert!(UNSIGNED.contains(from));
        Manifest::parse(UNSIGNED.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
    };
    assert_eq!(refused("\"files\"", "\"file\""), "manifest: `files`: expected a list");
    assert_eq!(refused("\"host\"", "\"hosts\""), "manifest: `backup-type`: expected host, vm or ct");
    assert_eq!(refused("1593179765", "1.5"), "manifest: `backup-time`: expected seconds since 1970");
    assert_eq!(
        refused("\"size\": 1000", "\"size\": -1"),
        "manifest, file 1: `size`: expected a number of bytes"
    );
    assert_eq!(refused("\"b98d", "\"b98"), "manifest, file 0: `csum`: expected 64 hexadecimal digits");
    assert_eq!(
        refused("\"none\"", "\"some\""),
        "manifest, file 0: `crypt-mode`: expected none, encrypt or sign-only"
    );
    assert_eq!(refused("null", "17"), "manifest: `signature`: expected a string");
    assert!(refused("{}", "{").contains("malformed JSON in line"));
    assert!(Manifest::parse(b"[]").is_err());
    // Deep nesting ends in an error, not in an overflow.
    assert!(Manifest::parse("[".repeat(100_000).as_bytes()).is_err());
}
