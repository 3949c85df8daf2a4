//! Connections: certificates, logins, upgrades (behaviours 6 to 29).

use std::fs;
use std::net::Ipv6Addr;
use std::time::Duration;

use pxkit_tests::pbs::access::User;
use pxkit_tests::pbs::hooks::{Action, Place as At, Rule};
use pxkit_tests::pbs::{Options, Server, Vouch};

use crate::target::Place;

fn quick() -> Options {
    Options { delay: Duration::ZERO, ..Options::default() }
}

/// Backs up and restores.
#[track_caller]
fn works(place: &Place) {
    place.backup(&[]).exits(0);
    place.restores(&[]);
}

#[test]
fn b06_a_fingerprint_of_any_case_or_none() {
    let Some(place) = Place::special("b06", quick()) else { return };
    let fingerprint = place.server().fingerprint().to_uppercase();
    place.run_with(&[("PBS_FINGERPRINT", &fingerprint)], &["snapshots"]).succeeds();
    place.server().take_log();
    let mut wrong = place.server().fingerprint().to_owned();
    let last = if wrong.ends_with('0') { "1" } else { "0" };
    wrong.replace_range(wrong.len() - 1.., last);
    let run = place.run_with(&[("PBS_FINGERPRINT", &wrong)], &["snapshots"]).exits(2);
    assert!(run.err.contains("fingerprint") || run.err.contains("certificate"), "{}", run.err);
    let mut command = place.command(&["snapshots"]);
    command.env_remove("PBS_FINGERPRINT");
    let run = place.finish(command).exits(2);
    // Whoever finds the server right can say so.
    assert!(run.err.contains(place.server().fingerprint()), "{}", run.err);
    // Nothing was sent, above all no secret.
    assert!(place.server().log().is_empty(), "{:?}", place.server().log());
}

/// 7 and 8.
#[test]
fn b07_b08_authorities() {
    let Some(place) = Place::special("b07", Options { vouch: Vouch::Authority, ..quick() }) else { return };
    // The leaf's fingerprint decides.
    place.run(&["snapshots"]).succeeds();
    let roots = place.join("roots.pem");
    fs::write(&roots, place.server().root_certificate()).expect("written");
    let mut command = place.command(&["snapshots"]);
    command.env_remove("PBS_FINGERPRINT").env("SSL_CERT_FILE", &roots).env_remove("SSL_CERT_DIR");
    place.finish(command).succeeds();
}

/// 9.
#[test]
fn b09_the_fingerprint_of_the_environment_is_not_kept() {
    let Some(place) = Place::special("b09", quick()) else { return };
    place.run(&["snapshots"]).succeeds();
    let mut command = place.command(&["snapshots"]);
    command.env_remove("PBS_FINGERPRINT");
    place.finish(command).exits(2);
}

/// 11: an address of IPv6 has its brackets, once, in everything that is sent.
#[test]
fn b11_addresses_of_ipv6() {
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return pxkit_tests::skip::skip("b11", "this machine has no IPv6");
    }
    let ip = Ipv6Addr::LOCALHOST.into();
    let Some(mut place) = Place::special("b11", Options { ip, ..quick() }) else { return };
    works(&place);
    let user = place.server().user().clone();
    place.become_user(&user);
    place.run(&["snapshots"]).exits(0);
    let authority = format!("[::1]:{}", place.server().port());
    let log = place.server().log();
    let hosts: Vec<&str> = log.iter().filter_map(|record| record.header("host")).collect();
    assert!(!hosts.is_empty() && hosts.iter().all(|host| *host == authority), "{hosts:?}");
    // In parts, with brackets or without.
    for host in ["::1", "[::1]"] {
        let mut command = place.command(&["snapshots"]);
        let port = place.server().port().to_string();
        command.env_remove("PBS_REPOSITORY").env("PBS_SERVER", host).env("PBS_PORT", port);
        command.env("PBS_DATASTORE", "store1").env("PBS_AUTH_ID", &user.auth_id);
        place.finish(command).exits(0);
    }
}

/// 12, 14, 16.
#[test]
fn b12_logins() {
    for http_only in [false, true] {
        let Some(mut place) = Place::special("b12", Options { http_only, ..quick() }) else { return };
        let user = place.server().user().clone();
        place.become_user(&user);
        works(&place);
        let log = place.server().log();
        let cookies: Vec<&str> = log.iter().filter_map(|record| record.header("cookie")).collect();
        let name = if http_only { "__Host-PBSAuthCookie=PBS:" } else { "PBSAuthCookie=PBS:" };
        assert!(!cookies.is_empty() && cookies.iter().all(|cookie| cookie.starts_with(name)), "{http_only}");
        // In changes, too.
        let snapshot = place.snapshots()[0]["snapshot"].as_str().expect("a name").to_owned();
        place.run(&["notes", &snapshot, "x"]).succeeds();
        place.run(&["forget", &snapshot]).exits(0);
    }
}

/// A password that is wrong, a user that is not known, a token that is none: each is told, once, and there is no second try.
#[test]
fn b17_no_entry() {
    let Some(mut place) = Place::special("b17", Options::default()) else { return };
    let (user, token) = (place.server().user().clone(), place.server().token().clone());
    for known in [user, token] {
        place.server().take_log();
        place.become_user(&User { secret: "this is wrong".to_owned(), ..known });
        let run = place.run(&["snapshots"]).exits(2);
        assert!(run.err.contains("401") && run.err.lines().count() <= 3, "{}", run.err);
        let log = place.server().log();
        assert_eq!(log.len(), 1, "{log:?}");
        assert_eq!(log[0].status, Some(401));
    }
}

#[test]
fn b13_secrets_are_encoded() {
    let odd = User::new("odd@pbs!tok", "a b\"#<>`?{}c\u{e4}:+/=\u{1f600}");
    let mut options = quick();
    options.users.push(odd.clone());
    let Some(mut place) = Place::special("b13", options) else { return };
    place.become_user(&odd);
    place.run(&["snapshots"]).succeeds();
}

#[test]
fn b15_a_second_factor_is_told() {
    let mut careful = User::new("careful@pbs", "secret words");
    careful.second_factor = true;
    let mut options = quick();
    options.users.push(careful.clone());
    let Some(mut place) = Place::special("b15", options) else { return };
    place.become_user(&careful);
    let run = place.run(&["snapshots"]).exits(2);
    assert!(run.err.contains("token"), "{}", run.err);
    assert!(place.server().log().iter().all(|record| record.path.ends_with("/access/ticket")));
}

#[test]
fn b18_errors_are_text() {
    let Some(place) = Place::special("b18", quick()) else { return };
    let text = "{\"data\": [this is \u{1b}[31mno JSON]";
    place.server().inject(Rule::new(Action::Fail(400, text.to_owned())).at(At::Rest));
    let run = place.run(&["snapshots"]).exits(2);
    assert!(run.err.contains("this is") && !run.err.contains('\u{1b}'), "{}", run.err);
}

/// 22.
#[test]
fn b22_a_refused_upgrade() {
    let Some(place) = Place::special("b22", quick()) else { return };
    place.server().inject(Rule::new(Action::Fail(503, "the sky is falling".to_owned())).on("GET /backup"));
    let run = place.backup(&[]).exits(2);
    assert!(run.err.contains("503") && run.err.contains("the sky is falling"), "{}", run.err);
}

/// 10, 23, 24, 25, 26: whatever the server's settings, and however its bytes come.
#[test]
fn b23_to_b26_settings() {
    let cases: [(&str, Options); 5] = [
        ("joined", Options { settings_joined: true, ..quick() }),
        ("late", Options { settings_late: true, ..quick() }),
        ("small", Options { window: 65_535, connection_window: 65_535, frame: 16_384, ..quick() }),
        ("pieces", Options { pieces: Some(7), ..quick() }),
        ("one stream", Options { streams: 1, ..quick() }),
    ];
    for (name, options) in cases {
        let Some(place) = Place::special("b23", options) else { return };
        works(&place);
        assert!(place.snapshots().len() == 1, "{name}");
    }
}

/// 27: all that waits ends at once when the connection is lost or the server goes away.
#[test]
fn b27_a_lost_connection_is_noticed() {
    use pxkit_tests::pbs::hooks::Moment;
    let place_of = || Place::special("b27", quick());
    for action in [Action::Disconnect(Moment::Request), Action::GoAway, Action::Cancel] {
        let Some(place) = place_of() else { return };
        place.server().inject(Rule::new(action.clone()).on("POST /dynamic_chunk").nth(2));
        let run = place.backup(&[]).exits(2);
        assert!(!run.err.is_empty(), "{action:?}");
        pxkit_tests::cli::wait_until("the snapshot is removed", || place.snapshots_or_none().is_empty());
    }
}

/// 29.
#[test]
fn b29_garbage_is_collected_elsewhere() {
    use std::sync::atomic::Ordering;
    let Some(place) = Place::special("b29", quick()) else { return };
    place.server().gc_elsewhere.store(true, Ordering::SeqCst);
    let run = place.backup(&["--backup-time", "1700000000"]).exits(2);
    assert!(run.err.contains("garbage"), "{}", run.err);
    place.server().gc_elsewhere.store(false, Ordering::SeqCst);
    // What the server left is in the way of the same time only.
    place.backup(&["--backup-time", "1700000000"]).exits(2);
    place.backup(&["--backup-time", "1700000001"]).exits(0);
    place.restores(&[]);
}

/// 82: what the server did not take is sent again.
#[test]
fn b82_refused_streams_are_tried_again() {
    let Some(place) = Place::special("b82", quick()) else { return };
    for nth in [1, 3] {
        place.server().inject(Rule::new(Action::Refuse).on("POST /dynamic_chunk").nth(nth));
    }
    place.server().inject(Rule::new(Action::Refuse).on("PUT /dynamic_index").nth(1));
    place.server().inject(Rule::new(Action::Refuse).on("GET /chunk").nth(1));
    works(&place);
    assert!(place.server().log().iter().any(|record| record.status.is_none()));
}

/// A server that takes its time loses nobody.
#[test]
fn slow_servers() {
    let Some(place) = Place::special("slow", Options { latency: Duration::from_millis(40), ..quick() })
    else {
        return;
    };
    let slowly = Action::ReadSlowly(Duration::from_millis(5));
    place.server().inject(Rule::new(slowly).on("POST /dynamic_chunk"));
    place.server().inject(Rule::new(Action::Delay(Duration::from_millis(50))).on("GET /chunk").nth(2));
    works(&place);
}

/// Nobody listens.
#[test]
fn nobody_there() {
    let Some(place) = Place::special("nobody", quick()) else { return };
    let gone = Server::start(quick());
    let repository = gone.repository(gone.token());
    drop(gone);
    let run = place.run_with(&[("PBS_REPOSITORY", &repository)], &["snapshots"]).exits(2);
    assert!(run.err.contains("connect") || run.err.contains("reach"), "{}", run.err);
}
