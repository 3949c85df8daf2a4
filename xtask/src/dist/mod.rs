//! `cargo xtask dist`: what is given away, in `target/dist`, and the proof that it works on a machine that has nothing.

mod bare;
mod boot;
mod licences;
mod package;
mod program;
mod root;

use anyhow::Result;

use crate::{args::Args, paths, shell, steps::Steps};

/// The version of all crates of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

pub fn run(mut args: Args) -> Result<()> {
    let is_check = args.flag("--check");
    let made = args.path("--package")?;
    args.finish()?;
    let package = match made {
        Some(path) => path,
        None => package::make(&program::build()?)?,
    };
    if !is_check {
        return Ok(());
    }
    let work = paths::target().join("dist-check");
    shell::fresh_dir(&work)?;
    let mut steps = Steps::new(None);
    steps.step("a bare root: install, back up, restore, what the unit runs, purge", || {
        bare::check(&package, &work.join("bare"))
    });
    steps.step("a system with systemd: a backup by the timer", || {
        boot::check(&package, &work.join("systemd"))
    });
    shell::remove_tree(&work)?;
    steps.finish(&[])
}
