//! What the first bytes of a file can be shown as.

/// Kinds of previews.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Text in this encoding.
    Text(Encoding),
    /// A picture of this media type, which the browser draws without running anything in it.
    Image(&'static str),
    /// Something else: its bytes.
    Bytes,
}

/// How text is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, or ASCII.
    Utf8,
    /// UTF-16 with a byte order mark: little endian.
    Utf16Le,
    /// UTF-16 with a byte order mark: big endian.
    Utf16Be,
    /// ISO 8859-1: text that is not UTF-8.
    Latin1,
}

impl Encoding {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
            Self::Latin1 => "Latin-1",
        }
    }
}

/// What a file can be shown as, by its first bytes; `whole` if they are all of it.
pub fn look(bytes: &[u8], whole: bool) -> Look {
    match bytes {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => return Look::Image("image/png"),
        [0xff, 0xd8, 0xff, ..] => return Look::Image("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => return Look::Image("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => return Look::Image("image/webp"),
        [0xff, 0xfe, ..] if is_text16(bytes, u16::from_le_bytes) => return Look::Text(Encoding::Utf16Le),
        [0xfe, 0xff, ..] if is_text16(bytes, u16::from_be_bytes) => return Look::Text(Encoding::Utf16Be),
        _ => {}
    }
    if bytes.is_empty() || bytes.iter().any(|byte| is_control(*byte)) {
        return Look::Bytes;
    }
    let encoding = match std::str::from_utf8(bytes) {
        Ok(_) => Encoding::Utf8,
        // A character that is cut off at the end of what was read.
        Err(error) if !whole && error.error_len().is_none() => Encoding::Utf8,
        // In Latin-1 these would be control characters.
        Err(_) if bytes.iter().all(|byte| !(0x80..0xa0).contains(byte)) => Encoding::Latin1,
        Err(_) => return Look::Bytes,
    };
    if encoding == Encoding::Utf8 && is_svg(bytes) {
        Look::Image("image/svg+xml")
    } else {
        Look::Text(encoding)
    }
}

/// The text of bytes; what is malformed becomes replacement characters.
pub fn decode(bytes: &[u8], encoding: Encoding) -> String {
    let wide = |read: fn([u8; 2]) -> u16| {
        let units = bytes[2.min(bytes.len())..].chunks_exact(2).map(|two| read([two[0], two[1]]));
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match encoding {
        Encoding::Utf8 => {
            String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).into_owned()
        }
        Encoding::Utf16Le => wide(u16::from_le_bytes),
        Encoding::Utf16Be => wide(u16::from_be_bytes),
        Encoding::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Control characters that no text has.
fn is_control(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f)
}

fn is_text16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> bool {
    bytes[2..].chunks_exact(2).all(|two| {
        let unit = read([two[0], two[1]]);
        unit > 0xff || !is_control(unit as u8)
    })
}

/// The first element is `svg`.
fn is_svg(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        let end = match rest.get(..4) {
            _ if rest.starts_with("<!--") => rest.find("-->").map(|at| at + 3),
            _ if rest.starts_with("<?") => rest.find("?>").map(|at| at + 2),
            _ if rest.starts_with("<!") => rest.find('>').map(|at| at + 1),
            Some("<svg") => return rest[4..].starts_with([' ', '>', '\n', '\t', '\r']),
            _ => return false,
        };
        let Some(end) = end else { return false };
        rest = rest[end..].trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell() {
        let cases: [(&[u8], Look); 14] = [
            (b"\x89PNG\r\n\x1a\n\0\0", Look::Image("image/png")),
            (b"\xff\xd8\xff\xe0", Look::Image("image/jpeg")),
            (b"GIF89a\x01", Look::Image("image/gif")),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Look::Image("image/webp")),
            (b"plain\ttext\r\n\x0c\x1b[1m", Look::Text(Encoding::Utf8)),
            ("gr\u{fc}\u{df}e".as_bytes(), Look::Text(Encoding::Utf8)),
            (b"gr\xfc\xdfe", Look::Text(Encoding::Latin1)),
            (b"gr\x9c", Look::Bytes),
            (b"\x7fELF\x02", Look::Bytes),
            (b"", Look::Bytes),
            (b"\xff\xfea\0b\0", Look::Text(Encoding::Utf16Le)),
            (b"\xfe\xff\0a\0b", Look::Text(Encoding::Utf16Be)),
            (b"<?xml version=\"1.0\"?>\n<!-- a -->\n<svg xmlns=\"\">", Look::Image("image/svg+xml")),
            (b"<svgfoo>", Look::Text(Encoding::Utf8)),
        ];
        for (bytes, look_of) in cases {
            assert_eq!(look(bytes, true), look_of, "{bytes:?}");
        }
    }

    #[test]
    fn a_character_may_be_cut_off_where_more_follows() {
        assert_eq!(
            look("grü".as_bytes().split_last().expect("it is not empty").1, false),
            Look::Text(Encoding::Utf8)
        );
        assert_eq!(look(b"gr\xc3", true), Look::Text(Encoding::Latin1));
    }

    #[test]
    fn text_is_decoded() {
        assert_eq!(decode(b"\xef\xbb\xbfa\xff", Encoding::Utf8), "a\u{fffd}");
        assert_eq!(decode(b"\xff\xfea\0\x00\xd8", Encoding::Utf16Le), "a\u{fffd}");
        assert_eq!(decode(b"gr\xfc", Encoding::Latin1), "grü");
        assert_eq!(decode(b"\xff", Encoding::Utf16Le), "");
    }
}
