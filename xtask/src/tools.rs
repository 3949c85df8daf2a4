//! What the project needs from the machine: Debian packages, toolchain parts, tools built from crates.

use std::{env, ffi::OsString, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use crate::{paths, shell, steps::Outcome};

/// A tool that is built from its crate, at one version.
pub struct Tool {
    name: &'static str,
    version: &'static str,
    /// The folder in the checkout that has the crate; else it comes from the registry.
    path: Option<&'static str>,
    options: &'static [&'static str],
}

pub const MDBOOK: Tool =
    Tool { name: "mdbook", version: "0.5.4", path: None, options: &["--no-default-features"] };
pub const CARGO_DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2", path: None, options: &[] };
/// It compresses with the system's xz.
pub const CARGO_DEB: Tool =
    Tool { name: "cargo-deb", version: "3.8.0", path: None, options: &["--no-default-features"] };
pub const CARGO_FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2", path: None, options: &[] };
/// At the version of the crate `wasm-bindgen` that the inspector is built with.
pub const WASM_BINDGEN: Tool =
    Tool { name: "wasm-bindgen", version: "0.2.130", path: Some("xtask/wasm-bindgen"), options: &[] };
/// Without optimisation: it waits for cargo most of the time.
pub const TRUNK: Tool = Tool {
    name: "trunk",
    version: "0.21.14",
    path: None,
    options: &["--debug", "--no-default-features", "--features", "rustls"],
};

impl Tool {
    /// The folder that holds the program; builds it first when it is not there.
    pub fn bin_dir(&self) -> Result<PathBuf> {
        let tools = paths::tools()?;
        let home = tools.join(format!("{}-{}", self.name, self.version));
        let bin = home.join("bin");
        if bin.join(self.name).exists() {
            return Ok(bin);
        }
        fs::create_dir_all(&tools).with_context(|| format!("cannot make the folder {}", tools.display()))?;
        println!("building {} {} into {} (once)", self.name, self.version, home.display());
        let build = tools.join(format!("build-{}", self.name));
        let mut install = Command::new("cargo");
        install.args(["install", "--quiet", "--locked"]);
        match self.path {
            Some(path) => install.arg("--path").arg(paths::root().join(path)),
            None => install.args([self.name, "--version", self.version]),
        };
        install
            .args(self.options)
            .arg("--root")
            .arg(&home)
            .env("CARGO_TARGET_DIR", &build)
            // These tools work for seconds; an optimised build of them takes minutes.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256")
            .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .current_dir(&tools);
        let built = shell::run(&mut install);
        shell::remove_tree(&build)?;
        built?;
        Ok(bin)
    }

    /// A command of this tool; cargo's subcommands are called by their own name (`cargo-deny deny`).
    pub fn command(&self) -> Result<Command> {
        Ok(Command::new(self.bin_dir()?.join(self.name)))
    }

    /// The search path with this tool in front.
    pub fn search_path(&self) -> Result<OsString> {
        let bin = self.bin_dir()?;
        let path = env::var_os("PATH").unwrap_or_default();
        Ok(env::join_paths([bin].into_iter().chain(env::split_paths(&path)))?)
    }
}

/// Programs that tests and tools call, and the Debian package of each.
const PROGRAMS: [(&str, &str); 16] = [
    CLANG,
    ("setfacl", "acl"),
    ("setfattr", "attr"),
    ("setcap", "libcap2-bin"),
    ("mkfs.ext4", "e2fsprogs"),
    ("mkfs.btrfs", "btrfs-progs"),
    ("mkfs.xfs", "xfsprogs"),
    ("mkfs.vfat", "dosfstools"),
    ("losetup", "mount"),
    ("python3", "python3"),
    ("diff", "diffutils"),
    ("fusermount3", "fuse3"),
    ("rsync", "rsync"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
    ("c++", "g++"),
];

/// The compiler of C that can build for WebAssembly: zstd is written in C.
pub const CLANG: (&str, &str) = ("clang", "clang");

/// What runs tests of the inspector, what they run in, and what fetches its driver.
pub const BROWSER: [(&str, &str); 3] = [("node", "nodejs"), ("chromium", "chromium"), ("npm", "npm")];

/// Installs the Debian packages that tests need and that are missing, where that is allowed.
pub fn debian_packages() -> Result<Outcome> {
    Ok(match install(&PROGRAMS) {
        Ok(()) => Outcome::Passed,
        Err(error) => Outcome::Skipped(format!("{error:#}")),
    })
}

/// Installs the Debian packages of those programs that are missing.
pub fn install(programs: &[(&str, &'static str)]) -> Result<()> {
    let missing = missing_packages(programs);
    if missing.is_empty() {
        return Ok(());
    }
    let wanted = missing.join(" ");
    let Some(mut install) = apt() else { bail!("please install: {wanted}") };
    if !apt_update() {
        println!("the package lists could not be brought up to date");
    }
    install.args(["install", "-q", "-y", "--no-install-recommends"]).args(&missing);
    if shell::run(&mut install).is_err() || !missing_packages(programs).is_empty() {
        bail!("apt-get failed; please install: {wanted}");
    }
    Ok(())
}

fn missing_packages(programs: &[(&str, &'static str)]) -> Vec<&'static str> {
    programs.iter().filter(|(program, _)| !on_path(program)).map(|(_, package)| *package).collect()
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(system).any(|dir| dir.join(program).is_file())
}

pub fn is_root() -> bool {
    effective_user() == Some(0)
}

/// The effective user of this process, as /proc tells it.
fn effective_user() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// apt-get with the right to change the system, if there is a way to it without a question.
fn apt() -> Option<Command> {
    if !shell::succeeds(Command::new("apt-get").arg("--version")) {
        return None;
    }
    let mut command = if is_root() {
        Command::new("apt-get")
    } else if shell::succeeds(Command::new("sudo").args(["-n", "true"])) {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "apt-get"]);
        sudo
    } else {
        return None;
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    Some(command)
}

/// Brings the package lists up to date, where that is allowed.
pub fn apt_update() -> bool {
    apt().is_some_and(|mut command| shell::succeeds(command.args(["update", "-q"])))
}

/// Makes sure that the toolchain can build for the browser; the answer is the reason why it cannot.
pub fn wasm_target() -> Result<Option<String>> {
    target("wasm32-unknown-unknown")
}

/// Makes sure that the toolchain has a target, with rustup; the answer is the reason why it has not.
pub fn target(triple: &str) -> Result<Option<String>> {
    if has_target(triple)? {
        return Ok(None);
    }
    let mut add = Command::new("rustup");
    add.args(["target", "add", triple]).current_dir(paths::root());
    if shell::run(&mut add).is_ok() && has_target(triple)? {
        return Ok(None);
    }
    Ok(Some(format!("the toolchain lacks the target {triple} (rustup target add {triple})")))
}

fn has_target(triple: &str) -> Result<bool> {
    let found = shell::output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(paths::root()))?;
    if !found.status.success() {
        bail!("rustc --print sysroot failed");
    }
    let sysroot = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim());
    Ok(sysroot.join("lib/rustlib").join(triple).join("lib").exists())
}

/// Whether rustup has a nightly toolchain; it is never installed from here.
pub fn has_nightly() -> bool {
    shell::output(Command::new("rustup").args(["toolchain", "list"])).is_ok_and(|list| {
        String::from_utf8_lossy(&list.stdout).lines().any(|line| line.starts_with("nightly"))
    })
}
