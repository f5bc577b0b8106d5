//! The flights as events: departed, cancelled, landed.

use crate::units::show_moment;
use anyhow::Context as _;
use levada_model::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

const FLIGHTS: &str = include_str!("../../demo/flights.csv");
const AIRLINES: &str = include_str!("../../demo/airlines.csv");

/// What happened to a flight, some minutes after the first day began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    minute: i64,
    body: Body,
}

/// An event as it is sent, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Body {
    flight: String,
    event: &'static str,
    time: String,
    scheduled: Option<String>,
    delay_minutes: Option<i64>,
    carrier: &'static str,
    tail: Option<&'static str>,
    from: &'static str,
    to: &'static str,
    air_minutes: Option<i64>,
    miles: i64,
}

impl Event {
    /// Carrier and number: what happens to one flight stays in order.
    pub(super) fn key(&self) -> &str {
        &self.body.flight
    }

    /// The event as JSON, as if it happened at `now`.
    pub(super) fn at(&self, now: Timestamp) -> String {
        let scheduled = self.body.delay_minutes.map(|delay| show_moment(now - delay * 60_000));
        let body = Body { time: show_moment(now), scheduled, ..self.body.clone() };
        serde_json::to_string(&body).expect("texts and numbers are JSON")
    }
}

/// One row of the data, by column.
struct Row(BTreeMap<&'static str, &'static str>);

impl Row {
    fn text(&self, column: &'static str) -> Option<&'static str> {
        self.0.get(column).copied().filter(|text| *text != "NA")
    }

    fn number(&self, column: &'static str) -> anyhow::Result<Option<i64>> {
        self.text(column).map(str::parse).transpose().with_context(|| format!("column `{column}`"))
    }

    fn required(&self, column: &'static str) -> anyhow::Result<&'static str> {
        self.text(column).with_context(|| format!("column `{column}` is missing"))
    }
}

fn rows(text: &'static str) -> impl Iterator<Item = Row> {
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    lines.map(move |line| Row(columns.iter().copied().zip(line.split(',')).collect()))
}

/// Every event, in the order in which it happened.
///
/// # Errors
/// Where a row does not read; the rows are the program's own.
pub(super) fn events() -> anyhow::Result<Vec<Event>> {
    let carriers: BTreeMap<&str, &str> =
        rows(AIRLINES).filter_map(|row| Some((row.text("carrier")?, row.text("name")?))).collect();
    let mut events = Vec::new();
    for row in rows(FLIGHTS) {
        let code = row.required("carrier")?;
        let scheduled = row.number("sched_dep_time")?.context("column `sched_dep_time` is missing")?;
        let day = row.number("day")?.context("column `day` is missing")?;
        let due = day * 24 * 60 + scheduled / 100 * 60 + scheduled % 100;
        let delay = row.number("dep_delay")?;
        let departed = Body {
            flight: format!("{code}{}", row.required("flight")?),
            event: if delay.is_some() { "departed" } else { "cancelled" },
            time: String::new(),
            scheduled: None,
            delay_minutes: delay,
            carrier: carriers.get(code).copied().unwrap_or(code),
            tail: row.text("tailnum"),
            from: row.required("origin")?,
            to: row.required("dest")?,
            air_minutes: None,
            miles: row.number("distance")?.context("column `distance` is missing")?,
        };
        let left = due + delay.unwrap_or(0);
        if let Some(air) = row.number("air_time")? {
            let delay_minutes = row.number("arr_delay")?;
            let landed = Body { event: "landed", delay_minutes, air_minutes: Some(air), ..departed.clone() };
            events.push(Event { minute: left + air, body: landed });
        }
        events.push(Event { minute: left, body: departed });
    }
    events.sort_by_key(|event| event.minute);
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flight_departs_or_is_cancelled_and_lands_after_it_departed() {
        let events = events().unwrap();
        let count = |kind| events.iter().filter(|event| event.body.event == kind).count();
        assert_eq!((count("departed"), count("cancelled"), count("landed")), (1857, 148, 1815));
        assert!(events.is_sorted_by_key(|event| event.minute));
        assert!(
            events.iter().filter(|event| event.body.event == "landed").all(|event| event.body.air_minutes > Some(0))
        );
    }

    #[test]
    fn an_event_is_json_stamped_with_the_present() {
        let events = events().unwrap();
        assert_eq!(
            events[0].at(1_782_907_200_000),
            r#"{"flight":"US1431","event":"departed","time":"2026-07-01T12:00:00.000Z","scheduled":"2026-07-01T12:02:00.000Z","delay_minutes":-2,"carrier":"US Airways Inc.","tail":"N161UW","from":"EWR","to":"CLT","air_minutes":null,"miles":529}"#
        );
        assert_eq!(events[0].key(), "US1431");
    }
}
