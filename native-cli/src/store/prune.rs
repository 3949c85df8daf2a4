//! Which snapshots of a group stay, by the server's rules (datastore specification 15).

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How many snapshots stay, of each kind of period the newest; `None` for no rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// The last so many.
    pub last: Option<u64>,
    /// One for each of the last so many hours that have any.
    pub hourly: Option<u64>,
    /// The same for days.
    pub daily: Option<u64>,
    /// The same for ISO weeks.
    pub weekly: Option<u64>,
    /// The same for months.
    pub monthly: Option<u64>,
    /// The same for years.
    pub yearly: Option<u64>,
}

impl Keep {
    /// Whether there is no rule: everything stays.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is known of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// In seconds since 1970.
    pub time: i64,
    /// It has a manifest.
    pub finished: bool,
    /// It must not be removed.
    pub protected: bool,
}

/// What becomes of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A rule keeps it.
    Keep,
    /// It is not finished, but the newest: perhaps somebody works on it.
    KeepPartial,
    /// It is protected.
    Protected,
    /// It goes.
    Remove,
}

impl Mark {
    /// As servers name it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::KeepPartial => "keep-partial",
            Self::Protected => "protected",
            Self::Remove => "remove",
        }
    }
}

/// Decides for all snapshots of a group, whatever their order. Periods are those of `zone`.
pub fn prune(snapshots: &[Candidate], keep: &Keep, zone: &TimeZone) -> Vec<Mark> {
    if keep.is_empty() {
        let stays = |snapshot: &Candidate| if snapshot.protected { Mark::Protected } else { Mark::Keep };
        return snapshots.iter().map(stays).collect();
    }
    let mut newest_first: Vec<usize> = (0..snapshots.len()).collect();
    newest_first.sort_by_key(|&at| std::cmp::Reverse(snapshots[at].time));
    let mut marks: Vec<Option<Mark>> = vec![None; snapshots.len()];
    for (age, &at) in newest_first.iter().enumerate() {
        if !snapshots[at].finished {
            marks[at] = Some(if age == 0 { Mark::KeepPartial } else { Mark::Remove });
        }
    }
    let rules = [
        (keep.last, "%Y-%m-%dT%H:%M:%S"),
        (keep.hourly, "%Y/%m/%d/%H"),
        (keep.daily, "%Y/%m/%d"),
        (keep.weekly, "%G/%V"),
        (keep.monthly, "%Y/%m"),
        (keep.yearly, "%Y"),
    ];
    for (count, format) in rules {
        let Some(count) = count else { continue };
        let period = |at: usize| period(snapshots[at].time, format, zone);
        let kept = |at: &usize| marks[*at] == Some(Mark::Keep);
        let seen: HashSet<String> = newest_first.iter().copied().filter(kept).map(period).collect();
        let mut new = HashSet::new();
        for &at in &newest_first {
            if marks[at].is_some() {
                continue;
            }
            if snapshots[at].protected {
                marks[at] = Some(Mark::Protected);
                continue;
            }
            let period = period(at);
            if seen.contains(&period) {
                continue;
            }
            if new.contains(&period) {
                marks[at] = Some(Mark::Remove);
                continue;
            }
            if new.len() as u64 >= count {
                break;
            }
            new.insert(period);
            marks[at] = Some(Mark::Keep);
        }
    }
    let decide = |(at, mark): (usize, Option<Mark>)| match mark {
        _ if snapshots[at].protected => Mark::Protected,
        mark => mark.unwrap_or(Mark::Remove),
    };
    marks.into_iter().enumerate().map(decide).collect()
}

/// The period in which a time lies. A time that no calendar has is a period of its own.
fn period(time: i64, format: &str, zone: &TimeZone) -> String {
    Timestamp::from_second(time)
        .map_or_else(|_| format!("@{time}"), |time| time.to_zoned(zone.clone()).strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: [&str; 7] = [
        "2020-01-01T06:00:00Z",
        "2020-01-01T18:00:00Z",
        "2020-01-02T06:00:00Z",
        "2020-01-05T06:00:00Z",
        "2020-01-06T06:00:00Z",
        "2020-01-06T18:00:00Z",
        "2020-02-01T06:00:00Z",
    ];

    fn candidates(times: &[&str]) -> Vec<Candidate> {
        let candidate = |text: &&str| {
            let time = text.parse::<Timestamp>().unwrap().as_second();
            Candidate { time, finished: true, protected: false }
        };
        times.iter().map(candidate).collect()
    }

    /// What stays, newest first: month, day and hour, with the mark unless it is the common one.
    fn kept(snapshots: &[Candidate], keep: Keep, zone: &TimeZone) -> Vec<String> {
        let marks = prune(snapshots, &keep, zone);
        let mut kept: Vec<_> =
            snapshots.iter().zip(marks).filter(|(_, mark)| *mark != Mark::Remove).collect();
        kept.sort_by_key(|(snapshot, _)| -snapshot.time);
        let text = |(snapshot, mark): (&Candidate, Mark)| {
            let time = Timestamp::from_second(snapshot.time).unwrap().strftime("%m-%d %H");
            if mark == Mark::Keep { time.to_string() } else { format!("{time} {}", mark.word()) }
        };
        kept.into_iter().map(text).collect()
    }

    /// Behaviour 57, table 19.10.
    #[test]
    fn b57_the_table() {
        let all = candidates(&S);
        let some = Keep::default();
        let table = [
            (Keep { last: Some(1), ..some }, vec!["02-01 06"]),
            (Keep { daily: Some(2), ..some }, vec!["02-01 06", "01-06 18"]),
            (Keep { last: Some(1), daily: Some(2), ..some }, vec!["02-01 06", "01-06 18", "01-05 06"]),
            (Keep { weekly: Some(2), ..some }, vec!["02-01 06", "01-06 18"]),
            (Keep { last: Some(2), monthly: Some(2), ..some }, vec!["02-01 06", "01-06 18"]),
            (Keep { monthly: Some(1), yearly: Some(1), ..some }, vec!["02-01 06"]),
        ];
        for (keep, expected) in table {
            assert_eq!(kept(&all, keep, &TimeZone::UTC), expected, "{keep:?}");
        }
        let last = Keep { last: Some(2), ..some };
        let mut partial = all.clone();
        partial[6].finished = false;
        partial[2].finished = false;
        let expected = ["02-01 06 keep-partial", "01-06 18", "01-06 06"];
        assert_eq!(kept(&partial, last, &TimeZone::UTC), expected);
        let mut protected = all.clone();
        protected[6].protected = true;
        assert_eq!(kept(&protected, last, &TimeZone::UTC), ["02-01 06 protected", "01-06 18", "01-06 06"]);
        assert_eq!(kept(&all, some, &TimeZone::UTC).len(), S.len());
        // The order in which they come does not matter.
        let mut reversed = all;
        reversed.reverse();
        assert_eq!(kept(&reversed, last, &TimeZone::UTC), ["02-01 06", "01-06 18"]);
    }

    #[test]
    fn protection_beats_every_mark() {
        let mut all = candidates(&S);
        all[0] = Candidate { finished: false, protected: true, ..all[0] };
        all[1].protected = true;
        let keep = Keep { last: Some(1), ..Keep::default() };
        let expected = ["02-01 06", "01-01 18 protected", "01-01 06 protected"];
        assert_eq!(kept(&all, keep, &TimeZone::UTC), expected);
    }

    #[test]
    fn weeks_are_those_of_iso() {
        let all = candidates(&["2020-12-31T12:00:00Z", "2021-01-01T12:00:00Z", "2021-01-04T12:00:00Z"]);
        let keep = Keep { weekly: Some(2), ..Keep::default() };
        assert_eq!(kept(&all, keep, &TimeZone::UTC), ["01-04 12", "01-01 12"]);
    }

    /// Behaviour 58.
    #[test]
    fn b58_days_are_local() {
        let all = candidates(&["2020-01-01T12:00:00Z", "2020-01-01T23:30:00Z"]);
        let keep = Keep { daily: Some(2), ..Keep::default() };
        assert_eq!(kept(&all, keep, &TimeZone::UTC), ["01-01 23"]);
        let east = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(kept(&all, keep, &east), ["01-01 23", "01-01 12"]);
    }

    #[test]
    fn hours_and_years() {
        let all = candidates(&[
            "2019-05-05T10:00:00Z",
            "2020-05-05T10:00:00Z",
            "2020-05-05T10:30:00Z",
            "2020-05-05T11:00:00Z",
        ]);
        let hourly = Keep { hourly: Some(2), ..Keep::default() };
        assert_eq!(kept(&all, hourly, &TimeZone::UTC), ["05-05 11", "05-05 10"]);
        let marks = prune(&all, &hourly, &TimeZone::UTC);
        assert_eq!(marks, [Mark::Remove, Mark::Remove, Mark::Keep, Mark::Keep]);
        let yearly = Keep { yearly: Some(5), ..Keep::default() };
        assert_eq!(
            prune(&all, &yearly, &TimeZone::UTC),
            [Mark::Keep, Mark::Remove, Mark::Remove, Mark::Keep]
        );
    }
}
