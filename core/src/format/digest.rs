use core::fmt;

/// Most plain bytes of a chunk, 16 MiB: what a server takes (datastore specification 7.5).
pub const MAX_CHUNK_SIZE: u64 = 16 << 20;

/// A SHA-256: of a chunk's plain bytes (keyed for encrypted ones), of an index's entries, of a blob's file.
///
/// Core compares digests and prints them. Those of big data are made by the driver.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Reads exactly 64 hexadecimal digits of either case.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
        if text.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// 64 lower-case hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn text_and_back() {
        let text = "C2E686823489CED2017F6059B8B239318B6364F6DCD835D0A519105A1EADD6E4";
        let digest = Digest::from_hex(text.as_bytes()).unwrap();
        assert_eq!(digest.0[..2], [0xc2, 0xe6]);
        assert_eq!(digest.to_string(), text.to_lowercase());
        for bad in ["", "c2", &text[..63], &(text.to_string() + "0"), &text.replace('E', "g")] {
            assert_eq!(Digest::from_hex(bad.as_bytes()), None, "{bad}");
        }
    }
}
