//! `pxkit key`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use pxkit_core::blob::{Frame, KeyFile};
use serde_json::Value;

use super::Place;

const VARIABLE: &str = "PBS_ENCRYPTION_PASSWORD";
const NEW: &str = "PXKIT_NEW_PASSPHRASE";
const MASTER: &str = "PXKIT_MASTER_PASSPHRASE";

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o7777
}

fn show(place: &Place, name: &str) -> Value {
    place.run(&["key", "show", "--json", name]).succeeds().json().remove(0)
}

#[test]
fn created_shown_and_changed() {
    let place = Place::new();
    for (kdf, word) in [("scrypt", "scrypt"), ("pbkdf2", "pbkdf2")] {
        let name = format!("{kdf}.json");
        let create = ["key", "create", &name, "--kdf", kdf, "--hint", "a hint"];
        let made = place.run_with(&[(VARIABLE, "12345")], &create).succeeds();
        assert_eq!(mode(&place.join(&name)), 0o600);
        let shown = show(&place, &name);
        assert_eq!(
            (&shown["kdf"], &shown["hint"], &shown["path"]),
            (&word.into(), &"a hint".into(), &name.clone().into())
        );
        assert!(made.text().contains(shown["fingerprint"].as_str().expect("text")));
        let before = fs::read(place.join(&name)).expect("a key");
        place.run_with(&[(VARIABLE, "12345")], &create).fails(2, &["exists already; keys are not replaced"]);
        assert_eq!(fs::read(place.join(&name)).expect("a key"), before);

        // Behaviour of the specification: the same key and time of making, under another passphrase.
        let change = ["key", "change-passphrase", &name, "--kdf", "scrypt"];
        let run = |old: &str, new: &str| place.run_with(&[(VARIABLE, old), (NEW, new)], &change);
        run("wrong", "67890").fails(2, &["the passphrase is wrong", "hint: a hint"]);
        run("1234", "67890").fails(2, &["too short", "hint: a hint"]);
        run("12345", "6789").fails(2, &["too short"]);
        assert_eq!(fs::read(place.join(&name)).expect("a key"), before);
        run("12345", "67890").succeeds();
        assert_eq!(mode(&place.join(&name)), 0o600);
        let after = show(&place, &name);
        assert_eq!((&after["fingerprint"], &after["created"]), (&shown["fingerprint"], &shown["created"]));
        assert_eq!((&after["kdf"], &after["hint"]), (&"scrypt".into(), &Value::Null));
        run("12345", "67890").fails(2, &["the passphrase is wrong"]);
        place
            .run_with(&[(VARIABLE, "67890")], &["key", "change-passphrase", &name, "--kdf", "none"])
            .succeeds();
        assert_eq!(show(&place, &name)["kdf"], "none");
        let left: Vec<_> = fs::read_dir(place.join("")).expect("readable").flatten().collect();
        assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().contains("pxkit-")), "{left:?}");
    }
    place.run_with(&[(VARIABLE, "1234")], &["key", "create", "x.json"]).fails(2, &["too short"]);
    place
        .run(&["key", "create", "x.json"])
        .fails(2, &["PBS_ENCRYPTION_PASSWORD", "--kdf none", "no terminal"]);
    place.run(&["key", "create", "x.json", "--kdf", "none", "--hint", "x"]).fails(2, &["nothing to hint at"]);
    let long = "x".repeat(65);
    place.run(&["key", "create", "x.json", "--hint", &long]).fails(2, &["1 to 64 characters"]);
    place.run(&["key", "create", "x.json", "--kdf", "argon2"]).fails(64, &["scrypt"]);
    place.run(&["key"]).exits(64);
    assert!(!place.join("x.json").exists());
    // The default one, with its directory, which nobody else may look into.
    place.run(&["key", "create", "--kdf", "none"]).succeeds();
    assert_eq!((mode(&place.default_key()), mode(&place.join("config/proxmox-backup"))), (0o600, 0o700));
    assert!(place.run(&["key", "show"]).succeeds().text().contains("Fingerprint: "));
}

#[test]
fn passphrases_come_in_several_ways() {
    let place = Place::new();
    let tree = place.tree();
    place.run_with(&[(VARIABLE, "pass word")], &["key", "create", "key.json", "--kdf", "pbkdf2"]).succeeds();
    let source = format!("root.pxar:{}", tree.display());
    let backup = ["backup", &source, "--backup-id", "a", "--quiet", "--keyfile", "key.json"];
    place.run_with(&[(VARIABLE, "pass word")], &backup).succeeds();
    let list = ["list", "host/a/latest/root.pxar", "--keyfile", "key.json"];
    let file = place.join("secret");
    fs::write(&file, "pass word\r\nmore\n").expect("written");
    let path = file.to_str().expect("text");
    for (name, value) in [
        ("", "pass word"),
        ("", "pass word\nmore"),
        ("_FILE", path),
        ("_CMD", "printf 'pass word\\n'"),
        ("_CMD", &format!("cat '{path}'")),
    ] {
        place.run_with(&[(&format!("{VARIABLE}{name}"), value)], &list).succeeds();
    }
    // The first that is set counts, also if it is empty.
    place.run_with(&[(VARIABLE, ""), ("PBS_ENCRYPTION_PASSWORD_FILE", path)], &list).fails(2, &["too short"]);
    for (name, value, words) in [
        ("_FILE", "/nonexistent", "PBS_ENCRYPTION_PASSWORD_FILE: cannot open"),
        ("_FD", "x", "expected the number of an open descriptor"),
        ("_FD", "-1", "PBS_ENCRYPTION_PASSWORD_FD: cannot open"),
        ("_FD", "99", "PBS_ENCRYPTION_PASSWORD_FD: cannot open"),
        ("_CMD", "false", "ended with exit status: 1"),
        ("_CMD", "/nonexistent/program", "cannot run /nonexistent/program"),
        ("_CMD", "cat 'unclosed", "with its quotes closed"),
        ("_CMD", "", "expected a command"),
        ("_CMD", "printf '\\377'", "expected UTF-8"),
    ] {
        place.run_with(&[(&format!("{VARIABLE}{name}"), value)], &list).fails(2, &[words]);
    }
    let script = "exec 8<secret; PBS_ENCRYPTION_PASSWORD_FD=8 \"$PXKIT\" list host/a/latest/root.pxar --keyfile key.json";
    let mut command = pxkit_tests::cli::shell(script, &[]);
    command.current_dir(place.join("")).env("PBS_REPOSITORY", place.join("store"));
    pxkit_tests::cli::Run::of(command).succeeds();
    // What systemd hands to a service, the whole file.
    let credentials = place.join("credentials");
    fs::create_dir(&credentials).expect("a directory");
    let credential = credentials.join("proxmox-backup-client.encryption-password");
    fs::write(&credential, "pass word").expect("written");
    let directory = credentials.to_str().expect("text");
    place.run_with(&[("CREDENTIALS_DIRECTORY", directory)], &list).succeeds();
    fs::write(&credential, "pass word\n").expect("written");
    place.run_with(&[("CREDENTIALS_DIRECTORY", directory)], &list).fails(2, &["passphrase is wrong"]);
    place.run(&list).fails(2, &["it has a passphrase", VARIABLE, "no terminal"]);
}

#[test]
fn damaged_key_files_are_refused() {
    let place = Place::new();
    place.key("key.json");
    let text = fs::read_to_string(place.join("key.json")).expect("a key");
    let secret =
        serde_json::from_str::<Value>(&text).expect("JSON")["data"].as_str().expect("text").to_owned();
    let mut other = secret.clone();
    other.replace_range(..1, if other.starts_with('A') { "B" } else { "A" });
    let too_long = "x".repeat(70_000);
    for (damaged, words) in [
        (&text[..100], "malformed JSON in line 1"),
        ("", "malformed JSON"),
        ("-----BEGIN RSA PRIVATE KEY-----", "malformed JSON"),
        (&text.replace(&secret, &secret[..40]), "`data`: expected 32 bytes"),
        (&text.replace(&secret, &other), "it names the key"),
        (&text.replace("null", "{\"Argon2\":{}}"), "expected null, Scrypt or PBKDF2"),
        (&too_long, "more than 65536 bytes"),
    ] {
        fs::write(place.join("damaged.json"), damaged).expect("written");
        let run = place.run(&["list", "host/a/latest/root.pxar", "--keyfile", "damaged.json"]);
        // The store is not looked at before the key, but the key is not opened before it is needed.
        let shown = place.run(&["key", "show", "damaged.json"]).fails(2, &[words]);
        assert!(run.code == Some(2) && !run.err.contains(&secret) && !shown.err.contains(&secret));
        assert!(!shown.err.contains(&secret[..12]), "{}", shown.err);
    }
    place.run(&["key", "show", "absent.json"]).fails(2, &["cannot open the key file absent.json"]);
}

/// The owner of the master key gets the key back from any backup.
#[test]
fn the_master_key_restores_keys() {
    let place = Place::new();
    let tree = place.tree();
    let key = place.key("key.json");
    let master = [(MASTER, "master passphrase")];
    place.run(&["key", "create-master-key"]).fails(2, &[MASTER, "no terminal"]);
    place.run_with(&[(MASTER, "1234")], &["key", "create-master-key"]).fails(2, &["too short"]);
    place.run_with(&master, &["key", "create-master-key"]).succeeds();
    assert_eq!(
        (mode(&place.join("master-private.pem")), mode(&place.join("master-public.pem"))),
        (0o600, 0o644)
    );
    place.run_with(&master, &["key", "create-master-key"]).fails(2, &["exists already"]);
    place.run(&["key", "import-master-pubkey", "master-private.pem"]).fails(2, &["expected a PUBLIC KEY"]);
    place.run(&["key", "import-master-pubkey", "master-public.pem"]).succeeds();
    let shown = place.run(&["key", "show-master-pubkey", "--json"]).succeeds().json();
    assert_eq!((&shown[0]["length"], &shown[0]["exponent"]), (&4096.into(), &"010001".into()));
    assert!(
        place.run(&["key", "show-master-pubkey", "master-public.pem"]).succeeds().text().contains("4096")
    );

    let source = format!("root.pxar:{}", tree.display());
    for (time, crypt_mode) in [("1600000000", "encrypt"), ("1600000001", "sign-only")] {
        let args = ["backup", &source, "--backup-id", "a", "--backup-time", time, "--keyfile", &key];
        let told = place.run(&[&args[..], &["--crypt-mode", crypt_mode]].concat()).exits(0);
        assert!(told.err.contains("Using master key from '"), "{}", told.err);
        let files = place.run(&["files", "host/a/latest", "--json", "--keyfile", &key]).succeeds().json();
        let entry = files.iter().find(|file| file["filename"] == "rsa-encrypted.key.blob").expect("listed");
        assert_eq!(entry["crypt-mode"], crypt_mode);
    }
    let blob = place.join("store/host/a/2020-09-13T12:26:40Z/rsa-encrypted.key.blob");
    let plain = fs::read(&blob).expect("a blob");
    assert_eq!(Frame::parse(&plain).expect("a blob").plain().expect("plain, not compressed").len(), 512);

    // Rule 66 of the protocol: without any key, and by the default key of somebody else.
    let restore = ["restore", "host/a/2020-09-13T12:26:40Z", "rsa-encrypted.key", "sealed"];
    place.run(&restore).fails(0, &["note: the signature", "is not checked"]);
    place.run(&["key", "create", "--kdf", "none"]).succeeds();
    fs::remove_file(place.join("sealed")).expect("there");
    place.run(&restore).fails(0, &["note: the signature", "wrong key"]);
    fs::remove_file(place.default_key()).expect("there");

    let import = |name: &str, sealed: &str, passphrase: &str| {
        let args = [
            "key",
            "import-with-master-key",
            name,
            "--kdf",
            "none",
            "--master-keyfile",
            "master-private.pem",
        ];
        place.run_with(&[(MASTER, passphrase)], &[&args[..], &["--encrypted-keyfile", sealed]].concat())
    };
    let blob = blob.to_str().expect("text");
    for (name, sealed) in [("one.json", "sealed"), ("two.json", blob)] {
        import(name, sealed, "master passphrase").succeeds();
        let [old, new] = [&key[..], name]
            .map(|name| KeyFile::parse(&fs::read(place.join(name)).expect("a key")).expect("a key file"));
        assert_eq!(
            (old.wrapping, old.created, old.fingerprint),
            (new.wrapping, new.created, new.fingerprint)
        );
        place.run(&["list", "host/a/2020-09-13T12:26:40Z/root.pxar", "--keyfile", name]).succeeds();
    }
    import("one.json", "sealed", "master passphrase").fails(2, &["exists already"]);
    import("x.json", "sealed", "wrong passphrase").fails(2, &["the passphrase of the master key is wrong"]);
    import("x.json", "master-public.pem", "master passphrase")
        .fails(2, &["not encrypted with this master key"]);
    assert!(!place.join("x.json").exists());
    let bad = ["backup", &source, "--backup-id", "a", "--keyfile", &key, "--master-pubkey-file", "key.json"];
    place.run(&bad).fails(2, &["cannot use the master key of key.json", "no PEM file"]);
}

/// Every code on paper holds what is printed, and together they are the file.
#[test]
fn paper_keys_can_be_scanned() {
    let place = Place::new();
    place
        .run_with(&[(VARIABLE, "12345")], &["key", "create", "key.json", "--hint", "a <hint> & more"])
        .succeeds();
    place.run_with(&[(MASTER, "master passphrase")], &["key", "create-master-key"]).succeeds();
    for (file, count) in [("key.json", 1), ("master-private.pem", 3)] {
        let expected = fs::read_to_string(place.join(file)).expect("text");
        let paper = ["key", "paperkey", file, "--subject", "for <me> & \"you\""];
        let text = place.run(&[&paper[..], &["--output-format", "text"]].concat()).succeeds();
        assert!(
            text.text().contains("for <me> & \"you\"") && text.text().contains(&expected),
            "{}",
            text.text()
        );
        assert_eq!(scan(text.text()), (count, expected.clone()));

        let html = place.run(&paper).succeeds();
        assert!(html.text().contains("for &lt;me&gt; &amp; &quot;you&quot;"));
        assert!(!html.text().contains("<me>") && !html.text().contains("<?xml"));
        assert_eq!(html.text().matches("<svg").count(), count);
        let unescaped = html
            .text()
            .replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&");
        assert!(unescaped.contains(&expected));
    }
    fs::write(place.join("x"), "nonsense").expect("written");
    place.run(&["key", "paperkey", "x"]).fails(2, &["cannot print x"]);
    place.run(&["key", "paperkey", "key.json", "--subject", "a\nb"]).fails(2, &["one line"]);
}

/// Reads the codes in a text, which stand there as half blocks, light on dark; how many, and what they hold together.
fn scan(text: &str) -> (usize, String) {
    let is_code = |line: &&str| line.contains(['█', '▀', '▄']);
    let (mut held, mut count) = (String::new(), 0);
    let lines: Vec<&str> = text.lines().collect();
    for block in lines.split(|line| !is_code(line)).filter(|block| !block.is_empty()) {
        let grid: Vec<Vec<char>> = block.iter().map(|line| line.chars().collect()).collect();
        let width = grid[0].len();
        let is_light = |x: usize, y: usize| match grid[y / 2].get(x) {
            Some('█') | None => true,
            Some('▀') => y.is_multiple_of(2),
            Some('▄') => !y.is_multiple_of(2),
            _ => false,
        };
        // Cameras see more than one point of each module.
        const SCALE: usize = 4;
        let (wide, high) = (width * SCALE, block.len() * 2 * SCALE);
        let grey = |x: usize, y: usize| if is_light(x / SCALE, y / SCALE) { 255 } else { 0 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(wide, high, grey);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        held += &grids[0].decode().expect("a code").1;
        count += 1;
    }
    (count, held)
}
