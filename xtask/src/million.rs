//! `cargo xtask million`: an archive of a million entries, to measure and to try the inspector with.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{args::Args, paths, shell};

pub fn run(mut args: Args) -> Result<()> {
    let entries: u64 = args.number("--entries", 1_000_000)?;
    let gibibytes: f64 = args.number("--payload", 20.0)?;
    let seed: u64 = args.number("--seed", 1)?;
    if entries == 0 || !(0.0..8e9).contains(&gibibytes) {
        bail!("an archive has at least one entry and at most 2^63 bytes");
    }
    let files = args.remainder();
    let [meta, payload @ ..] = &files[..] else { bail!("which file shall hold the archive?") };
    let meta = std::path::absolute(meta)?;
    let payload = match (meta.extension().and_then(|extension| extension.to_str()), payload) {
        (Some("pxar"), []) => None,
        (Some("mpxar"), []) => Some(meta.with_extension("ppxar")),
        (Some("mpxar"), [payload]) => Some(std::path::absolute(payload)?),
        _ => bail!("a unified archive is one file NAME.pxar, a split one NAME.mpxar and another file"),
    };

    let mut make = Command::new("cargo");
    make.args(["run", "--quiet", "-p", "pxkit-tests", "--example", "million", "--"]);
    make.args([entries, (gibibytes * f64::from(1 << 30)) as u64, seed].map(|number| number.to_string()));
    make.arg(&meta).args(&payload);
    shell::quietly(make.current_dir(paths::root())).context("the archive is not complete")
}
