//! Metrics as the Prometheus text format writes them.
//!
//! Source: Prometheus, text-based exposition format 0.0.4.

use std::{borrow::Cow, fmt::Write as _};

/// How a value moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricKind {
    /// Only up, until the process restarts.
    Counter,
    /// Up and down.
    Gauge,
}

/// One sample of one metric.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metric {
    /// The name, as dashboards know it.
    pub(crate) name: Cow<'static, str>,
    /// One sentence.
    pub(crate) help: Cow<'static, str>,
    /// How it moves.
    pub(crate) kind: MetricKind,
    /// What tells this sample from others of its name.
    pub(crate) labels: Vec<(&'static str, String)>,
    /// The value.
    pub(crate) value: f64,
}

/// The text of `metrics`: samples of one name together, names and labels in order.
pub(crate) fn render(mut metrics: Vec<Metric>) -> String {
    metrics.sort_by(|left, right| left.name.cmp(&right.name).then_with(|| left.labels.cmp(&right.labels)));
    let mut text = String::new();
    let mut last: Option<&str> = None;
    for metric in &metrics {
        if last != Some(&metric.name) {
            let kind = match metric.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
            };
            let help = metric.help.replace('\\', "\\\\").replace('\n', "\\n");
            write!(text, "# HELP {0} {help}\n# TYPE {0} {kind}\n", metric.name)
                .expect("a String takes what is written");
            last = Some(&metric.name);
        }
        text.push_str(&metric.name);
        push_labels(&mut text, &metric.labels);
        writeln!(text, " {}", number(metric.value)).expect("a String takes what is written");
    }
    text
}

fn push_labels(text: &mut String, labels: &[(&'static str, String)]) {
    for (index, (name, value)) in labels.iter().enumerate() {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        write!(text, "{}{name}=\"{escaped}\"", if index == 0 { '{' } else { ',' })
            .expect("a String takes what is written");
    }
    if !labels.is_empty() {
        text.push('}');
    }
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_a_name_stand_together_under_one_head() {
        let sample = |name: &'static str, kind, labels, value| Metric {
            name: name.into(),
            help: "What it is.".into(),
            kind,
            labels,
            value,
        };
        let text = render(vec![
            sample("b_total", MetricKind::Counter, vec![("topic", "x\"y\\\n".to_owned())], 2.0),
            sample("a", MetricKind::Gauge, vec![], 0.5),
            sample(
                "b_total",
                MetricKind::Counter,
                vec![("topic", "a".to_owned()), ("partition", "0".to_owned())],
                1e15,
            ),
        ]);
        let expected = "# HELP a What it is.\n# TYPE a gauge\na 0.5\n\
            # HELP b_total What it is.\n# TYPE b_total counter\n\
            b_total{topic=\"a\",partition=\"0\"} 1000000000000000\n\
            b_total{topic=\"x\\\"y\\\\\\n\"} 2\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn numbers_that_are_none_are_named() {
        assert_eq!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.5].map(number), ["NaN", "+Inf", "-Inf", "-1.5"]);
    }
}
