//! The end.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use pxkit_tests::cli;
use pxkit_tests::disk::Scratch;
use rustix::process::Signal;

use crate::client::{Answer, Inspector};

#[test]
fn a_signal_ends_it() {
    let scratch = Scratch::new();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let inspector = Inspector::of::<&str>(&scratch, &[]);
        assert_eq!(inspector.get("").status, 200);
        let port = inspector.port;
        let run = inspector.end(signal).exits(code);
        assert!(!run.err.contains("error"), "{}", run.err);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }
}

#[test]
fn what_is_under_way_gets_done() {
    let scratch = Scratch::new();
    let size = 8 << 20;
    File::create(scratch.join("file")).unwrap().set_len(size).unwrap();
    let mut inspector = Inspector::of(&scratch, &[scratch.join("file")]);
    // One that waits for its next request does not hold the end up.
    let idle = inspector.connect();
    let mut stream = inspector.connect();
    let request = inspector.request("GET", &inspector.path("f/0"), &[], "keep-alive");
    stream.write_all(request.as_bytes()).unwrap();
    let mut begin = vec![0; 1 << 20];
    stream.read_exact(&mut begin).unwrap();
    cli::send(inspector.child(), Signal::TERM);
    stream.read_to_end(&mut begin).unwrap();
    let answer = Answer::parse(&begin, false);
    assert_eq!((answer.status, answer.is_whole, answer.body.len() as u64), (200, true, size));
    inspector.wait().exits(143);
    drop(idle);
}

#[test]
fn nobody_holds_the_end_up_for_long() {
    let scratch = Scratch::new();
    File::create(scratch.join("file")).unwrap().set_len(20 << 30).unwrap();
    let inspector = Inspector::of(&scratch, &[scratch.join("file")]);
    let mut stream = inspector.connect();
    stream.write_all(inspector.request("GET", &inspector.path("f/0"), &[], "close").as_bytes()).unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    let start = Instant::now();
    inspector.end(Signal::INT).exits(130);
    // Three seconds, and what a busy machine adds to it.
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert!(fs::exists(scratch.join("file")).unwrap());
}
