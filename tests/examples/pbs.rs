//! A Proxmox Backup Server for trying things by hand: `cargo run -p pxkit-tests --example pbs -- [--dir D] [--port N] [--latency MS] [--null]`.
//!
//! Prints what leads a client there, and runs until it is killed. `--null` keeps no chunks.

use std::time::Duration;

use pxkit_tests::pbs::{Options, Server};

fn main() {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} takes a value"));
        let number = |text: String| text.parse::<u16>().expect("a number");
        match &*argument {
            "--dir" => options.dir = Some(value().into()),
            "--port" => options.port = number(value()),
            "--latency" => options.latency = Duration::from_millis(number(value()).into()),
            "--null" => options.null = true,
            _ => panic!("no such option: {argument}"),
        }
    }
    let server = Server::start(options);
    // The secrets of the test server are no secrets.
    for (name, value) in server.environment(server.token()) {
        println!("{name}={value}");
    }
    println!("# or, with a password:");
    let [(name, repository), (_, password), _] = server.environment(server.user());
    println!("# {name}={repository} PBS_PASSWORD='{password}'");
    loop {
        std::thread::park();
    }
}
