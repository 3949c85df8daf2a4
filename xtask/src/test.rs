//! `cargo xtask test` and `cargo xtask soak`: everything that must hold, step by step.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    args::Args,
    browser, compare, demo, paths, sets, shell,
    steps::{Outcome, Steps},
    tools, wasm, web,
};

/// How far a run goes.
pub struct Depth {
    soak: bool,
    fuzz_seconds: u32,
}

pub const QUICK: Depth = Depth { soak: false, fuzz_seconds: 20 };
pub const SOAK: Depth = Depth { soak: true, fuzz_seconds: 300 };

pub fn run(mut args: Args, depth: &Depth) -> Result<()> {
    let fuzz_seconds = args.number("--fuzz-seconds", depth.fuzz_seconds)?;
    let with_linux = depth.soak && args.flag("--linux");
    let only = args.value("--only")?.map(|word| word.to_string_lossy().into_owned());
    args.finish()?;

    let skipped_file = skipped_file()?;
    let mut steps = Steps::new(only);
    steps.step("Debian packages", tools::debian_packages);
    steps.step("tools", || build_tools(depth));
    // First of all, since the program embeds it.
    steps.step("inspector: build and size", || {
        with_wasm(|| web::build(web::Kind::Release).map(|_| Outcome::Passed))
    });
    if !depth.soak {
        steps.step("formatting", || passes(cargo("fmt").args(["--all", "--check"])));
        lints(&mut steps);
    }
    steps.step("tests", || cargo_test(depth, &skipped_file));
    if depth.soak {
        steps.step("kills and faults, datastores on disk", || faults_on_disk(&skipped_file));
    } else {
        steps.step("core in WebAssembly has no imports", || with_wasm(core_alone));
        steps.step("inspector: tests in the browser", || with_wasm(|| browser::all(&skipped_file)));
        dependencies(&mut steps);
        steps.step("documentation of the code", || {
            let mut doc = cargo("doc");
            doc.args(["--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings");
            passes(&mut doc)
        });
        steps.step("the book", || {
            let mut mdbook = tools::MDBOOK.command()?;
            let book = paths::target().join("book");
            passes(mdbook.arg("build").arg("docs").arg("-d").arg(book).current_dir(paths::root()))
        });
    }
    fuzz(&mut steps, fuzz_seconds);
    if with_linux {
        linux_tree(&mut steps);
    }
    steps.finish(&skipped_tests(&skipped_file)?)
}

/// Builds the tools first, so that the times of the other steps are their own.
fn build_tools(depth: &Depth) -> Result<Outcome> {
    tools::WASM_BINDGEN.bin_dir()?;
    if !depth.soak {
        tools::CARGO_DENY.bin_dir()?;
        tools::MDBOOK.bin_dir()?;
        tools::TRUNK.bin_dir()?;
    }
    if tools::has_nightly() && !fuzz_targets()?.is_empty() {
        tools::CARGO_FUZZ.bin_dir()?;
    }
    Ok(Outcome::Passed)
}

/// Cargo as the toolchain file pins it, in the root of the checkout.
fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new("cargo");
    command.arg(subcommand).current_dir(paths::root());
    command
}

fn passes(command: &mut Command) -> Result<Outcome> {
    shell::run(command)?;
    Ok(Outcome::Passed)
}

fn lints(steps: &mut Steps) {
    steps.step("lints", || {
        passes(cargo("clippy").args(["--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
    });
    steps.step("lints for WebAssembly", || {
        with_wasm(|| {
            let mut clippy = cargo("clippy");
            clippy.args(["-p", "pxkit-core", "-p", "pxkit-web", "--target", "wasm32-unknown-unknown"]);
            passes(clippy.args(["--quiet", "--", "-D", "warnings"]))
        })
    });
}

/// The file to which tests write what they could not do, as lines `NAME: REASON`.
fn skipped_file() -> Result<PathBuf> {
    let file = paths::target().join("skipped-tests");
    fs::create_dir_all(paths::target())?;
    fs::write(&file, "").with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

fn skipped_tests(file: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut lines: Vec<String> =
        text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
    lines.sort();
    lines.dedup();
    Ok(lines)
}

fn cargo_test(depth: &Depth, skipped_file: &Path) -> Result<Outcome> {
    let mut test = cargo("test");
    test.args(["--workspace", "--no-fail-fast"]).env("PXKIT_SKIPPED", skipped_file);
    if depth.soak {
        test.arg("--release").env("PXKIT_SOAK", "1");
    }
    shell::run_tests(&mut test)?;
    Ok(Outcome::Passed)
}

/// Tests that kill the program and let its writes fail keep their datastores in memory if they can; this is the same where cargo builds.
fn faults_on_disk(skipped_file: &Path) -> Result<Outcome> {
    let dir = paths::target().join("faults");
    shell::fresh_dir(&dir)?;
    let mut test = cargo("test");
    test.args(["--release", "-p", "pxkit-tests", "--test", "faults"]);
    shell::run_tests(test.env("TMPDIR", dir).env("PXKIT_CASES", "30").env("PXKIT_SKIPPED", skipped_file))?;
    Ok(Outcome::Passed)
}

/// Builds a program that decodes an archive with core alone, and wants it to import nothing: then core calls
/// nothing of the world outside.
fn core_alone() -> Result<Outcome> {
    let mut build = cargo("build");
    build.args(["-p", "pxkit-core", "--example", "core_alone", "--release", "--quiet"]);
    shell::run(build.args(["--target", "wasm32-unknown-unknown"]))?;
    let file = paths::target().join("wasm32-unknown-unknown/release/examples/core_alone.wasm");
    let module = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    match wasm::imports(&module)? {
        (0, _) => {
            println!("{}: {} bytes, no imports", file.display(), module.len());
            Ok(Outcome::Passed)
        }
        (count, first) => bail!("the module has {count} imports, the first is {}", first.unwrap_or_default()),
    }
}

/// What needs the toolchain for the browser, if it is there.
fn with_wasm(work: impl FnOnce() -> Result<Outcome>) -> Result<Outcome> {
    match tools::wasm_target()? {
        Some(reason) => Ok(Outcome::Skipped(reason)),
        None => work(),
    }
}

fn dependencies(steps: &mut Steps) {
    let deny = |what: &[&str]| -> Result<Command> {
        let mut command = tools::CARGO_DENY.command()?;
        command.args(["--workspace", "--all-features", "check", "--hide-inclusion-graph"]).args(what);
        command.current_dir(paths::root());
        Ok(command)
    };
    steps.step("dependencies: bans, licences, sources", || {
        passes(&mut deny(&["bans", "licenses", "sources"])?)
    });
    steps.step("dependencies: advisories", || {
        let mut command = deny(&["advisories"])?;
        println!("$ {}", shell::shown(&command));
        let result = shell::output(&mut command)?;
        let said = String::from_utf8_lossy(&result.stderr);
        if result.status.success() {
            return Ok(Outcome::Passed);
        }
        if said.contains("failed to fetch advisory database") {
            return Ok(Outcome::Skipped("the database of advisories cannot be reached from here".to_owned()));
        }
        print!("{}{said}", String::from_utf8_lossy(&result.stdout));
        bail!("cargo-deny found something")
    });
}

/// The targets are the files in fuzz/fuzz_targets.
fn fuzz_targets() -> Result<Vec<String>> {
    let dir = paths::root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

fn fuzz(steps: &mut Steps, seconds: u32) {
    let targets = match fuzz_targets() {
        Ok(targets) => targets,
        Err(error) => return steps.step("fuzz targets", || Err(error)),
    };
    let nightly = tools::has_nightly();
    if nightly && !targets.is_empty() {
        steps.step("fuzz targets build", || {
            passes(fuzz_command("build")?.args(["--target-dir"]).arg(fuzz_dir()))
        });
    }
    for target in targets {
        steps.step(&format!("fuzz target {target}"), || {
            if !nightly {
                return Ok(Outcome::Skipped("needs a nightly toolchain".to_owned()));
            }
            fuzz_one(&target, seconds)
        });
    }
}

fn fuzz_dir() -> PathBuf {
    paths::target().join("fuzz")
}

fn fuzz_command(subcommand: &str) -> Result<Command> {
    let mut command = Command::new("cargo");
    command.args(["+nightly", "fuzz", subcommand]).env("PATH", tools::CARGO_FUZZ.search_path()?);
    // The toolchain of the outer cargo must not reach the inner one.
    command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").current_dir(paths::root().join("fuzz"));
    Ok(command)
}

fn fuzz_one(target: &str, seconds: u32) -> Result<Outcome> {
    // New inputs go to the target folder; those of the checkout are only read.
    let found = fuzz_dir().join("corpus").join(target);
    fs::create_dir_all(&found).with_context(|| format!("cannot make the folder {}", found.display()))?;
    let mut run = fuzz_command("run")?;
    run.arg("--target-dir").arg(fuzz_dir()).arg(target).arg(found);
    let kept = paths::root().join("fuzz/corpus").join(target);
    if kept.is_dir() {
        run.arg(kept);
    }
    run.arg("--").arg(format!("-max_total_time={seconds}"));
    run.args(["-timeout=20", "-rss_limit_mb=2048", "-verbosity=0", "-print_final_stats=1"]);
    passes(&mut run)
}

/// The Linux source tree through both kinds of archive and back.
fn linux_tree(steps: &mut Steps) {
    let mut tree = None;
    steps.step("Linux source tree", || {
        tree = Some(sets::newest_linux(&demo::release_build()?, None)?);
        Ok(Outcome::Passed)
    });
    let Some(tree) = tree else { return };
    for kind in demo::KINDS {
        steps.step(&format!("Linux source tree, {} archive, there and back", kind.name), || {
            let pxkit = demo::release_build()?;
            let dir = paths::data()?.join("soak");
            shell::fresh_dir(&dir)?;
            shell::run(&mut kind.create(&pxkit, &dir, &tree))?;
            let back = dir.join("back");
            shell::run(&mut kind.extract(&pxkit, &dir, &back))?;
            compare::both_ways(&tree, &back)?;
            shell::remove_tree(&dir)?;
            Ok(Outcome::Passed)
        });
    }
}
