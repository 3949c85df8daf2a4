//! Zip archives: files, directories and symlinks with permissions and times in seconds. They know no owners, hard links, attributes or special
//! nodes.

use std::cell::Cell;
use std::io::{self, Write};
use std::rc::Rc;

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
    /// Before the writer, which would end the archive when it is dropped, as if it were whole.
    closing: Closing,
    writer: ZipWriter<StreamWriter<Gate<W>>>,
    /// Names that are no text were met.
    has_warned: bool,
}

impl<W: Write> Zip<W> {
    pub fn new(out: W) -> Self {
        let closing = Closing(Rc::new(Cell::new(false)));
        let gate = Gate { out, is_closed: closing.0.clone() };
        Self { closing, writer: ZipWriter::new_stream(gate), has_warned: false }
    }
}

/// Closes the gate when it is dropped.
struct Closing(Rc<Cell<bool>>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// An output that takes nothing more once something went wrong, and says nothing of it.
struct Gate<W> {
    out: W,
    is_closed: Rc<Cell<bool>>,
}

impl<W> Gate<W> {
    fn pass<T>(&mut self, otherwise: T, act: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        if self.is_closed.get() {
            return Ok(otherwise);
        }
        act(&mut self.out).inspect_err(|error| {
            // Whoever wrote tries that again.
            self.is_closed.set(error.kind() != io::ErrorKind::Interrupted);
        })
    }
}

impl<W: Write> Write for Gate<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pass(bytes.len(), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass((), W::flush)
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
        let Self { closing, writer, .. } = *self;
        writer.finish().context("cannot write")?;
        drop(closing);
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

#[cfg(test)]
mod tests {
    use pxkit_core::format::Attributes;

    use super::*;

    /// What ends a directory of all files.
    const END: &[u8] = b"PK\x05\x06";

    fn has_end(bytes: &[u8]) -> bool {
        bytes.windows(END.len()).any(|window| window == END)
    }

    /// Takes so many bytes and no more.
    struct Full(Vec<u8>, usize);

    impl Write for &mut Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let len = bytes.len().min(self.1 - self.0.len());
            self.0.extend_from_slice(&bytes[..len]);
            if len == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(len) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn write<W: Write>(zip: &mut Zip<W>) -> anyhow::Result<()> {
        let stat = Stat { mode: mode::REGULAR | 0o644, ..Stat::default() };
        let attributes = Attributes::default();
        let item = Item { path: b"file", stat: &stat, attributes: &attributes, body: Body::File(6) };
        zip.begin(&item, &Report::new(true))?;
        zip.write(b"inside")
    }

    #[test]
    fn what_is_given_up_does_not_look_whole() {
        let mut out = Vec::new();
        let mut zip = Zip::new(&mut out);
        write(&mut zip).unwrap();
        drop(zip);
        assert!(!out.is_empty() && !has_end(&out));
        let mut zip = Zip::new(&mut out);
        write(&mut zip).unwrap();
        Box::new(zip).finish().unwrap();
        assert!(has_end(&out));
    }

    #[test]
    fn after_an_error_nothing_is_written() {
        let whole = {
            let mut out = Vec::new();
            let mut zip = Zip::new(&mut out);
            write(&mut zip).unwrap();
            Box::new(zip).finish().unwrap();
            out
        };
        for room in 0..whole.len() {
            let mut out = Full(Vec::new(), room);
            let mut zip = Zip::new(&mut out);
            assert!(write(&mut zip).and_then(|()| Box::new(zip).finish()).is_err(), "{room}");
            assert_eq!(out.0, whole[..room]);
        }
    }
}
