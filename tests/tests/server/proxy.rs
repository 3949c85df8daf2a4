//! The way through a proxy (protocol 2.1).

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use pxkit_tests::pbs::Options;

use crate::target::Place;

/// A proxy that connects whoever asks, and remembers the heads of requests. It runs until the program ends.
struct Proxy {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Answers with this status line.
    fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let (port, heads) = (listener.local_addr().expect("an address").port(), Arc::default());
        let told = Arc::clone(&heads);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let told = Arc::clone(&told);
                thread::spawn(move || serve(client, answer, &told));
            }
        });
        Self { port, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no panic").clone()
    }
}

fn serve(mut client: TcpStream, answer: &str, heads: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1, client.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    heads.lock().expect("no panic").push(head);
    write!(client, "HTTP/1.1 {answer}\r\n\r\n")?;
    if !answer.starts_with("200") {
        return Ok(());
    }
    let server = TcpStream::connect(target)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    io::copy(&mut &server, &mut client)?;
    client.shutdown(std::net::Shutdown::Write)
}

fn quick() -> Options {
    Options { delay: Duration::ZERO, ..Options::default() }
}

#[test]
fn everything_goes_through_the_proxy() {
    let Some(place) = Place::special("proxy", quick()) else { return };
    let proxy = Proxy::start("200 Connection established");
    let address = format!("http://elsa:the-password@127.0.0.1:{}", proxy.port);
    place.tree();
    let args = place.backup_args(&[]);
    place.run_with(&[("ALL_PROXY", &address)], &args).exits(0);
    place.run_with(&[("ALL_PROXY", &address)], &["snapshots"]).succeeds();
    let heads = proxy.heads();
    assert!(heads.len() >= 2);
    let server = format!("127.0.0.1:{}", place.server().port());
    for head in heads {
        let head = head.to_lowercase();
        assert!(head.starts_with(&format!("connect {server} http/1.1\r\n")), "{head}");
        assert!(head.contains(&format!("\r\nhost: {server}\r\n")), "{head}");
        // `elsa:the-password`
        assert!(head.contains("\r\nproxy-authorization: basic zwxzytp0agutcgfzc3dvcmq=\r\n"), "{head}");
    }
    place.restores(&[]);
}

#[test]
fn proxies_that_refuse() {
    let Some(place) = Place::special("proxy", quick()) else { return };
    for (answer, told) in [
        ("407 Who are you", "wants a user and a password"),
        ("403 Forbidden", "403 Forbidden"),
        ("junk", "proxy 127.0.0.1"),
    ] {
        let proxy = Proxy::start(answer);
        let address = format!("elsa:the-password@127.0.0.1:{}", proxy.port);
        let run = place.run_with(&[("ALL_PROXY", &address)], &["snapshots"]).exits(2);
        assert!(run.err.contains(told) && !run.err.contains("the-password"), "{}", run.err);
    }
    let run = place.run_with(&[("ALL_PROXY", "socks5://u:the-password@x")], &["snapshots"]).exits(2);
    assert!(run.err.contains("ALL_PROXY") && !run.err.contains("the-password"), "{}", run.err);
    // Nobody came.
    assert!(place.server().log().is_empty());
    // An empty one is none.
    place.run_with(&[("ALL_PROXY", "")], &["snapshots"]).succeeds();
}
