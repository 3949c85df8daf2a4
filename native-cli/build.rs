//! Puts the finished inspector into the program: each file of its bundle, compressed, and a table of them.
//!
//! `cargo xtask web` leaves the bundle in `inspector` in the target folder; the variable `PXKIT_INSPECTOR` names another place. Without
//! a bundle the table is empty and everything but `pxkit inspect` works as with it, so nobody needs a browser's toolchain to
//! check or test this crate.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use flate2::{Compression, Crc};

/// Names another place of the bundle.
const VARIABLE: &str = "PXKIT_INSPECTOR";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_DIR");
    let bundle = bundle();
    // Cargo looks at a folder with all that is in it. One that does not exist would count as changed each time.
    println!("cargo::rerun-if-changed={}", bundle.display());
    let mut files = Vec::new();
    gather(&bundle, "", &mut files);
    files.sort();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names a folder for output"));
    let mut table = String::from("&[\n");
    for (number, (name, path)) in files.iter().enumerate() {
        let plain = read(path);
        let mut crc = Crc::new();
        crc.update(&plain);
        let packed = pack(&plain);
        // What does not get smaller stays as it is: pictures, mostly.
        let (is_packed, bytes) = if packed.len() < plain.len() { (true, packed) } else { (false, plain) };
        let kept = out.join(format!("inspector-{number}"));
        fs::write(&kept, &bytes).unwrap_or_else(|error| panic!("cannot write {}: {error}", kept.display()));
        let (sum, len, kept) = (crc.sum(), crc.amount(), kept.display().to_string());
        let entry = format!(
            "Embedded {{ name: {name:?}, tag: \"{len:x}-{sum:08x}\", is_packed: {is_packed}, bytes: include_bytes!({kept:?}) }},\n"
        );
        table.push_str(&entry);
    }
    writeln!(table, "]").expect("a string takes everything");
    let path = out.join("inspector.rs");
    fs::write(&path, table).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

/// The folder of the bundle, made if it is the usual one and does not exist.
fn bundle() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the checkout");
    if let Some(named) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        let path = root.join(named);
        assert!(
            path.join("index.html").is_file(),
            "{VARIABLE}: there is no index.html in {}",
            path.display()
        );
        return path;
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    let path = target.join("inspector");
    // Where that is not possible the program is merely checked for changes each time.
    let _ = fs::create_dir_all(&path);
    path
}

/// The files below a folder with their names as a URL has them. Hidden ones are none of the inspector's.
fn gather(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            gather(&path, &format!("{name}/"), files);
        } else {
            files.push((name, path));
        }
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}
