//! Garbage collection (datastore specification 16): marks every chunk that an index names, then removes those that nobody marked for
//! longer than the cut-off.
//!
//! A missed reference is a loss of data and a failed collection is not: whatever cannot be read ends it before anything is removed.

mod mark;
mod probe;
mod sweep;

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::Store;
use super::disk::{read_file, remnants};
use super::upid::upid;

/// How long a chunk stays that nobody uses, in seconds: `relatime` may put off access times by a day; 5 minutes are slack.
pub const CUTOFF: u64 = 24 * 3600 + 300;
/// The shortest time that may be asked for.
const LEAST_CUTOFF: u64 = 60;
/// How much before the start of the oldest writer a chunk must have been unused.
const SLACK: i64 = 300;

/// How garbage is collected.
#[derive(Clone, Copy)]
pub struct Collect<'a> {
    /// The time now, in seconds since 1970.
    pub now: i64,
    /// How long a chunk must have been unused, in seconds, at least 60; less than [`CUTOFF`] relies on a file system that notes
    /// each access.
    pub cutoff: u64,
    /// When a file was used last, in seconds since 1970: its access time, but for tests.
    pub atime: fn(&Metadata) -> i64,
    /// Only count what would be removed. Chunks are marked nevertheless.
    pub dry_run: bool,
    /// What to do with a warning.
    pub warn: &'a (dyn Fn(&str) + Sync),
}

impl fmt::Debug for Collect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collect")
            .field("now", &self.now)
            .field("cutoff", &self.cutoff)
            .finish_non_exhaustive()
    }
}

impl<'a> Collect<'a> {
    /// As a server does it by default, at this time.
    pub fn new(now: i64, warn: &'a (dyn Fn(&str) + Sync)) -> Self {
        Self { now, cutoff: CUTOFF, atime: Metadata::atime, dry_run: false, warn }
    }
}

/// What a collection found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Name of the task, as servers name it.
    pub upid: Option<String>,
    /// Indexes.
    pub index_file_count: u64,
    /// Bytes of all archives and images that they describe.
    pub index_data_bytes: u64,
    /// Bytes of chunks that are in use.
    pub disk_bytes: u64,
    /// Chunks that are in use.
    pub disk_chunks: u64,
    /// Bytes of chunks that were removed.
    pub removed_bytes: u64,
    /// Chunks that were removed.
    pub removed_chunks: u64,
    /// Bytes of chunks that were unused at the start, but not for long enough.
    pub pending_bytes: u64,
    /// Such chunks.
    pub pending_chunks: u64,
    /// Damaged chunks that had been set aside and were removed.
    pub removed_bad: u64,
    /// Those that stay.
    pub still_bad: u64,
    /// Unfinished files that a crash had left behind and that were removed. The status file does not name them.
    pub removed_temporary: u64,
}

impl Collected {
    /// The counters by their names in the status file.
    fn counters(&mut self) -> [(&'static str, &mut u64); 10] {
        [
            ("index-file-count", &mut self.index_file_count),
            ("index-data-bytes", &mut self.index_data_bytes),
            ("disk-bytes", &mut self.disk_bytes),
            ("disk-chunks", &mut self.disk_chunks),
            ("removed-bytes", &mut self.removed_bytes),
            ("removed-chunks", &mut self.removed_chunks),
            ("pending-bytes", &mut self.pending_bytes),
            ("pending-chunks", &mut self.pending_chunks),
            ("removed-bad", &mut self.removed_bad),
            ("still-bad", &mut self.still_bad),
        ]
    }

    /// As in the status file (3).
    pub fn to_json(&self) -> Value {
        let mut copy = self.clone();
        let mut value = json!({ "upid": self.upid });
        for (key, counter) in copy.counters() {
            value[key] = (*counter).into();
        }
        value
    }

    /// Reads a status file; `None` if it makes no sense.
    fn parse(text: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(text).ok()?;
        let mut out = Self { upid: value.get("upid")?.as_str().map(str::to_owned), ..Self::default() };
        for (key, counter) in out.counters() {
            *counter = value.get(key)?.as_u64()?;
        }
        Some(out)
    }
}

/// The result of the last collection in a store, if it is known.
pub(super) fn last(root: &Path) -> Option<Collected> {
    Collected::parse(&read_file(&root.join(".gc-status"), 1 << 20).ok()?)
}

/// Collects the garbage of a store.
pub(super) fn run(store: &Store, collect: &Collect<'_>) -> anyhow::Result<Collected> {
    if collect.cutoff < LEAST_CUTOFF {
        bail!("a cut-off of {} seconds is too short: at least {LEAST_CUTOFF}", collect.cutoff);
    }
    let _alone = store.process.exclude(&store.disk)?;
    let upid = upid("garbage_collection", &store.name(), &store.auth_id, collect.now);
    let oldest = store.process.oldest_writer().unwrap_or(collect.now).min(collect.now);
    let least_atime = least_atime(collect.now, collect.cutoff, oldest);

    probe::check(store)?;
    let mut collected = Collected { upid: Some(upid), ..Collected::default() };
    mark::run(store, collect, &mut collected)
        .context("garbage is not collected, because something might be missed that is in use")?;
    let limits = sweep::Limits { least_atime, oldest, dry_run: collect.dry_run, now: collect.now };
    sweep::run(store, &limits, collect.atime, &mut collected)?;
    if !collect.dry_run {
        // Nobody relies on it, and nobody else writes it now.
        let (path, text) = (store.layout.root.join(".gc-status"), collected.to_json().to_string());
        for remnant in remnants(&path).unwrap_or_default() {
            let _ = store.disk.remove_file(&remnant);
        }
        let _ = store.disk.replace(&path, text.as_bytes(), false);
    }
    Ok(collected)
}

/// Chunks that were used at this time or later stay.
fn least_atime(now: i64, cutoff: u64, oldest: i64) -> i64 {
    let least = now.saturating_sub_unsigned(cutoff);
    if oldest < least { oldest - SLACK } else { least }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Behaviour 60.
    #[test]
    fn writers_keep_what_they_may_use() {
        let (now, day) = (2_000_000_000, 86_400);
        assert_eq!(least_atime(now, CUTOFF, now), now - 86_700);
        assert_eq!(least_atime(now, CUTOFF, now - 3600), now - 86_700);
        assert_eq!(least_atime(now, CUTOFF, now - 3 * day), now - 3 * day - 300);
    }

    #[test]
    fn the_status_file() {
        let mut collected = Collected { upid: Some("UPID:x".to_owned()), ..Collected::default() };
        for (at, (_, counter)) in collected.counters().into_iter().enumerate() {
            *counter = at as u64 + 1;
        }
        let text = collected.to_json().to_string();
        assert_eq!(Collected::parse(text.as_bytes()), Some(collected));
        assert!(text.contains("\"removed-bad\":9") && text.contains("\"upid\":\"UPID:x\""));
        assert_eq!(Collected::parse(b"{}"), None);
        let with_more = text.replace("\"UPID:x\"", "null,\"cache-stats\":{\"hits\":1,\"misses\":2}");
        assert_eq!(Collected::parse(with_more.as_bytes()).unwrap().upid, None);
    }
}
