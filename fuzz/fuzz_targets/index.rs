//! Indexes of both kinds: the same whether they come as a whole or in pieces, and what they say of ranges is consistent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxkit_core::index::{DynamicIndex, FixedIndex, ReadDynamic};

fuzz_target!(|data: &[u8]| {
    let _ = FixedIndex::parse(data);
    let whole = DynamicIndex::parse(data);
    let pieces = ReadDynamic::new(data.len() as u64).and_then(|mut reader| {
        for piece in data.chunks(1 + usize::from(data.first().copied().unwrap_or(0))) {
            reader.push(piece)?;
        }
        reader.finish()
    });
    assert_eq!(whole, pieces);
    let Ok(index) = whole else { return };
    let size = index.size();
    let mut end = 0;
    for at in 0..index.count() {
        let extent = index.extent(at).expect("a chunk has an extent");
        assert_eq!(extent.start, end);
        assert_eq!(index.find(extent.start), Some(at));
        assert_eq!(index.find(extent.end - 1), Some(at));
        end = extent.end;
    }
    assert_eq!((end, index.find(end)), (size, None));
    for range in [0..size, size / 3..size / 2, size - 1..size, size / 2..size / 2] {
        let length: u64 = index
            .parts(range.clone())
            .expect("a range of the archive")
            .map(|part| part.within.end - part.within.start)
            .sum();
        assert_eq!(length, range.end - range.start);
    }
    assert!(size == u64::MAX || index.parts(0..size + 1).is_err());
});
