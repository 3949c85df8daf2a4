//! `pxkit dump`: every item, and what is irregular.

use std::fs;

use pxkit_core::format::ItemType;
use pxkit_tests::disk::Scratch;
use pxkit_tests::handmade::Maker;
use pxkit_tests::{golden, odd, pxkit};
use serde_json::Value;

/// Offset, size and type of all items, read from their headers: one follows the other.
fn items(bytes: &[u8]) -> Vec<(u64, u64, &'static str)> {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let (mut items, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let (item, size) = (ItemType::from_htype(word(at)).expect("an item"), word(at + 8));
        items.push((at as u64, size, item.name()));
        at += size as usize;
    }
    assert_eq!(at, bytes.len());
    items
}

fn dumped(lines: &[Value]) -> Vec<(u64, u64, &str)> {
    let items = lines.iter().filter_map(|line| Some((line, line["item"].as_str()?)));
    items
        .map(|(line, item)| (line["offset"].as_u64().unwrap(), line["size"].as_u64().unwrap(), item))
        .collect()
}

#[test]
fn every_item_is_there() {
    for name in golden::ARCHIVED {
        for extension in ["pxar", "mpxar", "ppxar"] {
            let file = format!("{name}.{extension}");
            let path = golden::path(&format!("archives/{file}"));
            let bytes = golden::archive(&file);
            let lines = pxkit!["dump", "--json", &path].succeeds().json();
            assert_eq!(dumped(&lines), items(&bytes), "{file}");
            assert!(lines.iter().all(|line| line.get("finding").is_none()), "{file}");
            // The same as text.
            let run = pxkit!["dump", &path].succeeds();
            assert!(!run.text().contains(" 1 records"), "{file}");
            let column = |line: &str, at: usize| line.split_whitespace().nth(at).map(str::to_owned);
            let text =
                run.text().lines().filter(|line| !["tail", "record"].contains(&&*column(line, 2).unwrap()));
            let text: Vec<_> = text.map(|line| [0, 1, 2].map(|at| column(line, at).unwrap())).collect();
            let expected = items(&bytes)
                .into_iter()
                .map(|(at, size, item)| [at.to_string(), size.to_string(), item.into()]);
            assert_eq!(text, expected.collect::<Vec<_>>(), "{file}");
            assert_eq!(pxkit!["dump", "--findings", &path].succeeds().text(), "", "{file}");
        }
    }
}

#[test]
fn fields_are_decoded() {
    let lines = pxkit!["dump", "--json", golden::path("archives/kinds.mpxar")].succeeds().json();
    let find = |key: &str, value: Value| lines.iter().position(|line| line[key] == value).expect(key);
    assert_eq!(lines[0]["version"], 2);
    let at = find("name", "seeded-4097".into());
    let (entry, reference) = (&lines[at + 1], &lines[at + 2]);
    assert_eq!((&entry["uid"], &entry["gid"]), (&1000.into(), &1000.into()));
    assert_eq!((&reference["payload_offset"], &reference["payload_size"]), (&100_167.into(), &4097.into()));
    let at = find("name", "loop".into());
    assert_eq!((&lines[at + 2]["major"], &lines[at + 2]["minor"]), (&7.into(), &300.into()));
    let at = find("name", "hard-2".into());
    let (link, target) = (&lines[at], find("name", "file".into()));
    let distance = link["offset"].as_u64().unwrap() - lines[target]["offset"].as_u64().unwrap();
    assert_eq!(
        (&lines[at + 1]["distance"], &lines[at + 1]["target"]),
        (&distance.into(), &"dir/file".into())
    );
    // Each table has as many records as its directory has children, and one for its end.
    let records = lines.iter().filter(|line| line["tail"] == false).count();
    let tails = lines.iter().filter(|line| line["tail"] == true).count();
    assert_eq!((records, tails), (27, lines.iter().filter(|line| line["item"] == "GOODBYE").count()));
    let text = pxkit!["dump", golden::path("archives/attributes.pxar")].succeeds();
    for words in ["\"user.", "immutable", "FCAPS", "ACL_USER", "rwx"] {
        assert!(text.text().contains(words), "{words}");
    }
}

#[test]
fn what_is_irregular_is_found() {
    let scratch = Scratch::new();
    let path = scratch.join("a.pxar");
    let mut found = 0;
    for (name, bytes) in odd::legal() {
        fs::write(&path, &bytes).unwrap();
        let run = pxkit!["dump", "--findings", &path];
        let lines = pxkit!["dump", "--findings", "--json", &path].json();
        assert_eq!(run.text().lines().count(), lines.len(), "{name}");
        assert_eq!(run.code, Some(i32::from(!lines.is_empty())), "{name}: {}", run.err);
        assert!(lines.iter().all(|line| line["offset"].is_u64() && line["finding"].is_string()), "{name}");
        let all = pxkit!["dump", "--json", &path].json();
        assert_eq!(all.iter().filter(|line| line["finding"].is_string()).count(), lines.len(), "{name}");
        found += usize::from(!lines.is_empty());
        let irregular = ["wrong tables", "names in disorder", "trailing bytes", "references in disorder"];
        assert!(!lines.is_empty() || !irregular.contains(&name), "{name}");
        let regular = ["empty root", "every kind", "deep", "longest name and target"];
        assert!(lines.is_empty() || !regular.contains(&name), "{name}: {lines:?}");
    }
    assert!(found >= 4);
}

#[test]
fn references_are_checked_against_the_payload_file() {
    let (meta, right, wrong) = (
        golden::path("archives/kinds.mpxar"),
        golden::path("archives/kinds.ppxar"),
        golden::path("archives/names.ppxar"),
    );
    assert_eq!(pxkit!["dump", "--findings", &meta, "--payload-input", &right].succeeds().text(), "");
    let run = pxkit!["dump", "--findings", &meta, "--payload-input", &wrong].exits(1);
    assert!(run.text().contains("payload file"), "{}", run.text());
}

#[test]
fn payload_files_with_padding_and_damage() {
    let scratch = Scratch::new();
    let path = scratch.join("a.ppxar");
    let bytes = golden::archive("kinds.ppxar");
    // Cut within the contents of a file, without tail marker, and with padding after the first file.
    for (bytes, at, words) in [
        (&bytes[..100], 100, "missing"),
        (&bytes[..bytes.len() - 16], bytes.len() - 16, "no tail marker"),
        (&[&bytes[..38], &[0; 50]].concat(), 38, "padding starts here"),
        (&[&bytes[..], b"x"].concat(), bytes.len(), "goes on"),
    ] {
        fs::write(&path, bytes).unwrap();
        let lines = pxkit!["dump", "--findings", "--json", &path].exits(1).json();
        assert_eq!(lines[0]["offset"], at as u64, "{lines:?}");
        assert!(lines[0]["finding"].as_str().unwrap().contains(words), "{lines:?}");
    }
}

#[test]
fn what_comes_before_damage_is_shown() {
    let scratch = Scratch::new();
    let path = scratch.join("a.pxar");
    let mut maker = Maker::rooted();
    maker.file(b"good", b"contents");
    let end = maker.position();
    maker.append(&[0xff; 64]);
    fs::write(&path, &maker.bytes).unwrap();
    let run = pxkit!["dump", "--json", &path].fails(2, &["error: ", "a.pxar", &format!("offset {end}")]);
    assert_eq!(dumped(&run.json()), items(&maker.bytes[..end as usize]));
}
