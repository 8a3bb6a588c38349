//! Charts as inline SVG: lines and stacked areas over one horizontal axis.
//!
//! Written by hand rather than with a plotting library: the report needs only these two forms, tooltips on their parts,
//! and text that the page's own style sheet governs.

use std::fmt::Write;

/// How a value is written on an axis or in a tooltip.
pub type Format = fn(f64) -> String;

/// One named line or layer.
#[derive(Clone, Debug)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// CSS colour.
    pub colour: &'static str,
    /// Lengths of dashes and gaps of a line; empty for an unbroken one, so that lines that coincide are both seen.
    pub dashes: &'static str,
    /// Points by rising x.
    pub points: Vec<(f64, f64)>,
    /// The value at the end, for the tooltip; the last point may be a mean.
    pub end: f64,
}

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Heading above the plot.
    pub title: String,
    /// What the horizontal axis shows, with its unit.
    pub x_label: String,
    /// What the vertical axis shows, with its unit.
    pub y_label: String,
    /// How horizontal values are written.
    pub x_format: Format,
    /// How vertical values are written.
    pub y_format: Format,
    /// Whether the series stand on each other's shoulders, all with the same x values.
    pub stacked: bool,
    /// Lines or layers; the first one lowest.
    pub series: Vec<Series>,
    /// Width and height in CSS pixels.
    pub size: (f64, f64),
}

const MARGIN_LEFT: f64 = 76.0;
const MARGIN_RIGHT: f64 = 16.0;
const MARGIN_TOP: f64 = 30.0;
const MARGIN_BOTTOM: f64 = 44.0;
const LEGEND_ROW: f64 = 20.0;
/// Points drawn per series; a longer series is thinned evenly, its last point kept.
const POINTS_MAX: usize = 600;

struct Frame {
    x_max: f64,
    y_max: f64,
    width: f64,
    height: f64,
}

impl Frame {
    fn x(&self, x: f64) -> f64 {
        MARGIN_LEFT + x / self.x_max * self.width
    }

    fn y(&self, y: f64) -> f64 {
        MARGIN_TOP + self.height - y / self.y_max * self.height
    }
}

impl Chart {
    /// The chart as an `<svg>` element.
    pub fn render(&self) -> String {
        let layers = self.layers();
        let x_end = layers.iter().flatten().map(|p| p.0).fold(0.0, f64::max);
        let y_end = layers.iter().flatten().map(|p| p.2).fold(0.0, f64::max);
        let y_step = tick_step(y_end, 5.0);
        let legend = self.legend_rows().len() as f64 * LEGEND_ROW;
        let (width, height) = self.size;
        let frame = Frame {
            x_max: if x_end > 0.0 { x_end } else { 1.0 },
            y_max: if y_end > 0.0 { (y_end / y_step).ceil() * y_step } else { 1.0 },
            width: width - MARGIN_LEFT - MARGIN_RIGHT,
            height: height - MARGIN_TOP - MARGIN_BOTTOM - legend,
        };
        let mut svg = format!(
            "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
             aria-label=\"{}\">",
            escape(&self.title)
        );
        text(&mut svg, (MARGIN_LEFT, 18.0), "title", &self.title);
        self.axes(&mut svg, &frame, y_step);
        for (series, layer) in self.series.iter().zip(&layers) {
            if self.stacked {
                self.area(&mut svg, &frame, series, layer)
            } else {
                self.line(&mut svg, &frame, series, layer)
            }
        }
        self.legend(&mut svg, height - legend);
        svg.push_str("</svg>");
        svg
    }

    /// Per series: x, lower y, upper y, thinned.
    fn layers(&self) -> Vec<Vec<(f64, f64, f64)>> {
        let mut below: Vec<f64> = Vec::new();
        let mut layers = Vec::new();
        for series in &self.series {
            below.resize(series.points.len().max(below.len()), 0.0);
            let every = series.points.len().div_ceil(POINTS_MAX).max(1);
            let mut layer = Vec::new();
            for (at, &(x, y)) in series.points.iter().enumerate() {
                let base = if self.stacked { below[at] } else { 0.0 };
                if at % every == 0 || at + 1 == series.points.len() {
                    layer.push((x, base, base + y));
                }
                below[at] = base + y;
            }
            layers.push(layer);
        }
        layers
    }

    fn axes(&self, svg: &mut String, frame: &Frame, y_step: f64) {
        let bottom = frame.y(0.0);
        let right = MARGIN_LEFT + frame.width;
        let mut y = 0.0;
        while y <= frame.y_max * 1.000_001 {
            let at = frame.y(y);
            let _ =
                write!(svg, "<line class=\"grid\" x1=\"{MARGIN_LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>");
            text(svg, (MARGIN_LEFT - 6.0, at + 4.0), "tick end", &(self.y_format)(y));
            y += y_step;
        }
        let x_step = tick_step(frame.x_max, (frame.width / 70.0).max(2.0));
        let mut x = 0.0;
        while x <= frame.x_max * 1.000_001 {
            let at = frame.x(x);
            let _ = write!(
                svg,
                "<line class=\"axis\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{bottom:.1}\" y2=\"{:.1}\"/>",
                bottom + 4.0
            );
            text(svg, (at, bottom + 17.0), "tick middle", &(self.x_format)(x));
            x += x_step;
        }
        let _ = write!(
            svg,
            "<line class=\"axis\" x1=\"{MARGIN_LEFT}\" x2=\"{right}\" y1=\"{bottom:.1}\" y2=\"{bottom:.1}\"/>"
        );
        text(svg, (MARGIN_LEFT + frame.width / 2.0, bottom + 34.0), "label middle", &self.x_label);
        let middle = MARGIN_TOP + frame.height / 2.0;
        let _ = write!(
            svg,
            "<text class=\"label middle\" transform=\"translate(14 {middle:.1}) rotate(-90)\">{}</text>",
            escape(&self.y_label)
        );
    }

    fn line(&self, svg: &mut String, frame: &Frame, series: &Series, layer: &[(f64, f64, f64)]) {
        let mut path = String::new();
        for &(x, _, y) in layer {
            let _ = write!(path, "{:.1},{:.1} ", frame.x(x), frame.y(y));
        }
        let _ = write!(
            svg,
            "<polyline class=\"line\" stroke=\"{}\" stroke-dasharray=\"{}\" points=\"{}\"><title>{}</title></polyline>",
            series.colour,
            series.dashes,
            path.trim_end(),
            self.tip(series)
        );
    }

    fn tip(&self, series: &Series) -> String {
        escape(&format!("{}: {} at the end", series.name, (self.y_format)(series.end)))
    }

    fn area(&self, svg: &mut String, frame: &Frame, series: &Series, layer: &[(f64, f64, f64)]) {
        let mut path = String::new();
        for &(x, _, y) in layer {
            let _ = write!(path, "{:.1},{:.1} ", frame.x(x), frame.y(y));
        }
        for &(x, y, _) in layer.iter().rev() {
            let _ = write!(path, "{:.1},{:.1} ", frame.x(x), frame.y(y));
        }
        let _ = write!(
            svg,
            "<polygon class=\"area\" fill=\"{}\" points=\"{}\"><title>{}</title></polygon>",
            series.colour,
            path.trim_end(),
            self.tip(series)
        );
    }

    /// Series by row of the legend, each with its place in the row.
    fn legend_rows(&self) -> Vec<Vec<(f64, &Series)>> {
        let room = self.size.0 - MARGIN_LEFT - MARGIN_RIGHT;
        let mut rows: Vec<Vec<(f64, &Series)>> = Vec::new();
        let mut x = room;
        for series in &self.series {
            let width = 34.0 + series.name.chars().count() as f64 * 7.0;
            if x + width > room {
                rows.push(Vec::new());
                x = 0.0;
            }
            if let Some(row) = rows.last_mut() {
                row.push((x, series));
            }
            x += width;
        }
        rows
    }

    fn legend(&self, svg: &mut String, top: f64) {
        for (at, row) in self.legend_rows().iter().enumerate() {
            let y = top + at as f64 * LEGEND_ROW;
            for (x, series) in row {
                let left = MARGIN_LEFT + x;
                let _ = write!(
                    svg,
                    "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"14\" height=\"10\" rx=\"2\" fill=\"{}\"/>",
                    y + 2.0,
                    series.colour
                );
                text(svg, (left + 19.0, y + 11.0), "key", &series.name);
            }
        }
    }
}

fn text(svg: &mut String, at: (f64, f64), class: &str, what: &str) {
    // Writing to a string cannot fail.
    let _ = write!(svg, "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>", at.0, at.1, escape(what));
}

/// A round distance between about `ticks` ticks up to `end`.
fn tick_step(end: f64, ticks: f64) -> f64 {
    if !(end > 0.0 && end.is_finite()) {
        return 1.0;
    }
    let rough = end / ticks;
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| power * factor >= rough * 0.999_999);
    power * factor.unwrap_or(10.0)
}

/// `text` with the characters replaced that mean something in HTML and SVG.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(stacked: bool, series: Vec<Series>) -> String {
        Chart {
            title: "a < b".into(),
            x_label: "x".into(),
            y_label: "y".into(),
            x_format: |v| format!("{v}"),
            y_format: |v| format!("{v}"),
            stacked,
            series,
            size: (600.0, 300.0),
        }
        .render()
    }

    fn series(points: Vec<(f64, f64)>) -> Series {
        Series { name: "n".into(), colour: "#123456", dashes: "", points, end: 7.0 }
    }

    #[test]
    fn ticks_are_round_and_about_as_many_as_asked_for() {
        for (end, step) in [(10.0, 2.0), (97.0, 20.0), (0.34, 0.1), (5.0, 1.0), (0.0, 1.0)] {
            let got = tick_step(end, 5.0);
            assert!((got - step).abs() < 1e-9, "{end}: {got}, not {step}");
        }
    }

    #[test]
    fn layers_stand_on_each_other_and_lines_do_not() {
        let two = || vec![series(vec![(0.0, 1.0), (1.0, 1.0)]), series(vec![(0.0, 2.0), (1.0, 2.0)])];
        assert!(chart(true, two()).contains(">3</text>"), "the axis must reach the sum");
        assert!(!chart(false, two()).contains(">3</text>"));
    }

    #[test]
    fn nothing_to_draw_and_long_series_are_drawn_all_the_same() {
        for stacked in [false, true] {
            assert!(chart(stacked, vec![series(Vec::new())]).contains("a &lt; b"));
            let long: Vec<(f64, f64)> = (0..100_000).map(|x| (f64::from(x), 1.0)).collect();
            let svg = chart(stacked, vec![series(long)]);
            assert!(svg.len() < 40_000 && !svg.contains("NaN") && !svg.contains("inf"));
        }
    }
}
