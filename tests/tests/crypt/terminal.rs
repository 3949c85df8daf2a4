//! Passphrases typed at a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use pxkit_tests::cli::{self, Run};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use super::Place;

/// A terminal, and the program at it.
struct Session {
    screen: File,
    terminal: OwnedFd,
    child: Option<Child>,
    err: Vec<u8>,
}

impl Session {
    fn new(place: &Place, args: &[&str]) -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&screen).expect("a terminal");
        unlockpt(&screen).expect("a terminal");
        let name = ptsname(&screen, Vec::new()).expect("a name").into_string().expect("text");
        let terminal: OwnedFd = File::options().read(true).write(true).open(name).expect("a terminal").into();
        let stdin = terminal.try_clone().expect("a descriptor");
        let mut command = place.command(args);
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the program runs");
        rustix::fs::fcntl_setfl(&screen, rustix::fs::OFlags::NONBLOCK).expect("a flag");
        Self { screen: File::from(screen), terminal, child: Some(child), err: Vec::new() }
    }

    /// Waits until the program asks, which it does when the echo is off.
    #[track_caller]
    fn answer(&mut self, question: &str, answer: &[u8]) {
        let err = self.child.as_mut().and_then(|child| child.stderr.as_mut()).expect("a pipe");
        let mut byte = [0];
        while !String::from_utf8_lossy(&self.err).ends_with(question) {
            let len = err.read(&mut byte).expect("readable");
            assert_eq!(len, 1, "expected {question:?} in:\n{}", String::from_utf8_lossy(&self.err));
            self.err.push(byte[0]);
        }
        assert!(!self.echoes());
        self.screen.write_all(answer).expect("typed");
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.terminal).expect("a terminal").local_modes.contains(LocalModes::ECHO)
    }

    /// Waits for the end; also what stood on the screen.
    #[track_caller]
    fn end(&mut self) -> (Run, String) {
        let output = self.child.take().expect("it runs").wait_with_output().expect("it ends");
        assert!(self.echoes(), "the terminal is as it was");
        let mut screen = Vec::new();
        // Whatever is there; a terminal that nobody else has open may also say EIO.
        let _ = self.screen.read_to_end(&mut screen);
        let mut run = Run::from(output);
        run.err = String::from_utf8_lossy(&self.err).into_owned() + &run.err;
        (run, String::from_utf8_lossy(&screen).into_owned())
    }
}

#[test]
fn passphrases_are_asked_for_and_not_echoed() {
    let place = Place::new();
    let mut session =
        Session::new(&place, &["key", "create", "key.json", "--kdf", "pbkdf2", "--hint", "typed"]);
    session.answer("New passphrase of the key: ", b"typed secret\r");
    session.answer("The same again: ", b"typed secret\n");
    let (run, screen) = session.end();
    assert!(run.exits(0).text().contains("A key was made in key.json"));
    assert!(!screen.contains("typed"), "{screen}");

    let tree = place.tree();
    let source = format!("root.pxar:{}", tree.display());
    let mut session =
        Session::new(&place, &["backup", &source, "--backup-id", "a", "--quiet", "--keyfile", "key.json"]);
    // With what people do: a wrong letter, a line begun again, a character of two bytes.
    session.answer(
        "Passphrase of the key key.json (hint: typed): ",
        "rubbish\x15typed secrét\x7f\x7fet\n".as_bytes(),
    );
    let (run, screen) = session.end();
    assert!(!screen.contains("secr"), "{screen}");
    assert!(!run.exits(0).err.contains("secr"));
    let mut session = Session::new(&place, &["list", "host/a/latest/root.pxar", "--keyfile", "key.json"]);
    session.answer("(hint: typed): ", b"typed secret\n");
    assert!(session.end().0.exits(0).text().contains("/sub/b"));

    let mut session = Session::new(&place, &["list", "host/a/latest/root.pxar", "--keyfile", "key.json"]);
    session.answer("(hint: typed): ", b"another one\n");
    session.end().0.fails(2, &["the passphrase is wrong", "hint: typed"]);
}

#[test]
fn what_cannot_be_a_passphrase() {
    let place = Place::new();
    let create = ["key", "create", "key.json"];
    let mut session = Session::new(&place, &create);
    session.answer("New passphrase of the key: ", b"1234\n");
    session.end().0.fails(2, &["too short"]);
    let mut session = Session::new(&place, &create);
    session.answer("New passphrase of the key: ", b"12345\n");
    session.answer("The same again: ", b"12346\n");
    session.end().0.fails(2, &["the passphrases differ"]);
    let mut session = Session::new(&place, &create);
    session.answer("New passphrase of the key: ", b"\x04");
    session.end().0.fails(2, &["no passphrase was typed"]);
    let mut session = Session::new(&place, &create);
    session.answer("New passphrase of the key: ", b"12\xff45\n");
    session.end().0.fails(2, &["not UTF-8"]);
    assert!(!place.join("key.json").exists());
}

/// ^C ends the program as a signal would, and the terminal is as it was.
#[test]
fn giving_up_leaves_the_terminal_as_it_was() {
    let place = Place::new();
    let mut session = Session::new(&place, &["key", "create", "key.json"]);
    session.answer("New passphrase of the key: ", b"123\x03");
    let (run, _) = session.end();
    // Nobody watches signals here: the signal itself ends it.
    assert_eq!(run.code, None);
    assert!(!place.join("key.json").exists());
    // Somebody who terminates a program that asks while it watches signals.
    place.run_with(&[("PBS_ENCRYPTION_PASSWORD", "12345")], &["key", "create", "key.json"]).succeeds();
    let tree = place.tree();
    let source = format!("root.pxar:{}", tree.display());
    let args = ["backup", &source, "--backup-id", "a", "--keyfile", "key.json"];
    place.run_with(&[("PBS_ENCRYPTION_PASSWORD", "12345")], &args).exits(0);
    let mut session = Session::new(&place, &["verify", "--keyfile", "key.json"]);
    session.answer("Passphrase of the key key.json: ", b"");
    cli::send(session.child.as_ref().expect("it runs"), rustix::process::Signal::TERM);
    let start = Instant::now();
    let (run, _) = session.end();
    assert_eq!(run.code, Some(143), "{}", run.err);
    assert!(start.elapsed() < Duration::from_secs(10));
}
