//! Passphrases typed at a terminal.

use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use pxkit_tests::cli;
use pxkit_tests::terminal::Session;

use super::Place;

#[test]
fn passphrases_are_asked_for_and_not_echoed() {
    let place = Place::new();
    let mut session =
        Session::new(place.command(&["key", "create", "key.json", "--kdf", "pbkdf2", "--hint", "typed"]));
    session.answer("New passphrase of the key: ", b"typed secret\r");
    session.answer("The same again: ", b"typed secret\n");
    let (run, screen) = session.end();
    assert!(run.exits(0).text().contains("A key was made in key.json"));
    assert!(!screen.contains("typed"), "{screen}");

    let tree = place.tree();
    let source = format!("root.pxar:{}", tree.display());
    let mut session = Session::new(place.command(&[
        "backup",
        &source,
        "--backup-id",
        "a",
        "--quiet",
        "--keyfile",
        "key.json",
    ]));
    // With what people do: a wrong letter, a line begun again, a character of two bytes.
    session.answer(
        "Passphrase of the key key.json (hint: typed): ",
        "rubbish\x15typed secrét\x7f\x7fet\n".as_bytes(),
    );
    let (run, screen) = session.end();
    assert!(!screen.contains("secr"), "{screen}");
    assert!(!run.exits(0).err.contains("secr"));
    let mut session =
        Session::new(place.command(&["list", "host/a/latest/root.pxar", "--keyfile", "key.json"]));
    session.answer("(hint: typed): ", b"typed secret\n");
    assert!(session.end().0.exits(0).text().contains("/sub/b"));

    let mut session =
        Session::new(place.command(&["list", "host/a/latest/root.pxar", "--keyfile", "key.json"]));
    session.answer("(hint: typed): ", b"another one\n");
    session.end().0.fails(2, &["the passphrase is wrong", "hint: typed"]);
}

#[test]
fn what_cannot_be_a_passphrase() {
    let place = Place::new();
    let create = ["key", "create", "key.json"];
    let mut session = Session::new(place.command(&create));
    session.answer("New passphrase of the key: ", b"1234\n");
    session.end().0.fails(2, &["too short"]);
    let mut session = Session::new(place.command(&create));
    session.answer("New passphrase of the key: ", b"12345\n");
    session.answer("The same again: ", b"12346\n");
    session.end().0.fails(2, &["the passphrases differ"]);
    let mut session = Session::new(place.command(&create));
    session.answer("New passphrase of the key: ", b"\x04");
    session.end().0.fails(2, &["no passphrase was typed"]);
    let mut session = Session::new(place.command(&create));
    session.answer("New passphrase of the key: ", b"12\xff45\n");
    session.end().0.fails(2, &["not UTF-8"]);
    assert!(!place.join("key.json").exists());
}

/// ^C ends the program as a signal would, and the terminal is as it was.
#[test]
fn giving_up_leaves_the_terminal_as_it_was() {
    let place = Place::new();
    let mut session = Session::new(place.command(&["key", "create", "key.json"]));
    session.answer("New passphrase of the key: ", b"123\x03");
    let (run, _) = session.end();
    // Nobody watches signals here: the signal itself ends it.
    assert_eq!(run.code, None);
    assert!(!place.join("key.json").exists());
    // Somebody who terminates a program that asks while it watches signals.
    place.run_with(&[("PBS_ENCRYPTION_PASSWORD", "12345")], &["key", "create", "key.json"]).succeeds();
    let tree = place.tree();
    let source = format!("root.pxar:{}", tree.display());
    let args = ["backup", &source, "--backup-id", "a", "--keyfile", "key.json"];
    place.run_with(&[("PBS_ENCRYPTION_PASSWORD", "12345")], &args).exits(0);
    let mut session = Session::new(place.command(&["verify", "--keyfile", "key.json"]));
    session.answer("Passphrase of the key key.json: ", b"");
    cli::send(session.child(), rustix::process::Signal::TERM);
    let start = Instant::now();
    let (run, _) = session.end();
    assert_eq!(run.code, Some(143), "{}", run.err);
    assert!(start.elapsed() < Duration::from_secs(60));
    // And while it does not: the signal ends it, but not before the terminal is as it was.
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let mut session = Session::new(place.command(&["key", "create", "other.json"]));
        session.answer("New passphrase of the key: ", b"123");
        cli::send(session.child(), signal);
        let (run, _) = session.end();
        assert_eq!(run.code, None, "{}", run.err);
    }
    // What was answered does not keep signals from ending a program that waits for something else.
    let script = r#"exec "$PXKIT" backup x.conf:pipe --backup-id c --keyfile key.json --repository store"#;
    assert!(std::process::Command::new("mkfifo").arg(place.join("pipe")).status().expect("mkfifo").success());
    let mut command = cli::shell(script, &[]);
    command.current_dir(place.join(""));
    let mut session = Session::new(command);
    session.answer("Passphrase of the key key.json: ", b"12345\n");
    // It can be opened for writing as soon as somebody reads it; who reads then waits for what is never written.
    let mut pipe = std::fs::File::options();
    pipe.write(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let mut writer = None;
    cli::wait_until("the pipe is read", || {
        writer = pipe.open(place.join("pipe")).ok();
        writer.is_some()
    });
    cli::send(session.child(), rustix::process::Signal::TERM);
    assert_eq!(session.end().0.code, None);
}
