//! Files that cannot be read any more while they are opened.

use std::cell::Cell;
use std::rc::Rc;

use crate::protocol::open::{Item, Open};
use crate::protocol::{ProblemKind, Reply, Request};
use crate::worker::source::memory::Memory;
use crate::worker::source::{Reading, Source};
use crate::worker::testing::{Bench, golden};
use crate::worker::{Handle, problem};

/// A file that cannot be read any more after some reads.
struct Failing(Memory, Cell<u32>);

impl Source for Failing {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read<'a>(&'a self, offset: u64, buffer: &'a mut [u8]) -> Reading<'a> {
        let left = self.1.get();
        self.1.set(left.saturating_sub(1));
        if left == 0 {
            return Box::pin(async { Err(problem::new(ProblemKind::Read, "It cannot be read.")) });
        }
        self.0.read(offset, buffer)
    }
}

/// Nobody hears of what was made on the way to a problem, so it is not kept.
#[test]
fn openings_that_fail_leave_nothing_open() {
    let mut failed = 0;
    for reads in 1..10 {
        let bench = Bench::new();
        let meta = Memory::new("a.mpxar".to_owned(), golden("archives/wide.mpxar"));
        let payload = Memory::new("b.ppxar".to_owned(), golden("archives/wide.ppxar"));
        let handles =
            vec![Handle::Source(Rc::new(Failing(meta, Cell::new(reads)))), Handle::Source(Rc::new(payload))];
        let items = ["a.mpxar", "b.ppxar"].into_iter().zip(0..);
        let items = items.map(|(path, handle)| Item::File { handle, path: path.to_owned() }).collect();
        let known = match bench.ask_with(Request::Open(Open { items }), handles).0 {
            Ok(Reply::Opened(opened)) => opened.documents.len(),
            _ => {
                failed += 1;
                0
            }
        };
        assert_eq!(bench.worker.documents().len(), known, "after {reads} reads");
    }
    assert!(failed > 0);
}
