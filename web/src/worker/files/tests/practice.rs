//! Practice with filters: only where it is worth it, once, never in the way of what is asked, and it changes no answer.

use futures::executor::block_on;

use super::{Rng, archive};
use crate::protocol::files::{Filter, View};
use crate::protocol::{Reply, Request};
use crate::worker::files::practice::practise;
use crate::worker::testing::Bench;

#[test]
fn large_archives_are_practised_with_once_and_answers_stay() {
    let large = archive(&mut Rng(7), 110_000);
    let bench = Bench::new();
    let small = bench.open(vec![("small.mpxar", archive(&mut Rng(7), 1000))]).documents.remove(0);
    assert!(!bench.worker.practised.get(), "{} entries take no time", small.entries);

    let ask = |bench: &Bench, id| {
        let filter = Filter { text: "e".to_owned(), ..Filter::default() };
        let Ok(Reply::View(info)) = bench.ask(Request::View(id, View { filter, ..View::default() })) else {
            panic!()
        };
        info
    };
    let id = bench.open(vec![("large.mpxar", large.clone())]).documents.remove(0).id;
    assert!(bench.worker.practised.get());
    let other = Bench::new();
    other.worker.practised.set(true);
    let told = other.open(vec![("large.mpxar", large)]).documents.remove(0);
    let info = ask(&bench, id);
    assert!(info.matches > 1000);
    assert_eq!(info, ask(&other, told.id));

    // Of a document that is closed nothing is used any more; another one may come.
    let document = bench.worker.document(id).unwrap();
    bench.worker.practised.set(false);
    document.closed().set(true);
    block_on(practise(&bench.worker.background(&document), &document)).unwrap_err();
    assert!(!bench.worker.practised.get());
}
