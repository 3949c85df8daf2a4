//! Changed manifests.

use std::sync::Arc;

use pxkit::crypt::{EncryptionKey, Keyring, Origin, Refusal, Standing};
use pxkit_core::blob::{BackupType, CryptMode, FileEntry, Manifest};
use pxkit_core::format::Digest;
use pxkit_tests::random::Rng;

fn signed() -> (Arc<EncryptionKey>, Manifest) {
    let key = Arc::new(EncryptionKey::generate().expect("random numbers"));
    let mut manifest = Manifest::new(BackupType::Host, "elsa", 1_600_000_000);
    for (name, crypt_mode) in [("root.ppxar.didx", CryptMode::Encrypt), ("x.conf.blob", CryptMode::None)] {
        let (filename, csum) = (name.to_owned(), Digest([7; 32]));
        manifest.files.push(FileEntry { filename, crypt_mode, size: 1234, csum });
    }
    manifest.unprotected.insert("notes".to_owned(), "a note".into());
    key.sign(&mut manifest);
    (key, manifest)
}

/// Whatever changes in the text of a manifest: it is refused, or says the same as before.
#[test]
fn every_changed_bit_is_refused_or_means_the_same() {
    let (key, manifest) = signed();
    let keyring = Keyring::with(key, Origin::Default);
    let (text, canonical) = (manifest.to_json(), manifest.canonical());
    let mut accepted = 0;
    let mut try_it = |text: &[u8]| {
        let Ok(changed) = Manifest::parse(text) else { return };
        if keyring.check(&changed).expect("the key is open") == Ok(Standing::Signed) {
            assert_eq!(changed.canonical(), canonical);
            accepted += 1;
        }
    };
    for bit in 0..text.len() * 8 {
        let mut bytes = text.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        try_it(&bytes);
    }
    let mut rng = Rng::new(1);
    for _ in 0..5000 {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=rng.below(3) {
            let (from, to) = (rng.below(bytes.len()), rng.below(bytes.len()));
            match rng.below(3) {
                0 => bytes[from] = bytes[to],
                1 => _ = bytes.remove(from),
                _ => bytes.insert(from, bytes[to]),
            }
        }
        try_it(&bytes);
    }
    // Cases of letters in hexadecimal, white space, the unprotected part.
    assert!(accepted > 100, "{accepted}");
}

/// Decision 14, case by case.
#[test]
fn what_is_refused_with_which_key() {
    let (key, whole) = signed();
    let fingerprint = *key.fingerprint();
    let given = Keyring::with(key.clone(), Origin::Given);
    let default = Keyring::with(key, Origin::Default);
    let none = Keyring::default();
    let check = |keyring: &Keyring, manifest: &Manifest| keyring.check(manifest).expect("open");
    let missing = || Err(Refusal::Missing { expected: fingerprint.to_string() });

    assert_eq!(check(&given, &whole), Ok(Standing::Signed));
    assert_eq!(check(&default, &whole), Ok(Standing::Signed));
    assert_eq!(check(&none, &whole), missing());

    let stripped = Manifest { signature: None, ..whole.clone() };
    assert_eq!(check(&given, &stripped), Err(Refusal::Stripped(fingerprint)));
    assert_eq!(check(&default, &stripped), Err(Refusal::Stripped(fingerprint)));
    assert_eq!(check(&none, &stripped), missing());

    let forged = Manifest { backup_time: 0, ..whole.clone() };
    assert_eq!(check(&given, &forged), Err(Refusal::Forged(fingerprint)));
    assert_eq!(check(&default, &forged), Err(Refusal::Forged(fingerprint)));

    // Signed before clients named their keys.
    let old = Manifest { unprotected: Default::default(), ..whole.clone() };
    assert_eq!(check(&given, &old), Ok(Standing::Signed));
    assert_eq!(check(&default, &old), Ok(Standing::Signed));
    assert_eq!(check(&none, &old), Ok(Standing::NoKey));
    let forged = Manifest { backup_time: 0, ..old.clone() };
    assert_eq!(check(&default, &forged), Err(Refusal::Forged(fingerprint)));

    let unsigned = Manifest { signature: None, ..old };
    assert_eq!(check(&given, &unsigned), Err(Refusal::Unsigned));
    assert_eq!(check(&default, &unsigned), Ok(Standing::Unsigned));
    assert_eq!(check(&none, &unsigned), Ok(Standing::NoKey));

    let (other, theirs) = signed();
    for keyring in [&given, &default] {
        let refusal = check(keyring, &theirs).expect_err("another key");
        let text = refusal.to_string();
        assert!(text.contains(&other.fingerprint().short().to_string()), "{text}");
        assert!(text.contains(&fingerprint.short().to_string()), "{text}");
    }
    let mut odd = whole;
    odd.unprotected.insert("key-fingerprint".to_owned(), "\u{1b}[31mnonsense".into());
    let text = check(&default, &odd).expect_err("no fingerprint").to_string();
    assert!(text.contains("wrong key") && !text.contains('\u{1b}'), "{text}");
    let text = check(&none, &odd).expect_err("no key").to_string();
    assert!(!text.contains('\u{1b}'), "{text}");
}
