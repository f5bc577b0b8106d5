//! [`Settings`]: what somebody set for the statements that follow. They are the asker's, and go with each request.

use crate::{Refusal, read_after};
use levada_sql::{
    Statement,
    query::ReadAfter,
    statement::{LateRows, OnError, Positions, Sleep},
};
use std::collections::BTreeMap;

/// Whether a query is answered once, or for as long as somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Streaming,
    Batch,
}

const MODE: &str = "execution.runtime-mode";
const NAME: &str = "pipeline.name";
const READ_AFTER: &str = "sql.read-after";
const READ_AFTER_TIMEOUT: &str = "sql.read-after.timeout";
const ON_ERROR: &str = "sql.on-error";
const DEAD_LETTERS: &str = "sql.dead-letter.topic";
const LATE_ROWS: &str = "sql.late-rows";
const LATE_TOPIC: &str = "sql.late-rows.topic";
const KEYS: [&str; 8] = [MODE, NAME, READ_AFTER, READ_AFTER_TIMEOUT, ON_ERROR, DEAD_LETTERS, LATE_ROWS, LATE_TOPIC];

/// What was set; all keys are known, and all values sound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) mode: Option<Mode>,
    /// The next statement's name.
    pub(crate) name: Option<String>,
    /// What answers have to have.
    pub(crate) read_after: Positions,
    /// How long is waited for that.
    pub(crate) read_after_timeout_ms: Option<u32>,
    /// What becomes of records that cannot be decoded: one of [`ON_ERRORS`].
    on_error: Option<&'static str>,
    /// The topic that they are written to.
    dead_letters: Option<String>,
    /// What becomes of rows that come too late: one of [`LATE_ROW_KINDS`].
    late_rows: Option<&'static str>,
    /// The topic that they are written to.
    late_topic: Option<String>,
}

const SKIP: &str = "skip";
const DEAD_LETTER: &str = "dead-letter";
const ON_ERRORS: [&str; 3] = ["fail", SKIP, DEAD_LETTER];
const TOPIC: &str = "topic";
const LATE_ROW_KINDS: [&str; 2] = ["drop", TOPIC];

impl Settings {
    pub(crate) fn read(pairs: &BTreeMap<String, String>) -> Result<Self, Refusal> {
        let mut settings = Self::default();
        pairs.iter().try_for_each(|(key, value)| settings.set(key, value))?;
        Ok(settings)
    }

    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), Refusal> {
        match key {
            MODE => self.mode = Some(mode(value)?),
            NAME => {
                check_name(value)?;
                self.name = Some(value.to_owned());
            }
            READ_AFTER => self.read_after = read_after::offsets(value)?,
            READ_AFTER_TIMEOUT => self.read_after_timeout_ms = Some(read_after::span_ms(value)?),
            ON_ERROR => {
                let known = ON_ERRORS.into_iter().find(|known| *known == value.to_ascii_lowercase());
                let wrong =
                    || Refusal::invalid(format!("`{ON_ERROR}` is `fail`, `skip` or `dead-letter`, not `{value}`"));
                self.on_error = Some(known.ok_or_else(wrong)?);
            }
            DEAD_LETTERS => self.dead_letters = Some(value.to_owned()),
            LATE_ROWS => {
                let known = LATE_ROW_KINDS.into_iter().find(|known| *known == value.to_ascii_lowercase());
                let wrong = || Refusal::invalid(format!("`{LATE_ROWS}` is `drop` or `topic`, not `{value}`"));
                self.late_rows = Some(known.ok_or_else(wrong)?);
            }
            LATE_TOPIC => self.late_topic = Some(value.to_owned()),
            _ => return Err(unknown(key)),
        }
        Ok(())
    }

    /// Resets one, or all.
    pub(crate) fn reset(&mut self, key: Option<&str>) -> Result<(), Refusal> {
        match key {
            None => *self = Self::default(),
            Some(MODE) => self.mode = None,
            Some(NAME) => self.name = None,
            Some(READ_AFTER) => self.read_after.clear(),
            Some(READ_AFTER_TIMEOUT) => self.read_after_timeout_ms = None,
            Some(ON_ERROR) => self.on_error = None,
            Some(DEAD_LETTERS) => self.dead_letters = None,
            Some(LATE_ROWS) => self.late_rows = None,
            Some(LATE_TOPIC) => self.late_topic = None,
            Some(key) => return Err(unknown(key)),
        }
        Ok(())
    }

    /// What an answer has to have; the time to wait for it begins.
    pub(crate) fn read_after(&self, sleep: &Sleep) -> ReadAfter {
        if self.read_after.is_empty() {
            return ReadAfter::default();
        }
        let waited_ms = self.read_after_timeout_ms.unwrap_or(read_after::TIMEOUT_MS);
        ReadAfter::new(self.read_after.clone(), waited_ms, sleep)
    }

    /// Those that are set.
    pub(crate) fn pairs(&self) -> BTreeMap<String, String> {
        let mode = self.mode.map(|mode| match mode {
            Mode::Streaming => "streaming".to_owned(),
            Mode::Batch => "batch".to_owned(),
        });
        let read_after = (!self.read_after.is_empty()).then(|| read_after::text(&self.read_after));
        let timeout = self.read_after_timeout_ms.map(|span| format!("{span} ms"));
        let pairs = [(MODE, mode), (NAME, self.name.clone()), (READ_AFTER, read_after), (READ_AFTER_TIMEOUT, timeout)];
        let pairs = pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        pairs.chain(self.kept()).collect()
    }

    /// Those that are kept with a statement that is created.
    pub(crate) fn kept(&self) -> BTreeMap<String, String> {
        let pairs = [
            (ON_ERROR, self.on_error.map(str::to_owned)),
            (DEAD_LETTERS, self.dead_letters.clone()),
            (LATE_ROWS, self.late_rows.map(str::to_owned)),
            (LATE_TOPIC, self.late_topic.clone()),
        ];
        pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

/// What becomes of what is none of a statement's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Aside {
    /// Of records that cannot be decoded, and rows that cannot be computed.
    pub(crate) on_error: OnError,
    /// Of rows that come too late.
    pub(crate) late_rows: LateRows,
}

impl Aside {
    /// Out of what was kept with a statement.
    pub(crate) fn of(kept: &BTreeMap<String, String>) -> Result<Self, Refusal> {
        let topic = |what: &str, is: &str, key: &str| {
            kept.get(key).cloned().ok_or_else(|| {
                let refusal = Refusal::invalid(format!("`{what}` is `{is}`, and no topic is set for them"));
                refusal.with_hint(format!("SET '{key}' = 'topic'"))
            })
        };
        let on_error = match kept.get(ON_ERROR).map(String::as_str) {
            Some(DEAD_LETTER) => OnError::DeadLetter(topic(ON_ERROR, DEAD_LETTER, DEAD_LETTERS)?),
            Some(SKIP) => OnError::Skip,
            _ => OnError::Fail,
        };
        let late_rows = match kept.get(LATE_ROWS).map(String::as_str) {
            Some(TOPIC) => LateRows::Topic(topic(LATE_ROWS, TOPIC, LATE_TOPIC)?),
            _ => LateRows::Drop,
        };
        Ok(Self { on_error, late_rows })
    }

    /// A statement with that.
    pub(crate) fn with(&self, statement: Statement) -> Statement {
        let Self { on_error, late_rows } = self.clone();
        Statement { on_error, late_rows, ..statement }
    }

    /// The topics that it goes to.
    pub(crate) fn topics(&self) -> impl Iterator<Item = AsideTopic<'_>> {
        let dead = if let OnError::DeadLetter(topic) = &self.on_error { Some(topic) } else { None };
        let late = if let LateRows::Topic(topic) = &self.late_rows { Some(topic) } else { None };
        let dead = dead.map(|topic| AsideTopic { topic, what: "dead letters", setting: DEAD_LETTERS });
        dead.into_iter().chain(late.map(|topic| AsideTopic { topic, what: "late rows", setting: LATE_TOPIC }))
    }
}

/// A topic that is written beside the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsideTopic<'a> {
    pub(crate) topic: &'a str,
    /// What lies there.
    pub(crate) what: &'static str,
    /// What says so.
    pub(crate) setting: &'static str,
}

/// A mode by Flink's name, in whatever case.
pub(crate) fn mode(text: &str) -> Result<Mode, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "streaming" => Ok(Mode::Streaming),
        "batch" => Ok(Mode::Batch),
        _ => Err(Refusal::invalid(format!("`{MODE}` is `streaming` or `batch`, not `{text}`"))),
    }
}

fn unknown(key: &str) -> Refusal {
    let known = KEYS.map(|key| format!("`{key}`")).join(", ");
    let refusal = Refusal::invalid(format!("there is no setting `{key}`; there are {known}"));
    refusal.with_nearest(key, KEYS.into_iter())
}

/// Bytes of a statement's name: its journal's topic begins with five more.
const NAME_SIZE_MAX: usize = 200;

/// Whether a statement can have this name, which its journal has, too.
pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > NAME_SIZE_MAX || !name.bytes().all(is_sound) {
        let message = format!(
            "`{name}` cannot be a statement's name: it has 1 to {NAME_SIZE_MAX} letters, digits, `-`, `_` and `.`"
        );
        return Err(Refusal::invalid(message));
    }
    // Its journal would be the topic with the definitions.
    if levada_stream::CATALOG_TOPIC.strip_prefix(levada_stream::JOURNAL_PREFIX) == Some(name) {
        return Err(Refusal::invalid(format!("a statement cannot be named `{name}`: choose another name")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_settings_and_values_are_refused_with_what_there_is() {
        let mut settings = Settings::default();
        settings.set("execution.runtime-mode", "BATCH").unwrap();
        settings.set("pipeline.name", "totals").unwrap();
        let refused = settings.set("pipline.name", "x").unwrap_err();
        assert_eq!(refused.hint.as_deref(), Some("did you mean `pipeline.name`?"));
        assert!(settings.set("execution.runtime-mode", "soon").is_err());
        for name in ["catalog", "", "a b", "ä"] {
            assert!(settings.set("pipeline.name", name).is_err(), "{name}");
        }
        settings.set("sql.read-after", "orders:0:5").unwrap();
        settings.set("sql.read-after.timeout", "5 s").unwrap();
        assert_eq!(Settings::read(&settings.pairs()).unwrap(), settings);
        settings.reset(Some("pipeline.name")).unwrap();
        assert_eq!(settings.pairs().len(), 3);
        settings.reset(Some("sql.read-after")).unwrap();
        assert_eq!(settings.pairs().len(), 2);
        settings.reset(None).unwrap();
        assert_eq!(settings, Settings::default());
        assert!(settings.set("sql.late-rows", "keep").is_err());
        settings.set("sql.late-rows", "TOPIC").unwrap();
        let refused = Aside::of(&settings.kept()).unwrap_err();
        assert_eq!(refused.hint.as_deref(), Some("SET 'sql.late-rows.topic' = 'topic'"));
        settings.set("sql.late-rows.topic", "late").unwrap();
        assert_eq!(Aside::of(&settings.kept()).unwrap().late_rows, LateRows::Topic("late".to_owned()));
        assert_eq!(Settings::read(&settings.pairs()).unwrap(), settings);
    }
}
