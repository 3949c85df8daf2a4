//! Attribute items of any bytes: those that decode can be listed, and those that writers may write come out the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxkit_core::decode::{Decoder, Item, Limits, Start, Step};
use pxkit_core::format::Attributes;
use pxkit_tests::handmade::{Maker, stat};

fuzz_target!(|data: &[u8]| {
    let mut maker = Maker::new();
    maker.item(pxkit_core::format::ItemType::Entry, &stat(0o40755));
    maker.append(data);
    let archive = maker.bytes;
    let mut decoder = Decoder::at(0, Start::Root, Limits::default());
    let mut at = 0;
    let (mut attributes, mut in_order) = (Attributes::new(), true);
    let mut bytes = Vec::new();
    while let Ok(Step::Item { used, item, .. }) = decoder.step(&archive[at..]) {
        if let Item::Attribute(attribute) = item {
            bytes.extend_from_slice(&archive[at..at + used]);
            in_order &= attributes.push(attribute).is_ok();
        } else if at > 0 {
            break;
        }
        at += used;
    }
    if in_order {
        assert_eq!(attributes.as_bytes(), bytes);
        let mut again = Attributes::new();
        attributes.iter().for_each(|attribute| again.push(attribute).expect("as before"));
        assert_eq!(again, attributes);
    }
});
