//! Completions and man pages: made from the same list of options as the parser.

use std::collections::BTreeSet;
use std::fs;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::{pxkit, skip};

/// Every command with those below it, as words; the first is pxkit itself.
fn commands() -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut at = 0;
    while let Some(above) = found.get(at).cloned() {
        let help = help(&above);
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        // Descriptions that are wrapped go on further to the right.
        let lines = listed.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
        for name in lines.filter_map(|line| line.split_whitespace().next()) {
            found.push([&above[..], &[name.to_owned()]].concat());
        }
        at += 1;
    }
    assert!(found.len() > 45, "{found:?}");
    found
}

fn help(command: &[String]) -> String {
    let mut run = cli::command();
    run.args(command).arg("--help");
    Run::of(run).succeeds().text().to_owned()
}

/// The long options that `--help` of a command tells.
fn options(command: &[String]) -> BTreeSet<String> {
    let help = help(command);
    let words = help.split(|c: char| c.is_whitespace() || c == ',' || c == '`' || c == '[');
    let options = words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned);
    options.collect()
}

#[test]
fn help_is_where_it_is_looked_for() {
    let help = pxkit!["help", "backup"].succeeds();
    assert_eq!(help.text(), pxkit!["backup", "--help"].succeeds().text());
    assert_eq!(pxkit!["help"].succeeds().text(), pxkit!["--help"].succeeds().text());
}

#[test]
fn completions_know_every_option() {
    let commands = commands();
    let all: BTreeSet<_> = commands.iter().flat_map(|command| options(command)).collect();
    assert!(all.contains("--payload-output") && all.contains("--files-from"), "{all:?}");
    for shell in ["bash", "zsh", "fish"] {
        let run = pxkit!["completions", shell].succeeds();
        for option in &all {
            // fish names them without the dashes.
            let name = if shell == "fish" { option.trim_start_matches('-') } else { option };
            assert!(run.text().contains(name), "{shell}: {option}");
        }
        assert!(commands.iter().flatten().all(|command| run.text().contains(command)), "{shell}");
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
    let commands = commands();
    for command in &commands {
        let name = [&["pxkit".to_owned()], &command[..]].concat().join("-");
        let page = fs::read_to_string(pages.join(format!("{name}.1"))).unwrap().replace('\\', "");
        for option in options(command) {
            assert!(page.contains(&option), "{name}: {option}");
        }
    }
    assert_eq!(
        fs::read_dir(&pages).unwrap().count(),
        commands.len(),
        "a page for each command, and no other"
    );
    pxkit!["man-pages", "/proc/nowhere"].fails(2, &["/proc/nowhere"]);
}
