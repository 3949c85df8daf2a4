//! The node that was given last once more, when more is wanted of it than `stat` tells.

use std::sync::Arc;

use super::{Event, Frame, Last, Walk};
use crate::walk::Step;
use crate::walk::batch::Work;
use crate::walk::enter::Stop;
use crate::walk::report::{Problem, WalkError, Warning, What};

impl Walk {
    /// The last node once more, with all its metadata: for one that was [bare](crate::walk::Node::is_bare). What is to be said about it
    /// comes before it, or instead of it, if it is gone.
    ///
    /// # Errors
    /// See [`Walk::next`].
    pub fn read_last(&mut self) -> Result<Option<Step<'_>>, WalkError> {
        let result = match std::mem::take(&mut self.last) {
            Last::Nothing => return self.next(),
            Last::Enter => self.read_directory(),
            Last::Node(index) => self.read_file(index),
        };
        match result {
            Ok(Some(warning)) => Ok(Some(Step::Warning(warning))),
            Ok(None) => match self.frames.last() {
                Some(_) if matches!(self.last, Last::Enter) => Ok(self.step(Event::Enter)),
                _ => self.next(),
            },
            Err(problem) => {
                self.is_over = true;
                Err(WalkError { path: self.path.clone(), problem })
            }
        }
    }

    /// Whether the workers are to read the metadata of everything that is still to come, because most of it will be wanted. With
    /// [`Prepare::Stat`](crate::walk::Prepare::Stat).
    pub fn read_ahead(&mut self, is_wanted: bool) {
        self.pool.set_eager(is_wanted);
    }

    fn read_directory(&mut self) -> Result<Option<Warning>, Problem> {
        let Some(Frame { dir, fd: Some(fd), attributes, flags, is_bare, is_incomplete, .. }) =
            self.frames.last_mut()
        else {
            return Ok(None);
        };
        match self.pool.read_directory(fd, dir.seen_from_above(), attributes) {
            Ok(found) => {
                (*flags, *is_bare, *is_incomplete) = (found.flags, false, found.is_incomplete);
                if found.is_incomplete {
                    self.warnings.push_front(Warning { path: self.path.clone(), what: What::XattrsLeftOut });
                }
                self.last = Last::Enter;
                Ok(None)
            }
            Err(Stop::Skip(what)) => {
                self.frames.pop();
                self.counts.nodes -= 1;
                self.counts.losses += u64::from(what.is_loss());
                self.warnings.clear();
                Ok(Some(Warning { path: self.path.clone(), what }))
            }
            Err(Stop::Fail(problem)) => Err(problem),
        }
    }

    fn read_file(&mut self, index: usize) -> Result<Option<Warning>, Problem> {
        let Some(Frame { dir, fd: Some(fd), listing, .. }) = self.frames.last() else { return Ok(None) };
        let (dir, fd, listing) = (Arc::clone(dir), Arc::clone(fd), Arc::clone(listing));
        let work = Work { dir, fd, listing, range: index..index + 1 };
        self.counts.nodes -= 1;
        match self.pool.read(&work, &work.listing.entries[index], &mut self.reading) {
            Ok(prepared) => {
                // It comes again, as if nothing had been said of it.
                self.current.next = index;
                self.current.single = Some((index, prepared));
                Ok(None)
            }
            Err(Stop::Skip(what)) => {
                self.counts.losses += u64::from(what.is_loss());
                Ok(Some(Warning { path: self.path.clone(), what }))
            }
            Err(Stop::Fail(problem)) => Err(problem),
        }
    }
}
