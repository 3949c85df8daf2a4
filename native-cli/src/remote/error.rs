//! Why something failed, in words that help.

use std::error::Error;
use std::{fmt, io};

/// Most characters of a server's text that are shown.
const MOST_TEXT: usize = 2000;

/// The server's answer is no. Its text is the server's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// HTTP status.
    pub status: u16,
    /// What it says.
    pub text: String,
}

impl Refused {
    /// Takes the body of an answer, which is text whatever its type says. Nothing in it can move the cursor of a terminal.
    pub(super) fn new(status: u16, body: &[u8]) -> Self {
        let clean = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
        let text = String::from_utf8_lossy(body).trim().chars().take(MOST_TEXT).map(clean).collect();
        Self { status, text }
    }

    /// The error, with what may help where the server's words do not.
    pub(super) fn raise(self) -> anyhow::Error {
        match self.hint() {
            Some(hint) => anyhow::Error::from(self).context(hint),
            None => self.into(),
        }
    }

    fn hint(&self) -> Option<&'static str> {
        let says = |text: &str| self.text.contains(text);
        Some(match self.status {
            401 if says("not allowed") => {
                "the server gives only chunks of indexes that were asked for before"
            }
            401 => "the server does not let us in: the password, ticket or token is wrong or has expired",
            403 => "a permission is missing",
            404 if says("namespace not found") => {
                "the namespace does not exist on the server; make it with `pxkit namespace create`"
            }
            _ if says("timestamp is older than last backup") => {
                "the time of the new snapshot is not after that of the group's last one: the clock of this machine is behind, \
                or that of the machine that made it was ahead"
            }
            _ if says("unable to acquire backup group lock") => "another backup of this group is running",
            _ if says("backup directory already exists") => {
                "the group has a snapshot of this second, finished or not; try again"
            }
            _ if says("backup owner check failed") => "the group belongs to somebody else",
            _ if says("File name too long") => {
                "the backup id is too long for the server, with which name and time go into one file name"
            }
            _ if says("No space left") || says("ENOSPC") || says("Disk quota exceeded") => {
                "the datastore is full"
            }
            _ if says("Read-only file system") || says("EROFS") => {
                "the server's file system cannot be written to"
            }
            _ if says("was removed during backup") => "the snapshot that this one builds upon was removed",
            _ if says("maintenance mode") => "the datastore is being maintained",
            _ => return None,
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, text } = self;
        if text.is_empty() {
            write!(f, "the server answers {status}")
        } else {
            write!(f, "{text} ({status})")
        }
    }
}

impl Error for Refused {}

/// The connection is lost, or could not be had. Trying again may help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    pub(super) why: String,
    /// It ended before the first answer: nothing was done, and another time is needed for the next attempt.
    pub(super) early: bool,
}

impl Lost {
    pub(super) fn new(why: String) -> Self {
        Self { why, early: false }
    }

    /// Whether the connection ended before the server said anything in it.
    pub fn is_early(&self) -> bool {
        self.early
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Error for Lost {}

/// Why a connection ended, in a few words.
pub(super) fn end_of(error: &(dyn Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // The text of such an error speaks of TLS, to programmers.
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
        {
            return "it was closed at the other end".into();
        }
        if let Some(inner) = error.downcast_ref::<h2::Error>().and_then(h2::Error::get_io) {
            return end_of(inner);
        }
        cause = error.source();
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// What ended a session, for everybody who waits for something in it.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    Refused(Refused),
    Lost(Lost),
    Other(String),
}

impl Failure {
    /// Keeps what can be told again.
    pub fn of(error: &anyhow::Error) -> Self {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            Self::Refused(refused.clone())
        } else if let Some(lost) = error.downcast_ref::<Lost>() {
            Self::Lost(lost.clone())
        } else {
            Self::Other(format!("{error:#}"))
        }
    }

    pub fn raise(self) -> anyhow::Error {
        match self {
            Self::Refused(refused) => refused.raise(),
            Self::Lost(lost) => lost.into(),
            Self::Other(why) => anyhow::Error::msg(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_text_and_nothing_else() {
        let refused = Refused::new(400, b" {\"a\":1}\x1b[2J\n- 'x'\xff ");
        assert_eq!(refused.to_string(), "{\"a\":1} [2J\n- 'x'\u{fffd} (400)");
        assert_eq!(Refused::new(414, b"").to_string(), "the server answers 414");
        assert!(Refused::new(400, &[b'x'; 100_000]).text.len() <= MOST_TEXT);
    }

    #[test]
    fn ends_of_connections_are_told_in_words() {
        let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "close_notify, see https://docs.rs");
        assert_eq!(end_of(&eof), "it was closed at the other end");
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(end_of(&reset), "connection reset");
    }

    #[test]
    fn what_can_be_helped_is_explained() {
        let told = |status, text: &str| format!("{:#}", Refused::new(status, text.as_bytes()).raise());
        let behind = told(400, "backup timestamp is older than last backup.");
        assert!(behind.contains("clock") && behind.ends_with("older than last backup. (400)"), "{behind}");
        assert!(
            told(400, "write failed: No space left on device (os error 28)")
                .starts_with("the datastore is full")
        );
        assert!(told(403, "permission check failed").starts_with("a permission is missing"));
        assert_eq!(told(400, "no idea"), "no idea (400)");
        // The cause is still found.
        assert!(Refused::new(403, b"x").raise().is::<Refused>());
    }
}
