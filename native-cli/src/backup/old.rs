//! The previous metadata archive, as far as the walk asks for it.

use pxkit_core::decode::{Content, Entry, Event, Irregularity};
use pxkit_core::format::HEADER_SIZE;
use pxkit_core::index::DynamicIndex;
use pxkit_core::reuse::{Found, Join, NewFile, OldEntry, Rules, Table, Usage, Verdict, Why, compare};

use crate::input::EntryReader;
use crate::report::Report;
use crate::walk::DisplayPath;

/// Opens the previous metadata archive at its start.
pub type Open<'o> = Box<dyn Fn() -> anyhow::Result<EntryReader> + 'o>;

/// The archive that the walk is compared with.
pub struct Old<'o> {
    open: Open<'o>,
    state: State,
    /// How files are compared.
    pub rules: Rules,
    /// Where the contents end that the last unchanged file has in the previous payload stream.
    last_end: u64,
    /// Files were noted whose contents lie before or in those of a file before.
    is_noted: bool,
    /// The payload index of the archive, and what its files use of the chunks.
    payload: &'o DynamicIndex,
    usage: Usage,
}

enum State {
    /// In one pass, as names are in order.
    Pass(Box<EntryReader>, Join),
    /// In memory, as they are not.
    Table(Table),
    Gone,
}

impl<'o> Old<'o> {
    /// Starts to read the archive. `is_sorted`: its names are in order, as far as is known.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn new(
        open: Open<'o>,
        payload: &'o DynamicIndex,
        rules: Rules,
        is_sorted: bool,
        report: &Report,
    ) -> anyhow::Result<Self> {
        let state = State::Pass(Box::new(open()?), Join::new());
        let mut old =
            Self { open, state, rules, payload, usage: Usage::new(payload), last_end: 0, is_noted: false };
        if !is_sorted {
            old.state = State::Table(old.read_table(report)?);
        }
        Ok(old)
    }

    /// What the archive has under `name` in the directory that the walk is in, whose path is `directory`.
    pub fn find(&mut self, directory: &[u8], name: &[u8], report: &Report) -> Option<&OldEntry> {
        while let State::Pass(reader, join) = &mut self.state {
            if !matches!(join.find(name), Found::More) {
                break;
            }
            if let Err(error) = advance(reader, join, self.payload, &mut self.usage) {
                report.warn(format_args!(
                    "the previous metadata archive is damaged, all files from {} on are read: {error:#}",
                    DisplayPath(directory)
                ));
                join.give_up();
                break;
            }
            let is_order = |what| matches!(what, Irregularity::NameOrder | Irregularity::DuplicateName);
            if reader.findings().any(|finding| is_order(finding.what)) {
                self.turn_to_table(directory, report);
            }
        }
        match &mut self.state {
            State::Pass(_, join) => match join.find(name) {
                Found::Entry(entry) => Some(entry),
                _ => None,
            },
            State::Table(table) => table.find(name),
            State::Gone => None,
        }
    }

    /// Compares a file with what the archive has under its name, see [`Old::find`]; returns also where the archive has it.
    ///
    /// Archives with names in order have contents in order, too. Where they do not, something went wrong in the past (change detection
    /// 2.5), and the file is read again, which heals it.
    pub fn compare(
        &mut self,
        path: &[u8],
        name: &[u8],
        new: NewFile<'_>,
        report: &Report,
    ) -> (Verdict, Option<u64>) {
        let (rules, size) = (self.rules, new.size);
        let directory = &path[..(path.len() - name.len()).saturating_sub(1)];
        let Some(entry) = self.find(directory, name, report) else { return (Verdict::Read(Why::New), None) };
        let (verdict, place) = (compare(new, entry, &rules), Some(entry.place));
        let (Verdict::Unchanged(at), State::Pass(..)) = (verdict, &self.state) else {
            return (verdict, place);
        };
        if at < self.last_end {
            if !std::mem::replace(&mut self.is_noted, true) {
                report.line(format_args!(
                    "note: re-encode: {}: its contents in the previous archive, at {at}, do not follow those of the file before, \
                     which end at {}; likewise others",
                    DisplayPath(path),
                    self.last_end
                ));
            }
            return (Verdict::Read(Why::BadReference), place);
        }
        self.last_end = at.saturating_add(size).saturating_add(HEADER_SIZE as u64);
        (verdict, place)
    }

    /// Whether contents may lie in another order than files, so that nobody has looked whether they overlap.
    pub fn is_in_any_order(&self) -> bool {
        matches!(self.state, State::Table(_))
    }

    /// The walk enters the directory that was asked for last.
    pub fn enter(&mut self) {
        match &mut self.state {
            State::Pass(_, join) => join.enter(),
            State::Table(table) => table.enter(),
            State::Gone => {}
        }
    }

    /// The walk leaves a directory.
    pub fn leave(&mut self) {
        match &mut self.state {
            State::Pass(_, join) => join.leave(),
            State::Table(table) => table.leave(),
            State::Gone => {}
        }
    }

    /// Goes on with all of the archive in memory, from where the walk is.
    fn turn_to_table(&mut self, directory: &[u8], report: &Report) {
        report
            .line("note: the names in the previous metadata archive are not in order, it is read as a whole");
        self.state = match self.read_table(report) {
            Ok(mut table) => {
                table.find(b"");
                table.enter();
                for name in directory.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
                    table.find(name);
                    table.enter();
                }
                State::Table(table)
            }
            Err(error) => {
                report.warn(format_args!("the previous metadata archive cannot be used: {error:#}"));
                State::Gone
            }
        }
    }

    /// What the files of the archive use of its chunks, once the walk is over; what was not read yet is.
    pub fn into_usage(mut self) -> Usage {
        while let State::Pass(reader, join) = &mut self.state {
            if join.is_over() || advance(reader, join, self.payload, &mut self.usage).is_err() {
                break;
            }
        }
        self.usage
    }

    fn read_table(&mut self, report: &Report) -> anyhow::Result<Table> {
        // From the start, with all that was counted before.
        self.usage = Usage::new(self.payload);
        let mut reader = (self.open)()?;
        let mut table = Table::new();
        loop {
            let skipped = match reader.step() {
                Ok(Event::Skip(bytes)) => bytes,
                Ok(Event::End) => break,
                Ok(event) => {
                    count(&event, self.payload, &mut self.usage);
                    table.add(&event);
                    continue;
                }
                Err(error) => {
                    report.warn(format_args!("the previous metadata archive is damaged: {error:#}"));
                    break;
                }
            };
            if reader.skip(skipped).is_err() {
                break;
            }
        }
        table.cut_off();
        Ok(table)
    }
}

/// Goes one step further.
fn advance(
    reader: &mut EntryReader,
    join: &mut Join,
    payload: &DynamicIndex,
    usage: &mut Usage,
) -> anyhow::Result<()> {
    let skipped = match reader.step()? {
        Event::Skip(bytes) => bytes,
        event => {
            count(&event, payload, usage);
            join.old(&event);
            return Ok(());
        }
    };
    reader.skip(skipped)
}

fn count(event: &Event<'_>, payload: &DynamicIndex, usage: &mut Usage) {
    if let Event::Entry(Entry { content: Content::Reference(reference), .. }) = event {
        usage.add(payload, *reference);
    }
}
