//! The browser that is started, and the address that it gets.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::skip;
use rustix::process::Signal;

use crate::client::{Answer, Inspector, PAGE, command};

/// A program that notes its arguments and ends with `status`.
fn browser(scratch: &Scratch, name: &str, status: i32) -> PathBuf {
    let path = scratch.join(name);
    let noted = scratch.join("noted");
    let script = format!("#!/bin/sh\necho {name} \"$@\" >> {}\nexit {status}\n", noted.display());
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// What browsers were started with, once there are as many lines.
fn noted(scratch: &Scratch, lines: usize) -> Vec<String> {
    let read = || fs::read_to_string(scratch.join("noted")).unwrap_or_default();
    cli::wait_until("a browser is started", || read().lines().count() >= lines);
    read().lines().map(str::to_owned).collect()
}

#[test]
fn a_browser_gets_an_address_that_works_once() {
    let scratch = Scratch::new();
    let mut command = command(&scratch);
    command.env("BROWSER", format!("{} --new %s", browser(&scratch, "firefox", 0).display()));
    let inspector = Inspector::start(command);
    let lines = noted(&scratch, 1);
    let address = lines[0].strip_prefix("firefox --new http://127.0.0.1:").expect("an address");
    let (port, path) = address.split_once('/').expect("a path");
    assert_eq!(port, inspector.port.to_string());
    let path = format!("/{path}");
    assert!(!path.contains(&inspector.token), "everybody can read arguments");

    // Others may not use it, and using it wrongly uses nothing up.
    assert_eq!(inspector.ask("GET", &path, &[("Host", "evil.example")]).status, 403);
    assert_eq!(inspector.ask("POST", &path, &[]).status, 405);
    assert_eq!(inspector.ask("GET", &format!("{path}/"), &[]).status, 404);
    let answer = inspector.ask("GET", &path, &[]);
    assert_eq!((answer.status, answer.header("location")), (303, Some(&*inspector.page)));
    assert_eq!(inspector.ask("GET", answer.header("location").unwrap(), &[]).bytes(200), PAGE.as_bytes());
    let second = inspector.ask("GET", &path, &[]);
    assert_eq!((second.status, second.header("location")), (403, None));
    assert!(second.text().contains("works once") && !second.text().contains(&inspector.token));
}

#[test]
fn another_user_who_sees_the_address_cannot_use_it() {
    if !rustix::process::geteuid().is_root() {
        skip::skip("another_user_who_sees_the_address_cannot_use_it", "needs root");
        return;
    }
    let scratch = Scratch::new();
    let mut command = command(&scratch);
    command.env("BROWSER", browser(&scratch, "firefox", 0));
    let inspector = Inspector::start(command);
    let lines = noted(&scratch, 1);
    let path = format!("/{}", lines[0].rsplit('/').next().expect("a path"));
    let request = inspector.request("GET", &path, &[], "close");
    let mut client = Command::new("bash");
    client.args(["-c", "exec 3<>/dev/tcp/127.0.0.1/$1; printf '%s' \"$2\" >&3; cat <&3", "bash"]);
    client.args([&inspector.port.to_string(), &request]).uid(65534).gid(65534).current_dir("/");
    let answer = Answer::parse(&Run::of(client).succeeds().out, false);
    assert_eq!((answer.status, answer.header("location")), (403, None));
    // And it is not used up by that.
    assert_eq!(inspector.ask("GET", &path, &[]).status, 303);
}

#[test]
fn the_next_browser_is_tried() {
    let scratch = Scratch::new();
    let (bad, good) = (browser(&scratch, "bad", 1), browser(&scratch, "good", 0));
    let mut command = command(&scratch);
    command.env("BROWSER", format!("/none:{}:{}", bad.display(), good.display()));
    let inspector = Inspector::start(command);
    let lines = noted(&scratch, 2);
    assert!(lines[0].starts_with("bad http://") && lines[1].starts_with("good http://"), "{lines:?}");
    assert!(!inspector.end(Signal::INT).exits(130).err.contains("browser"));
}

#[test]
fn without_a_browser_there_is_still_the_address() {
    let scratch = Scratch::new();
    let mut command = command(&scratch);
    // No program of the desktop is found.
    command.env("BROWSER", browser(&scratch, "bad", 1)).env("PATH", scratch.path());
    let mut inspector = Inspector::start(command);
    noted(&scratch, 1);
    assert_eq!(inspector.get("").status, 200);
    inspector.says("no browser could be started: open that address");
    inspector.end(Signal::INT).exits(130);
}

#[test]
fn without_a_display_no_browser_is_started() {
    let scratch = Scratch::new();
    let inspector = Inspector::start(command(&scratch));
    let port = inspector.port;
    let run = inspector.end(Signal::INT).exits(130);
    let words =
        format!("there is no display here: from another machine, `ssh -L {port}:127.0.0.1:{port} HOST`");
    assert!(run.err.contains(&words), "{}", run.err);
}

#[test]
fn no_open_starts_nothing() {
    let scratch = Scratch::new();
    let mut command = command(&scratch);
    command.env("BROWSER", browser(&scratch, "firefox", 0)).arg("--no-open");
    let inspector = Inspector::start(command);
    assert_eq!(inspector.get("").status, 200);
    let run = inspector.end(Signal::INT).exits(130);
    assert_eq!(run.err, "serving nothing yet to this machine; Ctrl-C ends it\n");
    assert!(!scratch.join("noted").exists());
}
