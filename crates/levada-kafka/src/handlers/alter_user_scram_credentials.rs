//! AlterUserScramCredentials · key 51 · version 0
//!
//! - Each user is changed or refused by itself; answered when that is durable.
//!
//! Source: KIP-554.

use crate::{call::Context, errors};
use levada_broker::scram::{NewCredential, ScramAlteration};
use levada_model::Str;
use levada_protocol::{
    ErrorCode,
    messages::{
        AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
        alter_user_scram_credentials_response::AlterUserScramCredentialsResult,
    },
};
use std::collections::BTreeSet;

pub(crate) async fn handle(
    context: Context,
    request: AlterUserScramCredentialsRequest,
) -> AlterUserScramCredentialsResponse {
    let deletions = request.deletions.into_iter().map(|deletion| ScramAlteration {
        user: deletion.name,
        mechanism: deletion.mechanism,
        credential: None,
    });
    let upsertions = request.upsertions.into_iter().map(|upsertion| ScramAlteration {
        user: upsertion.name,
        mechanism: upsertion.mechanism,
        credential: Some(NewCredential {
            iterations: upsertion.iterations,
            salt: upsertion.salt,
            salted_password: upsertion.salted_password,
        }),
    });
    let alterations: Vec<ScramAlteration> = deletions.chain(upsertions).collect();
    let results: Vec<_> = match context.ask_cluster() {
        Ok(grant) => {
            let outcomes = context.broker().alter_scram_credentials(&grant, alterations).await;
            let coded = |(user, outcome): (Str, Result<(), _>)| {
                result(user, outcome.map_err(|error| (errors::scram(&error), error.to_string())))
            };
            outcomes.into_iter().map(coded).collect()
        }
        Err(error) => {
            let users: BTreeSet<Str> = alterations.into_iter().map(|alteration| alteration.user).collect();
            users.into_iter().map(|user| result(user, Err((error, "may not change users".to_owned())))).collect()
        }
    };
    AlterUserScramCredentialsResponse { results, ..AlterUserScramCredentialsResponse::default() }
}

fn result(user: Str, outcome: Result<(), (ErrorCode, String)>) -> AlterUserScramCredentialsResult {
    let (error, message) = match outcome {
        Ok(()) => (ErrorCode::None, None),
        Err((error, message)) => (error, Some(message.into())),
    };
    AlterUserScramCredentialsResult { user, error_code: error.code(), error_message: message }
}
