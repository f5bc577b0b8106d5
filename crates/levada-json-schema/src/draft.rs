//! [`Draft`]: which of the five drafts a schema follows, and the drafts' own meta-schemas.

use serde_json::Value;

/// A draft of JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Draft {
    /// Draft 4.
    Draft4,
    /// Draft 6.
    Draft6,
    /// Draft 7, which a schema follows that names none.
    Draft7,
    /// Draft 2019-09.
    Draft201909,
    /// Draft 2020-12.
    Draft202012,
}

impl Draft {
    /// The draft that `$schema` names; one that is not known counts as draft 7, as in Confluent's registry.
    pub(crate) fn named(uri: &str) -> Self {
        let uri = uri.trim_end_matches('#');
        let uri = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://")).unwrap_or(uri);
        match uri {
            "json-schema.org/draft-04/schema" => Self::Draft4,
            "json-schema.org/draft-06/schema" => Self::Draft6,
            "json-schema.org/draft/2019-09/schema" => Self::Draft201909,
            "json-schema.org/draft/2020-12/schema" => Self::Draft202012,
            _ => Self::Draft7,
        }
    }

    /// The keyword that names a schema.
    pub(crate) const fn id_keyword(self) -> &'static str {
        if matches!(self, Self::Draft4) { "id" } else { "$id" }
    }

    /// Whether what stands beside `$ref` counts.
    pub(crate) const fn reads_beside_reference(self) -> bool {
        matches!(self, Self::Draft201909 | Self::Draft202012)
    }

    /// The URI of its meta-schema.
    pub(crate) const fn uri(self) -> &'static str {
        match self {
            Self::Draft4 => "http://json-schema.org/draft-04/schema",
            Self::Draft6 => "http://json-schema.org/draft-06/schema",
            Self::Draft7 => "http://json-schema.org/draft-07/schema",
            Self::Draft201909 => "https://json-schema.org/draft/2019-09/schema",
            Self::Draft202012 => "https://json-schema.org/draft/2020-12/schema",
        }
    }

    /// Checks a schema against its meta-schema; the first error as its place and what is wrong.
    pub(crate) fn check(self, schema: &Value) -> Result<(), (String, String)> {
        let result = match self {
            Self::Draft4 => jsonschema::draft4::meta::validate(schema),
            Self::Draft6 => jsonschema::draft6::meta::validate(schema),
            Self::Draft7 => jsonschema::draft7::meta::validate(schema),
            Self::Draft201909 => jsonschema::draft201909::meta::validate(schema),
            Self::Draft202012 => jsonschema::draft202012::meta::validate(schema),
        };
        result.map_err(|error| (error.instance_path().to_string(), error.to_string()))
    }
}

/// The part of a draft's meta-schema that lies at a URI.
pub(crate) fn meta_schema(uri: &str) -> Option<(Draft, &'static Value)> {
    use referencing::meta;
    let uri = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://"))?;
    let uri = uri.strip_prefix("json-schema.org/")?;
    let (draft, text) = match uri {
        "draft-04/schema" => (Draft::Draft4, &meta::DRAFT4),
        "draft-06/schema" => (Draft::Draft6, &meta::DRAFT6),
        "draft-07/schema" => (Draft::Draft7, &meta::DRAFT7),
        "draft/2019-09/schema" => (Draft::Draft201909, &meta::DRAFT201909),
        "draft/2019-09/meta/core" => (Draft::Draft201909, &meta::DRAFT201909_CORE),
        "draft/2019-09/meta/applicator" => (Draft::Draft201909, &meta::DRAFT201909_APPLICATOR),
        "draft/2019-09/meta/validation" => (Draft::Draft201909, &meta::DRAFT201909_VALIDATION),
        "draft/2019-09/meta/meta-data" => (Draft::Draft201909, &meta::DRAFT201909_META_DATA),
        "draft/2019-09/meta/format" => (Draft::Draft201909, &meta::DRAFT201909_FORMAT),
        "draft/2019-09/meta/content" => (Draft::Draft201909, &meta::DRAFT201909_CONTENT),
        "draft/2020-12/schema" => (Draft::Draft202012, &meta::DRAFT202012),
        "draft/2020-12/meta/core" => (Draft::Draft202012, &meta::DRAFT202012_CORE),
        "draft/2020-12/meta/applicator" => (Draft::Draft202012, &meta::DRAFT202012_APPLICATOR),
        "draft/2020-12/meta/unevaluated" => (Draft::Draft202012, &meta::DRAFT202012_UNEVALUATED),
        "draft/2020-12/meta/validation" => (Draft::Draft202012, &meta::DRAFT202012_VALIDATION),
        "draft/2020-12/meta/meta-data" => (Draft::Draft202012, &meta::DRAFT202012_META_DATA),
        "draft/2020-12/meta/format-annotation" => (Draft::Draft202012, &meta::DRAFT202012_FORMAT_ANNOTATION),
        "draft/2020-12/meta/content" => (Draft::Draft202012, &meta::DRAFT202012_CONTENT),
        _ => return None,
    };
    Some((draft, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_keyword_chooses_and_draft_7_is_the_default() {
        assert_eq!(Draft::named("http://json-schema.org/draft-04/schema#"), Draft::Draft4);
        assert_eq!(Draft::named("https://json-schema.org/draft-06/schema"), Draft::Draft6);
        assert_eq!(Draft::named("http://json-schema.org/draft-07/schema#"), Draft::Draft7);
        assert_eq!(Draft::named("https://json-schema.org/draft/2019-09/schema"), Draft::Draft201909);
        assert_eq!(Draft::named("https://json-schema.org/draft/2020-12/schema"), Draft::Draft202012);
        assert_eq!(Draft::named("http://json-schema.org/schema#"), Draft::Draft7);
    }
}
