use super::*;
use crate::crypt::key_file;

fn passphrase() -> anyhow::Result<SecretText> {
    Ok(SecretText::new("master".into()))
}

fn text<T>(result: anyhow::Result<T>) -> String {
    match result {
        Ok(_) => panic!("this must fail"),
        Err(error) => format!("{error:#}"),
    }
}

/// There and back; and whatever is not what it should be is refused. One test, since keys take long to make.
#[test]
fn only_the_private_half_gets_the_key_back() {
    let pair = generate("master").unwrap();
    let public = PublicKey::parse(pair.public.as_bytes()).unwrap();
    assert_eq!((public.bits(), public.exponent(), public.modulus().len()), (4096, "010001".into(), 1024));
    let (key, now) = (EncryptionKey::generate().unwrap(), key_file::now());
    let mut sealed = public.seal(&key, OffsetTime { seconds: 7, offset: 120 }, now).unwrap();
    assert_eq!(sealed.len(), 512);

    assert!(pair.private.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    let private = PrivateKey::parse(pair.private.as_bytes(), passphrase).unwrap();
    let file = private.unseal(&sealed).unwrap();
    assert_eq!((file.created.seconds, file.modified), (7, now));
    assert_eq!(file.fingerprint.as_ref(), Some(key.fingerprint()));
    let again = key_file::unlock(&file, || panic!("it has none")).unwrap();
    assert_eq!(again.secret(), key.secret());

    let wrong = || Ok(SecretText::new("mastes".into()));
    assert!(
        text(PrivateKey::parse(pair.private.as_bytes(), wrong))
            .contains("passphrase of the master key is wrong")
    );
    assert!(text(PrivateKey::parse(pair.public.as_bytes(), passphrase)).contains("got a PUBLIC KEY"));
    assert!(text(PrivateKey::parse(b"text", passphrase)).contains("no PEM file"));
    assert!(text(PrivateKey::parse(&pair.private.as_bytes()[..1000], passphrase)).contains("no PEM file"));
    assert!(text(PublicKey::parse(pair.private.as_bytes())).contains("ENCRYPTED PRIVATE KEY"));
    assert!(text(PublicKey::parse(&pair.public.as_bytes()[..500])).contains("no PEM file"));

    for at in [0, 100, 511] {
        sealed[at] ^= 1;
        assert!(text(private.unseal(&sealed)).contains("not encrypted with this master key, or is damaged"));
        sealed[at] ^= 1;
    }
    assert!(text(private.unseal(&sealed[1..])).contains("damaged"));
    assert!(text(private.unseal(&[])).contains("damaged"));
}

/// A key that others made: 2048 bits hold 245 bytes.
#[test]
fn small_master_keys_are_refused() {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let der: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    let pem = pem::encode_string("PUBLIC KEY", LineEnding::LF, der.as_ref()).unwrap();
    let public = PublicKey::parse(pem.as_bytes()).unwrap();
    let error = text(public.check_size());
    assert!(error.contains("2048 bits, too few for the 255 bytes"), "{error}");
    let (key, now) = (EncryptionKey::generate().unwrap(), key_file::now());
    assert!(public.seal(&key, now, now).is_err());
}

#[test]
fn the_key_file_has_the_size_that_is_said() {
    let (key, now) = (EncryptionKey::generate().unwrap(), key_file::now());
    let file = key_file::lock(&key, key_file::Protection::None, None, now, now).unwrap();
    assert_eq!(file.to_json().len(), KEY_FILE);
}
