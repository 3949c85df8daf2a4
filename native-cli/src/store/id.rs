//! Names of namespaces, groups and snapshots (datastore specification 2).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use pxkit_core::blob::BackupType;

/// Most components of a namespace.
const MAX_DEPTH: usize = 7;
/// Most bytes of a namespace.
const MAX_NAMESPACE: usize = 256;

/// A name that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    what: &'static str,
    got: String,
    rule: &'static str,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no {}: expected {}", self.got, self.what, self.rule)
    }
}

impl std::error::Error for ParseError {}

pub(super) fn error(what: &'static str, got: &str, rule: &'static str) -> ParseError {
    ParseError { what, got: got.to_owned(), rule }
}

/// Whether a text may be part of a path in a datastore.
pub(crate) fn is_safe(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

/// A namespace: a path of at most seven components; the root has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(Vec<String>);

impl Namespace {
    /// Its components, outermost first.
    pub fn components(&self) -> &[String] {
        &self.0
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The namespace `component` within this one.
    ///
    /// # Errors
    /// The component is no name, or the result is too long or too deep.
    pub fn child(&self, component: &str) -> Result<Self, ParseError> {
        let mut text = self.to_string();
        if !text.is_empty() {
            text.push('/');
        }
        text.push_str(component);
        if component.contains('/') {
            return Err(error("namespace component", component, "a name without slash"));
        }
        text.parse()
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

impl FromStr for Namespace {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let components: Vec<String> = text.split('/').map(str::to_owned).collect();
        if components.len() > MAX_DEPTH || text.len() > MAX_NAMESPACE {
            return Err(error("namespace", text, "at most 7 components and 256 characters"));
        }
        if !components.iter().all(|component| is_safe(component)) {
            let rule = "components of letters, digits, '_', '.' and '-' that start with neither '.' nor '-'";
            return Err(error("namespace", text, rule));
        }
        Ok(Self(components))
    }
}

/// A backup group: all snapshots of one source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// What was backed up.
    pub backup_type: BackupType,
    /// Its name.
    pub id: String,
}

impl Group {
    /// A group.
    ///
    /// # Errors
    /// The id is none.
    pub fn new(backup_type: BackupType, id: &str) -> Result<Self, ParseError> {
        if !is_safe(id) {
            let rule = "letters, digits, '_', '.' and '-', neither '.' nor '-' first";
            return Err(error("backup id", id, rule));
        }
        Ok(Self { backup_type, id: id.to_owned() })
    }

    /// Types by name; within one type numbers first, by value, then the rest by bytes.
    fn key(&self) -> (&'static str, bool, u64, &str) {
        let number = self.id.parse::<u64>();
        (self.backup_type.word(), number.is_err(), number.unwrap_or(0), &self.id)
    }
}

impl Ord for Group {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Group {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.backup_type.word(), self.id)
    }
}

impl FromStr for Group {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = || error("backup group", text, "TYPE/ID with a type of host, vm or ct");
        let (word, id) = text.split_once('/').ok_or_else(wrong)?;
        let backup_type = BackupType::from_word(word).ok_or_else(wrong)?;
        Self::new(backup_type, id)
    }
}

/// One snapshot of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId {
    /// Its group.
    pub group: Group,
    /// When it was begun, in seconds since 1970.
    pub time: i64,
}

impl SnapshotId {
    /// The time as directories have it: `2026-11-22T21:15:52Z`.
    pub fn time_text(&self) -> String {
        time_text(self.time)
    }
}

/// A time as directories have it; the years 0 to 9999 can be told.
fn time_text(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .map_or_else(|_| format!("@{seconds}"), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Reads a time as directories have it; nothing else is accepted.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let seconds = text.parse::<Timestamp>().ok()?.as_second();
    (time_text(seconds) == text).then_some(seconds)
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.time_text())
    }
}

impl FromStr for SnapshotId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = || error("snapshot", text, "TYPE/ID/TIME with a time like 2026-11-22T21:15:52Z");
        let (group, time) = text.rsplit_once('/').ok_or_else(wrong)?;
        Ok(Self { group: group.parse()?, time: parse_time(time).ok_or_else(wrong)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules() {
        for good in ["a.b-c_d", "_x", "9"] {
            assert!(Group::new(BackupType::Host, good).is_ok(), "{good}");
        }
        for bad in ["-x", ".x", "", "a/b", "ä"] {
            assert!(Group::new(BackupType::Host, bad).is_err(), "{bad}");
        }
        assert!("a/b/c/d/e/f/g".parse::<Namespace>().is_ok());
        assert!("a/b/c/d/e/f/g/h".parse::<Namespace>().is_err());
        let long = format!("{}/{}", "x".repeat(128), "y".repeat(127));
        assert!(long.parse::<Namespace>().is_ok());
        assert!(format!("{long}z").parse::<Namespace>().is_err());
        assert!("a//b".parse::<Namespace>().is_err());
        assert!(Namespace::default().child("a/b").is_err());
    }

    #[test]
    fn groups_have_an_order() {
        let mut groups =
            ["vm/1", "host/a", "host/10", "ct/z", "host/9", "host/-"].map(|text| text.parse::<Group>());
        assert!(groups[5].is_err());
        let mut sorted: Vec<_> = groups.iter_mut().filter_map(|group| group.clone().ok()).collect();
        sorted.sort();
        let text: Vec<_> = sorted.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["ct/z", "host/9", "host/10", "host/a", "vm/1"]);
    }

    #[test]
    fn snapshots_are_named_by_seconds() {
        let id: SnapshotId = "host/elsa/2020-06-26T13:56:05Z".parse().unwrap();
        assert_eq!((id.time, id.to_string().as_str()), (1_593_179_765, "host/elsa/2020-06-26T13:56:05Z"));
        for bad in [
            "2020-06-26T13:56:05z",
            "2020-06-26T13:56:05.0Z",
            "2020-06-26T13:56:05+00:00",
            "2020-6-26T13:56:05Z",
            "2020-06-26 13:56:05Z",
            "2020-06-31T13:56:05Z",
        ] {
            assert!(format!("host/elsa/{bad}").parse::<SnapshotId>().is_err(), "{bad}");
        }
    }
}
