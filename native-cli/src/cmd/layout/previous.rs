//! What an archive has of an older one.

use pxkit_core::layout::Sharing;
use pxkit_core::layout::compare::{Change, Comparison, StoredAgain, Sums, stored_again};
use serde_json::{Map, Value, json};

use crate::input::LaidOut;

/// The comparison with the previous archive.
pub(super) struct Previous<'a> {
    pub(super) archive: &'a LaidOut,
    pub(super) comparison: Comparison,
    pub(super) sums: Sums,
    /// Chunks of both, if both have an index.
    pub(super) sharing: Option<Sharing>,
    pub(super) again: Option<StoredAgain>,
}

impl<'a> Previous<'a> {
    pub(super) fn new(old: &'a LaidOut, new: &LaidOut) -> anyhow::Result<Self> {
        let comparison = LaidOut::compare(old, new)?;
        let sums = comparison.sums(&old.tree, &new.tree);
        let (before, after) = (old.layout(), new.layout());
        let indexes = before.index().zip(after.index()).filter(|_| old.shares_digests(new));
        let sharing = indexes.map(|(before, after)| Sharing::new(before, after));
        let again = indexes.map(|_| stored_again(&before, &after, &comparison, &mut |_, _| {}));
        Ok(Self { archive: old, comparison, sums, sharing, again })
    }

    pub(super) fn to_json(&self) -> Value {
        let changes = Change::ALL.map(|change| {
            let (entries, bytes) = self.sums.of(change);
            (change.name().to_owned(), json!({ "entries": entries, "bytes": bytes }))
        });
        let mut object = Map::new();
        object.insert("archive".into(), self.archive.name.clone().into());
        object.insert("changes".into(), Value::Object(changes.into_iter().collect()));
        if let Some(Sharing { both, first, second }) = self.sharing {
            let sum = |(chunks, bytes): (u64, u64)| json!({ "chunks": chunks, "bytes": bytes });
            object.insert(
                "chunks".into(),
                json!({ "shared": sum(both), "gone": sum(first), "new": sum(second) }),
            );
        }
        if let Some(StoredAgain { unchanged, metadata, moved }) = self.again {
            let sum = |(files, bytes): (u64, u64)| json!({ "files": files, "bytes": bytes });
            let again =
                json!({ "unchanged": sum(unchanged), "metadata": sum(metadata), "moved": sum(moved) });
            object.insert("stored_again".into(), again);
        }
        Value::Object(object)
    }
}
