use super::*;

const HELLO: &str = "42ab3807be8370a1 d0c34aec 48656c6c6f2c20576f726c6421";
const FOX: &str = "31b958426fb6a37f 70068143 28b52ffd608402b50100d40254686520717569636b2062726f776e20666f78206a756d7073206f76657220746865206c617a7920646f672e200100a50a2b5506";
const ZEROS: &str = "31b958426fb6a37f a75e57c2 28b52ffd60e8024d00001000000100e32b8005";
const SEALED: &str = "7b6785be222d4cf0 bda8c6e8 101112131415161718191a1b1c1d1e1f 56579b9fc1fbde5047f143a4440d7c65 c23f560c885d1bf80479f20d96";
const BOTH: &str = "e6591bbf0bbfd80b 49ae667d 101112131415161718191a1b1c1d1e1f f393ecfce17ed45d068b23f50010e122 a2ef159d879939e26b0b8e69b7a111e29b0564";

/// Datastore specification 19.2.
#[test]
fn vectors() {
    for (blob, len, compressed, sealed) in [
        (HELLO, 25, false, false),
        (FOX, 76, true, false),
        (ZEROS, 31, true, false),
        (SEALED, 57, false, true),
        (BOTH, 63, true, true),
    ] {
        let blob = hex(blob);
        assert_eq!(blob.len(), len);
        let frame = Frame::parse(&blob).unwrap();
        assert_eq!((frame.compressed, frame.seal.is_some()), (compressed, sealed));
        assert_eq!(frame.plain().is_some(), !compressed && !sealed);
        assert_eq!(frame.to_vec(), blob);
    }
    assert_eq!(Frame::parse(&hex(HELLO)).unwrap().plain(), Some(&b"Hello, World!"[..]));
    let sealed = hex(SEALED);
    let frame = Frame::parse(&sealed).unwrap();
    let seal = frame.seal.unwrap();
    assert_eq!((seal.iv[0], seal.iv[15], seal.tag[0], seal.tag[15]), (0x10, 0x1f, 0x56, 0x65));
    assert_eq!(frame.data, hex("c23f560c885d1bf80479f20d96"));
    assert_eq!(Frame::choose(b"", None).unwrap().to_vec(), hex("42ab3807be8370a1 00000000"));
}

#[test]
fn the_smaller_form_is_chosen() {
    let choose = |plain, compressed| Frame::choose(plain, compressed).unwrap();
    assert!(choose(b"abcd", Some(b"abc")).compressed);
    assert!(choose(b"abcd", Some(b"efgh")).compressed);
    assert_eq!(choose(b"abcd", Some(b"efghi")).plain(), Some(&b"abcd"[..]));
    assert_eq!(choose(b"abcd", None).plain(), Some(&b"abcd"[..]));
    assert_eq!(choose(b"", Some(b"")).plain(), Some(&b""[..]));
    assert_eq!(choose(b"A", Some(b"0123456789")).to_vec(), hex("42ab3807be8370a1 8b9ed9d3 41"));
    let large = vec![0; MAX_PLAIN_SIZE as usize + 1];
    assert!(Frame::choose(&large[1..], None).is_ok());
    assert_eq!(Frame::choose(&large, None).unwrap_err().class(), Class::Limit);
}

#[test]
fn every_flipped_bit_but_those_of_the_seal_is_noticed() {
    for (blob, header) in [(hex(HELLO), 12), (hex(BOTH), 44)] {
        for bit in 0..blob.len() * 8 {
            let mut damaged = blob.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let unseen = (12..header).contains(&(bit / 8));
            assert_eq!(Frame::parse(&damaged).is_ok(), unseen, "bit {bit}");
        }
        for len in 0..blob.len() {
            assert!(Frame::parse(&blob[..len]).is_err(), "{len}");
        }
        let longer = [&blob[..], &[0]].concat();
        assert!(matches!(Frame::parse(&longer).unwrap_err().problem, Problem::Value { .. }));
    }
    // Long enough for a plain blob, too short for its magic number; the CRC would fit.
    let short = [&hex(SEALED)[..8], &[0; 4]].concat();
    assert_eq!(Frame::parse(&short).unwrap_err().problem, Problem::Truncated { expected: 44, got: 12 });
    assert!(Frame::parse(b"raw data of a file").unwrap_err().to_string().contains("magic number of a blob"));
}

#[test]
fn lengths() {
    assert_eq!(check_length(5, 5), Ok(()));
    assert_eq!(check_length(5, 4).unwrap_err().to_string(), "offset 0: expected 5 bytes of content, got 4");
    assert_eq!(MAX_ENCODED_SIZE, 16_777_260);
}
