//! The snapshots of a group over time: how much of each is new, how much came along from which snapshot before, and how much of that is dead.

use yew::prelude::*;

use super::parts::trouble;
use crate::{
    protocol::{
        Problem, Reply, Request,
        compare::{Generation, Generations as Series, Series as Asked},
        open::SnapshotRef,
    },
    state::{app::use_app, text},
};

/// Snapshots that are looked at.
const MOST: u32 = 30;
/// Units of the picture.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 160.0;
const LEFT: f64 = 64.0;
const BELOW: f64 = 20.0;
/// Shades of age: own, one snapshot old, two, and older.
const SHADES: usize = 4;

/// The series of a snapshot's group, for its archive.
pub fn generations(store: u32, SnapshotRef { namespace, snapshot, archive }: SnapshotRef) -> Html {
    let Some(archive) = archive else { return html! {} };
    let group = snapshot.rsplit_once('/').map_or("", |(group, _)| group).to_owned();
    let key = format!("{store} {namespace} {group} {archive}");
    let asked = Asked { store, namespace, group, archive, most: MOST };
    html! { <OfGroup {key} {asked} /> }
}

#[derive(Properties, PartialEq)]
struct OfGroupProps {
    asked: Asked,
}

/// The series, read when it is asked for.
#[component]
fn OfGroup(props: &OfGroupProps) -> Html {
    let app = use_app();
    let series = use_state(|| None::<Result<Series, Problem>>);
    let onclick = {
        let (series, asked) = (series.clone(), props.asked.clone());
        Callback::from(move |_: MouseEvent| {
            let request = Request::Generations(asked.clone());
            let series = series.clone();
            app.job("reading the snapshots of the group".into(), request, Vec::new(), move |_, answer| {
                series.set(Some(match answer {
                    Ok((Reply::Generations(found), _)) => Ok(found),
                    Ok((other, _)) => Err(crate::state::client::unexpected(&other)),
                    Err(problem) => Err(problem),
                }));
            });
        })
    };
    html! {
        <section class="generations" aria-label="Generations">
            <h2>{ format!("Snapshots of {}", props.asked.group) }</h2>
            if let Some(Ok(series)) = &*series {
                { chart(series) }
            } else {
                if let Some(Err(problem)) = &*series { { trouble(problem) } }
                <p>
                    <button type="button" {onclick}>{ "Show padding by generation" }</button>
                    <span class="muted">{ format!(" reads the indexes and metadata of the newest {MOST} at most") }</span>
                </p>
            }
        </section>
    }
}

/// Bars of chunk bytes by age, dead bytes hatched in front; and the same as a table.
fn chart(series: &Series) -> Html {
    let snapshots = &series.snapshots;
    if snapshots.is_empty() {
        return html! { <p class="empty">{ "The group has no snapshot with this archive." }</p> };
    }
    let most = snapshots.iter().map(|it| it.ages.iter().sum::<u64>()).max().unwrap_or(0).max(1);
    let step = (WIDTH - LEFT) / snapshots.len() as f64;
    let width = (step * 0.7).min(48.0);
    let scale = |bytes: u64| bytes as f64 / most as f64 * (HEIGHT - BELOW);
    let day = |snapshot: &str| time(snapshot).get(..10).map(str::to_owned);
    let same_day = snapshots.windows(2).all(|two| day(&two[0].snapshot) == day(&two[1].snapshot));
    let bars = snapshots
        .iter()
        .enumerate()
        .map(|(number, it)| bar(it, LEFT + step * number as f64, width, same_day, &scale));
    html! {
        <figure>
            <figcaption>
                { "Bytes of the payload stream's chunks: " }
                { for ["own", "from the snapshot before", "from two before", "older"].iter().enumerate().map(|(shade, name)| html! {
                    <span key={*name} class="key"><svg width="12" height="12" aria-hidden="true"><rect class={format!("age-{shade}")} width="12" height="12" /></svg>{ format!(" {name} ") }</span>
                }) }
                <span class="key"><svg width="12" height="12" aria-hidden="true"><rect class="age-0" width="12" height="12" /><rect class="dead" width="12" height="12" /></svg>{ " padding in them" }</span>
            </figcaption>
            <div class="chart-scroll" tabindex="0" role="region" aria-label="Chart of the snapshots">
                <svg viewBox={format!("0 0 {WIDTH} {HEIGHT}")} role="img" aria-label={spoken(snapshots)}>
                    <defs>
                        <pattern id="generation-hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                            <line class="hatch" x1="0" y1="0" x2="0" y2="5" />
                        </pattern>
                    </defs>
                    <text x={(LEFT - 8.0).to_string()} y="10" text-anchor="end">{ text::size(most) }</text>
                    <text x={(LEFT - 8.0).to_string()} y={(HEIGHT - BELOW).to_string()} text-anchor="end">{ "0" }</text>
                    <line class="axis" x1={LEFT.to_string()} x2={WIDTH.to_string()} y1={(HEIGHT - BELOW).to_string()} y2={(HEIGHT - BELOW).to_string()} />
                    { for bars }
                </svg>
            </div>
            <table class="data">
                <thead><tr><th>{ "snapshot (UTC)" }</th><th class="number">{ "used" }</th><th class="number">{ "padding" }</th>
                    <th class="number">{ "of used" }</th><th class="number">{ "own chunks" }</th><th class="number">{ "chunks" }</th></tr></thead>
                <tbody>{ for snapshots.iter().map(line) }</tbody>
            </table>
        </figure>
    }
}

fn bar(it: &Generation, left: f64, width: f64, same_day: bool, scale: &impl Fn(u64) -> f64) -> Html {
    let mut shades = [(0u64, 0u64); SHADES];
    for (age, bytes) in it.ages.iter().enumerate() {
        let shade = &mut shades[age.min(SHADES - 1)];
        shade.0 += bytes;
        shade.1 += it.padding_ages.get(age).copied().unwrap_or_default();
    }
    let mut bottom = HEIGHT - BELOW;
    // The oldest lowest, as the stream grew.
    let parts = (0..SHADES).rev().map(|age| {
        let (bytes, dead) = shades[age];
        let (high, hatched) = (scale(bytes), scale(dead));
        bottom -= high;
        let (x, y) = (left.to_string(), bottom.to_string());
        html! {
            <>
                <rect class={format!("age-{age}")} x={x.clone()} y={y.clone()} width={width.to_string()} height={high.to_string()} />
                <rect class="dead" {x} {y} width={width.to_string()} height={hatched.to_string()} />
            </>
        }
    });
    let parts: Vec<Html> = parts.collect();
    let label = label(&it.snapshot, same_day);
    html! {
        <g>
            <title>{ format!("{}: {} used, {} padding", it.snapshot, text::exact(it.live), text::exact(it.padding)) }</title>
            { for parts }
            <text x={(left + width / 2.0).to_string()} y={(HEIGHT - 6.0).to_string()} text-anchor="middle">{ label }</text>
        </g>
    }
}

fn line(it: &Generation) -> Html {
    let name = it.snapshot.rsplit('/').next().unwrap_or_default().to_owned();
    if let Some(problem) = &it.problem {
        return html! { <tr key={it.snapshot.clone()}><td class="mono">{ name }</td><td colspan="5" class="trouble">{ problem }</td></tr> };
    }
    let cell =
        |bytes: u64| html! { <td class="number" title={text::exact(bytes)}>{ text::size(bytes) }</td> };
    html! {
        <tr key={it.snapshot.clone()}>
            <td class="mono">{ name }</td>
            { cell(it.live) }
            { cell(it.padding) }
            <td class="number">{ text::percent(it.padding, it.live) }</td>
            { cell(it.ages.first().copied().unwrap_or_default()) }
            <td class="number">{ text::count(it.chunks) }</td>
        </tr>
    }
}

fn time(snapshot: &str) -> &str {
    snapshot.rsplit('/').next().unwrap_or_default()
}

/// Month and day of a snapshot's time; of snapshots of one day the hour.
fn label(snapshot: &str, same_day: bool) -> String {
    let time = time(snapshot);
    time.get(if same_day { 11..19 } else { 5..10 }).unwrap_or(time).to_owned()
}

fn spoken(snapshots: &[Generation]) -> String {
    let last = snapshots.last().map_or(String::new(), |last| {
        format!(
            "; the newest has {} of padding, {} of its used bytes",
            text::size(last.padding),
            text::percent(last.padding, last.live)
        )
    });
    format!(
        "{}{last}. The table below has all figures.",
        text::counted(snapshots.len() as u64, "snapshot", "snapshots")
    )
}
