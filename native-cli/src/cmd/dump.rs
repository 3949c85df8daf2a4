//! `pxkit dump`: every item of an archive with its offset, and what is irregular.

use std::cmp::Ordering;
use std::io::{self, BufWriter, Write};

use anyhow::Context as _;
use pxkit_core::decode::{Finding, GoodbyeCheck, Irregularity, Item, Step};
use pxkit_core::format::{
    Attribute, HEADER_SIZE, Header, ItemType, Kind, RECORD_SIZE, Record, Stat, TAIL_MARKER, flag_names,
};
use pxkit_core::pattern::decode_prelude;
use serde_json::{Map, Value};

use super::argument::{self, Needs};
use crate::cli::Dump;
use crate::input::{FileType, ItemReader, Opened, Payload, Stream};
use crate::report::{Outcome, check_signals};
use crate::text::{attribute_json, hex, put_bytes, put_stat, quote};

/// Longest prelude that is shown; longer ones are passed over.
const PRELUDE_SHOWN: u64 = 1 << 20;

/// Dumps an archive.
///
/// # Errors
/// The archive cannot be read or is damaged; what comes before the damage is shown.
pub fn run(args: &Dump) -> anyhow::Result<Outcome> {
    let mut opened = argument::open(
        &args.archive,
        args.payload_input.as_deref(),
        &args.repository,
        &args.open,
        Needs::Metadata,
    )?;
    let file_type = opened.detect()?;
    let Opened { name, stream, payload, .. } = opened;
    let out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut dump = Printer { json: args.json, only_findings: args.findings, findings: 0, out };
    let result = match file_type {
        FileType::Archive => archive(&mut dump, ItemReader::new(stream), payload.as_ref()),
        FileType::Payload => payload_items(&mut dump, stream),
    };
    dump.out.flush().context("cannot write to standard output")?;
    result.with_context(|| format!("cannot dump {name}"))?;
    Ok(if dump.findings == 0 { Outcome::Complete } else { Outcome::Incomplete })
}

fn archive<W: Write>(
    dump: &mut Printer<W>,
    mut reader: ItemReader,
    payload: Option<&Payload>,
) -> anyhow::Result<()> {
    let (mut check, mut order) = (GoodbyeCheck::new(), NameOrder::default());
    let mut bytes = Vec::new();
    let mut table = None;
    let mut goodbye = 0;
    let mut prelude = None;
    loop {
        let step = reader.step()?;
        let wanted = check.see(&step);
        let disorder = order.see(&step);
        match step {
            Step::Item { offset, item, .. } => {
                dump.item(offset, &item)?;
                if let Some(what) = disorder {
                    dump.finding(Finding { offset, what })?;
                }
                (table, prelude) = (None, None);
                match item {
                    Item::Goodbye { .. } => {
                        table = wanted;
                        goodbye = offset;
                    }
                    Item::Prelude { size } if size <= PRELUDE_SHOWN => prelude = Some(offset),
                    Item::PayloadRef(reference) => {
                        if let Some(Err(error)) = payload.map(|payload| payload.check(reference)) {
                            dump.irregular(offset, &format!("{error:#}"))?;
                        }
                    }
                    _ => {}
                }
            }
            Step::Skip(size) => {
                check_signals()?;
                bytes.clear();
                if table.take().is_some() {
                    reader.pass(size, Some(&mut bytes))?;
                    dump.table(goodbye, &bytes)?;
                    check.table(&bytes, reader.findings());
                } else if let Some(offset) = prelude.take() {
                    reader.pass(size, Some(&mut bytes))?;
                    dump.prelude(offset, &bytes)?;
                } else {
                    reader.pass(size, None)?;
                }
            }
            Step::Known(_) | Step::Need(_) => {}
            Step::End => break,
        }
        if !reader.findings().is_empty() {
            for finding in reader.findings().drain() {
                dump.finding(finding)?;
            }
        }
    }
    if reader.trailing_bytes() > 0 {
        dump.finding(Finding { offset: reader.offset(), what: Irregularity::TrailingBytes })?;
    }
    Ok(())
}

/// Sees whether the names of each directory are in order, which decoders of items do not look at.
#[derive(Debug, Default)]
struct NameOrder {
    /// The name met last in each open directory, empty at first; there is none above the root.
    last: Vec<Vec<u8>>,
}

impl NameOrder {
    fn see(&mut self, step: &Step<'_>) -> Option<Irregularity> {
        match *step {
            Step::Known(Kind::Directory) => self.last.push(Vec::new()),
            Step::Item { item: Item::Goodbye { .. }, .. } => _ = self.last.pop(),
            Step::Item { item: Item::Filename(name), .. } => {
                let in_root = self.last.len() == 1;
                let last = self.last.last_mut()?;
                let order = name.cmp(last);
                name.clone_into(last);
                return match order {
                    Ordering::Greater => None,
                    Ordering::Equal => Some(Irregularity::DuplicateName),
                    // Writers put this entry last in the root, wherever it sorts (specification 5.2).
                    Ordering::Less if in_root && name == b".pxarexclude-cli" => None,
                    Ordering::Less => Some(Irregularity::NameOrder),
                };
            }
            _ => {}
        }
        None
    }
}

/// The headers of a payload file as far as one follows the other. Padding stops this: only the references in the metadata
/// archive say where contents are (specification 4.5).
fn payload_items<W: Write>(dump: &mut Printer<W>, mut stream: Stream) -> anyhow::Result<()> {
    loop {
        check_signals()?;
        let offset = stream.position();
        if !stream.fill(HEADER_SIZE).context("cannot read the payload file")? {
            let rest = stream.window().len();
            return dump.irregular(offset, &format!("{rest} bytes at the end, and no tail marker"));
        }
        let header = match Header::parse(stream.window(), offset) {
            Ok(header) => header,
            Err(error) => {
                let note = "padding starts here; the metadata archive says where contents go on";
                return dump.irregular(offset, &format!("{error}; {note}"));
            }
        };
        dump.header(offset, header)?;
        stream.advance(HEADER_SIZE);
        match header.item {
            ItemType::PayloadStartMarker => {}
            ItemType::Payload => {
                let missing = stream.skip(header.content).context("cannot read the payload file")?;
                if missing > 0 {
                    let end = stream.position();
                    return dump.irregular(end, &format!("the data ends here, {missing} bytes are missing"));
                }
            }
            ItemType::PayloadTailMarker => {
                if stream.fill(1).context("cannot read the payload file")? {
                    dump.irregular(stream.position(), "the file goes on behind a tail marker")?;
                    continue;
                }
                return Ok(());
            }
            _ => return dump.irregular(offset, "not an item of a payload file: padding starts here"),
        }
    }
}

struct Printer<W> {
    json: bool,
    only_findings: bool,
    findings: u64,
    out: W,
}

impl<W: Write> Printer<W> {
    fn item(&mut self, offset: u64, item: &Item<'_>) -> anyhow::Result<()> {
        if self.only_findings {
            return Ok(());
        }
        let (kind, size) = type_and_size(item);
        if self.json {
            let mut object = object(offset, kind, size);
            item_json(&mut object, item);
            return self.json_line(&object);
        }
        self.columns(offset, kind, size)?;
        item_text(&mut self.out, item)?;
        Ok(self.out.write_all(b"\n")?)
    }

    fn header(&mut self, offset: u64, header: Header) -> anyhow::Result<()> {
        if self.only_findings {
            return Ok(());
        }
        if self.json {
            return self.json_line(&object(offset, header.item, header.full_size()));
        }
        self.columns(offset, header.item, header.full_size())?;
        Ok(self.out.write_all(b"\n")?)
    }

    fn columns(&mut self, offset: u64, kind: ItemType, size: u64) -> io::Result<()> {
        write!(self.out, "{offset:>12} {size:>12}  {kind:<17} ")
    }

    fn prelude(&mut self, offset: u64, bytes: &[u8]) -> anyhow::Result<()> {
        if self.only_findings {
            return Ok(());
        }
        let excludes = decode_prelude(bytes);
        if self.json {
            let mut object = Map::new();
            object.insert("prelude_of".into(), offset.into());
            put_bytes(&mut object, "text", bytes);
            if let Some(excludes) = excludes {
                put_bytes(&mut object, "exclude_patterns", &excludes);
            }
            return self.json_line(&object);
        }
        write!(self.out, "{:27}text ", "")?;
        quote(&mut self.out, bytes)?;
        self.out.write_all(b"\n")?;
        for line in excludes.iter().flat_map(|text| text.split(|&b| b == b'\n')).filter(|l| !l.is_empty()) {
            write!(self.out, "{:27}exclude ", "")?;
            quote(&mut self.out, line)?;
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// The records of a goodbye table, each with the child that it leads to.
    fn table(&mut self, goodbye: u64, bytes: &[u8]) -> anyhow::Result<()> {
        if self.only_findings {
            return Ok(());
        }
        for (slot, bytes) in bytes.chunks_exact(RECORD_SIZE).enumerate() {
            let record = Record::parse(bytes);
            let offset = goodbye + (HEADER_SIZE + slot * RECORD_SIZE) as u64;
            let tail = record.hash == TAIL_MARKER;
            if self.json {
                let mut object = Map::new();
                object.insert("offset".into(), offset.into());
                object.insert("record_of".into(), goodbye.into());
                object.insert("slot".into(), slot.into());
                object.insert("tail".into(), tail.into());
                object.insert("hash".into(), format!("{:#018x}", record.hash).into());
                object.insert("distance".into(), record.offset.into());
                object.insert("size".into(), record.size.into());
                self.json_line(&object)?;
                continue;
            }
            let what = if tail { "tail" } else { "record" };
            write!(self.out, "{offset:>12} {RECORD_SIZE:>12}    {what:<7} {slot:<7} ")?;
            write!(self.out, "hash {:016x} distance {}", record.hash, record.offset)?;
            if let Some(target) = goodbye.checked_sub(record.offset) {
                write!(self.out, " (to {target})")?;
            }
            writeln!(self.out, " size {}", record.size)?;
        }
        Ok(())
    }

    fn finding(&mut self, finding: Finding) -> anyhow::Result<()> {
        self.irregular(finding.offset, &finding.what.to_string())
    }

    fn irregular(&mut self, offset: u64, what: &str) -> anyhow::Result<()> {
        self.findings += 1;
        if self.json {
            let mut object = Map::new();
            object.insert("offset".into(), offset.into());
            object.insert("finding".into(), what.into());
            return self.json_line(&object);
        }
        Ok(writeln!(self.out, "{offset:>12}            !  {what}")?)
    }

    fn json_line(&mut self, object: &Map<String, Value>) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.out, object)?;
        Ok(self.out.write_all(b"\n")?)
    }
}

fn object(offset: u64, kind: ItemType, size: u64) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("offset".into(), offset.into());
    object.insert("size".into(), size.into());
    object.insert("item".into(), kind.name().into());
    object
}

/// The type of an item and its size with header and content.
fn type_and_size(item: &Item<'_>) -> (ItemType, u64) {
    let header = HEADER_SIZE as u64;
    match *item {
        Item::FormatVersion(_) => (ItemType::FormatVersion, header + 8),
        Item::Prelude { size } => (ItemType::Prelude, header.saturating_add(size)),
        Item::Entry(_) => (ItemType::Entry, header + Stat::SIZE as u64),
        Item::EntryV1(_) => (ItemType::EntryV1, header + Stat::SIZE_V1 as u64),
        Item::Filename(name) => (ItemType::Filename, header + name.len() as u64 + 1),
        Item::Attribute(attribute) => {
            let content = match attribute {
                Attribute::Xattr { name, value } => (name.len() + 1 + value.len()) as u64,
                Attribute::Fcaps(value) => value.len() as u64,
                // The others have one size each.
                ref other => other.item().content_limits().0,
            };
            (attribute.item(), header + content)
        }
        Item::Symlink(target) => (ItemType::Symlink, header + target.len() as u64 + 1),
        Item::Device(_) => (ItemType::Device, header + 16),
        Item::Hardlink { target, .. } => (ItemType::Hardlink, header + 8 + target.len() as u64 + 1),
        Item::Payload { size } => (ItemType::Payload, header.saturating_add(size)),
        Item::PayloadRef(_) => (ItemType::PayloadRef, header + 16),
        Item::Goodbye { size } => (ItemType::Goodbye, header.saturating_add(size)),
    }
}

fn item_text(out: &mut impl Write, item: &Item<'_>) -> io::Result<()> {
    match *item {
        Item::FormatVersion(version) => write!(out, "{version}"),
        Item::Prelude { size } | Item::Payload { size } => write!(out, "{size} bytes"),
        Item::Entry(stat) | Item::EntryV1(stat) => {
            let Stat { mode, flags, uid, gid, mtime } = stat;
            write!(out, "mode {mode:07o} uid {uid} gid {gid} mtime {}.{:09}", mtime.secs, mtime.nanos)?;
            if flags != 0 {
                write!(out, " flags {flags:#x}")?;
                for name in flag_names(flags) {
                    write!(out, " {name}")?;
                }
            }
            Ok(())
        }
        Item::Filename(name) => quote(out, name),
        Item::Attribute(attribute) => attribute_text(out, &attribute),
        Item::Symlink(target) => {
            out.write_all(b"-> ")?;
            quote(out, target)
        }
        Item::Device(device) => write!(out, "{}:{}", device.major, device.minor),
        Item::Hardlink { distance, target } => {
            write!(out, "{distance} bytes back -> ")?;
            quote(out, target)
        }
        Item::PayloadRef(reference) => write!(out, "offset {} size {}", reference.offset, reference.size),
        Item::Goodbye { size } => {
            let records = size / RECORD_SIZE as u64;
            write!(out, "{records} {}", if records == 1 { "record" } else { "records" })
        }
    }
}

fn attribute_text(out: &mut impl Write, attribute: &Attribute<'_>) -> io::Result<()> {
    match *attribute {
        Attribute::Xattr { name, value } => {
            quote(out, name)?;
            write!(out, " = {}", hex(value))
        }
        Attribute::AclUser(p)
        | Attribute::AclGroup(p)
        | Attribute::AclDefaultUser(p)
        | Attribute::AclDefaultGroup(p) => write!(out, "{}:{}", p.id, rwx(p.permissions)),
        Attribute::AclGroupObj(permissions) => write!(out, "{}", rwx(permissions)),
        Attribute::AclDefault(acl) => write!(
            out,
            "user {} group {} other {} mask {}",
            rwx(acl.user_obj),
            rwx(acl.group_obj),
            rwx(acl.other),
            rwx(acl.mask)
        ),
        Attribute::Fcaps(value) => write!(out, "{}", hex(value)),
        Attribute::QuotaProjid(id) => write!(out, "{id}"),
    }
}

/// Permissions of an ACL entry as text; what is no set of permissions, as a number.
fn rwx(permissions: u64) -> String {
    match permissions {
        pxkit_core::format::NO_MASK => "none".into(),
        0..8 => {
            let letter = |bit: u64, letter| if permissions & bit != 0 { letter } else { '-' };
            [letter(4, 'r'), letter(2, 'w'), letter(1, 'x')].iter().collect()
        }
        other => format!("{other:#x}"),
    }
}

fn item_json(object: &mut Map<String, Value>, item: &Item<'_>) {
    match *item {
        Item::FormatVersion(version) => {
            object.insert("version".into(), version.into());
        }
        Item::Entry(stat) | Item::EntryV1(stat) => put_stat(object, &stat),
        Item::Filename(name) => put_bytes(object, "name", name),
        Item::Attribute(attribute) => {
            if let Value::Object(fields) = attribute_json(&attribute) {
                object.extend(fields);
            }
        }
        Item::Symlink(target) => put_bytes(object, "target", target),
        Item::Device(device) => {
            object.insert("major".into(), device.major.into());
            object.insert("minor".into(), device.minor.into());
        }
        Item::Hardlink { distance, target } => {
            object.insert("distance".into(), distance.into());
            put_bytes(object, "target", target);
        }
        Item::PayloadRef(reference) => {
            object.insert("payload_offset".into(), reference.offset.into());
            object.insert("payload_size".into(), reference.size.into());
        }
        Item::Prelude { .. } | Item::Payload { .. } | Item::Goodbye { .. } => {}
    }
}
