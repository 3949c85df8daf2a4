//! A chart of lines, as a picture that stands by itself: readable on light and dark pages.

use std::fmt::Write as _;

pub struct Chart<'a> {
    pub title: &'a str,
    /// With its unit.
    pub x_label: &'a str,
    /// With its unit.
    pub y_label: &'a str,
    /// Whether equal steps to the right are equal factors.
    pub x_is_logarithmic: bool,
    pub lines: Vec<Line>,
}

pub struct Line {
    pub name: String,
    /// From left to right, at least one in a chart.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 90.0;
/// The book's page may be light or dark, so the picture brings its own ground, and follows the system where it can.
const STYLE: &str = "\
.ground{fill:#fff}.ink{fill:#222}.axis{stroke:#222}.grid{stroke:#ddd}\
.l0{--c:#1f5fbf}.l1{--c:#c2410c}.l2{--c:#15803d}.l3{--c:#7e22ce}\
.line{fill:none;stroke:var(--c);stroke-width:2}.dot{fill:var(--c)}\
@media(prefers-color-scheme:dark){.ground{fill:#1b1d22}.ink{fill:#ddd}.axis{stroke:#ddd}.grid{stroke:#3a3d44}\
.l0{--c:#7db1ff}.l1{--c:#ff9d66}.l2{--c:#6fd08c}.l3{--c:#c99bff}}";

impl Chart<'_> {
    pub fn svg(&self) -> String {
        let xs: Vec<f64> =
            self.lines.iter().flat_map(|line| line.points.iter().map(|point| point.0)).collect();
        let highest =
            self.lines.iter().flat_map(|line| &line.points).map(|point| point.1).fold(0.0, f64::max);
        let step = step(highest);
        let top = (highest / step).ceil().max(1.0) * step;
        let (first, last) =
            (xs.iter().copied().fold(f64::MAX, f64::min), xs.iter().copied().fold(f64::MIN, f64::max));
        let scale = |x: f64| if self.x_is_logarithmic { x.ln() } else { x };
        // A single point stands in the middle.
        let part = |x: f64| {
            if last > first { (scale(x) - scale(first)) / (scale(last) - scale(first)) } else { 0.5 }
        };
        let across = |x: f64| LEFT + 15.0 + part(x) * (WIDTH - LEFT - RIGHT - 30.0);
        let down = |y: f64| HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM);

        let (title, x_label, y_label) = (escaped(self.title), escaped(self.x_label), escaped(self.y_label));
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"13\" role=\"img\" aria-label=\"{title}\">\n<style>{STYLE}</style>\n\
             <rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n"
        );
        let text = |out: &mut String, x: f64, y: f64, anchor: &str, text: &str| {
            // Writing to a string does not fail.
            let _ = writeln!(
                out,
                "<text class=\"ink\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
            );
        };
        text(&mut out, WIDTH / 2.0, 22.0, "middle", &title);
        for mark in 0..=(top / step).round() as u32 {
            let value = f64::from(mark) * step;
            let y = down(value);
            let _ = writeln!(out, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{:.1}\"/>", WIDTH - RIGHT);
            text(&mut out, LEFT - 8.0, y + 4.0, "end", &number(value));
        }
        let mut marks = xs.clone();
        marks.sort_by(f64::total_cmp);
        marks.dedup();
        for x in marks {
            let base = HEIGHT - BOTTOM;
            let _ = writeln!(out, "<path class=\"axis\" d=\"M{:.1} {base}v5\"/>", across(x));
            text(&mut out, across(x), base + 20.0, "middle", &number(x));
        }
        let _ = writeln!(
            out,
            "<path class=\"axis\" fill=\"none\" d=\"M{LEFT} {TOP}V{:.1}H{:.1}\"/>",
            HEIGHT - BOTTOM,
            WIDTH - RIGHT
        );
        text(&mut out, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - BOTTOM + 42.0, "middle", &x_label);
        let middle = (TOP + HEIGHT - BOTTOM) / 2.0;
        let _ = writeln!(
            out,
            "<text class=\"ink\" text-anchor=\"middle\" transform=\"translate(18 {middle:.1})rotate(-90)\">{y_label}</text>"
        );
        for (at, line) in self.lines.iter().enumerate() {
            let points: Vec<String> =
                line.points.iter().map(|&(x, y)| format!("{:.1},{:.1}", across(x), down(y))).collect();
            let _ = writeln!(
                out,
                "<g class=\"l{}\"><polyline class=\"line\" points=\"{}\"/>",
                at % 4,
                points.join(" ")
            );
            for &(x, y) in &line.points {
                let _ = writeln!(
                    out,
                    "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"><title>{}</title></circle>",
                    across(x),
                    down(y),
                    number(y)
                );
            }
            let (x, y) = (LEFT + 15.0 + 170.0 * (at % 4) as f64, HEIGHT - 18.0);
            let _ = writeln!(
                out,
                "<rect class=\"dot\" x=\"{x}\" y=\"{}\" width=\"12\" height=\"12\"/></g>",
                y - 10.0
            );
            text(&mut out, x + 18.0, y, "start", &escaped(&line.name));
        }
        out.push_str("</svg>\n");
        out
    }
}

/// The distance of round marks: at most six up to `highest`.
fn step(highest: f64) -> f64 {
    if highest <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf((highest / 6.0).log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power * 6.0 >= highest);
    factor.unwrap_or(10.0) * power
}

/// Without digits that mean nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart<'static> {
        let line = |name: &str, points: &[(f64, f64)]| Line { name: name.into(), points: points.to_vec() };
        Chart {
            title: "a < b & \"c\"",
            x_label: "budget, %",
            y_label: "MiB",
            x_is_logarithmic: true,
            lines: vec![line("one", &[(1.0, 590.0), (10.0, 240.0)]), line("two", &[(1.0, 0.0), (10.0, 5.0)])],
        }
    }

    /// Every element that is opened is closed, in order, and no bare `&` or `<` is left.
    fn assert_well_formed(svg: &str) {
        let mut open = Vec::new();
        for (at, piece) in svg.split('<').enumerate().skip(1) {
            let (tag, text) = piece.split_once('>').unwrap_or_else(|| panic!("tag {at} has no end: {piece}"));
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            assert!(text.split('&').skip(1).all(|entity| entity.contains(';')), "{text}");
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn a_chart_is_well_formed_and_has_all_points() {
        let svg = chart().svg();
        assert_well_formed(&svg);
        assert_eq!((svg.matches("<circle").count(), svg.matches("<polyline").count()), (4, 2));
        for text in
            ["a &lt; b &amp; &quot;c&quot;", ">budget, %<", ">MiB<", ">one<", ">two<", ">600<", ">10<"]
        {
            assert!(svg.contains(text), "{text}\n{svg}");
        }
        // The leftmost point is at the left, the highest value below the top.
        assert!(svg.contains("cx=\"85.0\" cy=\"44.5\""), "{svg}");
        assert!(svg.contains("prefers-color-scheme:dark"));
    }

    #[test]
    fn a_single_point_and_nothing_but_zeros_are_charts() {
        let mut chart = chart();
        chart.lines.truncate(1);
        chart.lines[0].points = vec![(5.0, 0.0)];
        let svg = chart.svg();
        assert_well_formed(&svg);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn marks_are_round() {
        let steps = [0.0, 5.0, 6.1, 590.0, 0.3].map(step);
        assert_eq!(steps, [1.0, 1.0, 2.0, 100.0, 0.05]);
        assert_eq!([0.05, 100.0, 2.5].map(number), ["0.05", "100", "2.5"]);
    }
}
