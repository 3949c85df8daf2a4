//! Walks a directory as change detection does and says how long it took: `cargo run --example walk -- DIR [THREADS]`.

use std::path::Path;
use std::time::Instant;

use pxkit::walk::{Options, Prepare, Step, Walk, open_source};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().unwrap_or_else(|| ".".into());
    let threads = arguments.next().map(|threads| threads.parse()).transpose()?;
    let options = Options { prepare: Prepare::Metadata, threads, ..Options::default() };
    let start = Instant::now();
    let mut walk = Walk::new(open_source(Path::new(&directory))?, options)?;
    let mut bytes = 0;
    while let Some(step) = walk.next()? {
        match step {
            Step::Enter(node) | Step::Node(node) => bytes += node.size,
            Step::Leave => {}
            Step::Warning(warning) => println!("{warning}"),
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{seconds:.3} s, {bytes} bytes, {:?}, {:?}", walk.counts(), walk.reading());
    Ok(())
}
