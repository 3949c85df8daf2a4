//! Bare roots of Debian, made by debootstrap once and unpacked for each check.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{paths, shell, tools};

const MIRROR: &str = "http://deb.debian.org/debian";

/// Runs a command in a root with its own /proc and /dev, which are gone when it ends.
const ENTER: &str = "mount -t proc proc \"$1/proc\" && mount --bind /dev \"$1/dev\" && \
    root=$1 && shift && exec chroot \"$root\" \"$@\"";

/// A root that a check may change.
pub struct Root {
    dir: PathBuf,
}

impl Root {
    /// Unpacks the smallest Debian, with some packages more. The error is why there is none on this machine.
    pub fn unpack(dir: &Path, packages: &[&str]) -> Result<Root> {
        if !tools::is_root() {
            bail!("only root can make and enter another root");
        }
        let base = base(packages)?;
        shell::fresh_dir(dir)?;
        shell::run(Command::new("tar").arg("xpf").arg(base).arg("-C").arg(dir))?;
        Ok(Root { dir: dir.to_owned() })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path of the root as this system sees it.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.join(inside.trim_start_matches('/'))
    }

    /// A program in the root, with an environment that says nothing but where programs are.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--", "sh", "-c", ENTER, "sh"]).arg(&self.dir);
        command.args(["/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", program]);
        command
    }

    /// Runs a line of a shell in the root and returns what it prints.
    pub fn sh(&self, line: &str) -> Result<String> {
        println!("# {line}");
        let mut command = self.command("sh");
        let done = shell::output(command.args(["-ec", line]))?;
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        print!("{out}{err}");
        if !done.status.success() {
            bail!("`{line}` ended with {}: {}", done.status, err.lines().last().unwrap_or_default());
        }
        Ok(out.into_owned())
    }

    /// Copies a file to a folder of the root.
    pub fn put(&self, file: &Path, folder: &str) -> Result<()> {
        let to = self.path(folder).join(file.file_name().context("a file has a name")?);
        fs::copy(file, &to).map(drop).with_context(|| format!("cannot copy {}", file.display()))
    }

    /// Writes a file of the root, with the folders above it.
    pub fn write(&self, inside: &str, text: &str) -> Result<()> {
        let path = self.path(inside);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Every file with its kind, mode, owner and target, but for what the package manager and systemd write for themselves.
    pub fn listing(&self) -> Result<String> {
        let mut find = Command::new("find");
        find.args([".", "-xdev", "(", "-path", "./var/lib/dpkg", "-o", "-path", "./var/log", "-o"]);
        find.args([
            "-path",
            "./var/cache",
            "-o",
            "-path",
            "./tmp",
            "-o",
            "-path",
            "./run",
            ")",
            "-prune",
            "-o",
        ]);
        find.args(["-printf", "%p %y %m %U:%G %l\n"]);
        let found = shell::output(find.current_dir(&self.dir))?;
        if !found.status.success() {
            bail!("find failed: {}", String::from_utf8_lossy(&found.stderr).trim());
        }
        let mut lines: Vec<_> = String::from_utf8_lossy(&found.stdout).lines().map(str::to_owned).collect();
        lines.sort();
        Ok(lines.join("\n"))
    }
}

/// The archive of a root that debootstrap made, kept in the cache.
fn base(packages: &[&str]) -> Result<PathBuf> {
    let release = release()?;
    let mut name = format!("debian-{release}-{}", std::env::consts::ARCH);
    packages.iter().for_each(|package| name = format!("{name}-{package}"));
    let cache = paths::data()?;
    let kept = cache.join(format!("{name}.tar"));
    if kept.exists() {
        return Ok(kept);
    }
    tools::install(&[("debootstrap", "debootstrap")])?;
    println!("making {} (once)", kept.display());
    let dir = cache.join(format!("{name}.new"));
    shell::fresh_dir(&dir)?;
    let mut make = Command::new("debootstrap");
    make.arg("--variant=minbase");
    if !packages.is_empty() {
        make.arg(format!("--include={}", packages.join(",")));
    }
    let mut pack = Command::new("tar");
    let staged = cache.join(format!("{name}.tar.new"));
    pack.arg("cpf")
        .arg(&staged)
        .args(["--one-file-system", "--exclude=./var/cache/apt/*"])
        .arg("-C")
        .arg(&dir)
        .arg(".");
    let made = shell::run(make.arg(&release).arg(&dir).arg(MIRROR)).and_then(|()| shell::run(&mut pack));
    shell::remove_tree(&dir)?;
    made?;
    fs::rename(&staged, &kept).with_context(|| format!("cannot rename {}", staged.display()))?;
    Ok(kept)
}

/// The release of Debian that runs here, else the stable one.
fn release() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    let is_debian = field("ID").as_deref() == Some("debian");
    Ok(field("VERSION_CODENAME").filter(|_| is_debian).unwrap_or_else(|| "stable".to_owned()))
}
