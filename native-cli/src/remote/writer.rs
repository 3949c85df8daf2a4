//! An index in the making on a server: chunks are added in batches, in order, one batch at a time (server protocol 8.4, 9.2).

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use hyper::Method;
use hyper::body::Bytes;
use pxkit_core::blob::{CryptMode, FileEntry};
use pxkit_core::format::Digest;
use pxkit_core::index::{WriteDynamic, WriteFixed, WriteIndex};
use tokio::sync::{mpsc, oneshot};

use super::backup::Shared;
use crate::store::IndexWriter;

/// Most chunks of a batch: some 82 bytes each, and no body may have 512 KiB.
const BATCH: usize = 4096;

/// Chunks that come one after the other in the archive.
#[derive(Debug, Default)]
struct Batch {
    digests: Vec<Digest>,
    /// Where each starts.
    starts: Vec<u64>,
}

impl Batch {
    fn push(&mut self, digest: Digest, start: u64) {
        self.digests.push(digest);
        self.starts.push(start);
    }

    fn is_full(&self) -> bool {
        self.digests.len() >= BATCH
    }

    /// The body of the request that adds them.
    fn body(&self, wid: u64) -> Bytes {
        let mut text = String::with_capacity(64 + self.digests.len() * 88);
        // Writing to a text does not fail.
        let _ = write!(text, "{{\"wid\":{wid},\"digest-list\":[");
        for (at, digest) in self.digests.iter().enumerate() {
            let _ = write!(text, "{}\"{digest}\"", if at == 0 { "" } else { "," });
        }
        text.push_str("],\"offset-list\":[");
        for (at, start) in self.starts.iter().enumerate() {
            let _ = write!(text, "{}{start}", if at == 0 { "" } else { "," });
        }
        text.push_str("]}");
        text.into()
    }
}

/// The kinds of indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of an archive.
    Dynamic,
    /// Of an image.
    Fixed,
}

impl Kind {
    /// The requests that make one.
    pub const fn calls(self) -> Calls {
        match self {
            Self::Dynamic => Calls { index: "dynamic_index", chunk: "dynamic_chunk", close: "dynamic_close" },
            Self::Fixed => Calls { index: "fixed_index", chunk: "fixed_chunk", close: "fixed_close" },
        }
    }
}

/// Requests that make an index: that begins it or adds chunks, that sends a chunk, that completes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calls {
    pub index: &'static str,
    pub chunk: &'static str,
    pub close: &'static str,
}

/// An index in the making.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    name: String,
    wid: u64,
    kind: Kind,
    index: WriteIndex,
    /// The entry that was added last, which the server writes itself.
    entry: Vec<u8>,
    batch: Batch,
    batches: mpsc::UnboundedSender<Batch>,
    /// All batches were added.
    done: oneshot::Receiver<()>,
}

impl Writer {
    pub fn start(shared: Arc<Shared>, kind: Kind, wid: u64, name: &str) -> anyhow::Result<Self> {
        let (batches, mut queue) = mpsc::unbounded_channel::<Batch>();
        let (all_added, done) = oneshot::channel();
        let (sharing, what) = (shared.clone(), format!("cannot write the index {name}"));
        shared.spawn(async move {
            while let Some(batch) = queue.recv().await {
                let added = async {
                    sharing.until_known(&batch.digests).await?;
                    sharing.put_json(kind.calls().index, batch.body(wid)).await
                };
                if let Err(error) = added.await {
                    return sharing.fail(&error.context(what));
                }
            }
            // Nobody waits for it if the backup was given up.
            let _ = all_added.send(());
        })?;
        // Neither random bytes nor a time go to the server, which writes the header itself.
        let index = match kind {
            Kind::Dynamic => WriteIndex::Dynamic(WriteDynamic::new([0; 16], 0).0),
            Kind::Fixed => WriteIndex::Fixed(WriteFixed::new([0; 16], 0).0),
        };
        let (name, batch, entry) = (name.to_owned(), Batch::default(), Vec::new());
        Ok(Self { shared, name, wid, kind, index, entry, batch, batches, done })
    }

    fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if !batch.digests.is_empty() {
            // If nobody takes it any more, the failure is told at the end.
            let _ = self.batches.send(batch);
        }
    }
}

impl IndexWriter for Writer {
    fn push(&mut self, digest: Digest, len: u64) -> anyhow::Result<()> {
        let start = self.index.size();
        self.entry.clear();
        let pushed = self.index.push(digest, len, &mut self.entry);
        pushed.with_context(|| format!("cannot write the index {}", self.name))?;
        self.batch.push(digest, start);
        if self.batch.is_full() {
            self.flush();
            self.shared.check()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<FileEntry> {
        self.flush();
        let Self { shared, name, wid, kind, index, batches, done, .. } = *self;
        let what = || format!("cannot write the index {name}");
        let written = index.finish().with_context(what)?;
        drop(batches);
        shared.wait(async {
            let all_added = done.await;
            shared.check()?;
            all_added.with_context(|| format!("a defect of pxkit: {}", what()))?;
            shared.retire(wid).await?;
            let params = [
                ("wid", wid.into()),
                ("chunk-count", written.count.into()),
                ("size", written.size.into()),
                ("csum", written.checksum.to_string().into()),
            ];
            shared.call(Method::POST, kind.calls().close, &params).await.with_context(what)
        })?;
        let (crypt_mode, csum) = (CryptMode::None, written.checksum);
        Ok(FileEntry { filename: name.clone(), crypt_mode, size: written.size, csum })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn batches_are_json_below_the_bound() {
        for count in [1, 63, 64, 65, 1000, BATCH] {
            let mut batch = Batch::default();
            for at in 0..count as u64 {
                assert!(!batch.is_full());
                // The largest offsets there can be.
                batch.push(Digest([at as u8; 32]), i64::MAX as u64 - count as u64 + at);
            }
            assert_eq!(batch.is_full(), count == BATCH);
            let body = batch.body(256);
            assert!(body.len() < 512 << 10, "{}", body.len());
            let value: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(value["wid"], 256);
            assert_eq!(value["digest-list"].as_array().unwrap().len(), count);
            assert_eq!(value["offset-list"].as_array().unwrap().len(), count);
            assert_eq!(value["digest-list"][0], "00".repeat(32));
        }
        let mut batch = Batch::default();
        batch.push(Digest([0xab; 32]), 7);
        let expected = json!({ "wid": 1, "digest-list": ["ab".repeat(32)], "offset-list": [7] });
        assert_eq!(serde_json::from_slice::<Value>(&batch.body(1)).unwrap(), expected);
    }
}
