//! Running commands: printed first, with errors that name the command.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _},
    path::Path,
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, bail};

/// The command as a person would type it.
pub fn shown(command: &Command) -> String {
    let mut line = String::new();
    for (name, value) in command.get_envs() {
        // Search paths are noise to the reader.
        if let (Some(value), false) = (value, name == "PATH") {
            line.push_str(&format!("{}={} ", name.display(), quoted(&value.to_string_lossy())));
        }
    }
    line.push_str(&quoted(&command.get_program().to_string_lossy()));
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&quoted(&arg.to_string_lossy()));
    }
    line
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-_./=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Prints the command, runs it with the terminal as output, and wants it to succeed.
pub fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", shown(command));
    quietly(command)
}

/// As [`run`] for a command that runs tests: what it says of those that failed is part of the error, since whoever sees only the end of a long
/// run must see that, too. Nothing is kept at a terminal, where its colours would be lost.
pub fn run_tests(command: &mut Command) -> Result<()> {
    println!("$ {}", shown(command));
    if io::stdout().is_terminal() {
        return quietly(command);
    }
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = started.with_context(|| format!("cannot start {}", shown(command)))?;
    let mut failures = Failures::default();
    let mut lines = BufReader::new(child.stdout.take().context("its output is not piped")?);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        io::stdout().write_all(&line)?;
        failures.take(&String::from_utf8_lossy(&line));
        line.clear();
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{} ended with {status}\n{}", shown(command), failures.lines.concat());
    }
    Ok(())
}

/// What Cargo and Node.js say at the end about tests that failed.
#[derive(Default)]
struct Failures {
    lines: Vec<String>,
    /// The next line is one of them.
    inside: bool,
}

impl Failures {
    /// Lines that are kept.
    const MOST: usize = 120;

    fn take(&mut self, line: &str) {
        self.inside |= line.trim_end() == "failures:" || line.contains("failing tests:");
        self.inside &= !line.starts_with("test result:");
        if self.inside && self.lines.len() < Self::MOST {
            self.lines.push(line.to_owned());
        }
    }
}

/// Runs the command without printing it, and wants it to succeed.
pub fn quietly(command: &mut Command) -> Result<()> {
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs the command and returns what it printed, whatever its exit status.
pub fn output(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", shown(command)))
}

/// Whether the command can be started and succeeds; its output is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Removes a folder with all it holds, if it is there.
pub fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// An empty folder at this place.
pub fn fresh_dir(path: &Path) -> Result<()> {
    remove_tree(path)?;
    fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_part_of_the_error() {
        let mut failures = Failures::default();
        let cargo = "running 2 tests\ntest a ... FAILED\ntest b ... ok\n\nfailures:\n\n---- a stdout ----\nleft: 1\n\nfailures:\n    a\n\ntest result: FAILED. 1 passed\nrunning 1 test\n";
        cargo.split_inclusive('\n').for_each(|line| failures.take(line));
        assert_eq!(
            failures.lines.concat(),
            "failures:\n\n---- a stdout ----\nleft: 1\n\nfailures:\n    a\n\n"
        );
        let mut failures = Failures::default();
        let node = "✔ b\n✖ a\n  told twice\n\n✖ failing tests:\n\ntest at a.test.js:1:1\n  why\n";
        node.split_inclusive('\n').for_each(|line| failures.take(line));
        assert_eq!(failures.lines.concat(), "✖ failing tests:\n\ntest at a.test.js:1:1\n  why\n");
    }

    #[test]
    fn a_command_that_fails_is_named() {
        let error = run_tests(Command::new("sh").args(["-c", "printf 'failures:\\n  a\\n'; exit 3"]))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("sh -c ") && error.ends_with("ended with exit status: 3\nfailures:\n  a\n"),
            "{error}"
        );
        run_tests(Command::new("true").arg("failures:")).unwrap();
    }
}
