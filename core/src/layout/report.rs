use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use super::ages::generations;
use super::chunks::{ChunkTable, ChunkUse};
use super::findings::Findings;
use super::former::History;
use super::ghosts::Remnants;
use super::lists::stream_name;
use super::rows::hex;
use super::score::{Histogram, Rewrite, curve};
use super::spans::{Class, Layout, Totals};
use crate::access::Tree;

/// Chunks that [`Report::worst`] names.
const WORST: usize = 10;

/// All that is known of a stream, as `pxkit layout --json` prints it and the inspector saves it. Lists of any length are apart
/// ([`write_ranges`](super::write_ranges) and its like).
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The stream.
    pub layout: Layout<'a>,
    /// Its chunks.
    pub chunks: &'a ChunkTable,
    /// What is irregular; at most [`Findings::KEPT`] are listed.
    pub findings: &'a Findings,
    /// Whether headers behind references and markers were looked at.
    pub checked: bool,
    /// What lies in its padding, if somebody looked.
    pub remnants: Option<&'a Remnants>,
    /// Ages of its chunks, if there are older indexes.
    pub ages: Option<&'a [u16]>,
    /// Older archives, to tell when padding was needed last.
    pub history: Option<&'a History<'a>>,
}

impl Report<'_> {
    /// The report as one object.
    pub fn to_json(&self) -> Value {
        let totals = self.layout.totals();
        let mut report = Map::new();
        let mut put = |key: &str, value: Value| _ = report.insert(key.into(), value);
        put("stream", stream_name(self.layout.map().source()).into());
        put("size", self.layout.size().into());
        put("entries", self.layout.tree().len().into());
        put("files", totals.files.into());
        put("live", totals.live.into());
        put("markers", totals.markers.into());
        put("metadata", totals.metadata.into());
        put("padding", padding(&totals));
        put("findings", self.findings());
        put("headers_checked", self.checked.into());
        if !self.chunks.is_empty() {
            put("chunks", self.chunk_sums());
            let curve = curve(&self.layout, self.chunks);
            put("rewrite", rewrites(&curve));
            put("worst_chunks", self.worst(&curve).iter().map(|chunk| self.chunk(chunk)).collect());
        }
        if let Some(remnants) = self.remnants {
            let Remnants { ghosts, ghost_bytes, marker_bytes, unknown_bytes, .. } = remnants;
            put(
                "ghosts",
                json!({
                    "count": ghosts, "bytes": ghost_bytes, "markers": marker_bytes, "unknown": unknown_bytes,
                }),
            );
        }
        if let Some(ages) = self.ages {
            let generations = generations(&self.layout, self.chunks, ages).into_iter().enumerate();
            let generations = generations.map(|(age, generation)| {
                json!({
                    "age": age, "chunks": generation.chunks, "bytes": generation.bytes, "dead": generation.dead,
                })
            });
            put("generations", generations.collect());
        }
        if let Some(history) = self.history {
            let sums = history.padding(&self.layout);
            let (unknown, formers) = sums.split_last().unwrap_or((&0, &[]));
            put("padding_needed_by", json!({ "older": formers, "unknown": unknown }));
        }
        Value::Object(report)
    }

    /// The first chunks of a [`curve`], at most ten.
    pub fn worst(&self, curve: &[Rewrite]) -> Vec<ChunkUse> {
        let numbers = curve.iter().take(WORST).map(|rewrite| rewrite.chunk);
        numbers.filter_map(|number| self.chunks.get(&self.layout, number)).collect()
    }

    fn chunk_sums(&self) -> Value {
        let chunks = || self.chunks.iter(&self.layout);
        let histogram = Histogram::new(&self.layout, self.chunks);
        let sizes = histogram.sizes.iter().enumerate().filter(|&(_, &count)| count > 0);
        let sizes = sizes.map(|(power, count)| json!({ "from": 1u64 << power, "chunks": count }));
        let dead = |chunk: &ChunkUse| chunk.dead() > 0;
        let bytes: u64 = chunks().map(|chunk| chunk.size()).sum();
        json!({
            "count": self.chunks.len(),
            "bytes": bytes,
            "with_padding": chunks().filter(dead).count(),
            "without_live": chunks().filter(|chunk| chunk.padding.of(Class::Whole) > 0).count(),
            "sizes": sizes.collect::<Value>(),
            "use_tenths": histogram.uses.to_vec(),
        })
    }

    fn chunk(&self, chunk: &ChunkUse) -> Value {
        json!({
            "chunk": chunk.number,
            "start": chunk.extent.start,
            "bytes": chunk.size(),
            "digest": alloc::format!("{}", chunk.digest),
            "live": chunk.live,
            "dead": chunk.dead(),
            "files": chunk.files.len(),
            "age": self.ages.and_then(|ages| ages.get(chunk.number)),
        })
    }

    fn findings(&self) -> Value {
        let counts = self.findings.counts().filter(|&(_, count)| count > 0);
        let counts: Map<_, _> = counts.map(|(code, count)| (code.into(), count.into())).collect();
        let list = self.findings.kept().iter().map(|finding| {
            let mut object = Map::new();
            object.insert("stream".into(), stream_name(finding.source).into());
            object.insert("offset".into(), finding.offset.into());
            object.insert("code".into(), finding.what.code().into());
            object.insert("finding".into(), alloc::format!("{}", finding.what).into());
            if let Some(id) = finding.entry {
                object.insert("entry".into(), id.into());
                put_path(&mut object, self.layout.tree(), id);
            }
            Value::Object(object)
        });
        json!({
            "total": self.findings.total(),
            "errors": self.findings.errors(),
            "counts": counts,
            "list": list.collect::<Value>(),
        })
    }
}

/// Bytes by class, and all in percent of what is live: the score of a snapshot.
fn padding(totals: &Totals) -> Value {
    let mut padding = Map::new();
    padding.insert("bytes".into(), totals.padding.total().into());
    padding.insert("percent_of_live".into(), percent(totals.padding.total(), totals.live));
    for class in Class::ALL {
        padding.insert(class.name().into(), totals.padding.of(class).into());
    }
    Value::Object(padding)
}

/// What writing the worst chunks anew would cost and free: for 1, 2, 5, 10, 20, 50, … of them, and for all that have padding.
fn rewrites(curve: &[Rewrite]) -> Value {
    let mut wanted =
        (0..).flat_map(|power| [1, 2, 5].map(|digit| 10usize.saturating_pow(power).saturating_mul(digit)));
    let mut next = wanted.next();
    let steps = curve.iter().zip(1..).filter(|&(_, count)| {
        let is_wanted = Some(count) == next;
        if is_wanted {
            next = wanted.next();
        }
        is_wanted || count == curve.len()
    });
    steps
        .map(|(rewrite, count)| json!({ "chunks": count, "reads": rewrite.reads, "frees": rewrite.frees }))
        .collect()
}

/// Adds the path of an entry, and its bytes where the text cannot say all.
fn put_path(object: &mut Map<String, Value>, tree: &Tree, id: u32) {
    let mut path = alloc::vec![b'/'];
    tree.path(id, &mut path);
    object.insert("path".into(), String::from_utf8_lossy(&path).into());
    if str::from_utf8(&path).is_err() {
        object.insert("path_hex".into(), hex(&path).into());
    }
}

/// `part` in percent of `whole`, in thousandths; null if that is nothing.
fn percent(part: u64, whole: u64) -> Value {
    let thousandths = (u128::from(part) * 100_000).checked_div(whole.into());
    thousandths.map_or(Value::Null, |thousandths| (thousandths as f64 / 1000.0).into())
}
