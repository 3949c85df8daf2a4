//! Zip archives: files, directories and symlinks with permissions and times in seconds. They know no owners, hard links, attributes or special
//! nodes.

use std::io::Write;

use anyhow::Context as _;
use pxkit_core::format::{Stat, mode};
use zip::write::{ExtendedFileOptions, FileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::{Body, Format, Item};
use crate::report::Report;
use crate::text::quoted;

/// From this size on the fields of 64 bits are needed.
const LARGE: u64 = u32::MAX as u64;
/// Header id of times in seconds since 1970.
const TIMESTAMP: u16 = 0x5455;
/// Says that only the time of modification follows.
const MODIFIED: u8 = 1;

/// A zip archive that is written from its start to its end.
pub struct Zip<W: Write> {
    writer: ZipWriter<StreamWriter<W>>,
    /// Names that are no text were met.
    has_warned: bool,
}

impl<W: Write> Zip<W> {
    pub fn new(out: W) -> Self {
        Self { writer: ZipWriter::new_stream(out), has_warned: false }
    }
}

impl<W: Write> Format for Zip<W> {
    fn begin(&mut self, item: &Item<'_>, report: &Report) -> anyhow::Result<bool> {
        if item.path.is_empty() {
            // The root has no name here.
            return Ok(true);
        }
        let name = String::from_utf8_lossy(item.path);
        if str::from_utf8(item.path).is_err() && !std::mem::replace(&mut self.has_warned, true) {
            report.warn(format_args!(
                "{}: names in a zip archive are text, what is none is replaced",
                quoted(item.path)
            ));
        }
        let options = options(item.stat)?;
        match item.body {
            Body::Directory => self.writer.add_directory(name, options),
            Body::File(size) => self.writer.start_file(name, options.large_file(size >= LARGE)),
            Body::Symlink(target) => self.writer.add_symlink(name, String::from_utf8_lossy(target), options),
            Body::Link(_) | Body::Device(_) | Body::Fifo | Body::Socket => return Ok(false),
        }
        .context("cannot write")?;
        Ok(true)
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.writer.write_all(bytes).context("cannot write")
    }

    fn end(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        self.writer.finish().context("cannot write")?;
        Ok(())
    }

    fn has_links(&self) -> bool {
        false
    }
}

fn options(stat: &Stat) -> anyhow::Result<FileOptions<'static, 'static, ExtendedFileOptions>> {
    let mut options = FileOptions::<ExtendedFileOptions>::default()
        .compression_method(CompressionMethod::Deflated)
        .unix_permissions((stat.mode & mode::PERMISSIONS) as u32)
        .last_modified_time(date_time(stat.mtime.secs));
    if let Ok(seconds) = i32::try_from(stat.mtime.secs) {
        let mut field = vec![MODIFIED];
        field.extend_from_slice(&seconds.to_le_bytes());
        options.add_extra_field(TIMESTAMP, field, false).context("cannot tell the time")?;
    }
    Ok(options)
}

/// The calendar's time, in the zone of this machine, as zip has it: from 1980 to 2107, every other second.
fn date_time(secs: i64) -> DateTime {
    let zoned = |secs| {
        let time = jiff::Timestamp::from_second(secs).ok()?.to_zoned(jiff::tz::TimeZone::system());
        let part = |value: i8| u8::try_from(value).ok();
        let year = u16::try_from(time.year()).ok()?;
        let (month, day) = (part(time.month())?, part(time.day())?);
        DateTime::from_date_and_time(
            year,
            month,
            day,
            part(time.hour())?,
            part(time.minute())?,
            part(time.second())?,
        )
        .ok()
    };
    zoned(secs).unwrap_or_default()
}
