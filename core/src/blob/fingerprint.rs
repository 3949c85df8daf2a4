use core::fmt;

use sha2::{Digest as _, Sha256};

/// What tells keys apart without giving them away (datastore specification 6).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Goes into every fingerprint: the SHA-256 of `Proxmox Backup Encryption Key Fingerprint`.
    const DOMAIN: [u8; 32] = [
        0x6e, 0xd0, 0xef, 0x77, 0x47, 0x1f, 0xff, 0x4d, 0x55, 0xc7, 0xa8, 0xfe, 0x4a, 0x9d, 0xb6,
        0x21, //
        0x61, 0x40, 0x7f, 0x13, 0x4c, 0x72, 0x5d, 0xdf, 0x30, 0x99, 0x2d, 0x25, 0xec, 0x45, 0xed, 0x26,
    ];

    /// The fingerprint of the key whose id key this is.
    pub fn of_id_key(id_key: &[u8; 32]) -> Self {
        Self(Sha256::new().chain_update(Self::DOMAIN).chain_update(id_key).finalize().into())
    }

    /// Reads 64 hexadecimal digits of either case, with colons anywhere between them.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut bytes, mut count) = ([0; 32], 0);
        for digit in text.chars().filter(|&digit| digit != ':') {
            let value = digit.to_digit(16)? as u8;
            *bytes.get_mut(count / 2)? |= if count % 2 == 0 { value << 4 } else { value };
            count += 1;
        }
        (count == 64).then_some(Self(bytes))
    }

    /// The first 8 bytes in the same notation, for messages.
    pub fn short(&self) -> impl fmt::Display + use<> {
        Pairs(*self, 8)
    }
}

/// 32 pairs of lower-case hexadecimal digits with colons between them.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Pairs(*self, 32).fmt(f)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// So many bytes of a fingerprint.
struct Pairs(Fingerprint, usize);

impl fmt::Display for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.0.iter().take(self.1).enumerate() {
            write!(f, "{}{byte:02x}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}
