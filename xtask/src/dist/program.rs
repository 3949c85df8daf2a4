//! The program: static if the machine can build that, with the inspector in it.

use std::{env::consts::ARCH, path::PathBuf, process::Command};

use anyhow::{Result, bail};

use crate::{paths, shell, tools, web};

/// The profile of what is given away, see the workspace's Cargo.toml.
pub const PROFILE: &str = "dist";

/// A program that was built.
pub struct Program {
    pub triple: String,
    /// The folder of cargo that has it.
    pub dir: PathBuf,
}

impl Program {
    pub fn path(&self) -> PathBuf {
        self.dir.join("pxkit")
    }
}

/// Builds the inspector, and the program with it.
pub fn build() -> Result<Program> {
    println!("=== the inspector");
    web::build(web::Kind::Release)?;
    println!("\n=== the program");
    let musl = format!("{ARCH}-unknown-linux-musl");
    let (triple, is_static) = match missing(&musl)? {
        None => (musl, true),
        Some(reason) => {
            println!("not static, but for the C library of this machine: {reason}");
            (format!("{ARCH}-unknown-linux-gnu"), false)
        }
    };
    let mut build = Command::new("cargo");
    build.args(["build", "--locked", "-p", "pxkit", "--profile", PROFILE, "--target", &triple]);
    shell::run(build.current_dir(paths::root()))?;
    let program = Program { dir: paths::target().join(&triple).join(PROFILE), triple };
    if is_static && needs_loader(&program)? {
        bail!("{} needs a dynamic loader", program.path().display());
    }
    Ok(program)
}

/// What this machine lacks to build for musl.
fn missing(triple: &str) -> Result<Option<String>> {
    if let Some(reason) = tools::target(triple)? {
        return Ok(Some(reason));
    }
    // zstd and aws-lc are written in C.
    Ok(tools::install(&[("musl-gcc", "musl-tools")]).err().map(|error| format!("{error:#}")))
}

/// Whether the kernel would have to load another program first.
fn needs_loader(program: &Program) -> Result<bool> {
    let headers = shell::output(Command::new("readelf").args(["-lW", "--"]).arg(program.path()))?;
    if !headers.status.success() {
        bail!("readelf cannot read {}", program.path().display());
    }
    Ok(String::from_utf8_lossy(&headers.stdout).contains("INTERP"))
}
