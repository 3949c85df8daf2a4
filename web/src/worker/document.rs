//! A document: what is known of something that is open.
//!
//! Everything about it that changes is in cells. Borrow them for as long as no `await` lies between, which clippy checks: the only one who
//! writes to the tree is the loader, between two awaits of its own, so a borrow can never fail.

use std::cell::{Cell, Ref, RefCell};
use std::ops::Range;
use std::rc::Rc;

use pxkit_core::access::{self, Archive, Directory, Machine, Step, Tree, TreeBuilder};
use pxkit_core::decode::Content;
use pxkit_core::format::{HEADER_SIZE, PayloadRef};
use pxkit_core::index::{DynamicIndex, FixedIndex};
use pxkit_core::layout::{ChunkTable, Layout, Map};

use super::source::Source;
use super::{check, chunks, entry, files, findings, layout, paint, problem, structure};
use crate::protocol::open::{self, Kind, SnapshotRef, State};
use crate::protocol::{DocId, Problem, ProblemKind, Stream};

/// What is open.
pub struct Document {
    id: DocId,
    closed: Rc<Cell<bool>>,
    generation: Cell<u32>,
    /// The name of its first file.
    pub name: String,
    /// What it is called.
    pub title: RefCell<String>,
    /// What it is.
    pub kind: Cell<Kind>,
    /// Which store it comes from, and from where in it.
    pub origin: Option<(u32, SnapshotRef)>,
    /// What would help.
    pub hint: RefCell<Option<String>>,
    /// Lines of name and value.
    pub facts: RefCell<Vec<(String, String)>>,
    meta: Rc<dyn Source>,
    payload: RefCell<Option<Rc<dyn Source>>>,
    index: RefCell<Option<Rc<DynamicIndex>>>,
    fixed: RefCell<Option<Rc<FixedIndex>>>,
    growing: RefCell<Growing>,
    map: RefCell<Option<Rc<Map>>>,
    table: RefCell<Option<Rc<ChunkTable>>>,
    padding: Cell<Option<u64>>,
    /// Where the streams begin and end, as far as the archive was decoded.
    pub(super) head: RefCell<Archive>,
    /// How far decoding is.
    pub(super) state: RefCell<State>,
    /// What decoding counted.
    pub(super) counts: Cell<Counts>,
    /// What is irregular.
    pub findings: findings::List,

    /// What was looked through.
    pub check: check::State,
    /// What the module of that name keeps for this document.
    pub files: files::State,
    /// What the module of that name keeps for this document.
    pub entry: entry::State,
    /// What the module of that name keeps for this document.
    pub structure: structure::State,
    /// What the module of that name keeps for this document.
    pub chunks: chunks::State,
    /// What the module of that name keeps for this document.
    pub layout: layout::State,
    /// What the module of that name keeps for this document.
    pub paint: paint::State,
}

/// The tree while it is decoded, and afterwards.
enum Growing {
    Building(Box<TreeBuilder>),
    Whole(Rc<Tree>),
}

/// What decoding counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Regular files.
    pub files: u32,
    /// Bytes of their contents.
    pub content: u64,
}

impl Document {
    /// A document without anything decoded; `meta` is the archive, the metadata, or the file.
    pub fn new(id: DocId, name: String, kind: Kind, meta: Rc<dyn Source>) -> Self {
        let head = Archive {
            meta_size: meta.size(),
            payload_size: None,
            version: 1,
            prelude: None,
            root_entry: 0,
            root: Directory::default().into(),
        };
        Self {
            id,
            closed: Rc::default(),
            generation: Cell::default(),
            title: RefCell::new(name.clone()),
            name,
            kind: Cell::new(kind),
            origin: None,
            hint: RefCell::default(),
            facts: RefCell::default(),
            meta,
            payload: RefCell::default(),
            index: RefCell::default(),
            fixed: RefCell::default(),
            growing: RefCell::new(Growing::Building(Box::default())),
            map: RefCell::default(),
            table: RefCell::default(),
            padding: Cell::default(),
            head: RefCell::new(head),
            state: RefCell::new(State::Complete),
            counts: Cell::default(),
            findings: findings::List::default(),
            check: check::State::default(),
            files: files::State::default(),
            entry: entry::State::default(),
            structure: structure::State::default(),
            chunks: chunks::State::default(),
            layout: layout::State::default(),
            paint: paint::State::default(),
        }
    }

    /// Its number.
    pub const fn id(&self) -> DocId {
        self.id
    }

    /// True as soon as it is closed.
    pub const fn closed(&self) -> &Rc<Cell<bool>> {
        &self.closed
    }

    /// Whether it has a tree, or gets one.
    pub fn is_archive(&self) -> bool {
        matches!(self.kind.get(), Kind::Unified | Kind::Split)
    }

    /// The tree as far as it is decoded; directories that are not complete end with what is there. Not to be kept over an `await`.
    pub fn tree(&self) -> Ref<'_, Tree> {
        Ref::map(self.growing.borrow(), |growing| match growing {
            Growing::Building(builder) => builder.tree(),
            Growing::Whole(tree) => tree,
        })
    }

    /// The tree once decoding has ended, which can be kept.
    ///
    /// # Errors
    /// It goes on.
    pub fn whole_tree(&self) -> Result<Rc<Tree>, Problem> {
        match &*self.growing.borrow() {
            Growing::Whole(tree) => Ok(tree.clone()),
            Growing::Building(_) if !self.is_archive() => Err(problem::request("This has no files.")),
            Growing::Building(_) => Err(problem::request("The archive is still being decoded.")),
        }
    }

    /// Refuses numbers that are no entry.
    ///
    /// # Errors
    /// There is no such entry (yet).
    pub fn check_entry(&self, entry: u32) -> Result<(), Problem> {
        let is_one = (entry as usize) < self.tree().len();
        if is_one { Ok(()) } else { Err(problem::request("There is no such entry.")) }
    }

    /// Whether the tree will not change any more.
    pub fn is_whole(&self) -> bool {
        matches!(&*self.growing.borrow(), Growing::Whole(_))
    }

    /// A number that grows whenever tree, streams or findings change.
    pub fn generation(&self) -> u32 {
        self.generation.get()
    }

    /// Something changed.
    pub(super) fn touch(&self) {
        self.generation.set(self.generation.get().wrapping_add(1));
    }

    /// Where the contents of a file lie, without header.
    ///
    /// # Errors
    /// It is no file, or they do not lie within their stream.
    pub fn contents(&self, entry: u32) -> Result<(Stream, Range<u64>), Problem> {
        self.check_entry(entry)?;
        let (stream, start, size) = match self.tree().content(entry) {
            Content::Inline { offset, size } => (Stream::Meta, Some(offset), size),
            Content::Reference(PayloadRef { offset, size }) => {
                (Stream::Payload, offset.checked_add(HEADER_SIZE as u64), size)
            }
            _ => return Err(problem::request("Only files have contents.")),
        };
        let total = self.stream(stream)?.size();
        let end = start.and_then(|start| start.checked_add(size)).filter(|&end| end <= total);
        let range = start.zip(end).map(|(start, end)| start..end);
        let message = "The contents of this file would lie behind the end of their stream.";
        Ok((stream, range.ok_or_else(|| problem::new(ProblemKind::Format, message))?))
    }

    /// Adds to the tree. `None` if somebody reads it at this moment, which ends with that one's turn.
    pub(super) fn grow<T>(&self, add: impl FnOnce(&mut TreeBuilder) -> T) -> Option<T> {
        match &mut *self.growing.try_borrow_mut().ok()? {
            Growing::Building(builder) => Some(add(builder)),
            Growing::Whole(_) => None,
        }
    }

    /// Ends decoding.
    pub(super) fn finish(&self) {
        self.growing.replace_with(|growing| match growing {
            Growing::Building(builder) => Growing::Whole(Rc::new(std::mem::take(builder).finish())),
            Growing::Whole(tree) => Growing::Whole(tree.clone()),
        });
        self.touch();
    }

    /// A stream whose bytes can be read.
    ///
    /// # Errors
    /// It is not there; the sentence says what to do.
    pub fn stream(&self, stream: Stream) -> Result<Rc<dyn Source>, Problem> {
        match stream {
            Stream::Meta => Ok(self.meta.clone()),
            Stream::Payload => self.payload.borrow().clone().ok_or_else(|| {
                let message =
                    "The contents are in the payload stream, which is not there: drop the .ppxar beside it.";
                problem::new(ProblemKind::Missing, message)
            }),
        }
    }

    /// The archive, its metadata, or the file.
    pub const fn meta(&self) -> &Rc<dyn Source> {
        &self.meta
    }

    /// The stream that the layout is about: the payload stream, or the whole archive.
    pub fn layout_stream(&self) -> Stream {
        if self.kind.get() == Kind::Split { Stream::Payload } else { Stream::Meta }
    }

    /// Gives the payload stream, or what is known of it.
    pub fn set_payload(&self, source: Option<Rc<dyn Source>>, size: Option<u64>) {
        self.head.borrow_mut().payload_size = size.or(source.as_ref().map(|source| source.size()));
        *self.payload.borrow_mut() = source;
        self.forget_layout();
    }

    /// Gives the index of the stream that the layout is about.
    pub fn set_index(&self, index: Rc<DynamicIndex>) {
        *self.index.borrow_mut() = Some(index);
        self.forget_layout();
    }

    /// Gives the index of an image.
    pub fn set_fixed(&self, index: FixedIndex) {
        *self.fixed.borrow_mut() = Some(Rc::new(index));
    }

    fn forget_layout(&self) {
        self.touch();
        self.map.borrow_mut().take();
        self.table.borrow_mut().take();
        self.check.forget();
        self.layout.forget();
        self.paint.forget();
        if self.is_archive() && self.is_whole() {
            self.find_anomalies();
        }
    }

    /// Looks for what tree, sizes and index show of the layout, and counts its padding.
    pub(super) fn find_anomalies(&self) {
        use crate::protocol::findings::CheckKind;
        use findings::By;

        for by in [By::Layout, By::Check(CheckKind::Headers), By::Check(CheckKind::Digests)] {
            self.findings.clear(by, 0..u64::MAX);
        }
        self.padding.set(None);
        // How long the payload stream is must be known.
        let is_known = self.kind.get() != Kind::Split || self.head.borrow().payload_size.is_some();
        if let (true, Ok(parts), Ok(table)) = (is_known, self.parts(), self.table()) {
            self.findings.anomalies(&parts.layout().anomalies(&table), By::Layout);
            self.padding.set(Some(parts.layout().totals().padding.total()));
        }
        self.touch();
    }

    /// The index of the stream that the layout is about, if its chunks are known. Of a dynamic index alone: that index.
    pub fn index(&self) -> Option<Rc<DynamicIndex>> {
        self.index.borrow().clone()
    }

    /// The index of an image.
    pub fn fixed_index(&self) -> Option<Rc<FixedIndex>> {
        self.fixed.borrow().clone()
    }

    /// Who owns which bytes of the stream; made when it is first asked for.
    ///
    /// # Errors
    /// Decoding goes on, or it is no archive.
    pub fn map(&self) -> Result<Rc<Map>, Problem> {
        if let Some(map) = &*self.map.borrow() {
            return Ok(map.clone());
        }
        let tree = self.whole_tree()?;
        let (source, size) = match self.kind.get() {
            Kind::Split => (access::Source::Payload, self.head.borrow().payload_size),
            _ => (access::Source::Meta, Some(self.meta.size())),
        };
        let size = size.unwrap_or_else(|| Map::least_size(&tree));
        let map = Rc::new(Map::new(&tree, source, size));
        *self.map.borrow_mut() = Some(map.clone());
        Ok(map)
    }

    /// The parts of a [`Layout`], which can be kept: `Layout::new(&tree, &map, index.as_deref())`.
    ///
    /// # Errors
    /// As [`Document::map`].
    pub fn parts(&self) -> Result<LayoutParts, Problem> {
        Ok(LayoutParts { map: self.map()?, tree: self.whole_tree()?, index: self.index() })
    }

    /// The table of chunks; made when it is first asked for; empty without an index.
    ///
    /// # Errors
    /// As [`Document::map`].
    pub fn table(&self) -> Result<Rc<ChunkTable>, Problem> {
        if let Some(table) = &*self.table.borrow() {
            return Ok(table.clone());
        }
        let parts = self.parts()?;
        let table = Rc::new(ChunkTable::new(&parts.layout()));
        *self.table.borrow_mut() = Some(table.clone());
        Ok(table)
    }

    /// What machines of random access need to know of the archive. Its root directory is empty if the archive is damaged or still being
    /// decoded, so paths are looked up in the tree.
    pub fn archive(&self) -> Archive {
        self.head.borrow().clone()
    }

    /// Runs a machine over the streams.
    ///
    /// # Errors
    /// Those of the machine and of reading.
    pub async fn drive<M: Machine>(&self, mut machine: M) -> Result<M::Output, Problem> {
        let mut supplied = Vec::new();
        loop {
            let step = machine.step(&supplied).map_err(|error| problem::of(error, self.meta.name()))?;
            match step {
                Step::Done(output) => return Ok(output),
                Step::Want(want) => {
                    let stream = match want.source {
                        access::Source::Meta => self.stream(Stream::Meta)?,
                        access::Source::Payload => self.stream(Stream::Payload)?,
                    };
                    supplied = stream.bytes(want.offset, want.len).await?;
                }
            }
        }
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> u64 {
        let map = self.map.borrow().as_ref().map_or(0, |map| map.memory());
        (self.tree().memory() + map + self.files.memory()) as u64
    }

    /// What the page is told.
    pub fn describe(&self) -> open::Document {
        let head = self.head.borrow();
        let counts = self.counts.get();
        open::Document {
            id: self.id,
            title: match &self.origin {
                Some((_, SnapshotRef { snapshot, namespace, .. })) if namespace.is_empty() => {
                    format!("{snapshot} · {}", self.title.borrow())
                }
                Some((_, SnapshotRef { snapshot, namespace, .. })) => {
                    format!("{snapshot} in {namespace} · {}", self.title.borrow())
                }
                None => self.title.borrow().clone(),
            },
            kind: self.kind.get(),
            snapshot: self.origin.as_ref().map(|(_, snapshot)| snapshot.clone()),
            store: self.origin.as_ref().map(|(store, _)| *store),
            version: self.is_archive().then_some(head.version),
            size: self.meta.size(),
            payload_size: head.payload_size,
            has_contents: match self.kind.get() {
                Kind::Unified => true,
                Kind::Split => self.payload.borrow().is_some(),
                _ => false,
            },
            has_chunks: self.index.borrow().is_some(),
            hint: self.hint.borrow().clone(),
            entries: self.tree().len() as u32,
            files: counts.files,
            content: counts.content,
            padding: self.padding.get(),
            findings: self.findings.counted(),
            state: self.state.borrow().clone(),
            facts: self.facts.borrow().clone(),
        }
    }
}

/// What a [`Layout`] is made of.
#[derive(Clone)]
pub struct LayoutParts {
    /// The entries.
    pub tree: Rc<Tree>,
    /// Who owns which bytes.
    pub map: Rc<Map>,
    /// The chunks.
    pub index: Option<Rc<DynamicIndex>>,
}

impl LayoutParts {
    /// The layout.
    pub fn layout(&self) -> Layout<'_> {
        Layout::new(&self.tree, &self.map, self.index.as_deref())
    }
}
