//! Small charts with axes, drawn in SVG in pixels of the page.

use std::fmt::Write as _;

use yew::prelude::*;

use crate::state::text;

/// Pixels of a chart.
const WIDTH: f64 = 232.0;
const HEIGHT: f64 = 150.0;
/// Pixels beside and below the plot, for the axes.
const LEFT: f64 = 58.0;
const BELOW: f64 = 32.0;
const ABOVE: f64 = 8.0;
const RIGHT: f64 = 12.0;

/// Where the plot is.
const fn plot() -> (f64, f64) {
    (WIDTH - LEFT - RIGHT, HEIGHT - ABOVE - BELOW)
}

/// What numbers on an axis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things.
    Count,
}

impl Unit {
    fn text(self, number: u64) -> String {
        match self {
            Self::Bytes => text::size(number),
            Self::Count => text::count(number),
        }
    }

    /// A round number from which on everything up to `most` is shown.
    fn top(self, most: u64) -> u64 {
        let most = most.max(1);
        match self {
            // A power of two, or three quarters of one, so that its half is round, too.
            Self::Bytes => match most.checked_next_power_of_two() {
                Some(top) if most <= top / 4 * 3 => top / 4 * 3,
                top => top.unwrap_or(u64::MAX),
            },
            Self::Count => {
                let ten = 10_u64.saturating_pow(most.ilog10());
                [1, 2, 5, 10]
                    .into_iter()
                    .map(|factor| ten.saturating_mul(factor))
                    .find(|&top| top >= most)
                    .unwrap_or(most)
            }
        }
    }
}

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Below it, if there is room.
    pub label: String,
    /// How high it is.
    pub value: u64,
    /// How much of that is dead, which is hatched.
    pub dead: u64,
    /// All about it.
    pub about: String,
}

/// A chart of bars: what it shows, what stands on the axis below, the unit of the values.
pub fn bars(title: &str, below: &str, unit: Unit, bars: &[Bar]) -> Html {
    let (width, height) = plot();
    let top = unit.top(bars.iter().map(|bar| bar.value).max().unwrap_or_default());
    let step = width / bars.len().max(1) as f64;
    let scale = |value: u64| value as f64 / top as f64 * height;
    // As many labels as have room.
    let every = (46.0 / step).ceil().max(1.0) as usize;
    let drawn = bars.iter().enumerate().map(|(at, bar)| {
        let x = LEFT + step * at as f64;
        // What is there is seen, however little it is.
        let high = if bar.value > 0 { scale(bar.value).max(1.0) } else { 0.0 };
        let dead = if bar.dead > 0 { scale(bar.dead).clamp(1.0, high.max(1.0)) } else { 0.0 };
        let y = ABOVE + height - high;
        let wide = (step - 2.0).max(1.0);
        html! {
            <g key={at}>
                <title>{ bar.about.clone() }</title>
                <rect class="hit" x={px(x)} y={px(ABOVE)} width={px(step)} height={px(height)} />
                <rect class="live" x={px(x + 1.0)} y={px(y + dead)} width={px(wide)} height={px((high - dead).max(0.0))} />
                if dead > 0.0 {
                    <rect class="dead" x={px(x + 1.0)} y={px(y)} width={px(wide)} height={px(dead)} />
                }
                if at % every == 0 {
                    <text x={px(x + step / 2.0)} y={px(ABOVE + height + 13.0)} text-anchor="middle">{ bar.label.clone() }</text>
                }
            </g>
        }
    });
    html! {
        <figure class="chart">
            <figcaption>{ title.to_owned() }</figcaption>
            <svg width={px(WIDTH)} height={px(HEIGHT)} viewBox={format!("0 0 {WIDTH} {HEIGHT}")} role="img" aria-label={described(title, bars)}>
                <defs>
                    <pattern id="dead" width="5" height="5" patternUnits="userSpaceOnUse">
                        <path d="M0 5L5 0M-1 1L1 -1M4 6L6 4" class="ink" />
                    </pattern>
                </defs>
                { axis(unit, top) }
                { for drawn }
                <text class="axis" x={px(LEFT + width / 2.0)} y={px(HEIGHT - 4.0)} text-anchor="middle">{ below.to_owned() }</text>
            </svg>
        </figure>
    }
}

fn described(title: &str, bars: &[Bar]) -> String {
    let mut words = format!("{title}: ");
    for bar in bars.iter().filter(|bar| bar.value > 0) {
        let _ = write!(words, "{}; ", bar.about);
    }
    words
}

/// Lines across at nothing, half and all, with their values.
fn axis(unit: Unit, top: u64) -> Html {
    let (width, height) = plot();
    let halves: &[u64] = if top >= 2 { &[0, 1, 2] } else { &[0, 2] };
    html! {
        { for halves.iter().map(|&half| {
            let y = (ABOVE + height - height * half as f64 / 2.0).round() + 0.5;
            html! {
                <g class="axis">
                    <path d={format!("M{LEFT} {y}h{width}")} />
                    <text x={px(LEFT - 6.0)} y={px(y + 4.0)} text-anchor="end">{ unit.text((u128::from(top) * u128::from(half) / 2) as u64) }</text>
                </g>
            }
        }) }
    }
}

fn px(number: f64) -> String {
    format!("{number:.1}")
}

/// Properties of [`Curve`].
#[derive(Properties, PartialEq)]
pub struct CurveProps {
    /// Chunks that are written anew, bytes that are read for it, bytes that are freed.
    pub points: Vec<(u32, u64, i64)>,
}

/// What re-encoding the worst chunks costs and frees.
#[component]
pub fn Curve(props: &CurveProps) -> Html {
    let chosen = use_state_eq(|| None::<usize>);
    let points = &props.points;
    let Some(last) = points.len().checked_sub(1) else { return html! {} };
    let at = chosen.unwrap_or(last / 4).min(last);
    let (width, height) = plot();
    let most = |of: fn(&(u32, u64, i64)) -> u64| points.iter().map(of).max().unwrap_or_default();
    let right = Unit::Bytes.top(most(|point| point.1));
    let top = Unit::Bytes.top(most(|point| point.2.max(0) as u64));
    let place = |&(_, reads, frees): &(u32, u64, i64)| {
        let x = LEFT + reads as f64 / right as f64 * width;
        (x, ABOVE + height - frees.max(0) as f64 / top as f64 * height)
    };
    let mut path = format!("M{LEFT} {}", ABOVE + height);
    for point in points {
        let (x, y) = place(point);
        let _ = write!(path, "L{x:.1} {y:.1}");
    }
    let (x, y) = place(&points[at]);
    let (chunks, reads, frees) = points[at];
    let sentence = format!(
        "Re-encoding the worst {} reads {} and frees {}.",
        text::counted(chunks, "chunk", "chunks"),
        text::size(reads),
        if frees < 0 {
            format!("nothing: it leaves {} more padding behind", text::size(frees.unsigned_abs()))
        } else {
            text::size(frees as u64)
        }
    );
    let oninput = {
        let chosen = chosen.setter();
        Callback::from(move |event: InputEvent| {
            let input: Option<web_sys::HtmlInputElement> = event.target_dyn_into();
            chosen.set(input.and_then(|input| input.value().parse().ok()));
        })
    };
    let ticks = [1_u64, 2].into_iter().map(|half| {
        let x = LEFT + width * half as f64 / 2.0;
        let anchor = if half == 2 { "end" } else { "middle" };
        html! { <text x={px(x)} y={px(ABOVE + height + 13.0)} text-anchor={anchor}>{ text::size((u128::from(right) * u128::from(half) / 2) as u64) }</text> }
    });
    html! {
        <figure class="chart curve">
            <figcaption>{ "Freed by re-encoding the worst" }</figcaption>
            <svg width={px(WIDTH)} height={px(HEIGHT)} viewBox={format!("0 0 {WIDTH} {HEIGHT}")} role="img" aria-label={sentence.clone()}>
                { axis(Unit::Bytes, top) }
                { for ticks }
                <path class="line" d={path} />
                <path class="guide" d={format!("M{x:.1} {y:.1}V{}M{x:.1} {y:.1}H{LEFT}", ABOVE + height)} />
                <circle cx={px(x)} cy={px(y)} r="3.5" />
                <text class="axis" x={px(LEFT + width / 2.0)} y={px(HEIGHT - 4.0)} text-anchor="middle">{ "bytes read and stored again" }</text>
            </svg>
            <input type="range" min="0" max={last.to_string()} value={at.to_string()} {oninput}
                aria-label="How many of the worst chunks" aria-valuetext={sentence.clone()} />
            <p aria-live="polite">{ sentence.clone() }</p>
        </figure>
    }
}
