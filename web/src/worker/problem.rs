//! Making of [`Problem`]s: sentences for a person.

use pxkit_core::format::{Class, Error, Problem as Cause};

use crate::protocol::{Problem, ProblemKind};

/// A problem that is at no place.
pub fn new(kind: ProblemKind, message: impl Into<String>) -> Problem {
    Problem { kind, message: message.into(), about: None, offset: None }
}

/// A problem with something that has a name.
pub fn about(kind: ProblemKind, name: &str, message: impl Into<String>) -> Problem {
    Problem { about: Some(name.to_owned()), ..new(kind, message) }
}

/// What core refused in the stream `name`.
pub fn of(error: Error, name: &str) -> Problem {
    let kind = match error.problem {
        Cause::Truncated { .. } => ProblemKind::Truncated,
        _ => match error.class() {
            Class::Format => ProblemKind::Format,
            Class::Limit => ProblemKind::Limit,
            Class::Caller => ProblemKind::Request,
        },
    };
    let offset = Some(error.offset);
    Problem { kind, message: format!("{name}: {error}"), about: Some(name.to_owned()), offset }
}

/// What the page asked for is not there.
pub fn request(message: impl Into<String>) -> Problem {
    new(ProblemKind::Request, message)
}
