use super::*;

const VECTOR: &str = "91fd60f9c46758d517026605686f737473dd0180a0f8fa0566036f6c6400810012036403657463186c036c6e6b70046669666f1201640e726f6f742e707861722e64696478133300000000000000";

fn open(stream: &[u8]) -> Result<Catalog, crate::format::Error> {
    let first = stream[..8].try_into().unwrap();
    Catalog::open(stream.len() as u64, first, stream[stream.len() - 8..].try_into().unwrap())
}

/// All names with their paths, depth first.
fn list(stream: &[u8]) -> Vec<(Vec<u8>, CatalogKind)> {
    fn walk(
        catalog: &Catalog,
        stream: &[u8],
        start: u64,
        path: &[u8],
        out: &mut Vec<(Vec<u8>, CatalogKind)>,
    ) {
        for entry in catalog.table(stream, start).unwrap().entries() {
            let path = [path, b"/", entry.name].concat();
            out.push((path.clone(), entry.kind));
            if let CatalogKind::Directory { table } = entry.kind {
                walk(catalog, stream, table, &path, out);
            }
        }
    }
    let catalog = open(stream).unwrap();
    let mut out = Vec::new();
    walk(&catalog, stream, catalog.root, b"", &mut out);
    out
}

fn add(writer: &mut WriteCatalog, name: &[u8], kind: CatalogKind) {
    writer.add(CatalogEntry { name, kind }).unwrap();
}

/// Datastore specification 19.8.
#[test]
fn vectors() {
    let mut out = Vec::new();
    let mut writer = WriteCatalog::new(&mut out);
    writer.enter(b"root.pxar.didx").unwrap();
    writer.enter(b"etc").unwrap();
    add(&mut writer, b"hosts", CatalogKind::File { size: 221, mtime: 1_600_000_000 });
    add(&mut writer, b"old", CatalogKind::File { size: 0, mtime: -1 });
    writer.leave(&mut out).unwrap();
    add(&mut writer, b"lnk", CatalogKind::Symlink);
    add(&mut writer, b"fifo", CatalogKind::Fifo);
    writer.leave(&mut out).unwrap();
    writer.finish(&mut out).unwrap();
    assert_eq!(out, hex(VECTOR));
    let digest = "f9b1a588e448bffb141a66f39ea9d4c10fb69cf9657f364399968c71b918cddb";
    assert_eq!(sha(&out).to_string(), digest);
    let expected: [(&[u8], CatalogKind); 6] = [
        (b"/root.pxar.didx", CatalogKind::Directory { table: 32 }),
        (b"/root.pxar.didx/etc", CatalogKind::Directory { table: 8 }),
        (b"/root.pxar.didx/etc/hosts", CatalogKind::File { size: 221, mtime: 1_600_000_000 }),
        (b"/root.pxar.didx/etc/old", CatalogKind::File { size: 0, mtime: -1 }),
        (b"/root.pxar.didx/lnk", CatalogKind::Symlink),
        (b"/root.pxar.didx/fifo", CatalogKind::Fifo),
    ];
    assert_eq!(list(&out), expected.map(|(path, kind)| (path.to_vec(), kind)));

    let mut empty = Vec::new();
    WriteCatalog::new(&mut empty).finish(&mut empty).unwrap();
    assert_eq!(empty, hex("91fd60f9c46758d5 01 00 0800000000000000"));
    assert_eq!(list(&empty), []);
}

#[test]
fn every_kind_and_any_name() {
    let kinds = [
        CatalogKind::File { size: u64::MAX, mtime: i64::MIN },
        CatalogKind::Symlink,
        CatalogKind::Hardlink,
        CatalogKind::BlockDevice,
        CatalogKind::CharDevice,
        CatalogKind::Fifo,
        CatalogKind::Socket,
    ];
    let mut out = Vec::new();
    let mut writer = WriteCatalog::new(&mut out);
    writer.enter(b"a.pxar.didx").unwrap();
    let mut expected = Vec::new();
    for byte in (1..=255).filter(|&byte| byte != b'/') {
        let name = vec![byte; 1 + usize::from(byte) * 16 % MAX_CATALOG_NAME];
        add(&mut writer, &name, kinds[usize::from(byte) % kinds.len()]);
        expected.push(([b"/a.pxar.didx/", &name[..]].concat(), kinds[usize::from(byte) % kinds.len()]));
    }
    // Many directories, so that distances of several lengths occur.
    for number in 0..1000 {
        let name = format!("directory {number}");
        writer.enter(name.as_bytes()).unwrap();
        writer.leave(&mut out).unwrap();
        expected.push((
            format!("/a.pxar.didx/{name}").into_bytes(),
            CatalogKind::Directory { table: 8 + 2 * number },
        ));
    }
    writer.leave(&mut out).unwrap();
    writer.finish(&mut out).unwrap();
    assert_eq!(list(&out)[1..], expected);
}

#[test]
fn what_must_not_be_written() {
    let mut out = Vec::new();
    let mut writer = WriteCatalog::new(&mut out);
    let file = |name| CatalogEntry { name, kind: CatalogKind::Fifo };
    assert_eq!(writer.add(file(b"x")).unwrap_err().class(), Class::Caller);
    assert_eq!(writer.leave(&mut out).unwrap_err().class(), Class::Caller);
    writer.enter(b"a").unwrap();
    for name in [&b""[..], b"a/b", b"a\0", &[b'x'; 4096]] {
        assert!(writer.add(file(name)).is_err() && writer.enter(name).is_err());
    }
    let directory = CatalogEntry { name: b"d", kind: CatalogKind::Directory { table: 8 } };
    assert!(writer.add(directory).is_err());
    assert!(writer.finish(&mut out).is_err());
}

#[test]
fn broken_catalogs_are_refused() {
    let stream = hex(VECTOR);
    let refused = |at: usize, bytes: &[u8], start: u64| {
        let mut damaged = stream.clone();
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        open(&damaged).and_then(|catalog| catalog.table(&damaged, start)).unwrap_err().to_string()
    };
    assert!(refused(0, &[0], 51).contains("magic number of a catalog"));
    for root in [0, 7, 70, 78, u64::MAX] {
        assert!(refused(70, &root.to_le_bytes(), 51).contains("root table"), "{root}");
    }
    // The distance of `etc` to its table: to itself, before the first table, before everything.
    for delta in [0, 25, 33, 0x7f] {
        assert!(refused(39, &[delta], 32).contains("a table before this one"), "{delta}");
    }
    assert!(refused(34, b"x", 32).contains("one of the types"));
    assert!(refused(35, &[0], 32).contains("a name of"));
    assert!(refused(36, b"/", 32).contains("without NUL and slash"));
    assert!(refused(32, &[0], 32).contains("at least one byte"));
    assert!(refused(32, &[0x7f], 32).contains("within the catalog"));
    assert!(refused(33, &[2], 32).contains("end of the table"));
    assert!(refused(33, &[4], 32).contains("the data ends here"));
    assert!(refused(32, &[0x11], 32).contains("the data ends here"));
    let catalog = open(&stream).unwrap();
    assert_eq!(
        (catalog.head(51), catalog.head(68), catalog.head(u64::MAX)),
        (51..61, 68..70, u64::MAX..u64::MAX)
    );
    assert!(catalog.table(&stream, u64::MAX).is_err());
    assert!(catalog.table(&stream[..40], 51).is_err());
    // Any single byte replaced: an answer in any case.
    for at in 0..stream.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            let mut damaged = stream.clone();
            damaged[at] = byte;
            let _ = open(&damaged).map(|catalog| {
                [8, 32, 51].map(|start| catalog.table(&damaged, start).map(|table| table.entries().count()))
            });
        }
    }
}
