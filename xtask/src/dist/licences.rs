//! The licences of all that is in the program: whoever gives it away has to give them along.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{paths, shell};

/// What files with licences and notices begin with, in small letters.
const NAMES: [&str; 5] = ["licen", "copying", "copyright", "notice", "unlicense"];

/// What is ours has its licences beside it.
const OURS: [&str; 3] = ["pxkit", "pxkit-core", "pxkit-web"];

/// Writes one file with the licence of each crate in the program and in its inspector. Texts that are the same stand there once.
pub fn write(path: &Path, triple: &str) -> Result<()> {
    let mut crates = crates("pxkit", triple)?;
    crates.append(&mut crates_of_inspector()?);
    let mut texts: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut out = String::from(
        "pxkit is made with these crates, and with musl (MIT). Behind the list are the texts of their licences.\n\n",
    );
    for (name, found) in &crates {
        writeln!(out, "{name}: {}", found.licence)?;
        for text in found.texts()? {
            texts.entry(text).or_default().insert(name);
        }
    }
    for (text, names) in texts {
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        write!(out, "\n{}\n{names}\n\n{}\n", "=".repeat(100), text.trim_end())?;
    }
    fs::write(path, out).with_context(|| format!("cannot write {}", path.display()))
}

/// A crate, by its name and version.
struct Crate {
    licence: String,
    dir: PathBuf,
}

impl Crate {
    /// Its files of licences and notices.
    fn texts(&self) -> Result<Vec<String>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.dir).with_context(|| format!("cannot list {}", self.dir.display()))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().to_lowercase();
            if entry.path().is_file() && NAMES.iter().any(|start| name.starts_with(start)) {
                paths.push(entry.path());
            }
        }
        paths.sort();
        let read = |path: &PathBuf| {
            let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok(String::from_utf8_lossy(&bytes).replace('\r', ""))
        };
        paths.iter().map(read).collect()
    }
}

fn crates_of_inspector() -> Result<BTreeMap<String, Crate>> {
    crates("pxkit-web", "wasm32-unknown-unknown")
}

/// The crates that a package is linked with on a target.
fn crates(package: &str, triple: &str) -> Result<BTreeMap<String, Crate>> {
    let mut tree = Command::new("cargo");
    tree.args(["tree", "--locked", "--quiet", "-p", package, "--target", triple, "--edges", "normal"]);
    tree.args(["--prefix", "none", "--no-dedupe", "--format", "{p}"]).current_dir(paths::root());
    let tree = text(&mut tree)?;
    let mut metadata = Command::new("cargo");
    metadata.args(["metadata", "--locked", "--format-version", "1"]).current_dir(paths::root());
    let metadata: Value = serde_json::from_str(&text(&mut metadata)?)?;
    let mut known = BTreeMap::new();
    for package in metadata["packages"].as_array().context("cargo metadata names no packages")? {
        let field = |name: &str| package[name].as_str().unwrap_or_default();
        let manifest = Path::new(field("manifest_path"));
        let dir = manifest.parent().context("a manifest without folder")?.to_owned();
        let licence = match field("license") {
            "" => "see its text".to_owned(),
            licence => licence.to_owned(),
        };
        known.insert(format!("{} {}", field("name"), field("version")), Crate { licence, dir });
    }
    let mut found = BTreeMap::new();
    for line in tree.lines() {
        // NAME vVERSION, and what kind of crate it is behind it.
        let mut words = line.split(' ');
        let (Some(name), Some(version)) = (words.next(), words.next()) else { continue };
        if OURS.contains(&name) {
            continue;
        }
        let name = format!("{name} {}", version.trim_start_matches('v'));
        if let Some(of_it) = known.remove(&name) {
            found.insert(name, of_it);
        } else if !found.contains_key(&name) {
            bail!("cargo metadata knows nothing of {name}");
        }
    }
    Ok(found)
}

fn text(command: &mut Command) -> Result<String> {
    let printed = shell::output(command)?;
    if !printed.status.success() {
        bail!("{} failed: {}", shell::shown(command), String::from_utf8_lossy(&printed.stderr).trim());
    }
    String::from_utf8(printed.stdout).context("cargo printed something else than text")
}
