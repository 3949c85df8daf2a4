//! Writes an archive of many entries: `million ENTRIES BYTES SEED META [PAYLOAD]`, split if there is a payload file. `cargo xtask million`
//! calls it.

use std::env;
use std::fs::File;

use anyhow::{Context, Result, bail};
use pxkit_tests::large::{self, Size, Sparse};

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [entries, contents, seed, meta, payload @ ..] = &args[..] else { bail!("missing arguments") };
    let size = Size { entries: entries.parse()?, contents: contents.parse()?, seed: seed.parse()? };
    let create = |path: &str| -> Result<Sparse> {
        Ok(Sparse::new(File::create(path).with_context(|| format!("cannot make {path}"))?))
    };
    let mut meta = create(meta)?;
    let made = match payload {
        [] => large::unified(size, &mut meta)?,
        [payload] => {
            let mut payload = create(payload)?;
            let made = large::split(size, &mut meta, &mut payload)?;
            payload.finish()?;
            made
        }
        _ => bail!("too many arguments"),
    };
    meta.finish()?;
    println!(
        "{} entries, {} files with {} bytes; {} bytes of metadata, {} of payloads",
        made.entries, made.files, made.contents, made.meta, made.payload
    );
    Ok(())
}
