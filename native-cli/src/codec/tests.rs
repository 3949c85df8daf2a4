use super::*;
use crate::testing::hex;
use pxkit_core::blob::Secret;

fn encoded(plain: &[u8]) -> Vec<u8> {
    encode(plain, |frame| Ok(frame.to_vec())).unwrap()
}

fn open(blob: &[u8]) -> Result<Vec<u8>, DecodeError> {
    decode_blob(&mut blob.to_vec(), None)
}

fn chunk(blob: &[u8], digest: &Digest, len: u64, mode: CryptMode) -> Result<Vec<u8>, DecodeError> {
    decode_chunk(&mut blob.to_vec(), digest, len, mode, None)
}

/// Bytes that no compressor makes smaller.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(step).collect()
}

#[test]
fn digests_are_sha_256() {
    let text = "dffd6021bb2bd5b0af676290809ec3a53191dd81c7f70a4b28688a362182986f";
    assert_eq!(digest(b"Hello, World!").to_string(), text);
}

/// Behaviours 12 and 13, vectors 19.2.
#[test]
fn small_and_random_bytes_stay_as_they_are() {
    assert_eq!(encoded(b""), hex("42ab3807be8370a1 00000000"));
    assert_eq!(encoded(b"A"), hex("42ab3807be8370a1 8b9ed9d3 41"));
    assert_eq!(encoded(b"Hello, World!"), hex("42ab3807be8370a1 d0c34aec 48656c6c6f2c20576f726c6421"));
    let random = noise(100_000);
    assert_eq!(encoded(&random)[12..], random[..]);
    // After one that did not fit, the context works again.
    let zeros = vec![0; 4 << 20];
    let blob = encoded(&zeros);
    assert_eq!(blob.len(), 159);
    let name = digest(&zeros);
    assert_eq!(chunk(&blob, &name, 4 << 20, CryptMode::None).unwrap(), zeros);
}

#[test]
fn vectors_decode() {
    let fox = "The quick brown fox jumps over the lazy dog. ".repeat(20);
    let blob =
        hex("31b958426fb6a37f 70068143 28b52ffd608402b50100d40254686520717569636b2062726f776e20666f78206a\
        756d7073206f76657220746865206c617a7920646f672e200100a50a2b5506");
    assert_eq!(open(&blob).unwrap(), fox.as_bytes());
    assert_eq!(chunk(&blob, &digest(fox.as_bytes()), 900, CryptMode::SignOnly).unwrap(), fox.as_bytes());
    let zeros = hex("31b958426fb6a37f a75e57c2 28b52ffd60e8024d00001000000100e32b8005");
    assert_eq!(open(&zeros).unwrap(), [0; 1000]);
}

fn framed(compressed: &[u8]) -> Vec<u8> {
    Frame { compressed: true, seal: None, data: compressed }.to_vec()
}

/// Several frames, with and without content size, with checksum, of another level.
#[test]
fn any_frames_decode() {
    use std::io::Write as _;
    let (first, second) = (noise(3000), vec![7; 50_000]);
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 19).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(&first).unwrap();
    let mut data = encoder.finish().unwrap();
    data.extend(zstd::bulk::compress(&second, 3).unwrap());
    let plain = [first, second].concat();
    let blob = framed(&data);
    assert_eq!(open(&blob).unwrap(), plain);
    assert_eq!(chunk(&blob, &digest(&plain), 53_000, CryptMode::None).unwrap(), plain);
}

/// Behaviours 15, 17, 18.
#[test]
fn wrong_blobs_are_refused() {
    let (plain, name) = (vec![1; 1000], digest(&[1; 1000]));
    let blob = encoded(&plain);
    let decode = |blob: &[u8], len, mode| chunk(blob, &name, len, mode).map_err(|error| error.to_string());
    assert!(decode(&blob, 999, CryptMode::None).unwrap_err().contains("cannot be decompressed"));
    assert!(
        decode(&blob, 1001, CryptMode::None)
            .unwrap_err()
            .contains("expected 1001 bytes of content, got 1000")
    );
    assert!(decode(&blob, u64::MAX, CryptMode::None).unwrap_err().contains("got 16777216"));
    assert!(decode(&blob, 1000, CryptMode::Encrypt).unwrap_err().contains("not encrypted, although"));
    let sealed = hex("7b6785be222d4cf0 bda8c6e8 101112131415161718191a1b1c1d1e1f \
        56579b9fc1fbde5047f143a4440d7c65 c23f560c885d1bf80479f20d96");
    assert!(decode(&sealed, 13, CryptMode::None).unwrap_err().contains("encrypted, although"));
    assert!(decode(&sealed, 13, CryptMode::Encrypt).unwrap_err().contains("there is no key"));
    assert!(matches!(open(&sealed), Err(DecodeError::Sealed)));
    assert!(check_mode(&sealed, CryptMode::Encrypt).is_ok());
    let other = encoded(&[2; 1000]);
    assert!(decode(&other, 1000, CryptMode::None).unwrap_err().contains(&name.to_string()));
    let mut damaged = blob.clone();
    damaged[12] ^= 1;
    assert!(decode(&damaged, 1000, CryptMode::None).unwrap_err().contains("CRC"));
    damaged[0] ^= 1;
    assert!(decode(&damaged, 1000, CryptMode::None).unwrap_err().contains("magic number"));
    assert!(
        decode(&framed(b"nonsense"), 1000, CryptMode::None).unwrap_err().contains("cannot be decompressed")
    );
}

/// Behaviour 19: 129 MiB from 8 KiB.
#[test]
fn what_decompresses_to_too_much_is_refused() {
    let bomb = framed(&zstd::bulk::compress(&vec![0; 129 << 20], 1).unwrap());
    assert!(bomb.len() < 20_000);
    assert!(open(&bomb).unwrap_err().to_string().contains("more than 134217728 bytes"));
    let name = Digest::default();
    assert!(matches!(chunk(&bomb, &name, 4096, CryptMode::None), Err(DecodeError::Zstd(_))));
}

/// With the key of the vectors.
fn key() -> EncryptionKey {
    EncryptionKey::new(Secret::new(&std::array::from_fn(|at| at as u8)))
}

fn sealed(key: &EncryptionKey, plain: &[u8]) -> Vec<u8> {
    encode_with(Effort::Fast, Some(key), plain, |frame| Ok(frame.to_vec())).unwrap()
}

fn sealed_chunk(blob: &[u8], key: &EncryptionKey, plain: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let (digest, len) = (key.digest(plain), plain.len() as u64);
    decode_chunk(&mut blob.to_vec(), &digest, len, CryptMode::Encrypt, Some(key))
}

/// Behaviour 16: vectors 19.2, read.
#[test]
fn b16_sealed_vectors_decode() {
    let hello = hex("7b6785be222d4cf0 bda8c6e8 101112131415161718191a1b1c1d1e1f \
        56579b9fc1fbde5047f143a4440d7c65 c23f560c885d1bf80479f20d96");
    let zeros = hex("e6591bbf0bbfd80b 49ae667d 101112131415161718191a1b1c1d1e1f \
        f393ecfce17ed45d068b23f50010e122 a2ef159d879939e26b0b8e69b7a111e29b0564");
    assert_eq!(decode_blob(&mut hello.clone(), Some(&key())).unwrap(), b"Hello, World!");
    assert_eq!(decode_blob(&mut zeros.clone(), Some(&key())).unwrap(), [0; 1000]);
    assert_eq!(sealed_chunk(&hello, &key(), b"Hello, World!").unwrap(), b"Hello, World!");
    assert_eq!(sealed_chunk(&zeros, &key(), &[0; 1000]).unwrap(), [0; 1000]);
}

/// Compressed first, then encrypted; at every length around blocks of the cipher, and at the limit.
#[test]
fn what_is_sealed_opens() {
    let key = key();
    let random = noise(16 << 20);
    for len in (0..70).chain([4095, 4096, 100_000, 16 << 20]) {
        let plain = &random[..len];
        let blob = sealed(&key, plain);
        let frame = Frame::parse(&blob).unwrap();
        assert!(frame.seal.is_some() && !frame.compressed, "{len}");
        assert_eq!(blob.len(), len + 44);
        assert_eq!(sealed_chunk(&blob, &key, plain).unwrap(), plain);
        assert_eq!(decode_blob(&mut blob.clone(), Some(&key)).unwrap(), plain);
    }
    let zeros = vec![0; 4 << 20];
    let blob = sealed(&key, &zeros);
    assert!(blob.len() == 191 && Frame::parse(&blob).unwrap().compressed, "{}", blob.len());
    assert_eq!(sealed_chunk(&blob, &key, &zeros).unwrap(), zeros);
    // The same bytes never look the same.
    assert_ne!(sealed(&key, &zeros), blob);
}

/// Behaviours 11, 15 and 66: every flipped bit is refused, also if somebody set the CRC right.
#[test]
fn b11_b15_every_flipped_bit_is_refused() {
    let key = key();
    for plain in [noise(50), vec![7; 300]] {
        let mut blob = sealed(&key, &plain);
        for bit in 0..blob.len() * 8 {
            blob[bit / 8] ^= 1 << (bit % 8);
            assert!(sealed_chunk(&blob, &key, &plain).is_err(), "{bit}");
            assert!(decode_blob(&mut blob.clone(), Some(&key)).is_err(), "{bit}");
            if bit / 8 >= 12 {
                let mut mended = blob.clone();
                let crc = crc32fast::hash(&blob[44..]);
                mended[8..12].copy_from_slice(&crc.to_le_bytes());
                let error = sealed_chunk(&mended, &key, &plain).unwrap_err();
                assert!(matches!(error, DecodeError::Unfit(_)), "{bit}: {error}");
            }
            blob[bit / 8] ^= 1 << (bit % 8);
        }
        for len in 0..blob.len() {
            assert!(sealed_chunk(&blob[..len], &key, &plain).is_err(), "{len}");
        }
        assert!(sealed_chunk(&blob, &key, &plain).is_ok());
    }
}

/// Behaviour 15, and rules 62 and 63 of the protocol: without a key, with another, under another name, of another kind.
#[test]
fn b15_wrong_keys_and_kinds() {
    let (key, plain) = (key(), noise(100));
    let blob = sealed(&key, &plain);
    assert!(matches!(open(&blob), Err(DecodeError::Sealed)));
    let other = EncryptionKey::generate().unwrap();
    let error = sealed_chunk(&blob, &other, &plain).unwrap_err().to_string();
    assert!(error.contains(&other.fingerprint().short().to_string()), "{error}");
    let decode = |blob: &[u8], digest: &Digest, mode| {
        decode_chunk(&mut blob.to_vec(), digest, 100, mode, Some(&key)).map_err(|error| error.to_string())
    };
    let keyed = key.digest(&plain);
    assert!(decode(&blob, &keyed, CryptMode::Encrypt).is_ok());
    assert!(decode(&blob, &keyed, CryptMode::None).unwrap_err().contains("encrypted, although"));
    assert!(decode(&blob, &keyed, CryptMode::SignOnly).unwrap_err().contains("encrypted, although"));
    let wrong = decode(&blob, &digest(&plain), CryptMode::Encrypt).unwrap_err();
    assert!(wrong.contains("expected bytes with digest"), "{wrong}");
    // A plain chunk is none of an encrypted archive even if its name fits, nor is its name keyed.
    assert!(
        decode(&encoded(&plain), &keyed, CryptMode::Encrypt).unwrap_err().contains("not encrypted, although")
    );
    assert!(decode(&encoded(&plain), &keyed, CryptMode::None).unwrap_err().contains("digest"));
    assert!(decode(&encoded(&plain), &digest(&plain), CryptMode::SignOnly).is_ok());
    let long = decode_chunk(&mut blob.clone(), &keyed, 99, CryptMode::Encrypt, Some(&key)).unwrap_err();
    assert!(long.to_string().contains("expected 99 bytes of content, got 100"), "{long}");
}
