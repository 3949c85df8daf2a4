//! `cargo xtask browser`: the tests of the inspector in Chromium.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{args::Args, paths, shell, steps::Outcome, tools, web};

/// Tests are in these files; of the second kind, which measure, one runs at a time and nothing beside it.
const KINDS: [(&str, &str); 2] = [(".test.js", "2"), (".speed.js", "1")];

/// The oldest Node.js that the driver of the browser runs on.
const NODE: u32 = 20;

pub fn run(mut args: Args) -> Result<()> {
    let kind = if args.flag("--debug") { web::Kind::Debug } else { web::Kind::Release };
    let screenshots = args.flag("--screenshots").then(|| paths::root().join("docs/src/img/inspector"));
    let files = args.value("--files")?.map(|word| word.to_string_lossy().into_owned());
    let only = args.value("--only")?.map(|word| word.to_string_lossy().into_owned());
    args.finish()?;
    let tests = Tests { kind, with_trunk: false, screenshots, files, only };
    if let Outcome::Skipped(reason) = tests.run(&paths::target().join("skipped-tests"))? {
        println!("not run: {reason}");
    }
    Ok(())
}

/// All tests with the inspector as it is released.
pub fn all(skipped_file: &Path) -> Result<Outcome> {
    let kind = web::Kind::Release;
    Tests { kind, with_trunk: true, screenshots: None, files: None, only: None }.run(skipped_file)
}

struct Tests {
    kind: web::Kind,
    /// Whether what Trunk builds is looked at, too.
    with_trunk: bool,
    /// Where the pictures go, if not to the target folder.
    screenshots: Option<PathBuf>,
    /// Only files with this in their name.
    files: Option<String>,
    /// Only tests whose names this regular expression matches.
    only: Option<String>,
}

impl Tests {
    fn run(&self, skipped_file: &Path) -> Result<Outcome> {
        if let Err(error) = tools::install(&tools::BROWSER) {
            return Ok(Outcome::Skipped(format!("{error:#}")));
        }
        let Some(program) = node()? else {
            return Ok(Outcome::Skipped(format!("needs Node.js {NODE} or newer")));
        };
        let packages = packages("tests/browser", "browser")?;
        let inspector = web::build(self.kind)?;
        if self.with_trunk {
            web::trunk("build", &[])?;
        }
        let mut build = Command::new("cargo");
        // `pxkit inspect` shall serve what is tested; the release is embedded by itself.
        if self.kind == web::Kind::Debug {
            build.env("PXKIT_INSPECTOR", &inspector);
        }
        build.args([
            "build",
            "--quiet",
            "-p",
            "pxkit",
            "-p",
            "pxkit-tests",
            "--bins",
            "--example",
            "million",
        ]);
        shell::run(build.current_dir(paths::root()))?;
        for (suffix, at_once) in KINDS {
            let files = self.files(suffix)?;
            if files.is_empty() {
                continue;
            }
            let mut node = Command::new(&program);
            node.args(["--test", "--test-reporter=spec", &format!("--test-concurrency={at_once}")]);
            if let Some(only) = &self.only {
                node.arg(format!("--test-name-pattern={only}"));
            }
            node.args(files).current_dir(paths::root());
            node.env("PXKIT_INSPECTOR", &inspector).env("PXKIT_NODE", &packages);
            node.env("PXKIT_BIN", paths::target().join("debug/pxkit")).env("PXKIT_SKIPPED", skipped_file);
            if self.with_trunk {
                node.env("PXKIT_TRUNK", web::trunk_dir());
            }
            if let Some(dir) = &self.screenshots {
                node.env("PXKIT_SCREENSHOTS", dir);
            }
            shell::run_tests(&mut node)?;
        }
        Ok(Outcome::Passed)
    }

    /// The files of tests of one kind, from the root of the checkout.
    fn files(&self, suffix: &str) -> Result<Vec<PathBuf>> {
        let dir = Path::new("tests/browser");
        let mut files = Vec::new();
        for entry in fs::read_dir(paths::root().join(dir))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(suffix) && self.files.as_ref().is_none_or(|word| name.contains(word)) {
                files.push(dir.join(name));
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Node.js: the machine's if it is new enough, else the one that npm has, if it has one for this machine.
fn node() -> Result<Option<PathBuf>> {
    let installed = PathBuf::from("node");
    if version(&installed).is_some_and(|version| version >= NODE) {
        return Ok(Some(installed));
    }
    let platform = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        _ => return Ok(None),
    };
    let packages = packages("tests/browser/node", "browser-node")?;
    let fetched = packages.join(format!("node_modules/node-linux-{platform}/bin/node"));
    Ok(version(&fetched).is_some_and(|version| version >= NODE).then_some(fetched))
}

/// Installs the npm packages of a folder of the checkout, at the versions of its lock file, into a folder of the target folder.
fn packages(from: &str, to: &str) -> Result<PathBuf> {
    let from = paths::root().join(from);
    let staged = paths::target().join(format!("{to}.new"));
    let to = paths::target().join(to);
    let lock = "package-lock.json";
    let wanted = fs::read(from.join(lock)).with_context(|| format!("cannot read {lock}"))?;
    if to.join("node_modules").exists() && fs::read(to.join(lock)).is_ok_and(|found| found == wanted) {
        return Ok(to);
    }
    shell::fresh_dir(&staged)?;
    for name in ["package.json", lock] {
        fs::copy(from.join(name), staged.join(name))?;
    }
    let mut npm = Command::new("npm");
    // The packages' scripts would fetch browsers.
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&staged);
    shell::run(&mut npm)?;
    shell::remove_tree(&to)?;
    fs::rename(&staged, &to).with_context(|| format!("cannot rename {}", staged.display()))?;
    Ok(to)
}

fn version(node: &Path) -> Option<u32> {
    let said = shell::output(Command::new(node).arg("--version")).ok()?;
    String::from_utf8_lossy(&said.stdout).trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}
