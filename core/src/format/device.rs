use super::u64_at;

/// Numbers of a device node (specification 2.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Device {
    /// Driver.
    pub major: u64,
    /// Device of that driver.
    pub minor: u64,
}

impl Device {
    /// Reads the content of a DEVICE item.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self { major: u64_at(bytes, 0), minor: u64_at(bytes, 8) }
    }

    /// The content of a DEVICE item.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.major.to_le_bytes());
        bytes[8..].copy_from_slice(&self.minor.to_le_bytes());
        bytes
    }

    /// The numbers in a Linux `dev_t`.
    pub const fn from_dev_t(dev: u64) -> Self {
        Self {
            major: (dev >> 8) & 0xfff | (dev >> 32) & 0xffff_f000,
            minor: dev & 0xff | (dev >> 12) & 0xffff_ff00,
        }
    }

    /// The Linux `dev_t`; bits that it cannot hold are lost.
    pub const fn to_dev_t(self) -> u64 {
        (self.major & 0xfff) << 8
            | (self.major & 0xffff_f000) << 32
            | (self.minor & 0xff)
            | (self.minor & 0xffff_ff00) << 12
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dev_t_vectors() {
        for (major, minor, dev) in
            [(259, 70000, 0x1111_0370), (0xabcd_1234, 0xdcba_5678, 0xabcd_1dcb_a562_3478)]
        {
            let device = Device { major, minor };
            assert_eq!(device.to_dev_t(), dev);
            assert_eq!(Device::from_dev_t(dev), device);
        }
    }
}
