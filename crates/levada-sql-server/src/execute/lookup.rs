//! Rows of a table or view by the values of columns, without SQL.

use super::Asked;
use crate::{Refusal, service::Service, settings::Settings};
use levada_sql::{Answer, query::Column, types::Type};
use levada_sql_syntax::{Statement, parse_statement};
use levada_stream::Caller;

/// Rows of one version of a table.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The epoch of a materialized table's statement that they are of; `None` where they come from the topic.
    pub(crate) epoch: Option<u64>,
    pub(crate) answer: Answer,
}

impl Service {
    /// The rows of a table or view in which these columns have these values.
    pub(crate) async fn rows_with(
        &self,
        name: &str,
        values: Vec<(String, String)>,
        settings: &Settings,
        caller: &Caller,
    ) -> Result<Answered, Refusal> {
        let all = self.asked(all(name)?, caller)?;
        let condition = |(column, value): (String, String)| {
            let found = all.columns.iter().find(|it| it.name == column);
            let Some(Column { of, .. }) = found else {
                let known = all.columns.iter().map(|it| it.name.as_str());
                let refusal = Refusal::unknown(format!("`{name}` has no column `{column}`"));
                return Err(refusal.with_nearest(&column, known));
            };
            Ok(format!("{} = {}", ident(&column), literal(&column, of, &value)?))
        };
        let conditions = values.into_iter().map(condition).collect::<Result<Vec<_>, _>>()?;
        let Asked { query, permit, .. } = match conditions.as_slice() {
            [] => all,
            conditions => {
                drop(all);
                self.asked(
                    self::query(&format!("SELECT * FROM {} WHERE {}", ident(name), conditions.join(" AND ")))?,
                    caller,
                )?
            }
        };
        let read_after = settings.read_after(self.sleep());
        let (answer, epoch) = self.rows_of(&query, &[], read_after, caller).await?;
        drop(permit);
        Ok(Answered { epoch, answer })
    }
}

/// All rows of a table or view.
pub(super) fn all(name: &str) -> Result<Box<levada_sql_syntax::ast::Query>, Refusal> {
    query(&format!("SELECT * FROM {}", ident(name)))
}

fn query(sql: &str) -> Result<Box<levada_sql_syntax::ast::Query>, Refusal> {
    match parse_statement(sql)?.statement {
        Statement::Query(query) => Ok(query),
        _ => Err(Refusal::internal("no query")),
    }
}

fn ident(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A value as it stands in a text.
fn literal(column: &str, of: &Type, value: &str) -> Result<String, Refusal> {
    let text = || format!("'{}'", value.replace('\'', "''"));
    Ok(match of {
        Type::Char(_) | Type::Varchar(_) | Type::String => text(),
        Type::TinyInt | Type::SmallInt | Type::Int | Type::BigInt => {
            let number = value.parse::<i64>();
            number.map_err(|_| Refusal::invalid(format!("`{column}` is {of}, and `{value}` is not")))?.to_string()
        }
        Type::Boolean => match value {
            "true" => "TRUE".to_owned(),
            "false" => "FALSE".to_owned(),
            _ => return Err(Refusal::invalid(format!("`{column}` is {of}, and `{value}` is neither true nor false"))),
        },
        of => format!("CAST({} AS {of})", text()),
    })
}
