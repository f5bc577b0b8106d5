//! Charts of the pages: for each query a bar of each side.

use std::fmt::Write as _;

use super::{PASSED_ON, Row};
use crate::bench::chart::{BAR_HEIGHT, BAR_STEP, GROUP_GAP, LABEL_WIDTH, PANEL_HEAD, VALUE_WIDTH, WIDTH, text};

const SIDES: [(&str, &str); 2] = [("Levada", "#1f77b4"), ("Flink", "#ff9f4a")];

/// Draws what both sides were measured at, or nothing where there is none.
pub(super) fn draw(rows: &[Row]) -> Option<String> {
    let rates = |row: &Row| Some([row.levada.measured()?.rate / 1e6, row.flink()?.1.rate / 1e6]);
    let drawn = rows.iter().filter(|row| row.query != PASSED_ON);
    let measured: Vec<(&str, [f64; 2])> = drawn.filter_map(|row| Some((row.query, rates(row)?))).collect();
    bars("Millions of events a CPU second, more is better", &SIDES, &measured)
}

/// Draws for each query a bar of each side, which has a name and a colour, or nothing where nothing was measured.
pub(in crate::bench) fn bars<const N: usize>(
    title: &str,
    sides: &[(&str, &str); N],
    measured: &[(&str, [f64; N])],
) -> Option<String> {
    let largest = measured.iter().flat_map(|(_, values)| *values).fold(0.0, f64::max);
    if largest <= 0.0 {
        return None;
    }
    let (mut body, mut y) = (String::new(), 10.0);
    text(&mut body, 10.0, y + 20.0, title, "font-weight=\"bold\"");
    y += PANEL_HEAD;
    for (query, values) in measured {
        for ((side, colour), value) in sides.iter().zip(values) {
            let width = ((WIDTH - LABEL_WIDTH - VALUE_WIDTH) * value / largest).max(1.0);
            text(&mut body, 20.0, y + 13.0, &format!("{query}, {side}"), "");
            let line = writeln!(
                body,
                "<rect x=\"{LABEL_WIDTH}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR_HEIGHT}\" fill=\"{colour}\"/>"
            );
            line.expect("a string takes all that is written");
            text(&mut body, LABEL_WIDTH + width + 6.0, y + 13.0, &format!("{value:.2}"), "");
            y += BAR_STEP;
        }
        y += GROUP_GAP;
    }
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{y}\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    ))
}
