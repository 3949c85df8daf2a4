//! The previous metadata archive, as far as the walk asks for it.

use pxkit_core::decode::{Content, Entry, Event, Irregularity};
use pxkit_core::format::{HEADER_SIZE, Kind};
use pxkit_core::index::DynamicIndex;
use pxkit_core::reuse::state::{Kinship, Sharpness, Trace};
use pxkit_core::reuse::{Found, Join, NewFile, OldEntry, Rules, Table, Usage, Verdict, Why, compare};

use super::known::{Known, Looked, Revision};
use crate::input::EntryReader;
use crate::report::Report;
use crate::walk::{self, DisplayPath};

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
    /// It could not be read to its end.
    is_damaged: bool,
    /// The payload index of the archive, and what its files use of the chunks.
    payload: &'o DynamicIndex,
    usage: Usage,
    /// The state of the archive.
    known: Option<Known>,
}

/// What the archive came to.
#[derive(Debug)]
pub struct Finished {
    /// What its files use of its chunks.
    pub usage: Usage,
    /// Files that are elsewhere in it.
    pub moved: Vec<Revision>,
    /// What is to be said of the state.
    pub state: Option<StateUse>,
    /// It could not be read to its end.
    pub is_damaged: bool,
}

/// What came of a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateUse {
    /// It was void: nearly all inodes were new.
    pub is_void: bool,
    /// Damaged blocks of it.
    pub lost: u64,
    /// Traces in it.
    pub count: u64,
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
        known: Option<Known>,
        report: &Report,
    ) -> anyhow::Result<Self> {
        let state = State::Pass(Box::new(open()?), Join::new());
        let usage = Usage::new(payload);
        let mut old = Self {
            open,
            state,
            rules,
            payload,
            usage,
            last_end: 0,
            is_noted: false,
            is_damaged: false,
            known,
        };
        if !is_sorted {
            old.state = State::Table(old.read_table(report)?);
        }
        Ok(old)
    }

    /// What the archive has under the name of a node of the walk.
    pub fn find(&mut self, node: &walk::Node<'_>, report: &Report) -> Option<&OldEntry> {
        self.seek(node, report);
        self.state.entry(node.name)
    }

    /// Goes to what the archive has under the name of a node of the walk, and tells what the node is to it. `enters`: another file system
    /// begins there.
    pub fn look(&mut self, node: &walk::Node<'_>, enters: bool, report: &Report) -> Option<Looked> {
        self.seek(node, report);
        let entry = self.state.entry(node.name);
        self.known.as_mut().map(|known| known.look(node, entry, enters))
    }

    /// What the state has under the name of a node of the walk that is no directory and has no contents, with its number in the archive. The archive
    /// must agree in all that `stat` tells: writing to a terminal sets the time of its node and no other, and ids depend on the mount that they are
    /// seen through.
    pub fn former(&mut self, node: &walk::Node<'_>, report: &Report) -> Option<(u64, Trace)> {
        self.known.as_ref()?;
        self.seek(node, report);
        let is_same = |old: &&OldEntry| match old.kind {
            // Its metadata are those of the first name.
            Some(Kind::Hardlink) => node.kind == Kind::File,
            kind => kind == Some(node.kind) && old.stat == node.stat,
        };
        let entry = self.state.entry(node.name).filter(is_same);
        self.known.as_mut().and_then(|known| known.former(entry))
    }

    /// What the archive has of a node that nobody touched since; it was [looked at](Old::look) last.
    pub fn untouched(&mut self, node: &walk::Node<'_>, looked: &Looked) -> Option<&OldEntry> {
        self.state.entry(node.name).filter(|old| looked.is_untouched(node, old))
    }

    fn seek(&mut self, node: &walk::Node<'_>, report: &Report) {
        let (directory, name) = (directory_of(node), node.name);
        while let State::Pass(reader, join) = &mut self.state {
            if !matches!(join.find(name), Found::More) {
                break;
            }
            if let Err(error) = advance(reader, join, self.payload, &mut self.usage, &mut self.known) {
                report.warn(format_args!(
                    "the previous metadata archive is damaged, all files from {} on are read: {error:#}",
                    DisplayPath(directory)
                ));
                join.give_up();
                self.is_damaged = true;
                break;
            }
            let is_order = |what| matches!(what, Irregularity::NameOrder | Irregularity::DuplicateName);
            if reader.findings().any(|finding| is_order(finding.what)) {
                self.turn_to_table(directory, report);
            }
        }
    }

    /// Compares a file, which will be the file `number` of the listing, with what the archive has under its name, see [`Old::find`].
    ///
    /// Archives with names in order have contents in order, too. Where they do not, something went wrong in the past (change detection
    /// 2.5), and the file is read again, which heals it.
    pub fn compare(
        &mut self,
        (number, node): (usize, &walk::Node<'_>),
        new: NewFile<'_>,
        looked: Option<&Looked>,
        report: &Report,
    ) -> Compared {
        self.seek(node, report);
        let Some(entry) = self.state.entry(node.name) else {
            return self.compared((number, node), looked, Verdict::Read(Why::New));
        };
        let kinship = looked.map_or(Kinship::Unknown, |looked| looked.kinship);
        let verdict = compare(new, entry, kinship, &self.rules);
        let (Verdict::Unchanged(at), State::Pass(..)) = (verdict, &self.state) else {
            return self.compared((number, node), looked, verdict);
        };
        if at < self.last_end {
            if !std::mem::replace(&mut self.is_noted, true) {
                report.line(format_args!(
                    "note: re-encode: {}: its contents in the previous archive, at {at}, do not follow those of the file before, \
                     which end at {}; likewise others",
                    DisplayPath(node.path),
                    self.last_end
                ));
            }
            return self.compared((number, node), looked, Verdict::Read(Why::BadReference));
        }
        self.last_end = at.saturating_add(new.size).saturating_add(HEADER_SIZE as u64);
        self.compared((number, node), looked, verdict)
    }

    fn compared(
        &mut self,
        (number, node): (usize, &walk::Node<'_>),
        looked: Option<&Looked>,
        verdict: Verdict,
    ) -> Compared {
        let in_table = matches!(self.state, State::Table(_));
        let entry = self.state.entry(node.name);
        let place = entry.map(|entry| entry.place);
        let revisions = match (&mut self.known, looked) {
            (Some(known), Some(looked)) => {
                known.compared((number, node), looked, entry, verdict, in_table).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        if self.known.as_ref().is_some_and(Known::is_void) {
            self.rules.sharpness = Sharpness::Compatible;
        }
        Compared { verdict, place, revisions }
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

    /// What came of it, once the walk is over; what was not read yet is.
    pub fn finish(mut self) -> Finished {
        while let State::Pass(reader, join) = &mut self.state {
            let (payload, usage, known) = (self.payload, &mut self.usage, &mut self.known);
            if join.is_over() {
                break;
            }
            if advance(reader, join, payload, usage, known).is_err() {
                self.is_damaged = true;
                break;
            }
        }
        let table = if let State::Table(table) = &self.state { Some(table) } else { None };
        let (mut moved, mut state) = (Vec::new(), None);
        if let Some(known) = self.known {
            let (revisions, came) = known.finish(table);
            (moved, state) = (revisions, Some(came));
        }
        Finished { usage: self.usage, moved, state, is_damaged: self.is_damaged }
    }

    fn read_table(&mut self, report: &Report) -> anyhow::Result<Table> {
        if let Some(known) = &mut self.known {
            known.turn_to_table();
        }
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
                    self.is_damaged = true;
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

impl State {
    /// What the archive has under a name, once the archive was read so far.
    fn entry(&mut self, name: &[u8]) -> Option<&OldEntry> {
        match self {
            Self::Pass(_, join) => match join.find(name) {
                Found::Entry(entry) => Some(entry),
                _ => None,
            },
            Self::Table(table) => table.find(name),
            Self::Gone => None,
        }
    }
}

/// What comparing a file gave.
#[derive(Debug)]
pub struct Compared {
    /// Whether it is to be read.
    pub verdict: Verdict,
    /// Where the archive has it.
    pub place: Option<u64>,
    /// Files before it that need not be read after all.
    pub revisions: Vec<Revision>,
}

/// The path of the directory that a node is in.
fn directory_of<'n>(node: &walk::Node<'n>) -> &'n [u8] {
    let len = node.path.len() - node.name.len();
    &node.path[..len.saturating_sub(1)]
}

/// Goes one step further.
fn advance(
    reader: &mut EntryReader,
    join: &mut Join,
    payload: &DynamicIndex,
    usage: &mut Usage,
    known: &mut Option<Known>,
) -> anyhow::Result<()> {
    let skipped = match reader.step()? {
        Event::Skip(bytes) => bytes,
        event => {
            count(&event, payload, usage);
            if let Some(known) = known {
                known.pass(&event);
            }
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
