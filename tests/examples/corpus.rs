//! Writes the corpora that fuzzing starts from (`fuzz/corpus`): the small golden archives and the odd ones, as each target wants
//! its input. Run it after a change of either: `cargo run -p pxkit-tests --example corpus`.

use std::fs;
use std::path::Path;

use pxkit_core::format::HEADER_SIZE;
use pxkit_core::reuse::state::{Binding, Header as StateHeader, Trace, WriteState};
use pxkit_tests::{golden, odd, traps};

/// Larger inputs make fuzzing slow.
const MOST: usize = 4096;

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let write = |target: &str, name: &str, parts: &[&[u8]]| {
        let dir = corpus.join(target);
        fs::create_dir_all(&dir).expect("a folder for the corpus");
        fs::write(dir.join(name.replace(' ', "-")), parts.concat()).expect("a file of the corpus");
    };
    let mut archives: Vec<(String, Vec<u8>)> = Vec::new();
    for name in ["kinds", "names", "attributes"] {
        archives.extend(["pxar", "mpxar"].map(|kind| {
            let file = format!("{name}.{kind}");
            (file.clone(), golden::archive(&file))
        }));
    }
    let odd = odd::legal().into_iter().chain(odd::broken());
    archives.extend(odd.map(|(name, bytes)| (name.to_owned(), bytes)));
    archives.retain(|(_, bytes)| bytes.len() <= MOST);
    for (name, bytes) in &archives {
        write("decode_items", name, &[&[7], bytes]);
        write("decode_entries", name, &[&(bytes.len() as u16 / 2).to_le_bytes(), bytes]);
        write("access", name, &[&[0, 0], bytes]);
        write("roundtrip", name, &[bytes]);
    }
    for name in ["names", "attributes"] {
        let meta = golden::archive(&format!("{name}.mpxar"));
        let payload = golden::archive(&format!("{name}.ppxar"));
        let split = (meta.len() as u16).to_le_bytes();
        write("access", &format!("{name}-with-payload"), &[&split, &meta, &payload]);
    }
    extract(&write);
    attributes(&write);
    let (mut writer, mut state) = (WriteState::new(1), vec![0; StateHeader::SIZE]);
    (0..30).for_each(|ino| writer.push(&Trace { ino, ..Trace::default() }, &mut state));
    let header = writer.finish(Binding::default(), &mut state);
    state[..StateHeader::SIZE].copy_from_slice(&header.to_bytes());
    write("state", "thirty", &[&state]);
    for (name, text) in [
        ("reference", &br#"{"exclude-patterns":"sub/deep/\n!keep\n/lost\nq\"\\\\x\n"}"#[..]),
        ("other-keys", br#"{"a":[1,{"b":null}],"exclude-patterns":"x\u00e9\ud83d\ude00"}"#),
        ("lines", b"sub/deep/\n!keep\n/lost\n*.tmp"),
    ] {
        write("prelude", name, &[text]);
    }
    for (name, text) in [
        ("plain", &golden::read("key.json")[..]),
        ("scrypt", br#"{"kdf":{"Scrypt":{"n":65536,"r":8,"p":1,"salt":"AAEC"}},"created":"2020-09-13T12:26:40-07:30","modified":"2020-09-13T12:26:60Z","data":"oKGio6SlpqeoqaqrrK2ur5TbYq36BPTdPHESK3spo1K3uQSU9o2/FD7dkFpcJhLvHutMq4GyvKauwIXIWWhMHA==","hint":"\u00e9"}"#),
        ("pbkdf2", br#"{"kdf":{"PBKDF2":{"iter":65535,"salt":""}},"created":"2020-09-13T12:26:40+02:00","modified":"2020-09-13T12:26:40+00:00","data":"oKGio6SlpqeoqaqrrK2ur+3cyOBNwnGwZLkFwZT63fuEIqu0pgbBG1E6JKzep9ZjkH1PZ5PddQOj6HjEAu3MFg==","fingerprint":null}"#),
        ("time", b"2016-12-31T23:59:60+23:59"),
        ("fingerprint", b"0e:ab:d4:46:0b:6e:b9:ca:34:50:23:de:e2:b7:78:c7:90:e5:4a:16:83:b9:65:9c:0a:57:ae:19:90:90:15:9b"),
    ] {
        write("key_file", name, &[text]);
    }
    for (name, text) in [
        ("stars", &b"*.o\n!keep.o\n/build/\n**/cache\n/src/a.o"[..]),
        ("sets", b"[a-c]x[^0-9]\n[[:alpha:]]*\n[!x]\n[]a]\naxb"),
        ("escapes", b"\\*lit\\?eral\n\\!x\n!\\!y\n/*literal"),
        ("exclude-file", b"# a comment\n\n  /only/here \n!/but/this\nname/\n/dir/name"),
    ] {
        write("pattern", name, &[text]);
    }
}

/// Archives to be extracted: with options, patterns, and where the payload file begins.
fn extract(write: &impl Fn(&str, &str, &[&[u8]])) {
    let add = |name: &str, [options, patterns]: [u8; 2], meta: &[u8], payload: Option<&[u8]>| {
        let split = payload.map_or(0, |_| meta.len() as u16).to_le_bytes();
        let payload = payload.unwrap_or_default();
        write("extract", name, &[&[options, patterns], &split, meta, payload]);
    };
    for (name, head) in [("names", [0, 0]), ("attributes", [1, 0])] {
        add(name, head, &golden::archive(&format!("{name}.pxar")), None);
        let parts = ["mpxar", "ppxar"].map(|kind| golden::archive(&format!("{name}.{kind}")));
        add(&format!("{name} split"), head, &parts[0], Some(&parts[1]));
    }
    // Two patterns of the list in the target: all, a path.
    add("kinds without contents", [128, 0x60], &golden::archive("kinds.mpxar"), None);
    for split in [false, true] {
        for (n, trap) in traps::all(b"/nowhere/canary", split).into_iter().enumerate() {
            if trap.meta.len() > MOST || trap.payload.as_ref().is_some_and(|payload| payload.len() > MOST) {
                continue;
            }
            // Half of them replacing all that exists, half from a pipe.
            let options = if n % 2 == 0 { 0b110 } else { 0 } | u8::from(n % 4 < 2);
            let name = format!("trap {}{}", trap.name, if split { " split" } else { "" });
            add(&name, [options, 0], &trap.meta, trap.payload.as_deref());
        }
    }
}

/// The attribute items of golden entries and of odd ones.
fn attributes(write: &impl Fn(&str, &str, &[&[u8]])) {
    let archive = golden::archive("attributes.pxar");
    let mut number = 0;
    let mut see = |entry: Option<&pxkit_core::decode::Entry<'_>>| {
        let Some(entry) = entry.filter(|entry| entry.attributes.as_bytes().len() > HEADER_SIZE) else {
            return;
        };
        write("attributes", &format!("golden-{number}"), &[entry.attributes.as_bytes()]);
        number += 1;
    };
    let mut all = pxkit_tests::observe::one_window();
    pxkit_tests::observe::entries(&archive, &mut (), &mut all, &mut see).result.expect("golden");
    for (name, bytes) in odd::legal().into_iter().chain(odd::broken()) {
        if name.contains("attributes") && bytes.len() < MOST {
            write("attributes", name, &[&bytes[56..]]);
        }
    }
}
