//! [`Settings`]: what a connection has set, by PostgreSQL's names. Whatever can be set is obeyed, or holds anyway.

use crate::problem::Problem;
use levada_sql_server::Offsets;
use std::{collections::BTreeMap, time::Duration};

/// Which values a setting takes.
#[derive(Clone, Copy, Debug)]
enum Takes {
    /// None: it says how things are.
    Nothing,
    /// Any text.
    Any,
    /// One of these, in whatever case: how things are, whatever it is called.
    Only(&'static [&'static str]),
    /// A time, in milliseconds where no unit is named.
    Span,
    /// `topic:partition:offset`.
    Offsets,
}

/// Name, value where nothing is said, what it takes, and whether each change of it is told to the client.
const KNOWN: [(&str, &str, Takes, bool); 38] = [
    ("application_name", "", Takes::Any, true),
    ("bytea_output", "hex", Takes::Only(&["hex"]), false),
    ("check_function_bodies", "on", Takes::Only(&["on", "off", "true", "false"]), false),
    ("client_encoding", "UTF8", Takes::Only(&["utf8", "utf-8", "unicode"]), true),
    ("client_min_messages", "notice", Takes::Only(&["notice", "warning", "error"]), false),
    ("DateStyle", "ISO, MDY", Takes::Only(&["iso", "iso, mdy", "iso, dmy", "iso, ymd", "iso,mdy"]), true),
    ("default_table_access_method", "heap", Takes::Only(&["heap"]), false),
    ("default_transaction_isolation", "read committed", Takes::Only(&["read committed"]), false),
    ("default_transaction_read_only", "off", Takes::Only(&["on", "off", "true", "false"]), true),
    ("enable_bitmapscan", "on", Takes::Any, false),
    ("enable_seqscan", "on", Takes::Any, false),
    ("escape_string_warning", "off", Takes::Any, false),
    // Floats always have all their digits.
    ("extra_float_digits", "3", Takes::Only(&["1", "2", "3"]), false),
    ("idle_in_transaction_session_timeout", "0", Takes::Only(&["0"]), false),
    ("in_hot_standby", "off", Takes::Nothing, true),
    ("integer_datetimes", "on", Takes::Nothing, true),
    ("IntervalStyle", "postgres", Takes::Only(&["postgres"]), true),
    ("is_superuser", "off", Takes::Nothing, true),
    ("lc_collate", "C", Takes::Nothing, false),
    ("lc_ctype", "C", Takes::Nothing, false),
    ("lc_messages", "C", Takes::Any, false),
    ("lc_monetary", "C", Takes::Only(&["c"]), false),
    ("lc_numeric", "C", Takes::Only(&["c"]), false),
    ("levada.read_after", "", Takes::Offsets, false),
    // There are no locks.
    ("lock_timeout", "0", Takes::Span, false),
    ("max_identifier_length", "249", Takes::Nothing, false),
    ("max_index_keys", "32", Takes::Nothing, false),
    ("row_security", "on", Takes::Any, false),
    ("search_path", "public", Takes::Only(SEARCH_PATHS), false),
    ("server_encoding", "UTF8", Takes::Nothing, true),
    ("server_version", "", Takes::Nothing, true),
    ("server_version_num", "150000", Takes::Nothing, false),
    ("session_authorization", "", Takes::Nothing, true),
    ("standard_conforming_strings", "on", Takes::Only(&["on", "true"]), true),
    ("statement_timeout", "0", Takes::Span, false),
    ("synchronize_seqscans", "on", Takes::Any, false),
    ("TimeZone", "UTC", Takes::Only(&["utc", "etc/utc", "gmt", "etc/gmt", "z", "zulu", "universal"]), true),
    ("transaction_isolation", "read committed", Takes::Only(&["read committed"]), false),
];

const SEARCH_PATHS: &[&str] = &[
    "public",
    "\"$user\", public",
    "\"$user\",public",
    "$user, public",
    "$user,public",
    "public, pg_catalog",
    "public,pg_catalog",
    "",
];

/// How long a query waits for what it must have read, where `statement_timeout` says nothing.
const READ_AFTER_WAIT: Duration = Duration::from_secs(10);

/// What a connection has set.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    set: BTreeMap<&'static str, String>,
    /// As they were when it began.
    first: BTreeMap<&'static str, String>,
}

impl Settings {
    pub(crate) fn new(version: &str) -> Self {
        let mut set: BTreeMap<&'static str, String> =
            KNOWN.iter().map(|(name, value, ..)| (*name, (*value).to_owned())).collect();
        set.insert("server_version", server_version(version));
        Self { first: set.clone(), set }
    }

    /// The value of a setting that there is; empty where there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.set.get(name).map_or("", String::as_str)
    }

    /// The same for a name that somebody wrote.
    pub(crate) fn find(&self, name: &str) -> Result<(&'static str, &str), Problem> {
        let (known, ..) = known(name)?;
        Ok((known, self.get(known)))
    }

    /// All of them.
    pub(crate) fn all(&self) -> &BTreeMap<&'static str, String> {
        &self.set
    }

    /// Those that a client is told at the beginning.
    pub(crate) fn told(&self) -> impl Iterator<Item = (&'static str, &str)> {
        KNOWN.iter().filter(|(.., is_told)| *is_told).map(|(name, ..)| (*name, self.get(name)))
    }

    /// From now on that is where it begins.
    pub(crate) fn begin(&mut self, user: &str) {
        self.set.insert("session_authorization", user.to_owned());
        self.first = self.set.clone();
    }

    /// Sets one; answers its name where the client is to be told.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<Option<&'static str>, Problem> {
        let (name, _, takes, is_told) = known(name)?;
        let wrong = || Problem::new("22023", format!("`{name}` cannot be `{value}`"));
        let value = value.trim();
        match takes {
            Takes::Nothing => return Err(Problem::new("55P02", format!("`{name}` cannot be changed"))),
            Takes::Any => {}
            Takes::Only(values) => {
                if !values.iter().any(|known| known.eq_ignore_ascii_case(value)) {
                    let hint = match name {
                        "TimeZone" => "times are shown in UTC".to_owned(),
                        _ => format!("it can be {}", values.join(" or ")),
                    };
                    return Err(wrong().with_hint(hint));
                }
            }
            Takes::Span => {
                span(value).ok_or_else(|| wrong().with_hint("write milliseconds, or a number with ms, s or min"))?;
            }
            Takes::Offsets => {
                value.parse::<Offsets>().map_err(|refusal| Problem::refused(refusal, "", 0))?;
            }
        }
        let shown = match name {
            "client_encoding" => "UTF8".to_owned(),
            "TimeZone" => "UTC".to_owned(),
            "DateStyle" if !value.contains(',') => "ISO, MDY".to_owned(),
            "default_transaction_read_only" => {
                let is_on = value.eq_ignore_ascii_case("on") || value.eq_ignore_ascii_case("true");
                if is_on { "on" } else { "off" }.to_owned()
            }
            _ => value.to_owned(),
        };
        self.set.insert(name, shown);
        Ok(is_told.then_some(name))
    }

    /// Sets one back; all where none is named. Answers what the client is to be told.
    pub(crate) fn reset(&mut self, name: Option<&str>) -> Result<Vec<&'static str>, Problem> {
        let names: Vec<&'static str> = match name {
            Some(name) => vec![known(name)?.0],
            None => KNOWN.iter().map(|(name, ..)| *name).collect(),
        };
        let mut told = Vec::new();
        for name in names {
            let first = self.first.get(name).cloned().unwrap_or_default();
            if self.set.insert(name, first.clone()) != Some(first)
                && KNOWN.iter().any(|(it, .., told)| *it == name && *told)
            {
                told.push(name);
            }
        }
        Ok(told)
    }

    /// After how long a query is stopped.
    pub(crate) fn statement_timeout(&self) -> Option<Duration> {
        span(self.get("statement_timeout")).filter(|span| !span.is_zero())
    }

    /// How long a query waits for what it must have read.
    pub(crate) fn read_after_wait(&self) -> Duration {
        // It ends before the statement does, and tells why.
        self.statement_timeout().map_or(READ_AFTER_WAIT, |span| span - (span / 5).min(Duration::from_millis(100)))
    }

    /// What queries must have read.
    pub(crate) fn read_after(&self) -> Offsets {
        self.get("levada.read_after").parse().unwrap_or_default()
    }

    /// Whether nothing is to be changed.
    pub(crate) fn is_read_only(&self) -> bool {
        self.get("default_transaction_read_only") == "on"
    }

    pub(crate) fn wants_notices(&self) -> bool {
        self.get("client_min_messages").eq_ignore_ascii_case("notice")
    }
}

/// The version that clients decide by what there is to ask for.
pub(crate) fn server_version(version: &str) -> String {
    format!("15.0 (Levada {version})")
}

fn known(name: &str) -> Result<(&'static str, &'static str, Takes, bool), Problem> {
    if let Some(known) = KNOWN.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name)) {
        return Ok(*known);
    }
    let problem = Problem::new("42704", format!("there is no setting `{name}`"));
    Err(match levada_model::nearest(name, KNOWN.iter().map(|(known, ..)| *known)) {
        Some(near) => problem.with_hint(format!("did you mean `{near}`?")),
        None => problem.with_hint("SHOW ALL lists them; settings of statements are SET 'key' = 'value'"),
    })
}

fn span(text: &str) -> Option<Duration> {
    levada_model::span_ms(text).filter(|span| *span <= u64::from(u32::MAX)).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_take_what_is_obeyed_and_refuse_the_rest() {
        let mut settings = Settings::new("1.2.3");
        assert_eq!(settings.get("server_version"), "15.0 (Levada 1.2.3)");
        assert_eq!(settings.set("datestyle", "iso").unwrap(), Some("DateStyle"));
        assert_eq!(settings.set("CLIENT_ENCODING", "utf-8").unwrap(), Some("client_encoding"));
        assert_eq!(settings.set("statement_timeout", "2s").unwrap(), None);
        assert_eq!(settings.statement_timeout(), Some(Duration::from_secs(2)));
        for (name, value) in
            [("client_encoding", "LATIN1"), ("TimeZone", "Europe/Berlin"), ("statement_timeout", "soon")]
        {
            assert_eq!(settings.set(name, value).unwrap_err().code, "22023", "{name}");
        }
        assert_eq!(settings.set("server_version", "16").unwrap_err().code, "55P02");
        let near = settings.set("statement_timeot", "1").unwrap_err();
        assert_eq!((near.code, near.hint.as_deref()), ("42704", Some("did you mean `statement_timeout`?")));
        assert!(settings.set("levada.read_after", "a:b").is_err());
        settings.set("levada.read_after", "a:0:1").unwrap();
        assert_ne!(settings.read_after(), Offsets::default());
        settings.reset(None).unwrap();
        assert_eq!(settings.read_after(), Offsets::default());
        assert_eq!(settings.statement_timeout(), None);
    }
}
