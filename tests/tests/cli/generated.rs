//! Completions and man pages: made from the same list of options as the parser.

use std::collections::BTreeSet;
use std::fs;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::{pxkit, skip};

const COMMANDS: [&str; 16] = [
    "create",
    "list",
    "dump",
    "extract",
    "backup",
    "restore",
    "files",
    "catalog",
    "snapshots",
    "forget",
    "prune",
    "gc",
    "verify",
    "status",
    "completions",
    "man-pages",
];

/// The long options that `--help` of a command tells.
fn options(command: &str) -> BTreeSet<String> {
    let run = pxkit![command, "--help"].succeeds();
    let words = run.text().split(|c: char| c.is_whitespace() || c == ',' || c == '`' || c == '[');
    let options = words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned);
    options.collect()
}

#[test]
fn completions_know_every_option() {
    let all: BTreeSet<_> = COMMANDS.iter().flat_map(|command| options(command)).collect();
    assert!(all.contains("--payload-output") && all.contains("--files-from"), "{all:?}");
    for shell in ["bash", "zsh", "fish"] {
        let run = pxkit!["completions", shell].succeeds();
        for option in &all {
            // fish names them without the dashes.
            let name = if shell == "fish" { option.trim_start_matches('-') } else { option };
            assert!(run.text().contains(name), "{shell}: {option}");
        }
        assert!(COMMANDS.iter().all(|command| run.text().contains(command)), "{shell}");
        let check = match shell {
            "fish" => "fish --no-execute",
            other => &format!("{other} -n"),
        };
        if Run::of(cli::shell(&format!("command -v {shell}"), &[])).code != Some(0) {
            skip::skip("completions_know_every_option", &format!("needs {shell} to check its script"));
            continue;
        }
        let scratch = Scratch::new();
        fs::write(scratch.join("script"), &run.out).unwrap();
        Run::of(cli::shell(&format!(r#"{check} "$1""#), &[&scratch.join("script")])).succeeds();
    }
    pxkit!["completions", "frob"].exits(64);
}

#[test]
fn man_pages_tell_every_option() {
    let scratch = Scratch::new();
    let pages = scratch.join("new/man1");
    pxkit!["man-pages", &pages].succeeds();
    assert!(fs::read_to_string(pages.join("pxkit.1")).unwrap().contains("Exit status"));
    for command in COMMANDS {
        let page = fs::read_to_string(pages.join(format!("pxkit-{command}.1"))).unwrap().replace('\\', "");
        for option in options(command) {
            assert!(page.contains(&option), "{command}: {option}");
        }
    }
    pxkit!["man-pages", "/proc/nowhere"].fails(2, &["/proc/nowhere"]);
}
