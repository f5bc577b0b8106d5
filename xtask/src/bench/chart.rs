//! A chart of a few panels, one bar a system, as SVG that stands in a page without any script.

use std::fmt::Write as _;

use super::cases::{Case, Commits, Compression, Load};
use super::results::{Metric, Results};
use super::systems::System;

pub(super) const WIDTH: f64 = 860.0;
pub(super) const PANEL_HEAD: f64 = 34.0;
pub(super) const BAR_HEIGHT: f64 = 18.0;
pub(super) const BAR_STEP: f64 = 23.0;
pub(super) const GROUP_GAP: f64 = 10.0;
pub(super) const LABEL_WIDTH: f64 = 190.0;
pub(super) const VALUE_WIDTH: f64 = 90.0;

struct Panel {
    title: &'static str,
    metric: Metric,
    groups: Vec<(String, Case)>,
}

/// Draws what was measured, or nothing where none of it was.
pub(super) fn draw(results: &Results, systems: &[System]) -> Option<String> {
    let load =
        |batch_size, partitions| Load { record_size: 1_024, compression: Compression::None, batch_size, partitions };
    let produce = |partitions| (format!("{partitions} partitions"), Case::Produce(load(16 << 10, partitions)));
    let single = |case| vec![(String::new(), case)];
    let panels = [
        Panel {
            title: "Produce 1 KiB, acks=all, batches of 16 KiB: MB/s, more is better",
            metric: Metric::Throughput,
            groups: [1, 100, 1_000].map(produce).to_vec(),
        },
        Panel {
            title: "The same: broker CPU seconds per GB, less is better",
            metric: Metric::CpuPerGb,
            groups: [1, 100, 1_000].map(produce).to_vec(),
        },
        Panel {
            title: "End to end at 1,000 records/s: p99 ms, less is better",
            metric: Metric::Latency99,
            groups: single(Case::Latency),
        },
        Panel {
            title: "One producer's transactions of 10 records: commits a second, more is better",
            metric: Metric::Rate,
            groups: single(Case::Transact(Commits::Counted)),
        },
        Panel {
            title: "Many groups: commits of offsets a second, more is better",
            metric: Metric::Rate,
            groups: single(Case::Groups),
        },
        Panel {
            title: "Fetch sessions of many partitions: broker CPU µs a fetch, less is better",
            metric: Metric::CpuEach,
            groups: single(Case::Sessions),
        },
        Panel {
            title: "Resident memory after much was produced and consumed: MB, less is better",
            metric: Metric::Resident,
            groups: single(Case::Memory),
        },
    ];
    let mut body = String::new();
    let mut y = 10.0;
    for panel in &panels {
        y = draw_panel(&mut body, panel, results, systems, y);
    }
    (!body.is_empty()).then(|| {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" font-family=\"sans-serif\" \
             font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{y}\" fill=\"#ffffff\"/>\n{body}</svg>\n"
        )
    })
}

fn draw_panel(body: &mut String, panel: &Panel, results: &Results, systems: &[System], mut y: f64) -> f64 {
    let value = |case: &Case, system| results.median(case, system, panel.metric).map(|value| panel.metric.scale(value));
    let all = panel.groups.iter().flat_map(|(_, case)| systems.iter().filter_map(|&system| value(case, system)));
    let largest = all.fold(0.0, f64::max);
    if largest <= 0.0 {
        return y;
    }
    text(body, 10.0, y + 20.0, panel.title, "font-weight=\"bold\"");
    y += PANEL_HEAD;
    for (label, case) in &panel.groups {
        if !label.is_empty() {
            text(body, 10.0, y + 13.0, label, "fill=\"#555555\"");
            y += BAR_STEP;
        }
        for &system in systems {
            let Some(value) = value(case, system) else { continue };
            let width = ((WIDTH - LABEL_WIDTH - VALUE_WIDTH) * value / largest).max(1.0);
            text(body, 20.0, y + 13.0, system.title(), "");
            let line = writeln!(
                body,
                "<rect x=\"{LABEL_WIDTH}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR_HEIGHT}\" fill=\"{}\"/>",
                system.colour()
            );
            line.expect("a string takes all that is written");
            let digits = if value < 10.0 { 2 } else { 0 };
            text(body, LABEL_WIDTH + width + 6.0, y + 13.0, &format!("{value:.digits$}"), "");
            y += BAR_STEP;
        }
        y += GROUP_GAP;
    }
    y
}

/// Writes a line of text at a place.
pub(super) fn text(body: &mut String, x: f64, y: f64, content: &str, attributes: &str) {
    let line = writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{content}</text>");
    line.expect("a string takes all that is written");
}
