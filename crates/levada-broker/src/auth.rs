//! Who may do what: every call that touches a resource takes a [`Grant`] that only [`Gate`] can make.
//!
//! Owns the question; the answer is an [`Authorizer`]'s. Forgetting to ask does not compile.
//!
//! Source: KIP-11 and the operations that later KIPs added.

use levada_model::Str;
use std::{fmt, marker::PhantomData, sync::Arc};

/// Someone who was authenticated, or nobody in particular.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    /// `User`, as a rule.
    pub kind: Str,
    /// The name.
    pub name: Str,
}

impl Principal {
    /// Who connects without authentication.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self { kind: Str::from_static("User"), name: Str::from_static("ANONYMOUS") }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

/// Who asks, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// The client's own name.
    pub client_id: Str,
    /// The peer's address, `/127.0.0.1` say.
    pub client_host: Str,
}

/// What can be allowed or denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Reading records, or acting as a member of a group.
    Read,
    /// Writing records.
    Write,
    /// Creating topics.
    Create,
    /// Deleting.
    Delete,
    /// Changing partitions and the like.
    Alter,
    /// Seeing that it exists, and how it is.
    Describe,
    /// What brokers do among themselves.
    ClusterAction,
    /// Seeing settings.
    DescribeConfigs,
    /// Changing settings.
    AlterConfigs,
    /// Producing with a producer id.
    IdempotentWrite,
}

/// What kind of thing a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// A topic.
    Topic,
    /// A consumer group.
    Group,
    /// The cluster.
    Cluster,
    /// A transactional producer.
    TransactionalId,
    /// A subject of the schema registry.
    Subject,
    /// A KEK of the schema registry: a key of some KMS that wraps others.
    Kek,
}

/// One thing by kind and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// The kind.
    pub kind: ResourceKind,
    /// The name.
    pub name: Str,
}

/// Answers whether someone may do something.
pub trait Authorizer: Send + Sync {
    /// Whether `caller` may do `operation` to `resource`.
    fn allows(&self, caller: &Caller, operation: Operation, resource: &Resource) -> bool;
}

/// Allows everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Authorizer for AllowAll {
    fn allows(&self, _: &Caller, _: Operation, _: &Resource) -> bool {
        true
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A type that stands for an [`Operation`].
pub trait Op: sealed::Sealed {
    /// Which.
    const OPERATION: Operation;
}

/// A type that stands for a [`ResourceKind`].
pub trait Res: sealed::Sealed {
    /// Which.
    const KIND: ResourceKind;
}

macro_rules! markers {
    ($(#[$outer:meta])* $module:ident, $trait:ident, $constant:ident, $type:ident: $($name:ident),*) => {
        $(#[$outer])*
        pub mod $module {
            use super::{$trait, $type, sealed};
            $(
                #[doc = concat!("Stands for [`", stringify!($type), "::", stringify!($name), "`].")]
                #[derive(Clone, Copy, Debug)]
                pub enum $name {}
                impl sealed::Sealed for $name {}
                impl $trait for $name {
                    const $constant: $type = $type::$name;
                }
            )*
        }
    };
}

markers!(
    /// Operations as types.
    op, Op, OPERATION, Operation:
    Read, Write, Create, Delete, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite
);
markers!(
    /// Resources as types.
    res, Res, KIND, ResourceKind: Topic, Group, Cluster, TransactionalId, Subject, Kek
);

/// Proof that someone may do `O` to the `R` of this name.
pub struct Grant<O, R> {
    name: Str,
    proof: PhantomData<fn() -> (O, R)>,
}

impl<O, R> Grant<O, R> {
    /// The name of what was granted.
    #[must_use]
    pub const fn name(&self) -> &Str {
        &self.name
    }
}

impl<O, R> Clone for Grant<O, R> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), proof: PhantomData }
    }
}

impl<O: Op, R: Res> fmt::Debug for Grant<O, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grant({:?} {:?} {:?})", O::OPERATION, R::KIND, self.name)
    }
}

/// Someone may not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{principal}` may not {operation:?} {kind:?} `{name}`")]
pub struct Denied {
    /// Who.
    pub principal: Principal,
    /// What.
    pub operation: Operation,
    /// To what kind of thing.
    pub kind: ResourceKind,
    /// To which.
    pub name: Str,
}

/// Transactional ids that begin so are the platform's own: whoever had one could fence it. Nobody is asked about them.
pub const RESERVED_TRANSACTIONAL_PREFIX: &str = "levada-sql-";

/// The cluster's name as a resource.
pub const CLUSTER: Str = Str::from_static("kafka-cluster");

/// Asks the authorizer and makes grants.
#[derive(Clone)]
pub struct Gate {
    authorizer: Arc<dyn Authorizer>,
}

impl Gate {
    /// Makes grants as `authorizer` answers.
    #[must_use]
    pub fn new(authorizer: Arc<dyn Authorizer>) -> Self {
        Self { authorizer }
    }

    /// Asks whether `caller` may do `O` to the `R` called `name`.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn ask<O: Op, R: Res>(&self, caller: &Caller, name: &Str) -> Result<Grant<O, R>, Denied> {
        self.ask_as(caller, name, O::OPERATION, Resource { kind: R::KIND, name: name.clone() })
    }

    /// Asks for the creation of a topic, which the cluster's right to create covers, too.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn ask_create(&self, caller: &Caller, name: &Str) -> Result<Grant<op::Create, res::Topic>, Denied> {
        let cluster = Resource { kind: ResourceKind::Cluster, name: CLUSTER };
        self.ask_as(caller, name, Operation::Create, cluster).or_else(|_| self.ask(caller, name))
    }

    /// Asks for a producer id, which the right to write any topic covers (KIP-679).
    ///
    /// # Errors
    /// [`Denied`].
    pub fn ask_idempotent(
        &self,
        caller: &Caller,
        topics: impl Iterator<Item = Str>,
    ) -> Result<Grant<op::IdempotentWrite, res::Cluster>, Denied> {
        self.ask(caller, &CLUSTER).or_else(|denied| {
            for name in topics {
                let topic = Resource { kind: ResourceKind::Topic, name };
                if let Ok(grant) = self.ask_as(caller, &CLUSTER, Operation::Write, topic) {
                    return Ok(grant);
                }
            }
            Err(denied)
        })
    }

    fn ask_as<O: Op, R: Res>(
        &self,
        caller: &Caller,
        name: &Str,
        operation: Operation,
        resource: Resource,
    ) -> Result<Grant<O, R>, Denied> {
        let is_reserved = resource.kind == ResourceKind::TransactionalId
            && operation != Operation::Describe
            && resource.name.starts_with(RESERVED_TRANSACTIONAL_PREFIX);
        if !is_reserved && self.authorizer.allows(caller, operation, &resource) {
            return Ok(Grant { name: name.clone(), proof: PhantomData });
        }
        let Resource { kind, name } = resource;
        Err(Denied { principal: caller.principal.clone(), operation, kind, name: name.detached() })
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct OnlyReads;

    impl Authorizer for OnlyReads {
        fn allows(&self, _: &Caller, operation: Operation, resource: &Resource) -> bool {
            operation == Operation::Read || resource.name == "open"
        }
    }

    fn caller() -> Caller {
        Caller { principal: Principal::anonymous(), client_id: Str::new(), client_host: Str::new() }
    }

    #[test]
    fn a_grant_is_made_only_for_what_is_allowed() {
        let gate = Gate::new(Arc::new(OnlyReads));
        let name = Str::from("orders");
        assert_eq!(gate.ask::<op::Read, res::Topic>(&caller(), &name).unwrap().name(), &name);
        let denied = gate.ask::<op::Write, res::Topic>(&caller(), &name).unwrap_err();
        assert_eq!(denied.to_string(), "`User:ANONYMOUS` may not Write Topic `orders`");
    }

    #[test]
    fn transactional_ids_of_the_platform_are_nobodys() {
        let gate = Gate::new(Arc::new(AllowAll));
        let ask = |name: &str| gate.ask::<op::Write, res::TransactionalId>(&caller(), &Str::from(name));
        assert!(ask("levada-sql-totals").is_err());
        assert!(ask("payments").is_ok());
        assert!(gate.ask::<op::Describe, res::TransactionalId>(&caller(), &"levada-sql-totals".into()).is_ok());
    }

    #[test]
    fn the_right_to_write_some_topic_is_enough_for_a_producer_id() {
        let gate = Gate::new(Arc::new(OnlyReads));
        assert!(gate.ask_idempotent(&caller(), ["orders".into()].into_iter()).is_err());
        assert!(gate.ask_idempotent(&caller(), ["orders".into(), "open".into()].into_iter()).is_ok());
    }
}
