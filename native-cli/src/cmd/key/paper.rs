//! Keys on paper: the text of the file, and codes that a camera reads.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anyhow::{Context as _, ensure};
use pxkit_core::blob::KeyFile;
use qrcode::render::{svg, unicode};
use qrcode::{EcLevel, QrCode};
use zeroize::Zeroizing;

use super::{files, path_or_default};
use crate::cli::{PaperFormat, Paperkey};

/// Characters of a PEM file in one code, so that cameras have no trouble with it: so many lines of 64 and their ends.
const LINES: usize = 20;
/// Bytes of what is printed, and more: what grows leaves copies behind.
const ROOM: usize = 1 << 20;

/// What is printed.
struct Paper {
    /// In the order of their parts, each for one code. Joined they are the file.
    parts: Vec<Zeroizing<String>>,
    kind: &'static str,
    /// How it becomes a file again.
    way_back: &'static str,
}

/// Prints a key.
pub(super) fn run(args: &Paperkey) -> anyhow::Result<()> {
    let path = path_or_default(args.path.as_deref())?;
    let text = files::read(&path)?;
    let paper = Paper::of(&text).with_context(|| format!("cannot print {}", path.display()))?;
    let subject = args.subject.as_deref().unwrap_or_default();
    ensure!(!subject.chars().any(char::is_control), "the subject is one line without control characters");
    let printed = match args.output_format {
        PaperFormat::Html => paper.html(subject),
        PaperFormat::Text => paper.text(subject),
    }?;
    io::stdout().write_all(printed.as_bytes()).context("cannot write to standard output")
}

impl Paper {
    fn of(text: &[u8]) -> anyhow::Result<Self> {
        let Some(text) = std::str::from_utf8(text).ok().filter(|text| text.contains("PRIVATE KEY-----"))
        else {
            let parts = vec![KeyFile::parse(text)?.to_json()];
            let way_back = "The text is that of the file encryption-key.json; so is what the code holds.";
            return Ok(Self { parts, kind: "Encryption key", way_back });
        };
        let start = text.find("-----BEGIN ").context("it has no line that begins a key")?;
        let lines: Vec<&str> = text[start..].lines().filter(|line| !line.is_empty()).collect();
        ensure!(
            lines.last().is_some_and(|line| line.starts_with("-----END ")),
            "it has no line that ends the key"
        );
        let join = |lines: &[&str]| Zeroizing::new(lines.join("\n") + "\n");
        let way_back = "The text is that of the file master-private.pem; so is what the codes hold, one after the other.";
        Ok(Self { parts: lines.chunks(LINES).map(join).collect(), kind: "Private master key", way_back })
    }

    fn text(&self, subject: &str) -> anyhow::Result<Zeroizing<String>> {
        let mut out = Zeroizing::new(String::with_capacity(ROOM));
        let Self { parts, kind, way_back } = self;
        writeln!(out, "{kind}{}{subject}\n", if subject.is_empty() { "" } else { ": " })?;
        parts.iter().for_each(|part| out.push_str(part));
        writeln!(out, "{}\n{way_back}", if parts.len() == 1 { "\n" } else { "" })?;
        for (at, part) in parts.iter().enumerate() {
            // The lines of a code have no colours: dark is what is empty, on most terminals.
            let code = code(part)?;
            let picture = code
                .render::<unicode::Dense1x2>()
                .dark_color(unicode::Dense1x2::Light)
                .light_color(unicode::Dense1x2::Dark)
                .build();
            writeln!(out, "\n{} of {}\n{picture}", at + 1, parts.len())?;
        }
        Ok(out)
    }

    fn html(&self, subject: &str) -> anyhow::Result<Zeroizing<String>> {
        let mut out = Zeroizing::new(String::with_capacity(ROOM));
        let Self { parts, kind, way_back } = self;
        let subject = &*escape(subject);
        writeln!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{kind}</title>\n<style>\n\
            body {{ font-family: sans-serif; max-width: 17cm; margin: 1cm auto; }}\n\
            pre {{ font-size: 9pt; white-space: pre-wrap; word-break: break-all; border: 1px solid; padding: 3mm; }}\n\
            figure {{ margin: 5mm 0; text-align: center; break-inside: avoid; }}\n\
            svg {{ width: 10cm; height: 10cm; }}\n</style>\n</head>\n<body>\n<h1>{kind}</h1>"
        )?;
        if !subject.is_empty() {
            writeln!(out, "<p><b>{subject}</b></p>")?;
        }
        out.push_str("<pre>");
        parts.iter().for_each(|part| out.push_str(&escape(part)));
        writeln!(out, "</pre>\n<p>{way_back}</p>")?;
        for (at, part) in parts.iter().enumerate() {
            let picture = code(part)?.render::<svg::Color<'_>>().build();
            // The declaration of XML has no place within a page.
            let picture = picture.split_once("?>").map_or(&*picture, |(_, picture)| picture);
            let (number, of) = (at + 1, parts.len());
            writeln!(out, "<figure>{picture}<figcaption>{number} of {of}</figcaption></figure>")?;
        }
        out.push_str("</body>\n</html>\n");
        Ok(out)
    }
}

fn code(text: &str) -> anyhow::Result<QrCode> {
    QrCode::with_error_correction_level(text, EcLevel::M).context("it is too long for a code")
}

/// Text in HTML.
fn escape(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(2 * text.len()));
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            char => out.push(char),
        }
    }
    out
}
