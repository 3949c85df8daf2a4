//! What a run of `pxkit backup --json` says about itself.

use anyhow::{Context as _, anyhow};
use serde_json::Value;

/// Figures of one backup of one directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// The snapshot, as `type/id/time`.
    pub snapshot: String,
    /// Contents of files that were read.
    pub bytes_read: u64,
    /// Bytes of chunks that were not stored before, all streams.
    pub bytes_new: u64,
    /// The same as they are stored.
    pub bytes_new_compressed: u64,
    /// Unused bytes of the chunks of unchanged files.
    pub padding: u64,
    /// Those of them that the previous snapshot had, too; if the summary tells.
    pub padding_inherited: Option<u64>,
}

impl Summary {
    /// Reads the last line of what the command printed.
    pub fn parse(printed: &[u8]) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(printed).context("a backup's summary is no text")?;
        let line =
            text.lines().rfind(|line| !line.trim().is_empty()).context("a backup printed no summary")?;
        let value: Value = serde_json::from_str(line).context("a backup's summary is no JSON")?;
        let lacks = |pointer: &str| anyhow!("a backup's summary lacks {pointer}: {line}");
        let number =
            |pointer: &str| value.pointer(pointer).and_then(Value::as_u64).ok_or_else(|| lacks(pointer));
        // Not every mode has every stream, but all have metadata.
        let streams = |key: &str| {
            let first = number(&format!("/archives/0/metadata/{key}"))?;
            let others = ["/archives/0/payload", "/catalog"]
                .into_iter()
                .filter(|stream| value.pointer(stream).is_some_and(Value::is_object));
            others
                .map(|stream| number(&format!("{stream}/{key}")))
                .try_fold(first, |sum, bytes| bytes.map(|bytes| sum + bytes))
        };
        let snapshot = value["snapshot"].as_str().ok_or_else(|| lacks("/snapshot"))?;
        Ok(Self {
            snapshot: snapshot.to_owned(),
            bytes_read: number("/archives/0/read/bytes")?,
            bytes_new: streams("new_bytes")?,
            bytes_new_compressed: streams("stored_bytes")?,
            padding: number("/archives/0/padding/bytes")?,
            padding_inherited: value.pointer("/archives/0/padding/inherited").and_then(Value::as_u64),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample() -> Value {
        json!({
            "snapshot": "host/a/2026-01-01T00:00:00Z",
            "archives": [{
                "archive": "tree",
                "read": { "files": 1, "bytes": 50 },
                "padding": { "bytes": 20, "inherited": 15, "live": 1000 },
                "metadata": { "bytes": 90, "new_bytes": 9, "stored_bytes": 3 },
                "payload": { "bytes": 900, "new_bytes": 40, "stored_bytes": 30 },
            }],
            "catalog": null,
        })
    }

    fn parsed(value: &Value) -> anyhow::Result<Summary> {
        Summary::parse(format!("something else\n{value}\n\n").as_bytes())
    }

    #[test]
    fn a_summary_is_read() {
        let mut expected = Summary {
            snapshot: "host/a/2026-01-01T00:00:00Z".into(),
            bytes_read: 50,
            bytes_new: 49,
            bytes_new_compressed: 33,
            padding: 20,
            padding_inherited: Some(15),
        };
        let mut value = sample();
        assert_eq!(parsed(&value).unwrap(), expected);
        // A unified archive has a catalog and no payload.
        value["archives"][0]["payload"] = Value::Null;
        value["catalog"] = json!({ "new_bytes": 2, "stored_bytes": 1 });
        value["archives"][0]["padding"]["inherited"] = Value::Null;
        (expected.bytes_new, expected.bytes_new_compressed, expected.padding_inherited) = (11, 4, None);
        assert_eq!(parsed(&value).unwrap(), expected);
    }

    #[test]
    fn what_a_summary_lacks_is_named() {
        for (place, key, pointer) in [
            ("/archives/0/padding", "bytes", "/archives/0/padding/bytes"),
            ("/archives/0/payload", "stored_bytes", "/archives/0/payload/stored_bytes"),
            ("", "snapshot", "/snapshot"),
        ] {
            let mut value = sample();
            value.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(key);
            let error = parsed(&value).unwrap_err().to_string();
            assert!(error.contains(&format!("lacks {pointer}:")), "{error}");
        }
        assert!(Summary::parse(b"\n").is_err() && Summary::parse(b"{").is_err());
    }
}
