//! What may come from the environment in several ways, passphrases above all: the value itself, or where it can be read (server protocol 2.1).

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, anyhow, bail, ensure};
use zeroize::{Zeroize as _, Zeroizing};

use crate::linux::inherited;

/// Longest value, in bytes, with what comes behind its first line.
const MOST: u64 = 64 << 10;

/// A text that is wiped when it is dropped.
pub type SecretText = Zeroizing<String>;

/// The value of the variable `name`, or what the first of these names that is set: `NAME_FD`, an open descriptor; `NAME_FILE`, a file;
/// `NAME_CMD`, a command that prints it. Of all of them the first line counts. If there is none, the whole file `credential` among the
/// credentials that systemd hands to a service. What is set but empty is an empty value.
///
/// # Errors
/// It is not UTF-8, cannot be read, or the command fails. No message tells the value.
pub fn variable(name: &str, credential: &str) -> anyhow::Result<Option<SecretText>> {
    if let Some(value) = env::var_os(name) {
        return text(Zeroizing::new(value.into_encoded_bytes()), name).map(first_line).map(Some);
    }
    let named = |suffix: &str| Some(format!("{name}_{suffix}")).zip(env::var_os(format!("{name}_{suffix}")));
    if let Some((name, value)) = named("FD") {
        let number = value.to_str().and_then(|text| text.parse().ok());
        let number = number.with_context(|| format!("{name}: expected the number of an open descriptor"))?;
        return from(|| inherited(number), &name);
    }
    if let Some((name, path)) = named("FILE") {
        return from(|| File::open(&path), &name);
    }
    if let Some((name, line)) = named("CMD") {
        let line = line.to_str().with_context(|| format!("{name}: expected UTF-8"))?;
        return run(line, &name).map(Some);
    }
    let Some(directory) = env::var_os("CREDENTIALS_DIRECTORY") else { return Ok(None) };
    let path = Path::new(&directory).join(credential);
    match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => {
            let what = path.display().to_string();
            text(read(&mut file.with_context(|| what.clone())?, &what)?, &what).map(Some)
        }
    }
}

fn from(open: impl FnOnce() -> io::Result<File>, name: &str) -> anyhow::Result<Option<SecretText>> {
    let mut file = open().with_context(|| format!("{name}: cannot open what it names"))?;
    text(read(&mut file, name)?, name).map(first_line).map(Some)
}

/// Reads everything, which is not much, and leaves no copies behind.
///
/// # Errors
/// It cannot be read, or is more than 64 KiB.
pub fn read(from: &mut dyn Read, name: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST as usize + 1));
    from.take(MOST + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {name}"))?;
    ensure!(bytes.len() as u64 <= MOST, "{name} has more than {MOST} bytes");
    Ok(bytes)
}

/// Runs a command without a shell and takes what it prints.
fn run(line: &str, name: &str) -> anyhow::Result<SecretText> {
    let words = shlex::split(line).filter(|words| !words.is_empty());
    let words = words.with_context(|| format!("{name}: expected a command, with its quotes closed"))?;
    let what = || format!("{name}: cannot run {}", words[0]);
    let mut child =
        Command::new(&words[0]).args(&words[1..]).stdout(Stdio::piped()).spawn().with_context(what)?;
    let mut stdout = child.stdout.take().context("a pipe was asked for")?;
    let bytes = read(&mut stdout, name);
    drop(stdout);
    let status = child.wait().with_context(what)?;
    if !status.success() {
        bail!("{name}: {} ended with {status}", words[0]);
    }
    text(bytes?, name).map(first_line)
}

fn text(mut bytes: Zeroizing<Vec<u8>>, name: &str) -> anyhow::Result<SecretText> {
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            error.into_bytes().zeroize();
            Err(anyhow!("{name}: expected UTF-8"))
        }
    }
}

fn first_line(mut text: SecretText) -> SecretText {
    let line = text.lines().next().unwrap_or_default().len();
    // What is cut off stays in the buffer and is wiped with it.
    text.truncate(line);
    text
}
