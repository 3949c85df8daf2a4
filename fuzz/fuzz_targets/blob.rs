//! Frames, manifests and catalogs: what is read is written as it was, and catalogs lead nowhere but into themselves.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxkit_core::blob::{Catalog, CatalogKind, Frame, Manifest};

fuzz_target!(|data: &[u8]| {
    if let Ok(frame) = Frame::parse(data) {
        assert_eq!(frame.to_vec(), data);
    }
    if let Ok(manifest) = Manifest::parse(data) {
        let again = Manifest::parse(manifest.to_json().as_bytes()).expect("what was written is read");
        assert_eq!(again.canonical(), manifest.canonical());
        let _ = (again.walk_start(), again.key_fingerprint());
    }
    let (Some(first), Some(last)) = (data.first_chunk(), data.last_chunk()) else { return };
    let Ok(catalog) = Catalog::open(data.len() as u64, first, last) else { return };
    // Tables of children come before their parents, so this ends.
    let mut tables = vec![catalog.root];
    for _ in 0..1000 {
        let Some(start) = tables.pop() else { break };
        let Ok(table) = catalog.table(data, start) else { continue };
        for entry in table.entries() {
            assert!(!entry.name.is_empty() && !entry.name.contains(&b'/'));
            if let CatalogKind::Directory { table } = entry.kind {
                assert!(table < start);
                tables.push(table);
            }
        }
    }
});
