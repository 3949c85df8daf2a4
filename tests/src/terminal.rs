//! The program at a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::cli::Run;

/// A terminal, and the program at it.
#[derive(Debug)]
pub struct Session {
    screen: File,
    terminal: OwnedFd,
    child: Option<Child>,
    err: Vec<u8>,
}

impl Session {
    /// Starts the program, which reads from the terminal.
    pub fn new(mut command: Command) -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&screen).expect("a terminal");
        unlockpt(&screen).expect("a terminal");
        let name = ptsname(&screen, Vec::new()).expect("a name").into_string().expect("text");
        let terminal: OwnedFd = File::options().read(true).write(true).open(name).expect("a terminal").into();
        let stdin = terminal.try_clone().expect("a descriptor");
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the program runs");
        rustix::fs::fcntl_setfl(&screen, rustix::fs::OFlags::NONBLOCK).expect("a flag");
        Self { screen: File::from(screen), terminal, child: Some(child), err: Vec::new() }
    }

    /// Waits until the program asks, which it does when the echo is off.
    #[track_caller]
    pub fn answer(&mut self, question: &str, answer: &[u8]) {
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

    /// The program.
    pub fn child(&self) -> &Child {
        self.child.as_ref().expect("it runs")
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.terminal).expect("a terminal").local_modes.contains(LocalModes::ECHO)
    }

    /// Waits for the end; also what stood on the screen.
    #[track_caller]
    pub fn end(&mut self) -> (Run, String) {
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
