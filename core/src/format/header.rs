use super::error::{Error, Problem};
use super::item::{HEADER_SIZE, ItemType};
use super::u64_at;

/// An item header whose type is known and whose size is within the limits of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the item is.
    pub item: ItemType,
    /// Bytes of content that follow the header.
    pub content: u64,
}

impl Header {
    /// Reads a header; `bytes` holds at least [`HEADER_SIZE`] bytes that lie at `offset` in the archive.
    ///
    /// # Errors
    /// Unknown type, full size below 16, or content outside the limits of the type (specification 1.4 and 1.5).
    #[inline]
    pub fn parse(bytes: &[u8], offset: u64) -> Result<Self, Error> {
        let htype = u64_at(bytes, 0);
        let full_size = u64_at(bytes, 8);
        let Some(item) = ItemType::from_htype(htype) else {
            return Err(Error::new(offset, None, Problem::UnknownType { htype }));
        };
        let Some(content) = full_size.checked_sub(HEADER_SIZE as u64) else {
            return Err(Error::new(offset, Some(item), Problem::ShortHeader { full_size }));
        };
        let (least, most) = item.content_limits();
        if content < least || content > most {
            let problem = Problem::ContentSize { least, most, got: content };
            return Err(Error::new(offset, Some(item), problem));
        }
        Ok(Self { item, content })
    }

    /// A header for `content` bytes of `item`. The content must be within the limits of the type.
    #[inline]
    pub const fn new(item: ItemType, content: u64) -> Self {
        Self { item, content }
    }

    /// Header and content, in bytes.
    #[inline]
    pub const fn full_size(self) -> u64 {
        HEADER_SIZE as u64 + self.content
    }

    /// The 16 bytes on disk.
    #[inline]
    pub fn to_bytes(self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        bytes[..8].copy_from_slice(&self.item.htype().to_le_bytes());
        bytes[8..].copy_from_slice(&self.full_size().to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_outside_the_limits_are_refused() {
        let parse = |item: ItemType, full_size: u64| {
            let mut bytes = [0; HEADER_SIZE];
            bytes[..8].copy_from_slice(&item.htype().to_le_bytes());
            bytes[8..].copy_from_slice(&full_size.to_le_bytes());
            Header::parse(&bytes, 7)
        };
        for &item in ItemType::ALL {
            assert!(matches!(parse(item, 15).unwrap_err().problem, Problem::ShortHeader { full_size: 15 }));
            let (least, most) = item.content_limits();
            assert!(parse(item, 16 + least).is_ok());
            assert!(parse(item, 16 + most).is_ok());
            if most < u64::MAX - 16 {
                assert_eq!(parse(item, 16 + most + 1).unwrap_err().offset, 7);
            }
            if least > 0 {
                assert!(parse(item, 16 + least - 1).is_err());
            }
        }
    }
}
