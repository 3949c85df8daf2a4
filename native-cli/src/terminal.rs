//! Passphrases typed by a person.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::report::{HeldSignals, Interrupted, check_signals};
use crate::secret::SecretText;

/// Longest passphrase that is typed, in bytes.
const MOST: usize = 1024;

/// Whether somebody can be asked: standard input is a terminal.
pub fn is_there() -> bool {
    io::stdin().is_terminal()
}

/// Asks for a passphrase, which is not echoed.
///
/// # Errors
/// Standard input is no terminal or ends; the person gives up (^C); what was typed is not UTF-8 or too long.
pub fn read_passphrase(prompt: &str) -> anyhow::Result<SecretText> {
    ensure!(is_there(), "nobody can be asked: standard input is no terminal");
    let ask = |text: &str| {
        let mut err = io::stderr().lock();
        err.write_all(text.as_bytes()).and_then(|()| err.flush())
    };
    let typed = {
        // A signal that ended the program now would leave the terminal silent.
        let held = HeldSignals::begin().context("cannot hold signals")?;
        let _silent = Silent::begin().context("cannot turn off the echo of the terminal")?;
        ask(prompt).context("cannot ask for the passphrase")?;
        read_line(&held)
    };
    // The line break was not echoed either. Nobody is asked if this fails.
    let _ = ask("\n");
    let Some(bytes) = typed? else {
        // As if the terminal had sent it: whoever watches signals ends in his way, others at once.
        kill_process(getpid(), Signal::INT).context("cannot end")?;
        return Err(Interrupted(Signal::INT.as_raw()).into());
    };
    let text = std::str::from_utf8(&bytes).ok().context("the passphrase is not UTF-8")?;
    let mut passphrase = Zeroizing::new(String::with_capacity(text.len()));
    passphrase.push_str(text);
    Ok(passphrase)
}

/// Asks for a new passphrase of at least `least` bytes, twice.
///
/// # Errors
/// Those of [`read_passphrase`]; it is too short, or not the same both times.
pub fn read_new_passphrase(prompt: &str, least: usize) -> anyhow::Result<SecretText> {
    let first = read_passphrase(prompt)?;
    ensure!(first.len() >= least, "the passphrase is too short: expected at least {least} bytes");
    let second = read_passphrase("The same again: ")?;
    ensure!(*first == *second, "the passphrases differ");
    Ok(first)
}

/// The terminal while it neither echoes nor turns ^C into a signal, which would end the program and leave it so.
struct Silent(Termios);

impl Silent {
    fn begin() -> rustix::io::Result<Self> {
        let before = tcgetattr(io::stdin().as_fd())?;
        let mut silent = before.clone();
        silent
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What was typed before the question is no answer.
        tcsetattr(io::stdin().as_fd(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // Nothing is left to be done if this fails.
        let _ = tcsetattr(io::stdin().as_fd(), OptionalActions::Flush, &self.0);
    }
}

/// Reads up to the end of a line; `None` if the person gave up.
fn read_line(held: &HeldSignals) -> anyhow::Result<Option<Zeroizing<Vec<u8>>>> {
    const INTERRUPT: u8 = 3;
    const END: u8 = 4;
    const ERASE_LINE: u8 = 21;
    let mut line = Zeroizing::new(Vec::with_capacity(MOST));
    loop {
        let stdin = io::stdin();
        if !held.wait_readable(&stdin).context("cannot wait for the passphrase")? {
            check_signals()?;
            bail!("ended by a signal");
        }
        let mut byte = Zeroizing::new([0]);
        // Not by the buffer of the standard library, which nobody wipes.
        match rustix::io::read(stdin.as_fd(), &mut *byte).context("cannot read the passphrase")? {
            0 => bail!("the terminal is gone"),
            _ => match byte[0] {
                b'\n' | b'\r' => return Ok(Some(line)),
                END if line.is_empty() => bail!("no passphrase was typed"),
                INTERRUPT => return Ok(None),
                ERASE_LINE => line.clear(),
                8 | 0x7f => {
                    // A whole character, not a byte of it.
                    while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
                }
                byte if line.len() < MOST => line.push(byte),
                _ => bail!("the passphrase has more than {MOST} bytes"),
            },
        }
    }
}
