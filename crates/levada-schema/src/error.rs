//! Why a request is refused, with the codes that clients know.

use crate::{
    contract::ContractError,
    subject::{Context, Subject},
};

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such subject.
    #[error("Subject '{0}' not found.")]
    SubjectNotFound(Subject),
    /// No such version.
    #[error("Version {0} not found.")]
    VersionNotFound(i32),
    /// No such schema.
    #[error("Schema{} not found", named(.0))]
    SchemaNotFound(Option<String>),
    /// The subject is deleted softly already.
    #[error("Subject '{0}' was soft deleted. Set permanent=true to delete permanently")]
    SubjectSoftDeleted(Subject),
    /// The subject has to be deleted softly first.
    #[error("Subject '{0}' was not deleted first before being permanently deleted")]
    SubjectNotSoftDeleted(Subject),
    /// The version is deleted softly already.
    #[error("Subject '{0}' Version {1} was soft deleted. Set permanent=true to delete permanently")]
    VersionSoftDeleted(Subject, i32),
    /// The version has to be deleted softly first.
    #[error("Subject '{0}' Version {1} was not deleted first before being permanently deleted")]
    VersionNotSoftDeleted(Subject, i32),
    /// The subject has no settings of its own.
    #[error("Subject '{0}' does not have subject-level compatibility configured")]
    NoSubjectConfig(Subject),
    /// The subject has no mode of its own.
    #[error("Subject '{0}' does not have subject-level mode configured")]
    NoSubjectMode(Subject),
    /// It does not get along with earlier ones.
    #[error("Schema being registered is incompatible with an earlier schema for subject \"{subject}\", details: [{}]", .details.join(", "))]
    Incompatible {
        /// The subject.
        subject: Subject,
        /// All that is in the way.
        details: Vec<String>,
    },
    /// Not a schema.
    #[error("Invalid schema: {0}")]
    InvalidSchema(String),
    /// Not a version.
    #[error(
        "The specified version '{0}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\""
    )]
    InvalidVersion(String),
    /// Not a level of compatibility, or not a setting.
    #[error(
        "Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive"
    )]
    InvalidCompatibility,
    /// Not a mode.
    #[error("Invalid mode. Valid values are READWRITE, READONLY, READONLY_OVERRIDE, IMPORT, and FORWARD.")]
    InvalidMode,
    /// The mode does not allow it.
    #[error("{0}")]
    NotPermitted(String),
    /// Others refer to it.
    #[error("One or more references exist to the schema {{magic=1,keytype=SCHEMA,subject={0},version={1}}}.")]
    ReferenceExists(Subject, i32),
    /// Not a subject.
    #[error("The specified subject '{0}' is not a valid subject.")]
    InvalidSubject(String),
    /// Too much at once.
    #[error("Schema is too large: {0}")]
    TooLarge(String),
    /// Not a rule set, or not metadata.
    #[error("Invalid rule set or metadata: {0}")]
    InvalidContract(#[from] ContractError),
    /// A resource has no such association.
    #[error("Association for '{0}' not found.")]
    AssociationNotFound(String),
    /// A resource has another association of this type.
    #[error("An association of type '{association_type}' already exists for resource '{resource}'")]
    ResourceAssociated {
        /// `key` or `value`.
        association_type: String,
        /// What the resource is called.
        resource: String,
    },
    /// A subject has associations.
    #[error("An association already exists for subject '{0}'")]
    SubjectAssociated(Subject),
    /// A subject belongs to another resource.
    #[error("A strong association already exists for subject '{0}'")]
    SubjectOwned(Subject),
    /// A subject that is associated needs a version that is not deleted.
    #[error("No active (non-deleted) version exists for subject '{0}'")]
    NoActiveVersion(Subject),
    /// An association stays as it is.
    #[error("The association of type '{association_type}' is frozen for subject '{subject}'")]
    AssociationFrozen {
        /// `key` or `value`.
        association_type: String,
        /// Its subject.
        subject: Subject,
    },
    /// Not an association.
    #[error("The association's property '{property}' is invalid: {reason}")]
    InvalidAssociation {
        /// What is wrong.
        property: &'static str,
        /// Why.
        reason: String,
    },
    /// There are subjects in it.
    #[error("The specified context '{0}' is not empty.")]
    ContextNotEmpty(Context),
}

fn named(name: &Option<String>) -> String {
    name.as_ref().map_or_else(String::new, |name| format!(" {name}"))
}

impl Error {
    /// The code, whose first three digits are the HTTP status.
    #[must_use]
    pub const fn code(&self) -> u32 {
        match self {
            Self::SubjectNotFound(_) => 40401,
            Self::VersionNotFound(_) => 40402,
            Self::SchemaNotFound(_) => 40403,
            Self::SubjectSoftDeleted(_) => 40404,
            Self::SubjectNotSoftDeleted(_) => 40405,
            Self::VersionSoftDeleted(..) => 40406,
            Self::VersionNotSoftDeleted(..) => 40407,
            Self::NoSubjectConfig(_) => 40408,
            Self::NoSubjectMode(_) => 40409,
            Self::AssociationNotFound(_) => 40410,
            Self::Incompatible { .. } => 409,
            Self::ResourceAssociated { .. } => 40903,
            Self::SubjectAssociated(_) => 40904,
            Self::SubjectOwned(_) => 40905,
            Self::NoActiveVersion(_) => 40907,
            Self::AssociationFrozen { .. } => 40908,
            Self::InvalidSchema(_) => 42201,
            Self::InvalidVersion(_) => 42202,
            Self::InvalidCompatibility => 42203,
            Self::InvalidMode => 42204,
            Self::NotPermitted(_) => 42205,
            Self::ReferenceExists(..) => 42206,
            Self::InvalidSubject(_) => 42208,
            Self::TooLarge(_) => 42209,
            Self::InvalidContract(_) => 42210,
            Self::ContextNotEmpty(_) => 42211,
            Self::InvalidAssociation { .. } => 42212,
        }
    }
}
