use super::error::{Error, Problem};
use super::header::Header;
use super::item::{HEADER_SIZE, ItemType};
use super::u64_at;

/// The bytes at the start of every payload stream (specification 4.5).
pub const START_MARKER: [u8; HEADER_SIZE] = marker(ItemType::PayloadStartMarker);
/// The bytes at the end of every payload stream; older readers tolerate that they are missing.
pub const TAIL_MARKER: [u8; HEADER_SIZE] = marker(ItemType::PayloadTailMarker);

const fn marker(item: ItemType) -> [u8; HEADER_SIZE] {
    let mut bytes = [0; HEADER_SIZE];
    let htype = item.htype().to_le_bytes();
    let mut i = 0;
    while i < 8 {
        bytes[i] = htype[i];
        i += 1;
    }
    bytes[8] = HEADER_SIZE as u8;
    bytes
}

/// Where a file's contents lie in the payload stream (specification 4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PayloadRef {
    /// Position of the PAYLOAD header in the payload stream; at least 16.
    pub offset: u64,
    /// Bytes of the file; they start 16 bytes after `offset`.
    pub size: u64,
}

impl PayloadRef {
    /// Content bytes of a PAYLOAD_REF item.
    pub const SIZE: usize = 16;

    /// Reads the content of a PAYLOAD_REF item.
    #[inline]
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self { offset: u64_at(bytes, 0), size: u64_at(bytes, 8) }
    }

    /// The content of a PAYLOAD_REF item.
    #[inline]
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..].copy_from_slice(&self.size.to_le_bytes());
        bytes
    }

    /// Position after the last byte of contents, or `None` if it does not fit a u64.
    #[inline]
    pub fn end(self) -> Option<u64> {
        self.offset.checked_add(HEADER_SIZE as u64)?.checked_add(self.size)
    }

    /// Checks the 16 bytes at [`PayloadRef::offset`] of the payload stream: they must be a PAYLOAD header of this size.
    ///
    /// # Errors
    /// Another item, or another size (specification 4.7).
    pub fn check_header(self, bytes: &[u8; HEADER_SIZE]) -> Result<(), Error> {
        let header = Header::parse(bytes, self.offset)?;
        if header.item != ItemType::Payload {
            let problem = Problem::Order { expected: "the PAYLOAD header of a reference" };
            return Err(Error::new(self.offset, Some(header.item), problem));
        }
        if header.content != self.size {
            let (least, most) = (self.size, self.size);
            let problem = Problem::ContentSize { least, most, got: header.content };
            return Err(Error::new(self.offset, Some(ItemType::Payload), problem));
        }
        Ok(())
    }
}

/// Follows the references of an archive through a payload stream that can only be read forwards (specification 4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadCursor {
    consumed: u64,
}

impl PayloadCursor {
    /// Starts after the first 16 bytes of the payload stream, which must be the start marker.
    ///
    /// # Errors
    /// The stream starts with something else.
    pub fn open(start: &[u8; HEADER_SIZE]) -> Result<Self, Error> {
        let htype = u64_at(start, 0);
        if htype != ItemType::PayloadStartMarker.htype() {
            let item = ItemType::from_htype(htype);
            let problem = Problem::Order { expected: "PAYLOAD_START_MARKER" };
            return Err(Error::new(0, item, problem));
        }
        Ok(Self { consumed: HEADER_SIZE as u64 })
    }

    /// Bytes of padding to pass before the PAYLOAD header of `reference`. Afterwards the cursor stands behind the contents:
    /// the caller reads or skips header and contents, too.
    ///
    /// # Errors
    /// The reference lies before what was already passed, or ends beyond 2^64.
    pub fn advance(&mut self, reference: PayloadRef) -> Result<u64, Error> {
        let item = Some(ItemType::PayloadRef);
        let Some(padding) = reference.offset.checked_sub(self.consumed) else {
            let problem = Problem::Backwards { least: self.consumed, got: reference.offset };
            return Err(Error::new(reference.offset, item, problem));
        };
        let Some(end) = reference.end() else {
            let problem = Problem::Range { expected: "an end below 2^64", got: reference.offset };
            return Err(Error::new(reference.offset, item, problem));
        };
        self.consumed = end;
        Ok(padding)
    }

    /// Position in the payload stream.
    pub const fn position(&self) -> u64 {
        self.consumed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_of_the_specification() {
        assert_eq!(START_MARKER[..9], [0xd2, 0x4e, 0x4a, 0x19, 0xc2, 0x68, 0x4c, 0x83, 0x10]);
        assert_eq!(TAIL_MARKER[..9], [0xb5, 0x81, 0x4c, 0x98, 0x8b, 0xb7, 0x72, 0x6c, 0x10]);
    }

    #[test]
    fn the_cursor_passes_padding_and_refuses_to_go_back() {
        let mut cursor = PayloadCursor::open(&START_MARKER).unwrap();
        assert_eq!(cursor.advance(PayloadRef { offset: 32, size: 5 }), Ok(16));
        assert_eq!(cursor.advance(PayloadRef { offset: 53, size: 0 }), Ok(0));
        let back = cursor.advance(PayloadRef { offset: 68, size: 0 }).unwrap_err();
        assert_eq!(back.problem, Problem::Backwards { least: 69, got: 68 });
        assert!(cursor.advance(PayloadRef { offset: 70, size: u64::MAX - 80 }).is_err());
        assert!(PayloadCursor::open(&TAIL_MARKER).is_err());
    }

    #[test]
    fn a_reference_must_hit_its_header() {
        let reference = PayloadRef { offset: 16, size: 2 };
        let good = Header::new(ItemType::Payload, 2).to_bytes();
        assert_eq!(reference.check_header(&good), Ok(()));
        assert!(reference.check_header(&Header::new(ItemType::Payload, 3).to_bytes()).is_err());
        assert!(reference.check_header(&Header::new(ItemType::Goodbye, 2).to_bytes()).is_err());
        assert!(reference.check_header(&[0; 16]).is_err());
    }
}
