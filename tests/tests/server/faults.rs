//! Connections that break after every message.

use std::time::Duration;

use pxkit_tests::cli::wait_until;
use pxkit_tests::pbs::Options;
use pxkit_tests::pbs::hooks::{Action, Moment, Place as At, Rule};

use crate::target::Place;

fn quick() -> Options {
    Options { delay: Duration::ZERO, ..Options::default() }
}

const MOMENTS: [Moment; 5] = [Moment::Request, Moment::Body, Moment::Reply, Moment::HalfReply, Moment::Sent];

/// How many calls a session of this kind has.
fn count(place: &Place, at: At) -> u64 {
    place.server().take_log().iter().filter(|record| record.place == Some(at)).count() as u64
}

#[test]
fn backups_leave_nothing() {
    let Some(place) = Place::special("disconnect", quick()) else { return };
    place.backup(&["x.conf:x.conf", "--backup-time", "1700000000"]).exits(0);
    place.server().take_log();
    place.backup(&["x.conf:x.conf", "--backup-time", "1700000001"]).exits(0);
    let all = count(&place, At::Backup);
    assert!(all > 8, "{all} calls");
    let group = place.server().root().join(place.group());
    let snapshots = || {
        std::fs::read_dir(&group).expect("a group").flatten().filter(|entry| entry.path().is_dir()).count()
    };
    let (mut kept, mut broken, mut time) = (2, 0, 1_700_000_001_u64);
    for nth in 1..=all {
        for moment in MOMENTS {
            place.server().calm();
            place.server().inject(Rule::new(Action::Disconnect(moment)).at(At::Backup).nth(nth));
            place.server().take_log();
            time += 1;
            let run = place.backup(&["x.conf:x.conf", "--backup-time", &time.to_string()]);
            let calls: Vec<_> =
                place.server().log().into_iter().filter(|record| record.place == Some(At::Backup)).collect();
            let last = calls.last().map(|record| record.call()).unwrap_or_default();
            let what = format!("{nth} {moment:?} {last}: {}", run.err);
            let fired = calls.len() as u64 >= nth;
            if last == "POST /finish"
                && fired
                && matches!(moment, Moment::Body | Moment::Reply | Moment::HalfReply)
            {
                // Whether it is finished only the server knows.
                assert!(matches!(run.code, Some(0 | 2)), "{what}");
                wait_until("the session is over", || !place.server().is_in_session());
                kept = snapshots();
            } else if run.code == Some(0) {
                // More was sent in the run before; or the session was finished, and may end as it likes.
                assert!(!fired || (last == "POST /finish" && moment == Moment::Sent), "{what}");
                kept += 1;
                assert_eq!(snapshots(), kept, "{what}");
            } else {
                broken += 1;
                assert_eq!(run.code, Some(2), "{what}");
                let lines = run.err.lines().count();
                assert!((1..=4).contains(&lines) && !run.err.contains("panicked"), "{what}");
                wait_until("the snapshot is removed", || snapshots() == kept);
            }
        }
    }
    assert!(broken > 3 * all, "{broken} of {all}");
    place.server().calm();
    place.backup(&["x.conf:x.conf"]).exits(0);
    place.restores(&[]);
    let root = place.server().root().to_str().expect("text").to_owned();
    place.run_with(&[("PBS_REPOSITORY", &root)], &["verify"]).exits(0);
}

#[test]
fn restores_say_so() {
    let Some(place) = Place::special("disconnect", quick()) else { return };
    place.backup(&[]).exits(0);
    place.server().take_log();
    place.restores(&[]);
    let all = count(&place, At::Reader);
    assert!(all > 5, "{all} calls");
    for nth in 1..=all {
        for moment in [Moment::Request, Moment::Reply, Moment::HalfReply] {
            place.server().calm();
            place.server().inject(Rule::new(Action::Disconnect(moment)).at(At::Reader).nth(nth));
            let out = place.join("out");
            let _ = std::fs::remove_dir_all(&out);
            let latest = format!("{}/latest", place.group());
            let run = place.run(&["restore", &latest, "root.pxar", "out", "--quiet"]);
            if run.code == Some(0) {
                // What was lost was asked for again.
                pxkit_tests::describe::assert_same(&place.tree(), &out);
            } else {
                assert!(matches!(run.code, Some(1 | 2)), "{nth} {moment:?}: {}", run.err);
                assert!(
                    !run.err.is_empty() && !run.err.contains("panicked"),
                    "{nth} {moment:?}: {}",
                    run.err
                );
            }
        }
    }
    place.server().calm();
    place.restores(&[]);
}

/// Requests over HTTP/1.1, the upgrades among them.
#[test]
fn requests_that_get_no_answer() {
    for moment in [Moment::Request, Moment::Reply, Moment::HalfReply] {
        for (call, args) in [
            ("GET /snapshots", &["snapshots", "host/a"][..]),
            ("POST /access/ticket", &["snapshots"]),
            ("GET /api2/json/backup", &["backup", "root.pxar:tree", "--quiet", "--backup-id", "b"]),
        ] {
            let Some(mut place) = Place::special("requests", quick()) else { return };
            place.tree();
            if call.contains("ticket") {
                let user = place.server().user().clone();
                place.become_user(&user);
            }
            place.server().inject(Rule::new(Action::Disconnect(moment)).on(call).at(At::Rest));
            let run = place.run(args);
            let is_upgraded = call.ends_with("backup") && moment == Moment::HalfReply;
            assert!(run.code == Some(2) || is_upgraded, "{call} {moment:?}: {:?} {}", run.code, run.err);
            assert!(!run.err.contains("panicked"), "{}", run.err);
            assert!(!place.server().root().join("host/b").exists() || is_upgraded, "{call} {moment:?}");
        }
    }
}

#[test]
fn a_lost_backup_is_begun_again_when_asked_to() {
    let Some(place) = Place::special("disconnect", quick()) else { return };
    place.backup(&["x.conf:x.conf"]).exits(0);
    place.server().take_log();
    let group = place.server().root().join(place.group());
    let snapshots = || {
        std::fs::read_dir(&group).expect("a group").flatten().filter(|entry| entry.path().is_dir()).count()
    };
    // The first of a second, or the server would refuse the time.
    std::thread::sleep(Duration::from_millis(1100));
    place.backup(&["x.conf:x.conf"]).exits(0);
    let all = count(&place, At::Backup);
    let lost = || Action::Disconnect(Moment::Reply);
    for (nth, action) in [(2, lost()), (all / 2, lost()), (all / 2, Action::Cancel), (all - 2, lost())] {
        place.server().calm();
        place.server().inject(Rule::new(action).at(At::Backup).nth(nth));
        std::thread::sleep(Duration::from_millis(1100));
        let before = snapshots();
        let run = place.backup(&["x.conf:x.conf", "--retry", "1"]);
        assert_eq!(run.code, Some(0), "{nth}: {}", run.err);
        assert!(run.err.contains("beginning again in 2 seconds"), "{nth}: {}", run.err);
        assert_eq!(snapshots(), before + 1, "{nth}");
        place.restores(&[]);
    }
    // Twice is once too often.
    place.server().calm();
    for nth in [2, 4] {
        place.server().inject(Rule::new(lost()).at(At::Backup).nth(nth));
    }
    std::thread::sleep(Duration::from_millis(1100));
    let before = snapshots();
    place.backup(&["x.conf:x.conf", "--retry", "1"]).exits(2);
    wait_until("the snapshot is removed", || snapshots() == before);
}
