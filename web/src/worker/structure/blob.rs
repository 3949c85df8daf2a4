//! Items of a blob: its header and its data. Of a manifest, what it says.

use std::rc::Rc;

use pxkit_core::blob::{Frame, PLAIN_HEADER_SIZE, SEALED_HEADER_SIZE};

use super::fields::Fields;
use super::{Around, Found, item};
use crate::protocol::Problem;
use crate::protocol::structure::Item;
use crate::worker::Document;

/// Largest blob whose CRC is computed for its header.
const CHECKED: u64 = 16 << 20;

/// All items.
pub async fn items(document: &Rc<Document>, around: Around) -> Result<Found, Problem> {
    let source = document.meta();
    let start = source.bytes(0, around.size.min(SEALED_HEADER_SIZE as u64) as usize).await?;
    let Some((compressed, sealed)) = Frame::kind(&start) else {
        return Ok(Found { items: vec![item::bytes(0, around.size, "BYTES")], first: true, last: true });
    };
    let len = if sealed { SEALED_HEADER_SIZE } else { PLAIN_HEADER_SIZE }.min(start.len());
    let how = match (compressed, sealed) {
        (false, false) => "stored as it is",
        (true, false) => "compressed with zstd",
        (false, true) => "encrypted",
        (true, true) => "compressed with zstd, then encrypted",
    };
    let crc = match around.size {
        ..=CHECKED => Some(Frame::parse(&source.bytes(0, around.size as usize).await?).map(|_| ())),
        _ => None,
    };
    let mut fields = Fields::new(0, &start[..len]);
    fields.hex("magic", 8, how);
    fields.u32("crc", |_| match &crc {
        Some(Ok(())) => "CRC-32 of the data as they are stored; it is right".to_owned(),
        Some(Err(error)) => format!("CRC-32 of the data as they are stored; it is wrong: {error}"),
        None => "CRC-32 of the data as they are stored".to_owned(),
    });
    if sealed {
        fields.hex("iv", 16, "initialisation vector of AES-256-GCM; 16 bytes instead of the usual 12");
        fields.hex("tag", 16, "authentication tag");
    }
    let (head, data) = (len as u64, around.size - len as u64);
    let mut items = vec![Item {
        summary: how.to_owned(),
        fields: fields.finish(),
        findings: crc.and_then(Result::err).map(|error| error.to_string()).into_iter().collect(),
        ..item::bytes(0, head, "BLOB_HEADER")
    }];
    if data > 0 {
        let mut fields = Fields::new(head, &[]);
        fields.region("data", head, data, item::count(data), how);
        for (name, value) in document.facts.borrow().iter() {
            // What the decoded data say; they have no place of their own in what is stored.
            fields.region(name, head, data, value.clone(), "");
        }
        items.push(Item {
            summary: format!("{}, {how}", item::count(data)),
            fields: fields.finish(),
            ..item::bytes(head, data, "DATA")
        });
    }
    Ok(Found { items, first: true, last: true })
}
