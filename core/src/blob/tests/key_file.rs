use super::*;

const PLAIN: &str = r#"{"kdf":null,"created":"2020-09-13T12:26:40+00:00","modified":"2020-09-13T12:26:40+00:00","data":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","fingerprint":"0e:ab:d4:46:0b:6e:b9:ca:34:50:23:de:e2:b7:78:c7:90:e5:4a:16:83:b9:65:9c:0a:57:ae:19:90:90:15:9b"}"#;
const SCRYPT: &str = r#"{"kdf":{"Scrypt":{"n":65536,"r":8,"p":1,"salt":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}},"created":"2020-09-13T12:26:40+00:00","modified":"2020-09-13T12:26:40+00:00","data":"oKGio6SlpqeoqaqrrK2ur5TbYq36BPTdPHESK3spo1K3uQSU9o2/FD7dkFpcJhLvHutMq4GyvKauwIXIWWhMHA==","fingerprint":"0e:ab:d4:46:0b:6e:b9:ca:34:50:23:de:e2:b7:78:c7:90:e5:4a:16:83:b9:65:9c:0a:57:ae:19:90:90:15:9b"}"#;
const PBKDF2: &str = r#"{"kdf":{"PBKDF2":{"iter":65535,"salt":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}},"created":"2020-09-13T12:26:40+00:00","modified":"2020-09-13T12:26:40+00:00","data":"oKGio6SlpqeoqaqrrK2ur+3cyOBNwnGwZLkFwZT63fuEIqu0pgbBG1E6JKzep9ZjkH1PZ5PddQOj6HjEAu3MFg==","fingerprint":"0e:ab:d4:46:0b:6e:b9:ca:34:50:23:de:e2:b7:78:c7:90:e5:4a:16:83:b9:65:9c:0a:57:ae:19:90:90:15:9b"}"#;
const FINGERPRINT: &str =
    "0e:ab:d4:46:0b:6e:b9:ca:34:50:23:de:e2:b7:78:c7:90:e5:4a:16:83:b9:65:9c:0a:57:ae:19:90:90:15:9b";

fn parse(text: &str) -> Result<KeyFile, KeyFileError> {
    KeyFile::parse(text.as_bytes())
}

fn refusal(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

/// Datastore specification 19.9: read, and written again as they are.
#[test]
fn vectors() {
    let counting: [u8; 32] = core::array::from_fn(|at| at as u8);
    let plain = parse(PLAIN).unwrap();
    assert_eq!(plain.wrapping, Wrapping::None(Secret::new(&counting)));
    assert_eq!(plain.created, OffsetTime { seconds: 1_600_000_000, offset: 0 });
    for (text, expected) in [(SCRYPT, Kdf::scrypt(counting)), (PBKDF2, Kdf::pbkdf2(counting))] {
        let Wrapping::Passphrase { kdf, seal, ciphertext } = parse(text).unwrap().wrapping else {
            panic!("there is a kdf")
        };
        assert_eq!((kdf, seal.iv[0], seal.iv[15]), (expected, 0xa0, 0xaf));
        assert_ne!((seal.tag, ciphertext), ([0; 16], [0; 32]));
    }
    for text in [PLAIN, SCRYPT, PBKDF2] {
        let file = parse(text).unwrap();
        assert_eq!(file.fingerprint.unwrap().to_string(), FINGERPRINT);
        assert_eq!(*file.to_json(), text);
    }
}

/// Datastore specification 6 and 19.1; behaviour 21.
#[test]
fn b21_fingerprints() {
    let domain = sha(b"Proxmox Backup Encryption Key Fingerprint");
    let id_key = hex("7c2c013efd07f3b25717a485263343cd4d292a4b65c200bb3b18ea227abe225c");
    let id_key: [u8; 32] = id_key.try_into().unwrap();
    let fingerprint = Fingerprint::of_id_key(&id_key);
    assert_eq!(fingerprint.0, sha(&[&domain.0[..], &id_key].concat()).0);
    assert_eq!(fingerprint.to_string(), FINGERPRINT);
    assert_eq!(fingerprint.short().to_string(), "0e:ab:d4:46:0b:6e:b9:ca");
    for text in [
        FINGERPRINT.to_string(),
        FINGERPRINT.replace(':', ""),
        FINGERPRINT.to_uppercase(),
        format!(":{FINGERPRINT}::"),
    ] {
        assert_eq!(Fingerprint::parse(&text), Some(fingerprint), "{text}");
    }
    for bad in ["", "0e", &FINGERPRINT[1..], &format!("{FINGERPRINT}0"), &FINGERPRINT.replace('e', "x"), "é"]
    {
        assert_eq!(Fingerprint::parse(bad), None, "{bad}");
    }
}

/// Behaviour 23: what may be absent, and what is unknown.
#[test]
fn b23_optional_and_unknown_fields() {
    let without = format!("{}}}", PLAIN.split(",\"fingerprint\"").next().unwrap());
    let file = parse(&without).unwrap();
    assert_eq!((file.fingerprint, &file.hint), (None, &None));
    assert_eq!(*file.to_json(), without);
    assert_eq!(parse(&without.replace("\"kdf\":null,", "")).unwrap(), file);
    let more = without.replace('{', "{\"hint\":null,\"fingerprint\":null,\"later\":[{}],\"kdf\":1,");
    assert_eq!(parse(&more).unwrap(), file);
    let hinted = KeyFile { hint: Some("a \"hint\"\\\u{1}é".to_string()), ..file };
    assert_eq!(parse(&hinted.to_json()).unwrap(), hinted);
}

#[test]
fn refusals_name_the_field() {
    let expected = "key file: `kdf`: expected null, Scrypt or PBKDF2";
    for kdf in
        ["\"Scrypt\"", "{}", "{\"Argon2\":{}}", "{\"scrypt\":{}}", "7", "{\"Scrypt\":{},\"PBKDF2\":{}}"]
    {
        assert_eq!(refusal(&PLAIN.replace("null", kdf)), expected, "{kdf}");
    }
    for (from, to, expected) in [
        ("65536", "65537", "key file: `n`: expected a power of two"),
        ("65536", "1", "key file: `n`: expected a power of two"),
        ("65536", "0", "key file: `n`: expected a number above 0"),
        ("65536", "-8", "key file: `n`: expected a number above 0"),
        ("\"r\":8", "\"r\":0", "key file: `r`: expected a number above 0"),
        ("\"p\":1", "\"p\":4294967296", "key file: `p`: expected a number below 2^32"),
        (
            "\"p\":1",
            "\"p\":4294967295",
            "key file: `kdf`: expected parameters of scrypt that need at most 1025 MiB",
        ),
        ("65536", "2097152", "key file: `kdf`: expected parameters of scrypt that need at most 1025 MiB"),
        (
            "65536",
            "9223372036854775808",
            "key file: `kdf`: expected parameters of scrypt that need at most 1025 MiB",
        ),
        ("AAECAwQF", "AAECAwQ", "key file: `salt`: expected base64 with padding"),
        ("oKGio6Sl", "oKGio6S", "key file: `data`: expected base64 with padding"),
        ("oKGio6Sl", "oKGi", "key file: `data`: expected 64 bytes, as there is a kdf"),
        (
            "2020-09-13T12:26:40+00:00",
            "2020-09-13",
            "key file: `created`: expected a time like 2020-09-13T12:26:40+00:00",
        ),
        (
            "\"modified\"",
            "\"changed\"",
            "key file: `modified`: expected a time like 2020-09-13T12:26:40+00:00",
        ),
        ("0e:ab", "0e:a", "key file: `fingerprint`: expected 64 hexadecimal digits"),
        ("\"data\":\"", "\"data\":7,\"x\":\"", "key file: `data`: expected base64 with padding"),
    ] {
        assert!(SCRYPT.contains(from), "{from}");
        assert_eq!(refusal(&SCRYPT.replacen(from, to, 1)), expected, "{from} {to}");
    }
    // The largest that fits: 1024 MiB and a little.
    assert!(parse(&SCRYPT.replace("65536", "1048576")).is_ok());
    assert_eq!(refusal(&PBKDF2.replace("65535", "0")), "key file: `iter`: expected a number above 0");
    assert_eq!(
        refusal(&PLAIN.replace("AAECAwQF", "")),
        "key file: `data`: expected 32 bytes, as there is no kdf"
    );
    assert_eq!(refusal("[]"), "key file: ``: expected an object around everything");
    assert!(refusal("[".repeat(100_000).as_str()).contains("malformed JSON in line 1"));
}

/// No text that is cut off or has a wrong character is taken for another key, and none makes this panic. Errors and debug output tell
/// nothing of the key.
#[test]
fn every_changed_character_is_refused_or_harmless() {
    for text in [PLAIN, SCRYPT, PBKDF2] {
        for len in 0..text.len() {
            assert!(parse(&text[..len]).is_err(), "{len}");
        }
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                let Ok(file) = KeyFile::parse(&bytes) else { continue };
                // What is derived, times, names of optional fields: whatever reads well is written as it reads.
                assert_eq!(KeyFile::parse(file.to_json().as_bytes()), Ok(file), "{at} {bit}");
            }
        }
    }
    let debug = format!("{:?}", parse(PLAIN).unwrap());
    assert!(debug.contains("wrapping: None(Secret)"), "{debug}");
}

/// Behaviour 25.
#[test]
fn b25_times() {
    for (text, seconds, offset, written) in [
        ("2020-09-13T12:26:40Z", 1_600_000_000, 0, "2020-09-13T12:26:40+00:00"),
        ("2020-09-13T14:26:40+02:00", 1_600_000_000, 120, "2020-09-13T14:26:40+02:00"),
        ("2020-09-13T04:56:40-07:30", 1_600_000_000, -450, "2020-09-13T04:56:40-07:30"),
        ("1970-01-01T00:00:00-00:00", 0, 0, "1970-01-01T00:00:00+00:00"),
        ("1969-12-31T23:59:59Z", -1, 0, "1969-12-31T23:59:59+00:00"),
        ("2016-12-31T23:59:60Z", 1_483_228_800, 0, "2017-01-01T00:00:00+00:00"),
        ("2000-02-29T12:00:00+23:59", 951_739_260, 1439, "2000-02-29T12:00:00+23:59"),
        ("0000-01-01T00:00:00Z", -62_167_219_200, 0, "0000-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59Z", 253_402_300_799, 0, "9999-12-31T23:59:59+00:00"),
    ] {
        assert_eq!(OffsetTime::parse(text), Some(OffsetTime { seconds, offset }), "{text}");
        assert_eq!(OffsetTime { seconds, offset }.to_string(), written);
    }
    for bad in [
        "2020-09-13T12:26:40",
        "2020-09-13T12:26:40z",
        "2020-09-13t12:26:40Z",
        "2020-09-13 12:26:40Z",
        "2020-09-13T12:26:40.5Z",
        "2020-09-13T12:26:40+0200",
        "2020-09-13T12:26:40+24:00",
        "2020-09-13T12:26:40+02:60",
        "2020-09-13T24:26:40Z",
        "2020-09-13T12:60:40Z",
        "2020-09-13T12:26:61Z",
        "2020-13-13T12:26:40Z",
        "2020-00-13T12:26:40Z",
        "2021-02-29T12:26:40Z",
        "2020-09-31T12:26:40Z",
        "2020-09-00T12:26:40Z",
        "9999-12-31T23:59:60Z",
        "2020-09-13T12:26:4éZ",
        "+020-09-13T12:26:40Z",
        "",
    ] {
        assert_eq!(OffsetTime::parse(bad), None, "{bad}");
    }
    // Every day of four centuries and the days around, whatever the clock shows.
    for day in -200_000_i64..200_000 {
        let time = OffsetTime { seconds: day * 86_400 + day.rem_euclid(86_400), offset: (day % 1440) as i16 };
        assert_eq!(OffsetTime::parse(&time.to_string()), Some(time));
    }
}

#[test]
fn hints() {
    assert!(KeyFile::is_hint("x") && KeyFile::is_hint(&"é".repeat(64)));
    for bad in ["", &"x".repeat(65), "a\nb", "\u{7f}"] {
        assert!(!KeyFile::is_hint(bad), "{bad:?}");
    }
}
