//! Rows of a comparison: what differs, in words.

use std::rc::Rc;

use memchr::memmem;
use pxkit_core::access::Tree;
use pxkit_core::decode::Content;
use pxkit_core::layout::compare::{Change, Fields};
use pxkit_core::layout::sort_things;

use super::{Compared, Order, attributes_of, compared};
use crate::protocol::compare::{Kind, Query, Row, Rows};
use crate::protocol::entry::Attribute;
use crate::protocol::{EntryId, Problem};
use crate::worker::{Task, entry, text};

/// Rows that one answer has at most.
const MOST: u32 = 1000;
/// Differences that are sorted by path; more stay in the order of the archives.
const SORTED: usize = 200_000;
/// Rows whose paths are made at once; then others get their turn.
const SLICE: usize = 1 << 13;

/// An entry in both archives, and what became of it.
type Place = (Change, Option<EntryId>, Option<EntryId>);

/// Rows of a comparison.
pub async fn differences(task: &Task, query: Query) -> Result<Rows, Problem> {
    let compared = compared(task, query.pair).await?;
    let key = Query { start: 0, count: 0, ..query.clone() };
    let kept = compared.order.borrow().as_ref().filter(|(of, _)| *of == key).map(|(_, order)| order.clone());
    let order = match kept {
        Some(order) => order,
        None => {
            let order: Rc<Order> = compared.order(task, &query).await?.into();
            *compared.order.borrow_mut() = Some((key, order.clone()));
            order
        }
    };
    let total = order.len() as u32;
    let start = query.start.min(total);
    let end = start.saturating_add(query.count.min(MOST)).min(total);
    let mut rows = Vec::new();
    for &(change, a, b) in &order[start as usize..end as usize] {
        let mut row = compared.row(change, a, b);
        if let (Some(a), Some(b)) = (a, b)
            && compared.comparison.fields(b).contains(Fields::ATTRIBUTES)
        {
            row.fields.extend(compared.attributes(a, b).await?);
            task.breathe().await?;
        }
        rows.push(row);
    }
    Ok(Rows { start, total, rows })
}

impl Compared {
    /// The rows that a query means, in its order.
    async fn order(&self, task: &Task, query: &Query) -> Result<Vec<Place>, Problem> {
        let (old, new) = (&*self.old.tree, &*self.new.tree);
        let unchanged = |id: &EntryId| (Change::Unchanged, self.comparison.before(*id), Some(*id));
        let mut rows: Vec<_> = if query.needless {
            self.again.iter().map(unchanged).collect()
        } else {
            let is_wanted = |kind: Kind| match query.kinds.as_slice() {
                [] => kind != Kind::Unchanged,
                kinds => kinds.contains(&kind),
            };
            let mut rows: Vec<_> =
                self.comparison.changes().filter(|(change, ..)| is_wanted(kind(*change))).collect();
            if is_wanted(Kind::Unchanged) {
                let all = 0..new.len() as u32;
                let same = all.filter(|id| self.comparison.change(*id) == Change::Unchanged);
                rows.extend(same.map(|id| unchanged(&id)));
            }
            rows
        };
        let path = |a: Option<EntryId>, b: Option<EntryId>, out: &mut Vec<u8>| {
            out.clear();
            match (a, b) {
                (_, Some(id)) => new.path(id, out),
                (Some(id), None) => old.path(id, out),
                (None, None) => {}
            }
        };
        if !query.text.is_empty() {
            let mut buffer = Vec::new();
            let wanted = query.text.to_ascii_lowercase();
            let mut kept = Vec::new();
            for slice in rows.chunks(SLICE) {
                kept.extend(slice.iter().filter(|&&(_, a, b)| {
                    path(a, b, &mut buffer);
                    buffer.make_ascii_lowercase();
                    memmem::find(&buffer, wanted.as_bytes()).is_some()
                }));
                task.breathe().await?;
            }
            rows = kept;
        }
        if query.by_size {
            let size = |a: Option<EntryId>, b: Option<EntryId>| {
                b.map(|id| new.size(id)).max(a.map(|id| old.size(id))).unwrap_or_default()
            };
            sort_things(&mut rows, |one, other| size(other.1, other.2).cmp(&size(one.1, one.2)));
        } else if rows.len() <= SORTED {
            let mut keyed = Vec::with_capacity(rows.len());
            for slice in rows.chunks(SLICE) {
                keyed.extend(slice.iter().map(|&row| {
                    let mut path_of = Vec::new();
                    path(row.1, row.2, &mut path_of);
                    (path_of, row)
                }));
                task.breathe().await?;
            }
            sort_things(&mut keyed, |a, b| a.0.cmp(&b.0));
            rows = keyed.into_iter().map(|(_, row)| row).collect();
        }
        Ok(rows)
    }

    fn row(&self, change: Change, a: Option<EntryId>, b: Option<EntryId>) -> Row {
        let (old, new) = (&*self.old.tree, &*self.new.tree);
        let size = |tree: &Tree, id: Option<EntryId>| {
            id.filter(|id| matches!(tree.content(*id), Content::Inline { .. } | Content::Reference(_)))
                .map(|id| tree.size(id))
        };
        let before = a.filter(|_| change == Change::Moved).map(|id| text::path(old, id));
        let entry_kind = b.map(|id| new.kind(id)).or(a.map(|id| old.kind(id))).map_or(0, |kind| kind as u8);
        let fields = match (a, b) {
            (Some(a), Some(b)) => self.fields(a, b),
            _ => Vec::new(),
        };
        Row {
            kind: kind(change),
            path: match (a, b) {
                (_, Some(id)) => text::path(new, id),
                (Some(id), None) => text::path(old, id),
                (None, None) => String::new(),
            },
            before,
            a,
            b,
            entry_kind,
            size_a: size(old, a),
            size_b: size(new, b),
            fields,
            needless: b.is_some_and(|id| self.again.binary_search(&id).is_ok()),
        }
    }

    /// What differs between two entries, with both values.
    fn fields(&self, a: EntryId, b: EntryId) -> Vec<(String, String, String)> {
        let (old, new) = (&*self.old.tree, &*self.new.tree);
        let fields = self.comparison.fields(b);
        let mut out = Vec::new();
        let mut add = |field: Fields, name: &str, value: &dyn Fn(&Tree, EntryId) -> String| {
            if fields.contains(field) {
                out.push((name.to_owned(), value(old, a), value(new, b)));
            }
        };
        add(Fields::SIZE, "size", &|tree, id| tree.size(id).to_string());
        add(Fields::MTIME, "mtime", &|tree, id| {
            let mtime = tree.mtime(id);
            format!("{} +{:09} ns", text::time(mtime.secs), mtime.nanos)
        });
        add(Fields::MODE, "mode", &|tree, id| format!("{:06o}", tree.mode(id)));
        add(Fields::OWNER, "owner", &|tree, id| tree.owner(id).0.to_string());
        add(Fields::GROUP, "group", &|tree, id| tree.owner(id).1.to_string());
        add(Fields::FLAGS, "flags", &|tree, id| format!("{:#x}", tree.flags(id)));
        add(Fields::TARGET, "target", &|tree, id| match tree.content(id) {
            Content::Target(target) | Content::Hardlink { target, .. } => text::escape(target),
            _ => "none".to_owned(),
        });
        add(Fields::DEVICE, "device", &|tree, id| match tree.content(id) {
            Content::Device(device) => format!("{}:{}", device.major, device.minor),
            _ => "none".to_owned(),
        });
        add(Fields::LINK, "link", &|tree, id| match tree.content(id) {
            Content::Hardlink { target, .. } => format!("to {}", text::escape(target)),
            _ => "first name".to_owned(),
        });
        out
    }

    /// Which attributes differ between two entries, with both values.
    async fn attributes(&self, a: EntryId, b: EntryId) -> Result<Vec<(String, String, String)>, Problem> {
        let (old, new) = (&self.documents.0, &self.documents.1);
        let before = attributes_of(old, &self.old.tree, a).await?;
        let now = attributes_of(new, &self.new.tree, b).await?;
        let (before, now) = (entry::in_words(&before), entry::in_words(&now));
        let title = |one: &Attribute| format!("{} {}", one.item, one.name).trim_end().to_owned();
        let is_same = |one: &Attribute, other: &Attribute| one.item == other.item && one.name == other.name;
        let none = || "none".to_owned();
        let mut fields = Vec::new();
        for (one, stored) in &before {
            match now.iter().find(|(other, _)| is_same(one, other)) {
                Some((_, other)) if other == stored => {}
                // Words such as "16 bytes" are the same for others.
                Some((other, _)) if other.value == one.value => {
                    fields.push((title(one), one.raw.clone(), other.raw.clone()));
                }
                Some((other, _)) => fields.push((title(one), one.value.clone(), other.value.clone())),
                None => fields.push((title(one), one.value.clone(), none())),
            }
        }
        for (one, _) in now.iter().filter(|(one, _)| !before.iter().any(|(other, _)| is_same(one, other))) {
            fields.push((title(one), none(), one.value.clone()));
        }
        Ok(fields)
    }
}

pub const fn change(kind: Kind) -> Change {
    match kind {
        Kind::Added => Change::Added,
        Kind::Removed => Change::Removed,
        Kind::Content => Change::Contents,
        Kind::Metadata => Change::Metadata,
        Kind::Type => Change::Kind,
        Kind::Moved => Change::Moved,
        Kind::Unchanged => Change::Unchanged,
    }
}

const fn kind(change: Change) -> Kind {
    match change {
        Change::Added => Kind::Added,
        Change::Removed => Kind::Removed,
        Change::Contents => Kind::Content,
        Change::Metadata => Kind::Metadata,
        Change::Kind => Kind::Type,
        Change::Moved => Kind::Moved,
        Change::Unchanged => Kind::Unchanged,
    }
}
