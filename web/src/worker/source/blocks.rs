//! A bounded cache of blocks for random access, shared by all sources.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use super::{Reading, Source, check_range};

/// Bytes of a block.
const BLOCK: u64 = 256 << 10;
/// Blocks that are kept.
const KEPT: usize = 64;

/// A source and the number of a block in it.
type Name = (u32, u64);

/// When a block was used last, and its bytes.
type Kept = (u64, Rc<[u8]>);

/// Blocks of all sources; the one that was not used for longest gives way.
#[derive(Default)]
pub struct Blocks {
    kept: RefCell<HashMap<Name, Kept>>,
    clock: Cell<u64>,
    next_source: Cell<u32>,
    read: Cell<u64>,
}

impl Blocks {
    /// Bytes that are kept.
    pub fn memory(&self) -> u64 {
        self.kept.borrow().values().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// Bytes that were read from sources since the start.
    pub fn read(&self) -> u64 {
        self.read.get()
    }

    fn count(&self, bytes: u64) {
        self.read.set(self.read.get() + bytes);
    }

    fn tick(&self) -> u64 {
        self.clock.set(self.clock.get() + 1);
        self.clock.get()
    }

    fn get(&self, key: Name) -> Option<Rc<[u8]>> {
        let now = self.tick();
        let mut kept = self.kept.borrow_mut();
        let (used, bytes) = kept.get_mut(&key)?;
        *used = now;
        Some(bytes.clone())
    }

    fn put(&self, key: Name, bytes: Rc<[u8]>) {
        let now = self.tick();
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= KEPT {
            let oldest = kept.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key);
            oldest.map(|key| kept.remove(&key));
        }
        kept.insert(key, (now, bytes));
    }
}

/// A source whose small reads go through the cache; large ones go past it.
pub struct Cached {
    source: Rc<dyn Source>,
    id: u32,
    blocks: Rc<Blocks>,
}

impl Cached {
    /// Puts the cache before a source.
    pub fn new(source: Rc<dyn Source>, blocks: Rc<Blocks>) -> Self {
        let id = blocks.next_source.replace(blocks.next_source.get() + 1);
        Self { source, id, blocks }
    }

    async fn block(&self, number: u64) -> Result<Rc<[u8]>, crate::protocol::Problem> {
        if let Some(bytes) = self.blocks.get((self.id, number)) {
            return Ok(bytes);
        }
        let start = number * BLOCK;
        let len = BLOCK.min(self.source.size() - start);
        let bytes: Rc<[u8]> = self.source.bytes(start, len as usize).await?.into();
        self.blocks.count(len);
        self.blocks.put((self.id, number), bytes.clone());
        Ok(bytes)
    }
}

impl Source for Cached {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read<'a>(&'a self, mut offset: u64, mut buffer: &'a mut [u8]) -> Reading<'a> {
        Box::pin(async move {
            check_range(self, offset, buffer.len())?;
            if buffer.len() as u64 > BLOCK {
                self.source.read(offset, buffer).await?;
                self.blocks.count(buffer.len() as u64);
                return Ok(());
            }
            while !buffer.is_empty() {
                let block = self.block(offset / BLOCK).await?;
                let there = &block[(offset % BLOCK) as usize..];
                let len = there.len().min(buffer.len());
                let (now, rest) = buffer.split_at_mut(len);
                now.copy_from_slice(&there[..len]);
                buffer = rest;
                offset += len as u64;
            }
            Ok(())
        })
    }

    fn will_read(&self, range: Range<u64>) {
        self.source.will_read(range);
    }

    fn ahead(&self) -> usize {
        self.source.ahead()
    }

    fn unit(&self, offset: u64) -> Option<Range<u64>> {
        self.source.unit(offset)
    }
}

impl Drop for Cached {
    fn drop(&mut self) {
        self.blocks.kept.borrow_mut().retain(|(source, _), _| *source != self.id);
    }
}
