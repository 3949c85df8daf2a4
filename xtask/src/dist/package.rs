//! The Debian package and the archive, and what is in them beside the program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{
    VERSION, licences,
    program::{PROFILE, Program},
};
use crate::{paths, shell, tools};

/// Shells, and what each calls the file that holds completions of pxkit.
const COMPLETIONS: [(&str, &str); 3] = [("bash", "pxkit"), ("zsh", "_pxkit"), ("fish", "pxkit.fish")];

/// Makes all that is given away, with `SHA256SUMS`, and returns the Debian package.
pub fn make(program: &Program) -> Result<PathBuf> {
    println!("\n=== man pages, completions, licences, the book");
    let staged = stage(program)?;
    let dir = paths::target().join("dist");
    shell::fresh_dir(&dir)?;
    let alone = dir.join("pxkit");
    fs::copy(program.path(), &alone).with_context(|| format!("cannot write {}", alone.display()))?;
    println!("\n=== the archive");
    let archive = archive(program, &staged, &dir)?;
    println!("\n=== the Debian package");
    let package = debian(program, &dir)?;

    let all = [&alone, &archive, &package];
    let names = all.map(|path| path.file_name().unwrap_or_default());
    let sums = shell::output(Command::new("sha256sum").arg("--").args(names).current_dir(&dir))?;
    if !sums.status.success() {
        bail!("sha256sum failed");
    }
    fs::write(dir.join("SHA256SUMS"), &sums.stdout)?;
    println!("\nIn {}:", dir.display());
    for path in all {
        println!("{:>12} bytes  {}", path.metadata()?.len(), path.display());
    }
    print!("{}", String::from_utf8_lossy(&sums.stdout));
    Ok(package)
}

/// What the program and the checkout say of themselves, in a folder beside the program: cargo-deb finds that by itself.
fn stage(program: &Program) -> Result<PathBuf> {
    let staged = program.dir.join("package");
    shell::fresh_dir(&staged)?;
    let man = staged.join("man");
    shell::run(Command::new(program.path()).arg("man-pages").arg(&man))?;
    let pages =
        fs::read_dir(&man)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    shell::quietly(Command::new("gzip").arg("-9n").args(pages))?;
    let completions = staged.join("completions");
    fs::create_dir(&completions)?;
    for (name, file) in COMPLETIONS {
        let script = shell::output(Command::new(program.path()).args(["completions", name]))?;
        if !script.status.success() {
            bail!("pxkit completions {name} ended with {}", script.status);
        }
        fs::write(completions.join(file), script.stdout)?;
    }
    licences::write(&staged.join("THIRD-PARTY"), &program.triple)?;
    let mut copyright = String::new();
    for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
        copyright.push_str(&fs::read_to_string(paths::root().join(file))?);
        copyright.push('\n');
    }
    copyright.push_str(&fs::read_to_string(staged.join("THIRD-PARTY"))?);
    fs::write(staged.join("copyright"), copyright)?;
    let mut mdbook = tools::MDBOOK.command()?;
    shell::run(
        mdbook.arg("build").arg("docs").arg("-d").arg(staged.join("book")).current_dir(paths::root()),
    )?;
    Ok(staged)
}

/// An archive for every Linux: the program and what belongs to it in one folder.
fn archive(program: &Program, staged: &Path, dir: &Path) -> Result<PathBuf> {
    let name = format!("pxkit-{VERSION}-{}", program.triple);
    let folder = dir.join(&name);
    fs::create_dir(&folder)?;
    let root = paths::root();
    let ours =
        ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE", "dist/config.toml", "dist/systemd"];
    let staged = ["man", "completions", "book", "THIRD-PARTY"].map(|name| staged.join(name));
    let mut copy = Command::new("cp");
    copy.arg("-r").arg("--").arg(program.path()).args(ours.map(|name| root.join(name))).args(staged);
    shell::quietly(copy.arg(&folder))?;

    let file = dir.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    // The same files give the same archive.
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"]);
    tar.arg(format!("--mtime=@{}", commit_time()))
        .args(["--use-compress-program=gzip -9n", "-cf"])
        .arg(&file);
    shell::run(tar.arg("-C").arg(dir).arg("--").arg(&name))?;
    shell::remove_tree(&folder)?;
    Ok(file)
}

/// The Debian package, as `package.metadata.deb` in the program's Cargo.toml describes it.
fn debian(program: &Program, dir: &Path) -> Result<PathBuf> {
    tools::install(&[("dpkg-deb", "dpkg"), ("xz", "xz-utils")])?;
    let mut deb = tools::CARGO_DEB.command()?;
    deb.args([
        "--no-build",
        "--no-strip",
        "--locked",
        "--compress-system",
        "-p",
        "pxkit",
        "--profile",
        PROFILE,
    ]);
    deb.args(["--target", &program.triple, "--output"]).arg(dir);
    shell::run(deb.env("SOURCE_DATE_EPOCH", commit_time()).current_dir(paths::root()))?;
    let of_it = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "deb");
    let mut files = fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path()));
    let found = files.find_map(|path| path.ok().filter(of_it)).context("cargo-deb wrote no package")?;
    Ok(found)
}

/// The time of the commit, in seconds since 1970; without git the beginning of 1980, which every archive can hold.
fn commit_time() -> String {
    let mut log = Command::new("git");
    let time = shell::output(log.args(["log", "-1", "--format=%ct"]).current_dir(paths::root()));
    let time = time.ok().filter(|time| time.status.success());
    let time = time.map(|time| String::from_utf8_lossy(&time.stdout).trim().to_owned());
    time.filter(|time| !time.is_empty()).unwrap_or_else(|| "315532800".to_owned())
}
