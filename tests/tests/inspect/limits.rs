//! Many clients at once, slow ones, and how much memory that takes.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use pxkit_tests::disk::Scratch;
use pxkit_tests::random::Rng;

use crate::client::Inspector;

/// Clients at once.
const CLIENTS: usize = 64;
/// Most memory that the server may ever have had.
const MOST_MEMORY: u64 = 100 << 20;

/// Most memory that the server had so far, in bytes.
fn peak(inspector: &Inspector) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", inspector.child().id())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

#[test]
fn many_clients_get_what_they_asked_for() {
    let scratch = Scratch::new();
    let bytes = Rng::new(1).bytes(8 << 20);
    fs::write(scratch.join("file"), &bytes).unwrap();
    let inspector = Inspector::of(&scratch, &[scratch.join("file")]);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (inspector, bytes) = (&inspector, &bytes);
            scope.spawn(move || {
                let mut rng = Rng::new(client as u64);
                for _ in 0..4 {
                    let start = rng.below(4 << 20);
                    let end = start + (1 << 20) + rng.below(3 << 20);
                    let range = format!("bytes={start}-{}", end - 1);
                    assert!(inspector.get_range("f/0", &range).bytes(206) == bytes[start..end], "{range}");
                }
            });
        }
    });
    assert!(peak(&inspector) < MOST_MEMORY, "{} bytes", peak(&inspector));
}

/// Everybody asks for gigabytes and takes little.
#[test]
fn slow_clients_take_no_memory_and_keep_nobody_out() {
    let scratch = Scratch::new();
    File::create(scratch.join("big.ppxar")).unwrap().set_len(20 << 30).unwrap();
    let inspector = Inspector::of(&scratch, &[scratch.join("big.ppxar")]);
    let ask = |_| {
        let mut stream = inspector.connect();
        stream.write_all(inspector.request("GET", &inspector.path("f/0"), &[], "close").as_bytes()).unwrap();
        stream.read_exact(&mut vec![0; 1 << 20]).unwrap();
        stream
    };
    let mut slow: Vec<TcpStream> = (0..CLIENTS).map(ask).collect();
    // Others say nothing, or not enough.
    let silent: Vec<TcpStream> = (0..40).map(|_| inspector.connect()).collect();
    for mut stream in &silent[..20] {
        stream.write_all(b"GET / HTTP/1.1\r\nX-A: ").unwrap();
    }
    assert_eq!(inspector.get_range("f/0", "bytes=0-3").bytes(206), [0; 4]);
    for stream in &mut slow {
        stream.read_exact(&mut vec![0; 3 << 20]).unwrap();
    }
    assert_eq!(inspector.get("sources.json").status, 200);
    assert!(peak(&inspector) < MOST_MEMORY, "{} bytes", peak(&inspector));
    // Those who are gone make room.
    drop((slow, silent));
    let again: Vec<TcpStream> = (0..CLIENTS).map(ask).collect();
    assert_eq!(again.len(), CLIENTS);
}

/// More connections than the server takes wait until others end; here 128, and what the system lets wait.
#[test]
fn connections_beyond_the_limit_wait() {
    let scratch = Scratch::new();
    fs::write(scratch.join("file"), "0123456789").unwrap();
    let inspector = Inspector::of(&scratch, &[scratch.join("file")]);
    let silent: Vec<TcpStream> = (0..200).map(|_| inspector.connect()).collect();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| inspector.get("f/0").bytes(200));
        thread::sleep(Duration::from_millis(300));
        assert!(!waiting.is_finished());
        drop(silent);
        assert_eq!(waiting.join().unwrap(), b"0123456789");
    });
}
