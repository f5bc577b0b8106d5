//! What is generated across messages: the list of modules and the table of APIs.

use super::{
    fields::snake,
    requests,
    schema::{Kind, Message},
};
use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;

/// `generated.rs`: one module for each message, and the messages themselves.
pub(crate) fn modules(messages: &[Message]) -> String {
    let mut text = String::from(
        "//! Kafka's messages, one module each; see [`crate::messages`].
        #![allow(
            clippy::field_reassign_with_default,
            clippy::too_many_lines,
            clippy::missing_errors_doc,
            reason = \"generated: a struct starts from Kafka's defaults and takes the fields of one version\"
        )]\n\n",
    );
    text.push_str("pub(crate) mod api_key;\n#[cfg(feature = \"arbitrary\")]\npub(crate) mod arbitrary;\n");
    for message in messages {
        text.push_str(&format!("pub mod {};\n", snake(&message.name)));
    }
    for message in messages {
        text.push_str(&format!("pub use {}::{};\n", snake(&message.name), message.name));
    }
    text
}

/// `api_key.rs`: the enum of APIs with what the schema says of each.
pub(crate) fn api_keys(messages: &[Message]) -> Result<String> {
    let requests = requests(messages);
    let mut variants = String::new();
    let mut list = String::new();
    let mut rows = String::new();
    for (key, request) in &requests {
        let api = request.name.strip_suffix("Request").context("a request is named Request")?;
        let response = messages
            .iter()
            .find(|message| message.kind == Kind::Response(*key))
            .with_context(|| format!("{} has no response", request.name))?;
        ensure!(
            request.versions == response.versions && request.flexible_from == response.flexible_from,
            "{api}: request and response have different versions"
        );
        let versions = request.versions;
        let flexible = request.flexible_from.map_or("None".to_owned(), |from| format!("Some({from})"));
        let (first, last) = (versions.first, versions.last);
        writeln!(variants, "/// `{api}`, versions {first} to {last}.\n{api} = {key},")?;
        writeln!(list, "Self::{api},")?;
        writeln!(
            rows,
            "Self::{api} => Api {{ name: \"{api}\", versions: {first}..={last}, flexible_from: {flexible} }},"
        )?;
    }
    Ok(format!(
        "//! [`ApiKey`] and what the schema says of each API.
use std::ops::RangeInclusive;

/// An API of Kafka that a broker offers its clients, by its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum ApiKey {{ {variants} }}

/// What the schema says of one API.
pub(crate) struct Api {{
    pub(crate) name: &'static str,
    pub(crate) versions: RangeInclusive<i16>,
    pub(crate) flexible_from: Option<i16>,
}}

impl ApiKey {{
    /// Every API, in the order of their numbers.
    pub const ALL: [Self; {}] = [{list}];

    pub(crate) const fn api(self) -> Api {{ match self {{ {rows} }} }}
}}
",
        requests.len()
    ))
}
