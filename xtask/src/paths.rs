//! Where things are: the checkout, its target folder, and the caches outside of it.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The root of the checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the checkout")
}

/// Cargo's target folder.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => env::current_dir().unwrap_or_default().join(dir),
        None => root().join("target"),
    }
}

/// Tools built from crates, one folder for each version.
pub fn tools() -> Result<PathBuf> {
    Ok(cache()?.join("pxkit-tools"))
}

/// Source trees and the files of benchmarks.
pub fn data() -> Result<PathBuf> {
    Ok(cache()?.join("pxkit-data"))
}

fn cache() -> Result<PathBuf> {
    if let Some(dir) = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute()) {
        return Ok(dir);
    }
    Ok(env::home_dir().context("neither XDG_CACHE_HOME nor a home folder is known")?.join(".cache"))
}
