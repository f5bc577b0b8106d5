//! DescribeLogDirs · key 35 · versions 1–5
//!
//! - 2: flexible. 3: an error of the whole response. 4: size of the file system (KIP-827). 5: cordoned directories.
//! - There is one directory. No partition lags or moves.
//! - Left out: the size of the file system, which is −1: unknown.
//!
//! Source: KIP-113, KIP-827.

use crate::call::Context;
use levada_broker::admin::LogView;
use levada_model::Str;
use levada_protocol::{
    ErrorCode,
    messages::{
        DescribeLogDirsRequest, DescribeLogDirsResponse,
        describe_log_dirs_response::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic},
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// From this version on the whole response can have an error.
const TOP_ERROR_FROM: i16 = 3;

pub(crate) async fn handle(context: Context, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let grant = match context.ask_cluster() {
        Ok(grant) => grant,
        Err(error) => {
            let error = if context.version >= TOP_ERROR_FROM { error } else { ErrorCode::None };
            return DescribeLogDirsResponse { error_code: error.code(), ..DescribeLogDirsResponse::default() };
        }
    };
    let wanted: Option<BTreeMap<Str, BTreeSet<i32>>> = request
        .topics
        .map(|topics| topics.into_iter().map(|topic| (topic.topic, topic.partitions.into_iter().collect())).collect());
    let is_wanted = |log: &LogView| {
        wanted.as_ref().is_none_or(|wanted| {
            wanted.get(log.topic.as_shared()).is_some_and(|partitions| partitions.contains(&log.partition))
        })
    };
    let view = context.broker().log_dir(&grant);
    let mut topics: Vec<DescribeLogDirsTopic> = Vec::new();
    for log in view.logs.into_iter().filter(is_wanted) {
        let partition = DescribeLogDirsPartition {
            partition_index: log.partition,
            partition_size: i64::try_from(log.size).unwrap_or(i64::MAX),
            ..DescribeLogDirsPartition::default()
        };
        match topics.last_mut() {
            Some(last) if last.name == *log.topic.as_shared() => last.partitions.push(partition),
            _ => topics.push(DescribeLogDirsTopic { name: log.topic.as_shared().clone(), partitions: vec![partition] }),
        }
    }
    let result = DescribeLogDirsResult { log_dir: view.path.into(), topics, ..DescribeLogDirsResult::default() };
    DescribeLogDirsResponse { results: vec![result], ..DescribeLogDirsResponse::default() }
}
