/// CRC-32 of blobs (7.1), as zip archives have it, too (IEEE 802.3, `CRC-32/ISO-HDLC`).
#[derive(Clone)]
pub struct Crc32(Digest);

#[cfg(not(target_arch = "wasm32"))]
type Digest = crc32fast::Hasher;

/// What is fast on processors holds 16 KiB of numbers, which a browser would have to download.
#[cfg(target_arch = "wasm32")]
type Digest = crc::Digest<'static, u32, crc::Table<1>>;

#[cfg(target_arch = "wasm32")]
static CRC: crc::Crc<u32, crc::Table<1>> = crc::Crc::<u32, crc::Table<1>>::new(&crc::CRC_32_ISO_HDLC);

impl Crc32 {
    /// Of no bytes.
    pub fn new() -> Self {
        #[cfg(not(target_arch = "wasm32"))]
        return Self(crc32fast::Hasher::new());
        #[cfg(target_arch = "wasm32")]
        return Self(CRC.digest());
    }

    /// Of some bytes.
    pub fn of(bytes: &[u8]) -> u32 {
        let mut crc = Self::new();
        crc.update(bytes);
        crc.finish()
    }

    /// Takes more bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all of them.
    pub fn finish(self) -> u32 {
        self.0.finalize()
    }
}

impl Default for Crc32 {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_of_the_catalogue() {
        assert_eq!(Crc32::of(b"123456789"), 0xcbf4_3926);
        assert_eq!(Crc32::of(b""), 0);
        let catalogue = crc::Crc::<u32, crc::Table<1>>::new(&crc::CRC_32_ISO_HDLC);
        let bytes: alloc::vec::Vec<u8> = (0..1000_u32).map(|at| (at * at / 7) as u8).collect();
        for end in [0, 1, 7, 64, 999, 1000] {
            assert_eq!(Crc32::of(&bytes[..end]), catalogue.checksum(&bytes[..end]));
        }
        let mut parts = Crc32::default();
        bytes.chunks(33).for_each(|part| parts.update(part));
        assert_eq!(parts.finish(), Crc32::of(&bytes));
    }
}
