//! `cargo xtask web`: the inspector as static files, ready to be hosted anywhere.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{args::Args, paths, shell, tools};

/// What a browser loads first has at most this size, compressed with `gzip -9`.
const CEILING: usize = 900_000;

/// The program in the words of cargo; wasm-bindgen's files are named after it.
const PROGRAM: &str = "pxkit-web";

pub fn run(mut args: Args) -> Result<()> {
    let kind = if args.flag("--debug") { Kind::Debug } else { Kind::Release };
    let serve = args.flag("--serve");
    if serve {
        return trunk("serve", &args.remainder());
    }
    args.finish()?;
    let dir = build(kind)?;
    println!("the inspector is in {}", dir.display());
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// Quick to build, with names and lines in panics; its size does not count.
    Debug,
    Release,
}

impl Kind {
    fn profile(self) -> &'static str {
        if self == Kind::Debug { "dev" } else { "web" }
    }

    /// The folder of cargo for this profile, and that of the finished files.
    fn folders(self) -> (&'static str, &'static str) {
        if self == Kind::Debug { ("debug", "inspector-debug") } else { ("web", "inspector") }
    }
}

/// Builds the inspector and returns the folder that holds it, whole or not at all.
pub fn build(kind: Kind) -> Result<PathBuf> {
    tools::install(&[tools::CLANG])?;
    if let Some(reason) = tools::wasm_target()? {
        bail!("{reason}");
    }
    let (profile, name) = kind.folders();
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "-p", PROGRAM, "--bin", PROGRAM, "--target", "wasm32-unknown-unknown"]);
    shell::run(cargo.args(["--profile", kind.profile()]).current_dir(paths::root()))?;

    let module = paths::target().join(format!("wasm32-unknown-unknown/{profile}/{PROGRAM}.wasm"));
    let staged = paths::target().join(format!("{name}.new"));
    shell::fresh_dir(&staged)?;
    let mut bindgen = tools::WASM_BINDGEN.command()?;
    bindgen.args(["--target", "web", "--no-typescript", "--out-dir"]).arg(&staged);
    if kind == Kind::Release {
        bindgen.args(["--remove-name-section", "--remove-producers-section"]);
    }
    shell::run(bindgen.arg(&module))?;

    let web = paths::root().join("web");
    shell::run(Command::new("cp").arg("-r").arg(web.join("static")).arg(&staged))?;
    if kind == Kind::Release {
        for dir in [&staged, &staged.join("static")] {
            make_lean(dir)?;
        }
        number_imports(&staged)?;
    }
    let index = web.join("index.html");
    let text = fs::read_to_string(&index).with_context(|| format!("cannot read {}", index.display()))?;
    let page = Page::new(&text, &staged)?;
    fs::write(staged.join("index.html"), &page.html)?;

    let size = first_load(&staged, &page)?;
    if kind == Kind::Release && size > CEILING {
        bail!("the inspector has {size} bytes compressed, more than the {CEILING} that it may have");
    }
    let finished = paths::target().join(name);
    // What is the same stays, with its times: programs that embed it are then up to date.
    if shell::succeeds(Command::new("diff").args(["-rq"]).args([&staged, &finished])) {
        shell::remove_tree(&staged)?;
        return Ok(finished);
    }
    shell::remove_tree(&finished)?;
    fs::rename(&staged, &finished).with_context(|| format!("cannot rename {}", staged.display()))?;
    Ok(finished)
}

/// Takes what is for people only out of the stylesheets and scripts in a folder.
fn make_lean(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).context("cannot list the inspector's files")? {
        let path = entry.context("cannot list the inspector's files")?.path();
        let lean = match path.extension().and_then(|ending| ending.to_str()) {
            Some("css") => lean_style,
            Some("js") => lean_script,
            _ => continue,
        };
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        fs::write(&path, lean(&text)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// A script without indentation and without comments that have lines of their own; texts of several lines in it are scripts, too.
fn lean_script(js: &str) -> String {
    let lines = js.lines().map(str::trim_start);
    lines.filter(|line| !line.is_empty() && !line.starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// A stylesheet without comments and indentation. No text in quotation marks holds the beginning of a comment.
fn lean_style(css: &str) -> String {
    let mut pieces = css.split("/*");
    let mut bare = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        bare.push_str(piece.split_once("*/").map_or("", |(_, rest)| rest));
    }
    bare.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

/// What functions are called that the script gives the module.
const IMPORT: &[u8] = b"__wbg_";
/// Digits of the hash at the end of such a name.
const HASH: usize = 16;

/// Puts numbers, which compress, where names of imports have hashes, which do not. As many digits, so that nothing in the module moves.
fn number_imports(dir: &Path) -> Result<()> {
    let mut numbers = HashMap::new();
    for name in [format!("{PROGRAM}.js"), format!("{PROGRAM}_bg.wasm")] {
        let file = dir.join(name);
        let mut bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        with_numbers(&mut bytes, &mut numbers);
        fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// Names that were seen before keep their numbers.
fn with_numbers(bytes: &mut [u8], numbers: &mut HashMap<Vec<u8>, usize>) {
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(IMPORT.len()).position(|window| window == IMPORT) {
        let start = at + found;
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_$".contains(byte);
        at = start + bytes[start..].iter().take_while(|byte| is_name(byte)).count();
        let name = &mut bytes[start..at];
        let Some((_, [b'_', hash @ ..])) = name.split_last_chunk::<{ HASH + 1 }>() else { continue };
        if hash.iter().all(u8::is_ascii_hexdigit) {
            let next = numbers.len();
            let number = *numbers.entry(name.to_vec()).or_insert(next);
            let end = name.len();
            name[end - HASH..].copy_from_slice(format!("{number:0HASH$x}").as_bytes());
        }
    }
}

/// The page of the release: without what is for trunk, and with references that change when the files do, so that no cache mixes versions.
struct Page {
    html: String,
    /// The files that it refers to.
    files: Vec<String>,
}

impl Page {
    fn new(source: &str, dir: &Path) -> Result<Page> {
        let mut page = Page { html: String::new(), files: Vec::new() };
        for line in source.lines() {
            let line = line.replace(r#" nonce="{{__TRUNK_NONCE__}}""#, "");
            if line.contains("data-trunk") || line.contains("`trunk`") {
                continue;
            }
            page.add(&line, dir)?;
            page.html.push('\n');
        }
        Ok(page)
    }

    fn add(&mut self, line: &str, dir: &Path) -> Result<()> {
        let mut rest = line;
        let references = [r#"src=""#, r#"href=""#, r#"data-app=""#, r#"data-wasm=""#];
        while let Some(start) = references.iter().filter_map(|r| Some(rest.find(r)? + r.len())).min() {
            let (before, after) = rest.split_at(start);
            let (name, after) = after.split_once('"').context("a quotation mark lacks its other half")?;
            self.html.push_str(before);
            self.html.push_str(&format!("{name}?{}\"", digest(&dir.join(name))?));
            self.files.push(name.to_owned());
            rest = after;
        }
        self.html.push_str(rest);
        Ok(())
    }
}

/// The first digits of a file's digest.
fn digest(file: &Path) -> Result<String> {
    let sum = shell::output(Command::new("sha256sum").arg("--").arg(file))?;
    if !sum.status.success() {
        bail!("the page refers to {}, which cannot be read", file.display());
    }
    Ok(String::from_utf8_lossy(&sum.stdout).chars().take(12).collect())
}

/// Prints and adds up what the page and all that it refers to have compressed.
fn first_load(dir: &Path, page: &Page) -> Result<usize> {
    let mut total = 0;
    for name in ["index.html"].into_iter().chain(page.files.iter().map(String::as_str)) {
        let file = dir.join(name);
        let packed = shell::output(Command::new("gzip").args(["-9", "-n", "-c"]).arg(&file))?;
        if !packed.status.success() {
            bail!("gzip failed with {}", file.display());
        }
        println!("{:>9} bytes, {:>9} compressed: {name}", file.metadata()?.len(), packed.stdout.len());
        total += packed.stdout.len();
    }
    println!("{total:>26} compressed in all, of at most {CEILING}");
    Ok(total)
}

/// Where Trunk puts what it builds.
pub fn trunk_dir() -> PathBuf {
    paths::target().join("inspector-trunk")
}

/// Trunk on the inspector, with the tools that it calls on its path.
pub fn trunk(subcommand: &str, options: &[std::ffi::OsString]) -> Result<()> {
    tools::install(&[tools::CLANG])?;
    if let Some(reason) = tools::wasm_target()? {
        bail!("{reason}");
    }
    let mut trunk = tools::TRUNK.command()?;
    trunk.arg(subcommand).args(["--offline", "--dist"]).arg(trunk_dir());
    trunk.args(options).env("PATH", tools::WASM_BINDGEN.search_path()?);
    // Trunk takes any other value than `true` and `false` for a mistake.
    shell::run(trunk.env_remove("NO_COLOR").current_dir(paths::root().join("web")))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{lean_script, lean_style, with_numbers};

    #[test]
    fn stylesheets_keep_what_they_say() {
        let css = "/* all */\n:root {\n    --a: 1; /* one\n    and more */\n\n    --b: \"x  y\";\n}\n";
        assert_eq!(lean_style(css), ":root {\n--a: 1;\n--b: \"x  y\";\n}\n");
    }

    #[test]
    fn imports_have_the_same_numbers_in_script_and_module() {
        let mut numbers = HashMap::new();
        let mut script = *b"__wbg_new_0123456789abcdef(__wbg_new_fedcba9876543210, __wbg_new_0123456789abcdef, __wbg_set, __wbindgen_x_0123456789abcdef)";
        with_numbers(&mut script, &mut numbers);
        let expected = "__wbg_new_0000000000000000(__wbg_new_0000000000000001, __wbg_new_0000000000000000, __wbg_set, __wbindgen_x_0123456789abcdef)";
        assert_eq!(String::from_utf8_lossy(&script), expected);
        let mut module = *b"\0\x1a__wbg_new_fedcba9876543210\0\xff__wbg_new_0123456789abcdef";
        with_numbers(&mut module, &mut numbers);
        assert_eq!(module, *b"\0\x1a__wbg_new_0000000000000001\0\xff__wbg_new_0000000000000000");
    }

    #[test]
    fn scripts_keep_what_they_do() {
        let js = "// all\nif (a) {\n    // why\n    b(\"x  // y\"); // so\n\n}\n";
        assert_eq!(lean_script(js), "if (a) {\nb(\"x  // y\"); // so\n}\n");
    }
}
