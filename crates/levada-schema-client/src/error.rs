//! [`ClientError`]: what goes wrong between a client and a registry.

/// Why a registry did not do what was asked, or a record is not what its schema says.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("`{url}` is no address of a schema registry: {reason}")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answered.
    #[error("the schema registry at {url} does not answer: {reason}")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The registry said no.
    #[error("{message} (the schema registry's error {code})")]
    Refused {
        /// The status of HTTP.
        status: u16,
        /// The registry's own code.
        code: i64,
        /// What it said.
        message: String,
    },
    /// The answer is not what a registry says.
    #[error("the answer of {url} is no schema registry's: {reason}")]
    Malformed {
        /// Who answered.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The registry has a schema that is not understood here.
    #[error("schema {schema} is not understood: {reason}")]
    Schema {
        /// Its id or GUID.
        schema: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The schema is of another language than was asked for.
    #[error("{which} is {found}, not {wanted}")]
    OtherType {
        /// Which schema.
        which: String,
        /// Its language.
        found: &'static str,
        /// The language that was asked for.
        wanted: &'static str,
    },
    /// The data are none of the schema.
    #[error("not data of schema {schema}: {reason}")]
    Data {
        /// The schema's id or GUID.
        schema: String,
        /// What is wrong.
        reason: String,
    },
    /// A record names no schema.
    #[error("it names no schema: {reason}")]
    Unnamed {
        /// What it begins with instead.
        reason: String,
    },
}
