//! `pxkit shell` at a terminal.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::time::{Duration, Instant};

use pxkit_tests::cli;
use pxkit_tests::disk::Scratch;
use pxkit_tests::golden;
use pxkit_tests::large::{self, Size, Sparse};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::META;

/// A terminal, and the shell at it.
struct Session {
    screen: File,
    child: Child,
    /// What stood on the screen since the last [`Session::sees`].
    seen: String,
}

impl Session {
    fn new(home: &Scratch, source: &str) -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&screen).expect("a terminal");
        unlockpt(&screen).expect("a terminal");
        let name = ptsname(&screen, Vec::new()).expect("a name").into_string().expect("text");
        let terminal: OwnedFd = File::options().read(true).write(true).open(name).expect("a terminal").into();
        let copy = || terminal.try_clone().expect("a descriptor");
        // A session of its own, whose terminal this is, so that Ctrl-C comes as a signal.
        let mut command = cli::shell("exec setsid --ctty --wait \"$PXKIT\" shell \"$1\"", &[&source]);
        command.env("PBS_REPOSITORY", golden::path("datastore")).env("TERM", "xterm");
        command.env("XDG_STATE_HOME", home.path());
        let child = command.stdin(copy()).stdout(copy()).stderr(copy()).spawn().expect("the program runs");
        rustix::fs::fcntl_setfl(&screen, rustix::fs::OFlags::NONBLOCK).expect("a flag");
        Self { screen: File::from(screen), child, seen: String::new() }
    }

    /// Waits until a text stands on the screen.
    #[track_caller]
    fn sees(&mut self, text: &str) -> String {
        let start = Instant::now();
        loop {
            let mut bytes = [0; 4096];
            if let Ok(len) = self.screen.read(&mut bytes) {
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..len]));
            }
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            assert!(start.elapsed() < cli::PATIENCE, "{text:?} is not in:\n{}", self.seen);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn types(&mut self, text: &str) {
        self.screen.write_all(text.as_bytes()).expect("typed");
    }

    #[track_caller]
    fn ends(mut self) {
        assert_eq!(cli::wait(self.child), Some(0));
        let mut rest = Vec::new();
        let _ = self.screen.read_to_end(&mut rest);
    }
}

#[test]
fn lines_are_edited_completed_and_remembered() {
    let home = Scratch::new();
    let mut session = Session::new(&home, META);
    session.sees("pxar:/ > ");
    // A command and a path, completed; the only one that is left is taken.
    session.types("sta\tdir2/new\t");
    session.sees("stat dir2/new-file");
    session.types("\r");
    session.sees("Size: 66000");
    session.sees("pxar:/ > ");
    session.types("cd dir2/\r");
    session.sees("pxar:/dir2 > ");
    // What is ambiguous is listed.
    session.types("ls ../dir\t\t");
    session.sees("dir0/");
    session.sees("dir2/");
    session.sees("> ls ../dir");
    // Ctrl-C gives the line up, and nothing else.
    session.types("\x03");
    session.sees("pxar:/dir2 > ");
    // Letters in the middle, after the left arrow.
    session.types("pd\x1b[Dw\r");
    session.sees("\r\n/dir2\r\n");
    session.sees("pxar:/dir2 > ");
    session.types("nonsense\r");
    session.sees("there is no command nonsense");
    session.sees("pxar:/dir2 > ");
    session.types("exit\r");
    session.ends();
    // The next one remembers.
    let history = fs::read_to_string(home.join("pxkit/shell-history")).expect("a history");
    assert!(history.contains("cd dir2/"), "{history}");
    let mut session = Session::new(&home, META);
    session.sees("pxar:/ > ");
    session.types("\x1b[A\x1b[A\x1b[A\x1b[A");
    session.sees("cd dir2/");
    session.types("\r");
    session.sees("pxar:/dir2 > ");
    // The end of the input is an end, too.
    session.types("\x04");
    session.ends();
}

#[test]
fn ctrl_c_ends_the_command_and_not_the_shell() {
    let home = Scratch::new();
    let archive = home.join("large.mpxar");
    let size = Size { entries: 50_000, contents: 0, seed: 1 };
    let create = |path| Sparse::new(File::create(path).expect("a file"));
    let (mut meta, mut payload) = (create(archive.clone()), create(home.join("large.ppxar")));
    large::split(size, &mut meta, &mut payload).expect("an archive");
    meta.finish().and_then(|()| payload.finish()).expect("an archive");
    let mut session = Session::new(&home, archive.to_str().expect("text"));
    session.sees("pxar:/ > ");
    // More than a terminal holds that nobody looks at: the command is still at it when Ctrl-C comes.
    session.types("find '*'\r");
    session.sees("\n/");
    session.types("\x03");
    let printed = session.sees("interrupted");
    assert!(printed.lines().count() < 40_000, "{} lines", printed.lines().count());
    session.sees("pxar:/ > ");
    // Nothing of it is left for the next command.
    session.types("pwd\r");
    session.sees("\r\n/\r\n");
    session.sees("pxar:/ > ");
    session.types("exit\r");
    session.ends();
}
