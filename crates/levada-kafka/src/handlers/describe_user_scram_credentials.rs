//! DescribeUserScramCredentials · key 50 · version 0
//!
//! - Without users: all. Salts and keys are shown to nobody.
//!
//! Source: KIP-554.

use crate::call::Context;
use levada_broker::scram::Mechanisms;
use levada_model::Str;
use levada_protocol::{
    ErrorCode,
    messages::{
        DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
        describe_user_scram_credentials_response::{CredentialInfo, DescribeUserScramCredentialsResult},
    },
};
use std::collections::BTreeMap;

pub(crate) async fn handle(
    context: Context,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let users = match context.ask_cluster() {
        Ok(grant) => context.broker().scram_users(&grant),
        Err(error) => {
            return DescribeUserScramCredentialsResponse {
                error_code: error.code(),
                error_message: Some("may not see users".into()),
                ..DescribeUserScramCredentialsResponse::default()
            };
        }
    };
    let asked: Vec<Str> = match request.users {
        Some(asked) if !asked.is_empty() => asked.into_iter().map(|user| user.name).collect(),
        _ => users.keys().map(|name| name.as_str().into()).collect(),
    };
    let mut counts: BTreeMap<Str, usize> = BTreeMap::new();
    for name in asked {
        *counts.entry(name).or_default() += 1;
    }
    let results = counts.into_iter().map(|(name, count)| {
        let found = users.get(name.as_str());
        if count > 1 {
            return refused(name, ErrorCode::DuplicateResource, "the request names the user twice");
        }
        match found {
            Some(mechanisms) => shown(name, mechanisms),
            None => refused(name, ErrorCode::ResourceNotFound, "the user has no credentials"),
        }
    });
    DescribeUserScramCredentialsResponse {
        results: results.collect(),
        ..DescribeUserScramCredentialsResponse::default()
    }
}

fn shown(user: Str, mechanisms: &Mechanisms) -> DescribeUserScramCredentialsResult {
    let infos = mechanisms.iter().map(|&(mechanism, iterations)| CredentialInfo { mechanism, iterations });
    DescribeUserScramCredentialsResult {
        user,
        credential_infos: infos.collect(),
        ..DescribeUserScramCredentialsResult::default()
    }
}

fn refused(user: Str, error: ErrorCode, message: &'static str) -> DescribeUserScramCredentialsResult {
    DescribeUserScramCredentialsResult {
        user,
        error_code: error.code(),
        error_message: Some(message.into()),
        ..DescribeUserScramCredentialsResult::default()
    }
}
