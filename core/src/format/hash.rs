use core::hash::Hasher as _;

use siphasher::sip::SipHasher24;

/// The keys of the one hash function of the format (specification 1.2).
const K0: u64 = 0x83ac_3f1c_fbb4_50db;
const K1: u64 = 0xaa4f_1b68_7936_9fbd;

/// A function from a name to its hash in goodbye tables.
///
/// Archives use [`hash_name`]. Tests that need many colliding names pass another one to the encoder and to lookups.
pub type NameHash = fn(&[u8]) -> u64;

/// SipHash-2-4 of `bytes` with the keys of the format: names in goodbye tables, and the seeds of item types.
///
/// The keys are public, so colliding names can be made on purpose; whoever looks a name up must compare it.
#[inline]
pub fn hash_name(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(K0, K1);
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siphash_reference_vector() {
        let mut hasher = SipHasher24::new_with_keys(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        hasher.write(&core::array::from_fn::<u8, 15, _>(|i| i as u8));
        assert_eq!(hasher.finish(), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn name_vectors() {
        for (name, hash) in [
            (&b""[..], 0x7661_4015_f8d1_bb6c),
            (b"a", 0x0c26_e906_7c2c_7bcf),
            (b"sub", 0x1d68_1614_05af_1bd0),
            (b".pxarexclude-cli", 0x0469_75ce_672e_09eb),
            (b"lost+found", 0xedc9_3cb8_2478_96c7),
            (b"file_9", 0x3e77_6e94_c727_fff5),
            (b"\xc3\xa9", 0xbaca_f077_b83b_6b69),
        ] {
            assert_eq!(hash_name(name), hash, "{name:?}");
        }
    }
}
