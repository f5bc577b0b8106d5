//! Setting what a registry, a context or a subject does.

use crate::{
    contract::RuleSet,
    error::Error,
    record::Record,
    registry::{Deleted, Registry},
    settings::{Compatibility, Config, Mode},
    subject::{Context, Subject},
};
use serde_json::{Map, Value};

impl Registry {
    /// Changes settings; what `changes` does not name stays, and `null` takes a setting away. Answers what to write.
    ///
    /// # Errors
    /// [`Error::InvalidCompatibility`] for a level that there is not; [`Error::InvalidSchema`] for a setting that there
    /// is not, or of the wrong type; [`Error::InvalidContract`]; [`Error::NotPermitted`] in read-only mode.
    pub fn set_config(
        &self,
        subject: Option<&Subject>,
        changes: Map<String, Value>,
    ) -> Result<(Vec<Record>, Config), Error> {
        self.may_configure(subject)?;
        let current = self.config(subject).map(|config| (**config).clone()).unwrap_or_default();
        let invalid = |error: serde_json::Error| Error::InvalidSchema(format!("not a setting: {error}"));
        let Value::Object(mut members) = serde_json::to_value(&current).map_err(invalid)? else {
            return Err(Error::InvalidCompatibility);
        };
        for (name, value) in changes {
            // Requests and answers to them call it otherwise than the record does.
            let name = if name == "compatibility" { "compatibilityLevel".to_owned() } else { name };
            let value = match (name.as_str(), value) {
                ("compatibilityLevel", Value::String(level)) => {
                    let level = Compatibility::named(&level).ok_or(Error::InvalidCompatibility)?;
                    Value::String(level.name().to_owned())
                }
                ("compatibilityPolicy", Value::String(policy)) => Value::String(policy.to_ascii_uppercase()),
                (_, value) => value,
            };
            if value.is_null() {
                members.remove(&name);
            } else {
                members.insert(name, value);
            }
        }
        let config: Config = serde_json::from_value(Value::Object(members)).map_err(invalid)?;
        if let Some(unknown) = config.other.keys().find(|name| !current.other.contains_key(*name)) {
            return Err(Error::InvalidSchema(format!("`{unknown}` is not a setting")));
        }
        for metadata in config.default_metadata.iter().chain(&config.override_metadata) {
            metadata.check()?;
        }
        for rule_set in config.default_rule_set.iter().chain(&config.override_rule_set) {
            rule_set.check()?;
        }
        let record = Record::Config { subject: subject.cloned(), config: Some(Box::new(config.clone())) };
        let mut after = self.clone();
        after.apply(&record);
        if after.config_in_scope(subject).validate_rules == Some(true) {
            let rule_sets = config.default_rule_set.iter().chain(&config.override_rule_set);
            rule_sets.into_iter().try_for_each(RuleSet::validate)?;
        }
        Ok((vec![record], config))
    }

    /// Takes settings away; answers what to write, and what they were.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`] where a subject has none; [`Error::NotPermitted`] in read-only mode.
    pub fn delete_config(&self, subject: Option<&Subject>) -> Result<(Vec<Record>, Config), Error> {
        self.may_configure(subject)?;
        match (self.config(subject), subject) {
            (Some(config), _) => {
                let record = Record::Config { subject: subject.cloned(), config: None };
                Ok((vec![record], (**config).clone()))
            }
            (None, Some(subject)) => Err(Error::SubjectNotFound(subject.clone())),
            (None, None) => Ok((Vec::new(), Config::default())),
        }
    }

    fn may_configure(&self, subject: Option<&Subject>) -> Result<(), Error> {
        if !self.mode_in_scope(subject).is_read_only() {
            return Ok(());
        }
        let whose = subject.map_or_else(|| "the registry".to_owned(), |subject| format!("Subject {subject}"));
        Err(Error::NotPermitted(format!("{whose} is in read-only mode")))
    }

    /// Sets who may write; answers what to write.
    ///
    /// # Errors
    /// [`Error::NotPermitted`] where ids are to come along and there are schemas already, unless `force`.
    pub fn set_mode(&self, subject: Option<&Subject>, mode: Mode, force: bool) -> Result<Vec<Record>, Error> {
        if mode == Mode::Import && !force && self.mode(subject) != Some(Mode::Import) {
            let has_schemas = match subject {
                Some(subject) => self.has_subjects(subject, Deleted::No),
                None => self.all(Deleted::No).any(|(subject, _)| subject.context().is_default()),
            };
            if has_schemas {
                return Err(Error::NotPermitted("Cannot import since found existing subjects".to_owned()));
            }
        }
        Ok(vec![Record::Mode { subject: subject.cloned(), mode: Some(mode) }])
    }

    /// Takes a mode away; answers what to write, and what it was. With `whole` those of all subjects of the context go,
    /// too; where no subject is named, that is the default one.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`] where a subject has none.
    pub fn delete_mode(&self, subject: Option<&Subject>, whole: bool) -> Result<(Vec<Record>, Mode), Error> {
        let gone = |subject: Option<Subject>| Record::Mode { subject, mode: None };
        let is_context = subject.is_none_or(Subject::is_context);
        let context = subject.map_or_else(Context::default_context, |subject| subject.context().clone());
        let within = self.subjects_with_modes().filter(|other| *other.context() == context && !other.is_context());
        let mut records: Vec<Record> =
            within.filter(|_| whole && is_context).map(|other| gone(Some(other.clone()))).collect();
        match (self.mode(subject), subject) {
            (Some(mode), _) => {
                records.insert(0, gone(subject.cloned()));
                Ok((records, mode))
            }
            (None, Some(subject)) if records.is_empty() => Err(Error::SubjectNotFound(subject.clone())),
            (None, _) => Ok((records, Mode::default())),
        }
    }
}
