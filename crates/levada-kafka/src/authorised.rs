//! Which operations a caller may do to something, as the bits that clients are shown.
//!
//! Source: KIP-430.

use crate::call::Context;
use levada_broker::auth::{CLUSTER, Op, Res, op, res};
use levada_model::Str;

/// Kafka's number of an operation, which is its bit.
const READ: u32 = 3;
const WRITE: u32 = 4;
const CREATE: u32 = 5;
const DELETE: u32 = 6;
const ALTER: u32 = 7;
const DESCRIBE: u32 = 8;
const CLUSTER_ACTION: u32 = 9;
const DESCRIBE_CONFIGS: u32 = 10;
const ALTER_CONFIGS: u32 = 11;
const IDEMPOTENT_WRITE: u32 = 12;

fn bit<O: Op, R: Res>(context: &Context, name: &Str, number: u32) -> i32 {
    if context.ask::<O, R>(name).is_ok() { 1 << number } else { 0 }
}

/// What the caller may do to a topic.
pub(crate) fn topic(context: &Context, name: &Str) -> i32 {
    bit::<op::Read, res::Topic>(context, name, READ)
        | bit::<op::Write, res::Topic>(context, name, WRITE)
        | bit::<op::Create, res::Topic>(context, name, CREATE)
        | bit::<op::Delete, res::Topic>(context, name, DELETE)
        | bit::<op::Alter, res::Topic>(context, name, ALTER)
        | bit::<op::Describe, res::Topic>(context, name, DESCRIBE)
        | bit::<op::DescribeConfigs, res::Topic>(context, name, DESCRIBE_CONFIGS)
        | bit::<op::AlterConfigs, res::Topic>(context, name, ALTER_CONFIGS)
}

/// What the caller may do to a group.
pub(crate) fn group(context: &Context, name: &Str) -> i32 {
    bit::<op::Read, res::Group>(context, name, READ)
        | bit::<op::Delete, res::Group>(context, name, DELETE)
        | bit::<op::Describe, res::Group>(context, name, DESCRIBE)
        | bit::<op::DescribeConfigs, res::Group>(context, name, DESCRIBE_CONFIGS)
        | bit::<op::AlterConfigs, res::Group>(context, name, ALTER_CONFIGS)
}

/// What the caller may do to the cluster.
pub(crate) fn cluster(context: &Context) -> i32 {
    let name = &CLUSTER;
    bit::<op::Create, res::Cluster>(context, name, CREATE)
        | bit::<op::Alter, res::Cluster>(context, name, ALTER)
        | bit::<op::Describe, res::Cluster>(context, name, DESCRIBE)
        | bit::<op::ClusterAction, res::Cluster>(context, name, CLUSTER_ACTION)
        | bit::<op::DescribeConfigs, res::Cluster>(context, name, DESCRIBE_CONFIGS)
        | bit::<op::AlterConfigs, res::Cluster>(context, name, ALTER_CONFIGS)
        | bit::<op::IdempotentWrite, res::Cluster>(context, name, IDEMPOTENT_WRITE)
}
