//! `pxkit benchmark`: how fast this machine hashes, compresses and encrypts, and how fast a server takes what is sent.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use pxkit_core::blob::CryptMode;
use serde_json::{Map, json};

use crate::cli::Benchmark;
use crate::codec::{self, Effort};
use crate::crypt::{Crypt, EncryptionKey};
use crate::report::{Outcome, Report, check_signals, watch_signals};
use crate::store::NewChunk;
use crate::store::locate::{self, Located};

/// Plain bytes of a chunk, as most are.
const CHUNK: usize = 4 << 20;
/// How long each is measured, and the server.
const TIME: Duration = Duration::from_secs(1);
const SERVER_TIME: Duration = Duration::from_secs(5);

/// Measures, one after the other, each on one core.
///
/// # Errors
/// The repository that was named cannot be opened, the server is lost, or nothing can be printed.
pub fn run(args: &Benchmark) -> anyhow::Result<Outcome> {
    watch_signals().context("cannot watch for signals")?;
    let data = sample();
    let report = Report::new(true);
    let mut results = Vec::new();
    match locate::find(&args.repository)? {
        Some(Located::Server(remote)) => {
            let tls = remote.upload_speed(&data, SERVER_TIME)?;
            results.push(("tls", "TLS, to the server", tls));
        }
        Some(Located::Directory(_)) | None => report.line("no server was named: its speed is not measured"),
    }
    let key = Arc::new(EncryptionKey::generate()?);
    let blob = codec::encode(&data, |frame| Ok(frame.to_vec()))?;
    let digest = codec::digest(&data);
    let sealed = Crypt::encrypt(key.clone());
    let noise: Vec<u8> = noise(1).take(CHUNK).collect();
    results.push((
        "sha256",
        "SHA-256",
        measure(|| {
            black_box(codec::digest(black_box(&data)));
            Ok(())
        })?,
    ));
    results.push((
        "compress",
        "compression (zstd)",
        measure(|| {
            codec::encode_with(Effort::Fast, None, black_box(&data), |frame| {
                black_box(frame);
                Ok(())
            })
        })?,
    ));
    results.push((
        "decompress",
        "decompression (zstd)",
        measure(|| {
            black_box(codec::decode_blob(&mut blob.clone(), None)?);
            Ok(())
        })?,
    ));
    results.push((
        "aes256_gcm",
        "encryption (AES-256-GCM)",
        measure(|| {
            let mut bytes = noise.clone();
            black_box(key.encrypt(&mut bytes)?);
            Ok(())
        })?,
    ));
    results.push((
        "verify",
        "verification of chunks",
        measure(|| {
            let plain = codec::decode_chunk(&mut blob.clone(), &digest, CHUNK as u64, CryptMode::None, None)?;
            black_box(plain);
            Ok(())
        })?,
    ));
    results.push((
        "chunk",
        "making encrypted chunks, all of it",
        measure(|| {
            NewChunk::new(black_box(&data), &sealed, Effort::Fast).encode(|frame| {
                black_box(frame);
                Ok(())
            })
        })?,
    ));
    print(&results, args.json).context("cannot write to standard output")?;
    Ok(Outcome::Complete)
}

fn print(results: &[(&str, &str, f64)], as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        let speed = |&(key, _, speed): &(&str, &str, f64)| (key.to_owned(), json!({ "speed": speed }));
        let mut object: Map<_, _> = results.iter().map(speed).collect();
        object.entry("tls").or_insert_with(|| json!({ "speed": null }));
        return writeln!(out, "{}", serde_json::Value::Object(object));
    }
    let width = results.iter().map(|(_, name, _)| name.len()).max().unwrap_or(0);
    for (_, name, speed) in results {
        writeln!(out, "{name:width$}  {:>8.1} MB/s", speed / 1e6)?;
    }
    Ok(())
}

/// Bytes of a chunk a second.
fn measure(mut once: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    // The first takes longer: contexts and buffers are made.
    once()?;
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < TIME {
        check_signals()?;
        once()?;
        count += 1;
    }
    Ok(f64::from(count) * CHUNK as f64 / start.elapsed().as_secs_f64())
}

/// A chunk that can be compressed to about half, as files can: runs of letters and of noise.
fn sample() -> Vec<u8> {
    let letters = noise(2).map(|byte| b"etaoinshrdlu \n.,"[usize::from(byte & 15)]);
    let mut mixed = Vec::with_capacity(CHUNK + 64);
    for (at, (letter, noise)) in letters.zip(noise(3)).take(CHUNK).enumerate() {
        mixed.push(if at / 64 % 4 == 0 { noise } else { letter });
    }
    mixed
}

/// Bytes that cannot be compressed, different for each seed.
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
}
