//! The commands, and what they know from one to the next.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};

use super::archives::Archives;
use super::path::{pattern_of, resolve, shown};
use super::{Next, stat};
use crate::report::Outcome;
use crate::select::Search;
use crate::text::Lines;

/// A command: its name, what follows it, and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// The word for it.
    pub name: &'static str,
    /// What comes behind it.
    pub usage: &'static str,
    /// What it does.
    pub help: &'static str,
    run: fn(&mut Shell, &[String], &mut dyn Write) -> anyhow::Result<Next>,
}

/// All commands, in the order of their help.
pub const COMMANDS: &[Command] = &[
    Command { name: "pwd", usage: "", help: "Print the current directory", run: Shell::pwd },
    Command { name: "cd", usage: "[DIRECTORY]", help: "Go to a directory, or to the root", run: Shell::cd },
    Command {
        name: "ls",
        usage: "[PATH...]",
        help: "List names; those of directories end in /",
        run: Shell::ls,
    },
    Command { name: "stat", usage: "PATH...", help: "Show all metadata of entries", run: Shell::stat },
    Command {
        name: "find",
        usage: "PATTERN... [--select]",
        help: "List what matches in the current directory and below, and select it",
        run: Shell::find,
    },
    Command {
        name: "select",
        usage: "PATH...",
        help: "Select entries, with all that is below them, to be restored",
        run: Shell::select,
    },
    Command {
        name: "deselect",
        usage: "PATH...",
        help: "Take entries out of the selection",
        run: Shell::deselect,
    },
    Command {
        name: "list-selected",
        usage: "",
        help: "Print the selection, as patterns",
        run: Shell::list_selected,
    },
    Command { name: "clear-selected", usage: "", help: "Select nothing", run: Shell::clear_selected },
    Command {
        name: "restore",
        usage: "TARGET [PATTERN...] [--overwrite]",
        help: "Restore the current directory, or what matches in it, into a directory on disk",
        run: Shell::restore,
    },
    Command {
        name: "restore-selected",
        usage: "TARGET [--overwrite]",
        help: "Restore the selection into a directory on disk",
        run: Shell::restore_selected,
    },
    Command { name: "help", usage: "[COMMAND]", help: "Show what there is to say", run: Shell::help },
    Command { name: "exit", usage: "", help: "Leave the shell", run: Shell::exit },
];

/// A shell in archives.
#[derive(Debug)]
pub struct Shell {
    archives: Archives,
    /// The current directory, from the root, without slashes at its ends.
    directory: Vec<u8>,
    /// Patterns of what is selected; later ones decide.
    selected: Vec<OsString>,
    lines: Lines,
}

impl Shell {
    /// In the root, with nothing selected.
    pub fn new(archives: Archives) -> Self {
        Self { archives, directory: Vec::new(), selected: Vec::new(), lines: Lines::new() }
    }

    /// What stands in front of a line.
    pub fn prompt(&self) -> String {
        format!("pxar:{} > ", shown(&[b"/", &*self.directory].concat()))
    }

    /// What it is in.
    pub const fn archives(&self) -> &Archives {
        &self.archives
    }

    /// The current directory, from the root, without slashes at its ends.
    pub fn directory(&self) -> &[u8] {
        &self.directory
    }

    /// Runs a line: a command and its arguments, in quotes where they need it.
    ///
    /// # Errors
    /// There is no such command, or it fails.
    pub fn execute(&mut self, line: &str, out: &mut dyn Write) -> anyhow::Result<Next> {
        let words = shlex::split(line).context("a quote is not closed")?;
        let Some((name, arguments)) = words.split_first() else { return Ok(Next::Line) };
        let command = COMMANDS.iter().find(|command| command.name == name);
        let command = command.with_context(|| format!("there is no command {name}; help lists them"))?;
        (command.run)(self, arguments, out)
    }

    fn resolve(&self, argument: &str) -> Vec<u8> {
        resolve(&self.directory, argument.as_bytes())
    }

    fn pwd(&mut self, arguments: &[String], out: &mut dyn Write) -> anyhow::Result<Next> {
        ensure!(arguments.is_empty(), "usage: pwd");
        writeln!(out, "{}", shown(&[b"/", &*self.directory].concat()))?;
        Ok(Next::Line)
    }

    fn cd(&mut self, arguments: &[String], _: &mut dyn Write) -> anyhow::Result<Next> {
        ensure!(arguments.len() <= 1, "usage: cd [DIRECTORY]");
        let path = arguments.first().map_or(Vec::new(), |argument| self.resolve(argument));
        ensure!(self.archives.is_directory(&path)?, "{} is no directory", shown(&[b"/", &*path].concat()));
        self.directory = path;
        Ok(Next::Line)
    }

    fn ls(&mut self, arguments: &[String], out: &mut dyn Write) -> anyhow::Result<Next> {
        let here = [String::new()];
        for argument in if arguments.is_empty() { &here } else { arguments } {
            let path = self.resolve(argument);
            if !self.archives.is_directory(&path)? {
                writeln!(out, "{}", shown(path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()))?;
                continue;
            }
            if arguments.len() > 1 {
                writeln!(out, "{}:", shown(&[b"/", &*path].concat()))?;
            }
            for name in self.archives.list(&path)? {
                writeln!(out, "{}{}", shown(&name.name), if name.is_dir { "/" } else { "" })?;
            }
        }
        Ok(Next::Line)
    }

    fn stat(&mut self, arguments: &[String], out: &mut dyn Write) -> anyhow::Result<Next> {
        ensure!(!arguments.is_empty(), "usage: stat PATH...");
        for argument in arguments {
            let path = self.resolve(argument);
            let found = self.archives.entry(&path)?;
            stat::write(out, &mut self.lines, &path, &found.node)?;
        }
        Ok(Next::Line)
    }

    fn find(&mut self, arguments: &[String], out: &mut dyn Write) -> anyhow::Result<Next> {
        let (patterns, selects) = without_option(arguments, "--select")?;
        ensure!(!patterns.is_empty(), "usage: find PATTERN... [--select]");
        let mut found = Vec::new();
        self.search(&patterns, &mut |path| {
            writeln!(out, "{}", shown(&[b"/", path].concat()))?;
            if selects {
                found.push(pattern_of(path));
            }
            Ok(())
        })?;
        found.into_iter().for_each(|pattern| self.add(pattern));
        Ok(Next::Line)
    }

    /// Visits what matches below the current directory; patterns are tied to the root of an archive.
    fn search(
        &self,
        patterns: &[&String],
        visit: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let search = Search::new(patterns.iter().map(|pattern| OsStr::new(pattern.as_str())))?;
        let mut full = Vec::new();
        self.archives.walk(&self.directory, &mut |path, is_dir| {
            full.clear();
            full.push(b'/');
            full.extend_from_slice(self.archives.inside(path));
            if search.finds(&full, is_dir) { visit(path) } else { Ok(()) }
        })
    }

    fn select(&mut self, arguments: &[String], _: &mut dyn Write) -> anyhow::Result<Next> {
        ensure!(!arguments.is_empty(), "usage: select PATH...");
        for argument in arguments {
            let path = self.resolve(argument);
            ensure!(!path.is_empty(), "the root is everything: that is what restore is for");
            self.archives.entry(&path)?;
            self.add(pattern_of(&path));
        }
        Ok(Next::Line)
    }

    /// Adds a pattern behind all others.
    fn add(&mut self, pattern: OsString) {
        let excluded = excluding(&pattern);
        self.selected.retain(|other| *other != pattern && *other != excluded);
        self.selected.push(pattern);
    }

    fn deselect(&mut self, arguments: &[String], _: &mut dyn Write) -> anyhow::Result<Next> {
        ensure!(!arguments.is_empty(), "usage: deselect PATH...");
        for argument in arguments {
            let pattern = pattern_of(&self.resolve(argument));
            let below = [pattern.as_bytes(), b"/"].concat();
            let excluded = excluding(&pattern);
            let before = self.selected.len();
            self.selected.retain(|other| *other != pattern && !other.as_bytes().starts_with(&below));
            let is_in = |other: &OsString| {
                pattern.as_bytes().strip_prefix(other.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
            };
            if self.selected.iter().any(is_in) {
                self.selected.retain(|other| *other != excluded);
                self.selected.push(excluded);
            } else if self.selected.len() == before {
                bail!("{argument} is not selected");
            }
        }
        Ok(Next::Line)
    }

    fn list_selected(&mut self, arguments: &[String], out: &mut dyn Write) -> anyhow::Result<Next> {
        ensure!(arguments.is_empty(), "usage: list-selected");
        for pattern in &self.selected {
            writeln!(out, "{}", shown(pattern.as_bytes()))?;
        }
        Ok(Next::Line)
    }

    fn clear_selected(&mut self, arguments: &[String], _: &mut dyn Write) -> anyhow::Result<Next> {
        ensure!(arguments.is_empty(), "usage: clear-selected");
        self.selected.clear();
        Ok(Next::Line)
    }

    fn restore(&mut self, arguments: &[String], _: &mut dyn Write) -> anyhow::Result<Next> {
        let (arguments, overwrites) = without_option(arguments, "--overwrite")?;
        let Some((target, patterns)) = arguments.split_first() else {
            bail!("usage: restore TARGET [PATTERN...] [--overwrite]");
        };
        let mut selected = Vec::new();
        if !patterns.is_empty() {
            self.search(patterns, &mut |path| {
                selected.push(pattern_of(path));
                Ok(())
            })?;
            ensure!(!selected.is_empty(), "nothing matches");
        } else if !self.directory.is_empty() {
            selected.push(pattern_of(&self.directory));
        }
        self.restore_patterns(target, &selected, overwrites)
    }

    fn restore_selected(&mut self, arguments: &[String], _: &mut dyn Write) -> anyhow::Result<Next> {
        let (arguments, overwrites) = without_option(arguments, "--overwrite")?;
        let [target] = &arguments[..] else { bail!("usage: restore-selected TARGET [--overwrite]") };
        ensure!(!self.selected.is_empty(), "nothing is selected");
        self.restore_patterns(target, &self.selected, overwrites)
    }

    fn restore_patterns(
        &self,
        target: &str,
        patterns: &[OsString],
        overwrites: bool,
    ) -> anyhow::Result<Next> {
        match self.archives.restore(Path::new(target), patterns, overwrites)? {
            Outcome::Complete => Ok(Next::Line),
            _ => bail!("not everything was restored"),
        }
    }

    fn help(&mut self, arguments: &[String], out: &mut dyn Write) -> anyhow::Result<Next> {
        let commands = COMMANDS.iter().filter(|command| match arguments.first() {
            Some(name) => command.name == name,
            None => true,
        });
        let mut is_empty = true;
        for Command { name, usage, help, .. } in commands {
            writeln!(out, "{:<52} {help}", format!("{name} {usage}"))?;
            is_empty = false;
        }
        ensure!(!is_empty, "there is no such command; help lists them");
        Ok(Next::Line)
    }

    fn exit(&mut self, _: &[String], _: &mut dyn Write) -> anyhow::Result<Next> {
        Ok(Next::Exit)
    }
}

/// The pattern that takes back what another one selects.
fn excluding(pattern: &OsStr) -> OsString {
    let mut out = OsString::from("!");
    out.push(pattern);
    out
}

/// Takes an option out of the arguments; `--` ends options.
fn without_option<'a>(arguments: &'a [String], option: &str) -> anyhow::Result<(Vec<&'a String>, bool)> {
    let (mut rest, mut is_given, mut is_over) = (Vec::new(), false, false);
    for argument in arguments {
        match &**argument {
            "--" if !is_over => is_over = true,
            other if !is_over && other == option => is_given = true,
            other if !is_over && other.starts_with("--") => {
                bail!("there is no option {other}; only {option}")
            }
            _ => rest.push(argument),
        }
    }
    Ok((rest, is_given))
}
