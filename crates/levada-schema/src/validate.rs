//! What is checked of schemas and rules where a setting asks for it.
//!
//! | setting | what |
//! |---|---|
//! | `validateFields` | reserved fields are not used and stay reserved; no property of a JSON Schema begins with `$$` |
//! | `validateNewSchemas` | namespaces and defaults of Avro; the other languages are held to all they ask anyway |
//! | `validateRules` | what of a rule can be judged without running it |

use crate::{
    contract::{ContractError, Rule, RuleKind, RuleMode, RuleSet},
    error::Error,
    format::Parsed,
    schema::Schema,
};

/// The property of the metadata that names reserved fields, with commas between.
pub const CONFLUENT_RESERVED: &str = "confluent:reserved";
/// Names of properties that are kept for others.
const RESTRICTED: &str = "$$";
/// Rules that nobody can run without an expression.
const WITH_EXPRESSION: [&str; 3] = ["CEL", "CEL_FIELD", "JSONATA"];
/// Rules that encrypt, and so must name a key.
const ENCRYPTING: [&str; 2] = ["ENCRYPT", "ENCRYPT_PAYLOAD"];
const KEK_NAME: &str = "encrypt.kek.name";

/// The names of fields that a schema reserves.
fn reserved(schema: &Schema) -> Vec<&str> {
    let property = schema.metadata.as_ref().and_then(|metadata| metadata.properties.get(CONFLUENT_RESERVED));
    property.into_iter().flat_map(|names| names.split(',')).map(str::trim).filter(|name| !name.is_empty()).collect()
}

/// What of reserved fields keeps a schema from following the one before it, in words.
pub(crate) fn reserved_fields(schema: &Schema, parsed: &Parsed, previous: Option<&Schema>) -> Vec<String> {
    let (names, earlier) = (reserved(schema), previous.map(reserved).unwrap_or_default());
    if let Parsed::Json(parsed) = parsed {
        let found = levada_json_schema::reserved_differences(parsed, &names, &earlier);
        return found.iter().map(ToString::to_string).collect();
    }
    let removed = earlier.iter().filter(|name| !names.contains(name)).map(|name| {
        format!(
            "{{errorType:'RESERVED_FIELD_REMOVED', description:'The field `{name}` is reserved by the old schema's \
             metadata and not by the new one's'}}"
        )
    });
    let used = names.iter().filter(|name| parsed.has_top_level_field(name)).map(|name| {
        format!(
            "{{errorType:'FIELD_CONFLICTS_WITH_RESERVED_FIELD', description:'The new schema has the field `{name}`, \
             which its metadata reserve'}}"
        )
    });
    removed.chain(used).collect()
}

/// Names that fields may not have.
pub(crate) fn field_names(parsed: &Parsed) -> Result<(), Error> {
    // The names of other languages cannot begin so.
    let Parsed::Json(parsed) = parsed else { return Ok(()) };
    match parsed.property_names().find(|name| name.starts_with(RESTRICTED)) {
        Some(name) => Err(Error::InvalidSchema(format!("at `#/properties/{name}`: no name may begin with `$$`"))),
        None => Ok(()),
    }
}

impl Parsed {
    /// Whether the outermost record, object or message has this field.
    fn has_top_level_field(&self, name: &str) -> bool {
        match self {
            Self::Avro(schema) => schema.has_top_level_field(name),
            Self::Json(schema) => schema.property_names().any(|known| known == name),
            Self::Protobuf(schema) => schema.has_top_level_field(name),
        }
    }
}

impl RuleSet {
    /// Judges the rules as far as that is possible without running them.
    ///
    /// # Errors
    /// [`ContractError::Invalid`].
    pub(crate) fn validate(&self) -> Result<(), ContractError> {
        self.rules().try_for_each(Rule::validate)
    }
}

impl Rule {
    fn validate(&self) -> Result<(), ContractError> {
        let invalid = |reason: String| Err(ContractError::Invalid { rule: self.name.clone(), reason });
        let is_letter = |c: char| c.is_alphabetic() || c == '_';
        let is_named =
            self.name.starts_with(is_letter) && self.name.chars().all(|c| is_letter(c) || c.is_numeric() || c == '-');
        if !is_named {
            return invalid("its name has other characters than letters, digits, `_` and `-`".to_owned());
        }
        let rule_type = self.rule_type.as_deref().unwrap_or_default();
        let has_expression = self.expr.as_deref().is_some_and(|expr| !expr.trim().is_empty());
        if WITH_EXPRESSION.contains(&rule_type) && !has_expression {
            return invalid(format!("a rule of type {rule_type} has an `expr`"));
        }
        let is_condition = self.kind == Some(RuleKind::Condition);
        if is_condition && (ENCRYPTING.contains(&rule_type) || rule_type == "JSONATA") {
            return invalid(format!("a rule of type {rule_type} is a TRANSFORM"));
        }
        if ENCRYPTING.contains(&rule_type) && self.params.get(KEK_NAME).is_none_or(String::is_empty) {
            return invalid(format!("a rule of type {rule_type} has the parameter `{KEK_NAME}`"));
        }
        if rule_type == "ENCRYPT" && self.tags.is_empty() {
            return invalid("a rule of type ENCRYPT has tags: it is about the fields that have one of them".to_owned());
        }
        let is_pair_allowed = matches!(self.mode, Some(RuleMode::Writeread | RuleMode::Updown));
        for (member, actions) in [("onSuccess", &self.on_success), ("onFailure", &self.on_failure)] {
            let Some(actions) = actions else { continue };
            let count = actions.split(',').count();
            if actions.split(',').any(|action| action.trim().is_empty()) || count > 1 + usize::from(is_pair_allowed) {
                return invalid(format!("`{member}` is one action, or two with a comma where the mode is two modes"));
            }
        }
        Ok(())
    }
}
