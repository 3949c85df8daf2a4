//! Tasks in archive order, each with its result as soon as it has one.

/// A task. Stays valid until its result is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(u32);

/// Before the first task.
pub(super) const HEAD: Id = Id(0);

/// Where a task stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ready,
    Running,
    Done,
}

#[derive(Debug)]
enum Slot<T, R> {
    Free,
    Ready(T),
    Running,
    Done(R),
}

#[derive(Debug)]
struct Node<T, R> {
    slot: Slot<T, R>,
    previous: Id,
    next: Id,
}

/// A list of tasks and their results. Tasks that may bring forth others keep their place in the order while they run, so that
/// those can be put there; others leave the list when they start.
#[derive(Debug)]
pub(super) struct Tasks<T, R> {
    /// A ring of those in the list, from [`HEAD`] on, and any others.
    nodes: Vec<Node<T, R>>,
    free: Vec<Id>,
}

impl<T, R> Tasks<T, R> {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node { slot: Slot::Free, previous: HEAD, next: HEAD }], free: Vec::new() }
    }

    /// Adds a task right after another that is in the list.
    pub(super) fn insert_after(&mut self, previous: Id, task: T) -> Id {
        let next = self.node(previous).next;
        let node = Node { slot: Slot::Ready(task), previous, next };
        let id = match self.free.pop() {
            Some(id) => {
                *self.node(id) = node;
                id
            }
            None => {
                self.nodes.push(node);
                Id((self.nodes.len() - 1) as u32)
            }
        };
        self.node(previous).next = id;
        self.node(next).previous = id;
        id
    }

    /// The tasks that were not started, first one first.
    pub(super) fn ready(&self) -> impl Iterator<Item = (Id, &T)> {
        let mut at = HEAD;
        std::iter::from_fn(move || {
            loop {
                at = self.nodes[at.0 as usize].next;
                match &self.nodes[at.0 as usize].slot {
                    Slot::Ready(task) => return Some((at, task)),
                    _ if at == HEAD => return None,
                    _ => {}
                }
            }
        })
    }

    /// Hands out a task that was not started, which now runs. It stays in the list if `keep` says so.
    pub(super) fn start(&mut self, id: Id, keep: impl FnOnce(&T) -> bool) -> Option<T> {
        let Slot::Ready(task) = std::mem::replace(&mut self.node(id).slot, Slot::Running) else {
            return None;
        };
        if !keep(&task) {
            self.unlink(id);
        }
        Some(task)
    }

    /// Takes a task out of the list.
    pub(super) fn unlink(&mut self, id: Id) {
        let Node { previous, next, .. } = *self.node(id);
        self.node(previous).next = next;
        self.node(next).previous = previous;
    }

    /// Stores the result of a task that ran and is not in the list any more.
    pub(super) fn finish(&mut self, id: Id, result: R) {
        self.node(id).slot = Slot::Done(result);
    }

    pub(super) fn status(&self, id: Id) -> Status {
        match self.nodes[id.0 as usize].slot {
            Slot::Ready(_) => Status::Ready,
            Slot::Running | Slot::Free => Status::Running,
            Slot::Done(_) => Status::Done,
        }
    }

    /// Takes the result of a task, whose id is invalid then.
    pub(super) fn take(&mut self, id: Id) -> Option<R> {
        let Slot::Done(result) = std::mem::replace(&mut self.node(id).slot, Slot::Free) else { return None };
        self.free.push(id);
        Some(result)
    }

    fn node(&mut self, id: Id) -> &mut Node<T, R> {
        &mut self.nodes[id.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(tasks: &Tasks<u32, ()>) -> Vec<u32> {
        tasks.ready().map(|(_, &task)| task).collect()
    }

    #[test]
    fn tasks_keep_their_order() {
        let mut tasks = Tasks::<u32, ()>::new();
        let a = tasks.insert_after(HEAD, 10);
        let b = tasks.insert_after(a, 20);
        assert_eq!(order(&tasks), [10, 20]);
        // Both run; the second brings forth tasks first, and still the first's come before.
        assert_eq!((tasks.start(a, |_| true), tasks.start(b, |_| true)), (Some(10), Some(20)));
        let c = tasks.insert_after(b, 21);
        tasks.insert_after(c, 22);
        tasks.unlink(b);
        tasks.finish(b, ());
        tasks.insert_after(a, 11);
        tasks.unlink(a);
        tasks.finish(a, ());
        assert_eq!(order(&tasks), [11, 21, 22]);
        assert_eq!((tasks.status(a), tasks.status(c)), (Status::Done, Status::Ready));
        assert_eq!(tasks.take(a), Some(()));
        // Its place is used again.
        assert_eq!(tasks.insert_after(c, 23), a);
        assert_eq!(order(&tasks), [11, 21, 23, 22]);
        assert_eq!(tasks.start(c, |_| false), Some(21));
        assert_eq!(order(&tasks), [11, 23, 22]);
        assert_eq!(tasks.start(c, |_| false), None);
    }
}
