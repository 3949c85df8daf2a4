//! Lists and the report.

use std::fmt::Write;
use std::rc::Rc;

use pxkit_core::format::Kind;
use pxkit_core::layout::{Format as CoreFormat, Report, write_chunks, write_ranges};
use serde_json::{Value, json};

use super::sink::{JsonArray, Sink};
use crate::protocol::compare::{self as differences, Pair};
use crate::protocol::export::{Format, List};
use crate::protocol::files::Span;
use crate::protocol::findings::Query;
use crate::protocol::{Problem, Stream};
use crate::worker::{Document, Task, compare, files, findings, problem, words};

/// Rows that are asked for at once.
const ROWS: u32 = 1000;

/// Writes what `pxkit layout --json` prints.
pub fn report(document: &Document, sink: &mut Sink) -> Result<(), Problem> {
    let (parts, table) = (document.parts()?, document.table()?);
    let layout = parts.layout();
    let mut found = layout.anomalies(&table);
    let headers = document.check.headers(document);
    if let Some(headers) = &headers {
        found.append(headers);
    }
    let checked = headers.is_some();
    let report = Report {
        layout,
        chunks: &table,
        findings: &found,
        checked,
        remnants: None,
        ages: None,
        history: None,
    };
    let text = serde_json::to_string_pretty(&report.to_json());
    sink.push(text.map_err(|error| problem::request(error.to_string()))?.as_bytes());
    sink.push(b"\n");
    Ok(())
}

/// Writes a list.
pub async fn list(
    task: &Task,
    document: &Rc<Document>,
    list: List,
    format: Format,
    sink: &mut Sink,
) -> Result<(), Problem> {
    match list {
        List::Ranges | List::Chunks => {
            let (parts, table) = (document.parts()?, document.table()?);
            let layout = parts.layout();
            let write = |format, out: &mut dyn Write| match list {
                List::Ranges => write_ranges(&layout, 0..layout.size(), format, &mut { out }),
                _ => write_chunks(&layout, table.iter(&layout), None, format, &mut { out }),
            };
            // Writing into a sink does not fail.
            let _ = match format {
                Format::Csv => write(CoreFormat::Csv, sink),
                Format::Json => {
                    let mut array = JsonArray::new(sink);
                    let written = write(CoreFormat::Json, &mut array);
                    array.finish();
                    written
                }
            };
        }
        List::Files => files_of_view(task, document, format, sink).await?,
        List::Findings => all_findings(task, document, format, sink).await?,
    }
    Ok(())
}

async fn files_of_view(
    task: &Task,
    document: &Rc<Document>,
    format: Format,
    sink: &mut Sink,
) -> Result<(), Problem> {
    let mut out = Table::new(
        &["entry", "path", "type", "size", "mode", "uid", "gid", "mtime", "target", "offset", "chunks"],
        format,
        sink,
    );
    let mut start = 0;
    loop {
        let rows = files::rows(task, document, Span { start, count: ROWS }).await?;
        if rows.rows.is_empty() {
            break;
        }
        start += rows.rows.len() as u32;
        {
            let tree = document.tree();
            for row in rows.rows {
                let path = crate::worker::text::path(&tree, row.entry);
                let mtime = (tree.kind(row.entry) != Kind::Hardlink).then_some(row.mtime);
                out.row(&[
                    json!(row.entry),
                    json!(path),
                    json!(tree.kind(row.entry).name()),
                    json!(row.size),
                    json!(format!("{:o}", row.mode)),
                    json!(row.uid),
                    json!(row.gid),
                    json!(mtime),
                    json!(row.target),
                    json!(row.offset),
                    json!(row.chunks),
                ]);
            }
        }
        task.progress("listing files", start.into(), Some(rows.total.into()), false);
        task.breathe().await?;
    }
    out.finish();
    Ok(())
}

/// All that differs between two archives.
pub async fn changes(task: &Task, pair: Pair, format: Format, sink: &mut Sink) -> Result<(), Problem> {
    let columns = &["change", "path", "before", "type", "size_before", "size", "stored_again", "fields"];
    let mut out = Table::new(columns, format, sink);
    let (older, newer) = (task.worker().document(pair.a)?, task.worker().document(pair.b)?);
    let mut start = 0;
    loop {
        let query = differences::Query {
            pair,
            kinds: Vec::new(),
            needless: false,
            text: String::new(),
            by_size: false,
            start,
            count: ROWS,
        };
        let rows = compare::differences(task, query).await?;
        if rows.rows.is_empty() {
            break;
        }
        start += rows.rows.len() as u32;
        for row in rows.rows {
            let kind = match (row.a, row.b) {
                (_, Some(id)) => Some(newer.tree().kind(id).name()),
                (Some(id), None) => Some(older.tree().kind(id).name()),
                (None, None) => None,
            };
            let fields = match format {
                Format::Json => {
                    let field = |(name, before, now)| json!({ "name": name, "before": before, "now": now });
                    Value::Array(row.fields.into_iter().map(field).collect())
                }
                Format::Csv => {
                    let field = |(name, before, now)| format!("{name}: {before} -> {now}");
                    json!(row.fields.into_iter().map(field).collect::<Vec<_>>().join("; "))
                }
            };
            out.row(&[
                json!(row.kind.word()),
                json!(row.path),
                json!(row.before),
                json!(kind),
                json!(row.size_a),
                json!(row.size_b),
                json!(row.needless),
                fields,
            ]);
        }
        task.progress("listing differences", start.into(), Some(rows.total.into()), false);
        task.breathe().await?;
    }
    out.finish();
    Ok(())
}

async fn all_findings(
    task: &Task,
    document: &Rc<Document>,
    format: Format,
    sink: &mut Sink,
) -> Result<(), Problem> {
    // Those of `pxkit layout --csv findings`, and chunks.
    let columns = &["stream", "offset", "code", "level", "finding", "entry", "path", "path_hex", "chunk"];
    let mut out = Table::new(columns, format, sink);
    let mut start = 0;
    loop {
        let rows = findings::rows(task, document, Query { start, count: ROWS }).await?.rows;
        if rows.is_empty() {
            break;
        }
        start += rows.len() as u32;
        for row in rows {
            let stream = if row.stream == Stream::Payload { "payload" } else { "archive" };
            let level = row.severity.word();
            let mut path = Vec::new();
            row.entry.into_iter().for_each(|entry| document.tree().path(entry, &mut path));
            let hex = std::str::from_utf8(&path).is_err().then(|| words::hex(&path));
            out.row(&[
                json!(stream),
                json!(row.offset),
                json!(row.code),
                json!(level),
                json!(row.message),
                json!(row.entry),
                json!(row.path),
                json!(hex),
                json!(row.chunk),
            ]);
        }
        task.breathe().await?;
    }
    out.finish();
    Ok(())
}

/// Rows of the same columns, as a JSON array of objects or as CSV (RFC 4180, with line feeds).
struct Table<'a> {
    columns: &'static [&'static str],
    format: Format,
    sink: &'a mut Sink,
    rows: u64,
}

impl<'a> Table<'a> {
    fn new(columns: &'static [&'static str], format: Format, sink: &'a mut Sink) -> Self {
        match format {
            Format::Csv => sink.push(format!("{}\n", columns.join(",")).as_bytes()),
            Format::Json => sink.push(b"["),
        }
        Self { columns, format, sink, rows: 0 }
    }

    /// What a row has not got is null, and left out.
    fn row(&mut self, cells: &[Value]) {
        let line = match self.format {
            Format::Csv => {
                let cells: Vec<String> = cells.iter().map(csv).collect();
                format!("{}\n", cells.join(","))
            }
            Format::Json => {
                let cells = self.columns.iter().zip(cells).filter(|(_, cell)| !cell.is_null());
                let cells: Vec<String> = cells.map(|(name, cell)| format!("\"{name}\":{cell}")).collect();
                format!("{}\n{{{}}}", if self.rows == 0 { "" } else { "," }, cells.join(","))
            }
        };
        self.sink.push(line.as_bytes());
        self.rows += 1;
    }

    fn finish(self) {
        if self.format == Format::Json {
            self.sink.push(b"\n]\n");
        }
    }
}

fn csv(cell: &Value) -> String {
    let text = match cell {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
