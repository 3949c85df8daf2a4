//! `pxkit bench`: the benchmark of change detection.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use anyhow::bail;

use crate::bench::{self, Prepare, Run, Source};
use crate::cli::{BenchCommand, BenchPrepare, BenchRun, BenchSet};
use crate::report::{Outcome, watch_signals};

/// The name of the archive where none was given.
const ARCHIVE: &str = "tree.pxar";

/// Makes a set, or measures.
///
/// # Errors
/// Those of [`bench::prepare`] and [`bench::run`]; options that the set has not.
pub fn run(command: &BenchCommand) -> anyhow::Result<Outcome> {
    match command {
        BenchCommand::Prepare(args) => bench::prepare(&prepare(args)?)?,
        BenchCommand::Run(args) => {
            watch_signals()?;
            let (table, json) = bench::run(&benchmark(args))?;
            let mut out = io::stdout();
            if args.json { writeln!(out, "{json}")? } else { write!(out, "{table}")? }
        }
    }
    Ok(Outcome::Complete)
}

fn prepare(args: &BenchPrepare) -> anyhow::Result<Prepare> {
    let generations = args.generations.map_or(5, |number| usize::from(number.get()));
    let seed = args.seed.unwrap_or_default();
    let source = match args.set {
        BenchSet::Linux => Source::Linux { versions: args.versions.clone() },
        BenchSet::Coco => Source::Coco { scale: args.scale.unwrap_or(1.0), generations, seed },
        BenchSet::Small => Source::Small { files: args.files.unwrap_or(100_000), generations, seed },
    };
    let misplaced = [
        ("--versions", !args.versions.is_empty() && args.set != BenchSet::Linux),
        ("--scale", args.scale.is_some() && args.set != BenchSet::Coco),
        ("--files", args.files.is_some() && args.set != BenchSet::Small),
        ("--generations", args.generations.is_some() && args.set == BenchSet::Linux),
        ("--seed", args.seed.is_some() && args.set == BenchSet::Linux),
    ];
    if let Some((option, _)) = misplaced.iter().find(|(_, is_misplaced)| *is_misplaced) {
        bail!("this set has no {option}");
    }
    if let Source::Coco { scale, .. } = source
        && !(0.0..=100.0).contains(&scale)
    {
        bail!("--scale is a part of 118,000 files, between 0 and 100");
    }
    Ok(Prepare { source, target: args.target.clone() })
}

fn benchmark(args: &BenchRun) -> Run {
    let (archive, source) = split(&args.source);
    let mut options = Vec::new();
    let given = [
        ("--reuse", &args.reuse),
        ("--padding-budget", &args.padding_budget),
        ("--cuts", &args.cuts),
        ("--chunk-size", &args.chunk_size),
        ("--order", &args.order),
    ];
    for (option, value) in given {
        options.extend(value.as_ref().map(|value| OsString::from(format!("{option}={value}"))));
    }
    Run {
        archive,
        source,
        repository: args.repository.clone(),
        modes: args.modes.clone(),
        options,
        runs: usize::from(args.runs.get()),
        extend: usize::from(args.extend),
        restore: args.restore,
    }
}

/// The archive and the directory of `NAME.pxar:DIR` or `DIR`.
fn split(source: &OsString) -> (String, PathBuf) {
    let bytes = source.as_bytes();
    let Some(colon) = bytes.windows(6).position(|window| window == b".pxar:") else {
        return (ARCHIVE.to_owned(), source.into());
    };
    let (name, directory) = (&bytes[..colon + 5], &bytes[colon + 6..]);
    match std::str::from_utf8(name) {
        Ok(name) if !name.contains('/') => (name.to_owned(), OsString::from_vec(directory.to_owned()).into()),
        // It is the path of a directory.
        _ => (ARCHIVE.to_owned(), source.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_may_be_left_out() {
        for (source, archive, directory) in [
            ("a.pxar:/b", "a.pxar", "/b"),
            ("/b", "tree.pxar", "/b"),
            ("./x.pxar:b", "tree.pxar", "./x.pxar:b"),
            ("a:b", "tree.pxar", "a:b"),
            ("a.pxar:b:c", "a.pxar", "b:c"),
        ] {
            assert_eq!(split(&source.into()), (archive.to_owned(), directory.into()), "{source}");
        }
    }
}
