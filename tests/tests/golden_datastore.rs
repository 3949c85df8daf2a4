//! Indexes, manifests and the catalog of a real server's datastore. Beside each `index.json.blob` lies what is in it, `index.json`, and
//! beside the index of the catalog the catalog: decompressed, because core has no codec.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pxkit_core::blob::{Catalog, CatalogEntry, CatalogKind, CryptMode, Frame, Manifest, WriteCatalog};
use pxkit_core::index::DynamicIndex;
use pxkit_tests::golden;

/// The folders of the snapshots.
fn snapshots() -> Vec<PathBuf> {
    let list = |path: PathBuf| {
        let entries = fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        entries.map(|entry| entry.expect("the folder is readable").path())
    };
    let folders = |path: PathBuf| list(path).filter(|path| path.is_dir());
    let mut snapshots: Vec<_> = folders(golden::path("datastore/host")).flat_map(folders).collect();
    snapshots.sort();
    assert_eq!(snapshots.len(), 8);
    snapshots
}

fn manifest(snapshot: &Path) -> Manifest {
    let text = fs::read(snapshot.join("index.json")).expect("the manifest lies there");
    Manifest::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", snapshot.display()))
}

#[test]
fn every_index_is_what_its_manifest_says() {
    for snapshot in snapshots() {
        let mut indexes = 0;
        for file in manifest(&snapshot).files {
            let path = snapshot.join(&file.filename);
            if !file.filename.ends_with(".didx") {
                continue;
            }
            let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let index =
                DynamicIndex::parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!((index.checksum(), index.size()), (file.csum, file.size), "{}", path.display());
            assert_eq!(index.header().checksum, file.csum, "{}", path.display());
            let parts: u64 =
                index.parts(0..index.size()).expect("all of it").map(|part| part.within.end).sum();
            assert_eq!(parts, file.size);
            indexes += 1;
        }
        let on_disk = fs::read_dir(&snapshot).expect("readable").flatten();
        let on_disk = on_disk.filter(|entry| entry.path().extension().is_some_and(|e| e == "didx")).count();
        assert_eq!(indexes, on_disk, "{}: files that only one side names", snapshot.display());
    }
}

#[test]
fn manifests_come_out_as_they_were() {
    let mut modes = BTreeMap::new();
    for snapshot in snapshots() {
        let blob = fs::read(snapshot.join("index.json.blob")).expect("the blob lies there");
        let frame = Frame::parse(&blob).unwrap_or_else(|error| panic!("{}: {error}", snapshot.display()));
        assert!(frame.compressed && frame.seal.is_none());
        let text = fs::read_to_string(snapshot.join("index.json")).expect("text");
        let manifest = manifest(&snapshot);
        assert_eq!(manifest.to_json(), text, "{}", snapshot.display());
        let signed = manifest.files.iter().any(|file| file.crypt_mode != CryptMode::None);
        assert_eq!(manifest.signature.is_some(), signed);
        assert_eq!(manifest.key_fingerprint().is_some(), signed);
        *modes.entry(manifest.backup_id.clone()).or_insert(0) += 1;
    }
    let expected = [("data", 1), ("enc", 1), ("legacy", 1), ("meta", 4), ("sign", 1)];
    assert!(modes.iter().map(|(id, &count)| (id.as_str(), count)).eq(expected));
}

/// Writes again what lies below a table.
fn copy(catalog: &Catalog, stream: &[u8], table: u64, writer: &mut WriteCatalog, out: &mut Vec<u8>) -> usize {
    let mut names = 0;
    for CatalogEntry { name, kind } in catalog.table(stream, table).expect("a table").entries() {
        names += 1;
        if let CatalogKind::Directory { table } = kind {
            writer.enter(name).expect("a name");
            names += copy(catalog, stream, table, writer, out);
            writer.leave(out).expect("one is open");
        } else {
            writer.add(CatalogEntry { name, kind }).expect("a name");
        }
    }
    names
}

#[test]
fn the_catalog_is_written_as_it_was_read() {
    let snapshot = snapshots().into_iter().find(|path| path.join("catalog.pcat1").exists());
    let snapshot = snapshot.expect("one snapshot has a catalog");
    let stream = fs::read(snapshot.join("catalog.pcat1")).expect("the catalog lies there");
    let index = fs::read(snapshot.join("catalog.pcat1.didx")).expect("its index, too");
    let index = DynamicIndex::parse(&index).expect("an index");
    assert_eq!((index.count(), index.size()), (1, stream.len() as u64));
    assert_eq!(index.chunks()[0].digest.to_string(), golden::sha256(&stream));

    let first = stream.first_chunk().expect("8 bytes");
    let last = stream.last_chunk().expect("8 bytes");
    let catalog = Catalog::open(stream.len() as u64, first, last).expect("a catalog");
    let mut out = Vec::new();
    let mut writer = WriteCatalog::new(&mut out);
    let names = copy(&catalog, &stream, catalog.root, &mut writer, &mut out);
    writer.finish(&mut out).expect("all are left");
    assert!(names > 100, "{names}");
    assert_eq!(out, stream);
}
