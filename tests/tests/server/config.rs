//! Where repository and secrets come from (behaviours 1 to 5, 11, 48, 66).

use std::fs;
use std::time::Duration;

use pxkit_tests::pbs::Options;

use pxkit_tests::terminal::Session;

use crate::target::{Place, noise, write};

fn quick() -> Options {
    Options { delay: Duration::ZERO, ..Options::default() }
}

/// 2.
#[test]
fn b02_parts_of_a_repository() {
    let Some(place) = Place::special("b02", quick()) else { return };
    let (port, token) = (place.server().port().to_string(), place.server().token().auth_id.clone());
    let both = ["snapshots", "--repository", "localhost:store1", "--server", "localhost"];
    place.run(&both).exits(64);
    let parts = |args: &[&str]| {
        let mut command = place.command(&[&["snapshots"], args].concat());
        command.env_remove("PBS_REPOSITORY");
        place.finish(command)
    };
    let run = parts(&["--server", "127.0.0.1", "--port", &port, "--auth-id", &token]);
    assert!(matches!(run.code, Some(2 | 64)) && run.err.contains("datastore"), "{:?} {}", run.code, run.err);
    parts(&["--server", "127.0.0.1", "--port", &port, "--auth-id", &token, "--datastore", "store1"]).exits(0);
    let mut command = place.command(&["snapshots", "--server", "127.0.0.1", "--port", &port]);
    command.env_remove("PBS_REPOSITORY").env("PBS_AUTH_ID", &token).env("PBS_DATASTORE", "store1");
    place.finish(command).exits(0);
}

/// 3 and 4.
#[test]
fn b03_b04_where_secrets_come_from() {
    let Some(place) = Place::special("b03", quick()) else { return };
    let secret = place.server().token().secret.clone();
    fs::write(place.join("right"), format!("{secret}\nsecond line\n")).expect("written");
    fs::write(place.join("wrong"), "this is wrong\n").expect("written");
    let credentials = place.join("credentials");
    fs::create_dir(&credentials).expect("a directory");
    fs::write(credentials.join("proxmox-backup-client.password"), &secret).expect("written");
    let with = |variables: &[(&str, &str)]| {
        let mut command = place.command(&["snapshots"]);
        command.env_remove("PBS_PASSWORD").envs(variables.iter().copied());
        place.finish(command)
    };
    with(&[("PBS_PASSWORD", &secret), ("PBS_PASSWORD_FILE", "wrong")]).exits(0);
    with(&[("PBS_PASSWORD_FILE", "right"), ("PBS_PASSWORD_CMD", "cat wrong")]).exits(0);
    with(&[("PBS_PASSWORD_CMD", "cat right")]).exits(0);
    with(&[("CREDENTIALS_DIRECTORY", credentials.to_str().expect("text"))]).exits(0);
    with(&[("PBS_PASSWORD", ""), ("PBS_PASSWORD_FILE", "right")]).exits(2);
    with(&[("PBS_PASSWORD_FILE", "wrong"), ("PBS_PASSWORD_CMD", "cat right")]).exits(2);
    with(&[("PBS_PASSWORD_FILE", "absent")]).exits(2);
}

/// 5.
#[test]
fn b05_a_token_needs_a_secret() {
    let Some(place) = Place::special("b05", quick()) else { return };
    let mut command = place.command(&["snapshots"]);
    command.env_remove("PBS_PASSWORD");
    let run = place.finish(command).exits(2);
    assert!(run.err.contains("PBS_PASSWORD"), "{}", run.err);
    assert!(place.server().log().is_empty());
}

/// Whoever has no password in the environment is asked, if he sits at a terminal, and nobody sees what he types.
#[test]
fn passwords_are_asked_for() {
    let Some(mut place) = Place::special("passwords", quick()) else { return };
    let user = place.server().user().clone();
    place.become_user(&user);
    let session = |place: &Place, typed: &str| {
        let mut command = place.command(&["snapshots"]);
        command.env_remove("PBS_PASSWORD");
        let mut session = Session::new(command);
        let question = format!("Password of {} at 127.0.0.1: ", user.auth_id);
        session.answer(&question, format!("{typed}\n").as_bytes());
        session.end()
    };
    let (run, screen) = session(&place, &user.secret);
    assert!(!screen.contains(&user.secret) && !run.err.contains(&user.secret), "{screen}{}", run.err);
    run.exits(0);
    session(&place, "another one").0.fails(2, &["401"]);
}

/// 48.
#[test]
fn b48_blobs_have_a_limit() {
    let Some(place) = Place::special("b48", quick()) else { return };
    write(&place.join("large.conf"), &noise(1, 17 << 20));
    let run = place.run(&["backup", "large.conf:large.conf", "--backup-id", &place.id, "--quiet"]).exits(2);
    assert!(run.err.contains("large.conf"), "{}", run.err);
    assert!(!place.server().log().iter().any(|record| record.path == "/blob"));
}

/// 66.
#[test]
fn b66_the_sealed_key_needs_no_key() {
    let place = Place::new();
    place.run(&["key", "create", "--kdf", "none", "key.json"]).exits(0);
    let mut command = place.command(&["key", "create-master-key"]);
    command.env("PXKIT_MASTER_PASSPHRASE", "a passphrase of the test");
    place.finish(command).exits(0);
    let public =
        crate::target::files(&place.join("")).into_iter().find(|path| path.ends_with("master-public.pem"));
    let public = public.expect("a public key");
    let public = public.to_str().expect("text");
    place.backup(&["--keyfile", "key.json", "--master-pubkey-file", public]).exits(0);
    let latest = format!("{}/latest", place.group());
    let run = place.run(&["restore", &latest, "rsa-encrypted.key", "sealed"]).exits(0);
    assert!(run.err.is_empty() || !run.err.contains("error"), "{}", run.err);
    assert!(fs::metadata(place.join("sealed")).expect("a file").len() >= 256);
}
