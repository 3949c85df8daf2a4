//! What a backup did: in the words of the reference where it has them, and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use pxkit_core::reuse::{Price, Totals, Why};
use serde_json::{Value, json};

use super::detect::{Seen, Tally};
use super::emit::Emitted;
use super::old::StateUse;
use super::recheck::Checked;
use super::{ImageSummary, Mode};
use crate::pipeline::Counters;
use crate::store::SnapshotId;
use crate::walk::Reading;

/// Bytes of the header in front of each file in a payload stream.
const HEADER: u64 = 16;

/// What a backup did.
#[derive(Clone, Debug)]
pub struct Summary {
    snapshot: String,
    /// The archives in their order.
    pub archives: Vec<ArchiveSummary>,
    /// The images.
    pub images: Vec<ImageSummary>,
    /// The catalog, if there is one.
    pub catalog: Option<Counters>,
    /// Time to make everything durable and visible.
    pub finish: Duration,
    /// Time of all.
    pub duration: Duration,
}

/// Time of the steps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stages {
    /// Walking and comparing.
    pub detect: Duration,
    /// Comparing chunks with files.
    pub recheck: Duration,
    /// Deciding.
    pub decide: Duration,
    /// Reading, hashing, compressing, storing.
    pub emit: Duration,
}

/// What was done with one archive.
#[derive(Clone, Debug)]
pub struct ArchiveSummary {
    name: String,
    mode: Mode,
    /// There was a previous archive to compare with.
    pub has_reference: bool,
    /// What the walk found.
    pub seen: Seen,
    /// How metadata was read.
    pub reading: Reading,
    /// What was decided.
    pub totals: Option<Totals>,
    /// The price of padding that was found.
    pub price: Option<Price>,
    /// Bytes of all files with their headers.
    pub live: u64,
    /// Unchanged files that are read because the repository lost their chunks.
    pub missing_chunks: Tally,
    /// What came of the state of the previous snapshot, if there was one.
    pub state: Option<StateUse>,
    /// What came of comparing chunks with files.
    pub checked: Checked,
    emitted: Emitted,
    /// Padding that the previous snapshot had already.
    pub inherited: u64,
    /// The payload stream of a split archive.
    pub payload: Option<Counters>,
    /// The metadata stream; of a unified archive, the archive.
    pub metadata: Counters,
    /// How long it took.
    pub stages: Stages,
}

impl ArchiveSummary {
    pub(super) fn new(name: &str, mode: Mode) -> Self {
        Self {
            name: name.to_owned(),
            mode,
            has_reference: false,
            seen: Seen::default(),
            reading: Reading::default(),
            totals: None,
            price: None,
            live: 0,
            missing_chunks: Tally::default(),
            state: None,
            checked: Checked::default(),
            emitted: Emitted::default(),
            inherited: 0,
            payload: None,
            metadata: Counters::default(),
            stages: Stages::default(),
        }
    }

    pub(super) fn emitted(&mut self, emitted: Emitted) {
        self.emitted = emitted;
    }

    /// Padding of the payload stream: bytes of injected chunks that no file uses.
    fn padding(&self) -> u64 {
        let reused = self.totals.map_or(0, |totals| totals.reused_bytes);
        self.payload.map_or(0, |payload| payload.injected_bytes.saturating_sub(reused))
    }

    fn write(&self, out: &mut String, seconds: f64) {
        if self.has_reference {
            self.write_changes(out);
        }
        let (meta, kind) = if self.mode == Mode::Legacy { ("pxar", "pxar") } else { ("mpxar", "ppxar") };
        if kind != meta {
            write_stream(out, &format!("{}.{meta}", self.name), &self.metadata, seconds);
        }
        write_stream(
            out,
            &format!("{}.{kind}", self.name),
            self.payload.as_ref().unwrap_or(&self.metadata),
            seconds,
        );
    }

    fn write_changes(&self, out: &mut String) {
        let Emitted { links, read, reused, .. } = self.emitted;
        let with_headers = |tally: Tally| human_bytes(tally.bytes + tally.files * HEADER);
        let files = read.files + reused.files + links;
        let partial = self.totals.map_or(0, |totals| totals.partial);
        let _ = writeln!(out, "Change detection summary:");
        let _ = writeln!(out, " - {files} total files ({links} hardlinks)");
        let _ =
            writeln!(out, " - {} unchanged, reusable files with {} data", reused.files, with_headers(reused));
        let _ =
            writeln!(out, " - {} changed or non-reusable files with {} data", read.files, with_headers(read));
        let moved = self.seen.moved;
        if moved.files > 0 {
            let data = with_headers(moved);
            let _ = writeln!(
                out,
                " - {} files with {data} data were found at another path than before",
                moved.files
            );
        }
        for (why, tally) in self.needless() {
            let _ = writeln!(
                out,
                "   - of them {} unchanged files with {} data, {why}",
                tally.files,
                with_headers(tally)
            );
        }
        let Checked { chunks, bytes, differing, .. } = self.checked;
        if chunks > 0 {
            let bytes = human_bytes(bytes);
            let _ = writeln!(
                out,
                " - {chunks} reusable chunks compared with {bytes} of the files in them, {differing} differ"
            );
        }
        let padding = human_bytes(self.padding());
        let _ = writeln!(out, " - {padding} padding in {partial} partially reused chunks");
        if self.inherited > 0 {
            let _ = writeln!(
                out,
                "   - of it {} inherited from the previous snapshot",
                human_bytes(self.inherited)
            );
        }
    }

    /// Files that were read although their contents did not change, as far as is known, by reason.
    fn needless(&self) -> Vec<(&'static str, Tally)> {
        let mut all = Vec::new();
        if let Some(totals) = self.totals {
            // Files whose chunks are lost are no candidates any more when it is decided.
            let files = totals.reencoded as u64;
            let bytes = totals.reencoded_bytes.saturating_sub(files * HEADER);
            all.push(("whose chunks hold too much that is dead", Tally { files, bytes }));
        }
        all.push(("whose chunks are lost", self.missing_chunks));
        all.push(("whose chunks hold something else than the files do", self.checked.files));
        for (why, words) in [
            (Why::Metadata, "whose owner, permissions or attributes changed"),
            (Why::Racy, "modified since the last backup began"),
            (Why::Touched, "to which something was done, though nothing that is stored changed"),
            (Why::Replaced, "which are other files than before, though nothing that is stored changed"),
            (Why::BadReference, "of which the previous archive says what cannot be true"),
        ] {
            all.push((words, self.seen.read.get(&why).copied().unwrap_or_default()));
        }
        all.retain(|(_, tally)| tally.files > 0);
        all
    }

    fn to_json(&self) -> Value {
        let tally = |tally: Tally| json!({ "files": tally.files, "bytes": tally.bytes });
        let of = |why: Why| tally(self.seen.read.get(&why).copied().unwrap_or_default());
        let totals = self.totals.unwrap_or_default();
        let candidates = u64::from(self.has_reference);
        let reencoded = Tally {
            files: totals.reencoded as u64 * candidates,
            bytes: totals.reencoded_bytes.saturating_sub(totals.reencoded as u64 * HEADER) * candidates,
        };
        json!({
            "archive": self.name,
            "mode": self.mode.word(),
            "reference": self.has_reference,
            "entries": self.seen.entries,
            "files": tally(self.seen.files),
            "hardlinks": self.seen.links,
            "unchanged": tally(self.seen.unchanged),
            "reused": tally(self.emitted.reused),
            "read": tally(self.emitted.read),
            "vanished": self.emitted.gone,
            "changed": {
                "new": of(Why::New),
                "contents": of(Why::Changed),
            },
            "reencoded": {
                "padding": tally(reencoded),
                "missing_chunks": self.missing_chunks.files,
                "differing_chunks": self.checked.files.files,
                "metadata": of(Why::Metadata),
                "racy": of(Why::Racy),
                "touched": of(Why::Touched),
                "replaced": of(Why::Replaced),
                "bad_reference": of(Why::BadReference),
            },
            "verified": {
                "chunks": self.checked.chunks,
                "bytes": self.checked.bytes,
                "skipped": self.checked.skipped,
                "differing": self.checked.differing,
            },
            "padding": {
                "bytes": self.padding(),
                "inherited": self.inherited,
                "new": self.padding().saturating_sub(self.inherited),
                "live": self.live,
                "chunks": totals.partial,
                "price": self.price.map(|price| price.to_string()),
            },
            "moved": tally(self.seen.moved),
            "state": self.state.map(|state| json!({
                "void": state.is_void,
                "damaged_blocks": state.lost,
                "untouched": self.seen.untouched,
            })),
            "metadata_read": {
                "by_name": self.reading.by_name,
                "opened": self.reading.opened,
            },
            "metadata": counters_json(&self.metadata),
            "payload": self.payload.as_ref().map(counters_json),
            "seconds": {
                "detect": self.stages.detect.as_secs_f64(),
                "verify": self.stages.recheck.as_secs_f64(),
                "decide": self.stages.decide.as_secs_f64(),
                "emit": self.stages.emit.as_secs_f64(),
            },
        })
    }
}

impl Mode {
    /// The word of the command line for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Data => "data",
            Self::Metadata => "metadata",
        }
    }
}

impl Summary {
    pub(super) fn new(id: &SnapshotId) -> Self {
        let (archives, images, catalog, finish, duration) = Default::default();
        Self { snapshot: id.to_string(), archives, images, catalog, finish, duration }
    }

    /// The summary for people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let seconds = self.duration.as_secs_f64();
        for ImageSummary { name, counters, duration } in &self.images {
            write_stream(&mut out, name, counters, duration.as_secs_f64());
        }
        for archive in &self.archives {
            archive.write(&mut out, seconds);
        }
        if let Some(catalog) = &self.catalog {
            let _ = writeln!(out, "Uploaded backup catalog ({})", human_bytes(catalog.bytes));
        }
        let stage = |time: fn(&Stages) -> Duration| -> f64 {
            self.archives.iter().map(|archive| time(&archive.stages).as_secs_f64()).sum()
        };
        let (detect, decide, emit) = (stage(|s| s.detect), stage(|s| s.decide), stage(|s| s.emit));
        let finish = self.finish.as_secs_f64();
        let _ = writeln!(
            out,
            "Time: {detect:.2} s to find what changed, {decide:.2} s to decide, {emit:.2} s to read and store, {finish:.2} s to \
             make it durable"
        );
        let _ = writeln!(out, "Duration: {seconds:.2}s");
        out
    }

    /// The summary for programs.
    pub fn to_json(&self) -> Value {
        let archives: Vec<Value> = self.archives.iter().map(ArchiveSummary::to_json).collect();
        let images = self.images.iter().map(|ImageSummary { name, counters, duration }| {
            json!({ "image": name, "payload": counters_json(counters), "seconds": duration.as_secs_f64() })
        });
        json!({
            "snapshot": self.snapshot,
            "images": images.collect::<Vec<_>>(),
            "archives": archives,
            "catalog": self.catalog.as_ref().map(counters_json),
            "seconds": { "finish": self.finish.as_secs_f64(), "all": self.duration.as_secs_f64() },
        })
    }
}

fn counters_json(counters: &Counters) -> Value {
    json!({
        "bytes": counters.bytes,
        "chunks": counters.chunks,
        "new_bytes": counters.new_bytes,
        "new_chunks": counters.new_chunks,
        "stored_bytes": counters.stored_bytes,
        "injected_bytes": counters.injected_bytes,
        "injected_chunks": counters.injected_chunks,
    })
}

fn write_stream(out: &mut String, name: &str, counters: &Counters, seconds: f64) {
    let Counters { bytes, new_bytes, stored_bytes, injected_bytes, injected_chunks, .. } = *counters;
    let [all, dirty, compressed] = [bytes, new_bytes, stored_bytes].map(human_bytes);
    let speed = human_bytes((new_bytes as f64 / seconds.max(1e-6)) as u64);
    if injected_chunks > 0 {
        let injected = human_bytes(injected_bytes);
        let _ = writeln!(
            out,
            "{name}: reused {injected} from previous snapshot for unchanged files ({injected_chunks} chunks)"
        );
    }
    let _ = writeln!(
        out,
        "{name}: had to backup {dirty} of {all} (compressed {compressed}) in {seconds:.2} s (average {speed}/s)"
    );
    let reused = bytes - new_bytes;
    if reused > 0 && bytes > 1 << 20 {
        let percent = reused as f64 * 100.0 / bytes as f64;
        let reused = human_bytes(reused);
        let _ = writeln!(out, "{name}: backup was done incrementally, reused {reused} ({percent:.1}%)");
    }
}

/// Bytes in binary units, rounded to three decimals without zeros at the end (change detection 7.4).
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = (63u32.saturating_sub(bytes.leading_zeros())) / 10;
    let unit = if bytes == 0 { 0 } else { unit };
    // In integers, so that no rounding depends on the machine: thousandths of the unit, half up.
    let (value, shift) = (u128::from(bytes) * 1000, 10 * unit);
    let mut thousandths = (value + (1u128 << shift >> 1)) >> shift;
    let mut unit = unit as usize;
    if thousandths >= 1_024_000 && unit + 1 < UNITS.len() {
        (thousandths, unit) = (thousandths / 1024, unit + 1);
    }
    let (whole, fraction) = (thousandths / 1000, thousandths % 1000);
    let text = if fraction == 0 { whole.to_string() } else { format!("{whole}.{fraction:03}") };
    let text = if fraction == 0 { text } else { text.trim_end_matches('0').to_owned() };
    format!("{text} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule 73.
    #[test]
    fn no_time_at_all_divides_nothing() {
        let mut out = String::new();
        let counters = Counters { bytes: 10, new_bytes: 10, stored_bytes: 5, ..Counters::default() };
        write_stream(&mut out, "a.ppxar", &counters, 0.0);
        assert_eq!(
            out,
            "a.ppxar: had to backup 10 B of 10 B (compressed 5 B) in 0.00 s (average 9.537 MiB/s)\n"
        );
    }

    #[test]
    fn bytes_for_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (1, "1 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (1_572_864, "1.5 MiB"),
            (4 << 20, "4 MiB"),
            (11_750_000_000, "10.943 GiB"),
            ((1 << 20) - 1, "1023.999 KiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(human_bytes(bytes), text, "{bytes}");
        }
    }
}
