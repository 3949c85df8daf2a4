//! No secret stands in any output, or among the arguments of a process.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use pxkit_tests::cli::Run;
use serde_json::Value;

use super::Place;

const PASSPHRASE: &str = "Correct-Horse-1";
const NEW: &str = "Battery-Staple-2";
const MASTER: &str = "Tr0ub4dor-Three";

/// Runs a command, and gathers the arguments of all processes that it starts meanwhile.
fn watched(mut command: Command, seen: &mut BTreeSet<String>) -> Run {
    let child: Child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut lines = BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
                    let is_process =
                        entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
                    if is_process && let Ok(line) = fs::read(entry.path().join("cmdline")) {
                        lines.insert(String::from_utf8_lossy(&line).replace('\0', " "));
                    }
                }
            }
            lines
        });
        let output = child.wait_with_output().expect("the program ends");
        done.store(true, Ordering::Relaxed);
        seen.extend(watch.join().expect("no panic"));
        Run::from(output)
    })
}

#[test]
fn nothing_tells_a_secret() {
    let place = Place::new();
    let tree = place.tree();
    let source = format!("root.pxar:{}", tree.display());
    fs::write(place.join("passphrase"), PASSPHRASE).expect("written");
    // Slow enough to be seen.
    let slow = "sh -c 'sleep 0.3; cat passphrase'";
    let right: &[(&str, &str)] = &[
        ("PBS_ENCRYPTION_PASSWORD_CMD", slow),
        ("PXKIT_NEW_PASSPHRASE", NEW),
        ("PXKIT_MASTER_PASSPHRASE", MASTER),
    ];
    let wrong: &[(&str, &str)] = &[
        ("PBS_ENCRYPTION_PASSWORD", "Wrong-Horse-4"),
        ("PXKIT_NEW_PASSPHRASE", NEW),
        ("PXKIT_MASTER_PASSPHRASE", "Wrong-Master-5"),
    ];
    let mut arguments = BTreeSet::new();
    let mut outputs = Vec::new();
    let mut run = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = place.command(args);
        // Backtraces and whatever else may be turned on.
        command.envs(variables.iter().copied()).env("RUST_BACKTRACE", "full").env("RUST_LIB_BACKTRACE", "1");
        let run = watched(command, &mut arguments);
        outputs.push((args.join(" "), run.text().to_owned(), run.err.clone()));
        run
    };
    run(right, &["key", "create", "key.json", "--hint", "horses"]).exits(0);
    run(right, &["key", "create", "plain.json", "--kdf", "none"]).exits(0);
    run(right, &["key", "create-master-key"]).exits(0);
    run(right, &["key", "import-master-pubkey", "master-public.pem"]).exits(0);
    run(right, &["key", "show", "key.json"]).exits(0);
    run(right, &["key", "show", "--json", "plain.json"]).exits(0);
    run(right, &["key", "show-master-pubkey"]).exits(0);
    let backup = ["backup", &source, "x.conf:x.conf", "--backup-id", "a", "--keyfile"];
    run(right, &[&backup[..], &["key.json", "--verbose", "--backup-time", "1600000000"]].concat()).exits(0);
    run(right, &[&backup[..], &["plain.json", "--json", "--backup-time", "1600000001"]].concat()).exits(0);
    run(right, &[&backup[..], &["key.json", "--dry-run", "--backup-time", "1600000002"]].concat()).exits(0);
    run(wrong, &[&backup[..], &["key.json", "--backup-time", "1600000003"]].concat()).exits(2);
    let first = "host/a/2020-09-13T12:26:40Z";
    for variables in [right, wrong] {
        let code = if variables == right { 0 } else { 2 };
        run(variables, &["list", &format!("{first}/root.pxar"), "--keyfile", "key.json"]).exits(code);
        run(variables, &["catalog", first, "--keyfile", "key.json"]).exits(code);
        run(variables, &["verify", first, "--keyfile", "key.json"]).exits(code);
        run(variables, &["files", first, "--keyfile", "key.json"]).exits(code);
        run(variables, &["dump", &format!("{first}/root.pxar"), "--keyfile", "key.json"]).exits(code);
    }
    run(right, &["verify", first, "--keyfile", "plain.json"]).exits(2);
    run(right, &["restore", first, "root.pxar", "out", "--keyfile", "key.json"]).exits(0);
    run(right, &["restore", first, "rsa-encrypted.key", "sealed"]).exits(0);
    let import =
        ["key", "import-with-master-key", "back.json", "--encrypted-keyfile", "sealed", "--master-keyfile"];
    run(wrong, &[&import[..], &["master-private.pem"]].concat()).exits(2);
    run(right, &[&import[..], &["key.json"]].concat()).exits(2);
    run(right, &[&import[..], &["master-private.pem"]].concat()).exits(0);
    run(wrong, &["key", "change-passphrase", "key.json"]).exits(2);
    run(right, &["key", "change-passphrase", "key.json"]).exits(0);
    run(right, &["key", "paperkey", "nowhere.json"]).exits(2);
    // Damaged in ways that make messages of all kinds.
    let plain = fs::read_to_string(place.join("plain.json")).expect("a key");
    let pem = fs::read_to_string(place.join("master-private.pem")).expect("a key");
    let secret =
        serde_json::from_str::<Value>(&plain).expect("JSON")["data"].as_str().expect("text").to_owned();
    for (at, damaged) in [
        plain.replace("data\":\"", "data\":[\""),
        plain.replace(&secret, &format!("{secret}x")),
        plain.replace("fingerprint\":\"", "fingerprint\":\"00"),
        plain.replace(':', ""),
        plain.replace('{', ""),
        plain.replace("null", "7"),
    ]
    .iter()
    .enumerate()
    {
        fs::write(place.join("damaged.json"), damaged).expect("written");
        let time = (1_600_000_100 + at).to_string();
        run(right, &[&backup[..], &["damaged.json", "--backup-time", &time]].concat()).exits(2);
        run(right, &["key", "show", "damaged.json"]).exits(2);
        run(right, &["key", "paperkey", "damaged.json"]).exits(2);
    }

    // What was made with the plain key, and what is in private keys.
    let raw = {
        let file = pxkit_core::blob::KeyFile::parse(plain.as_bytes()).expect("a key file");
        let pxkit_core::blob::Wrapping::None(key) = file.wrapping else { panic!("it has no passphrase") };
        key.expose().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let line_of_pem = pem.lines().nth(5).expect("lines");
    let secrets =
        [PASSPHRASE, NEW, MASTER, "Wrong-Horse-4", "Wrong-Master-5", &secret[..20], &raw[..20], line_of_pem];
    assert!(outputs.len() > 45, "{}", outputs.len());
    for secret in secrets {
        for (command, out, err) in &outputs {
            assert!(!out.contains(secret), "standard output of {command}");
            assert!(!err.contains(secret), "standard error of {command}:\n{err}");
        }
        for line in &arguments {
            assert!(!line.contains(secret), "arguments: {line}");
        }
    }
    assert!(arguments.iter().any(|line| line.contains("sleep 0.3")), "the command was not seen");
    // Nor does the store have any.
    for path in super::files(&place.join("store")) {
        let bytes = fs::read(&path).expect("readable");
        for secret in secrets {
            assert!(
                !bytes.windows(secret.len()).any(|window| window == secret.as_bytes()),
                "{}",
                path.display()
            );
        }
    }
}
