//! How fast a group goes: how long its members may be silent, how often they are heard of, how often they are
//! assigned anew. What the broker gives every group; a group's own settings are laid over it elsewhere.

use std::time::Duration;

/// The times of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Silence beyond this ends a membership.
    pub session_timeout: Duration,
    /// How often members are to be heard of.
    pub heartbeat_interval: Duration,
    /// Members that come and go within this time after an assignment are assigned together (KIP-1263).
    pub assignment_interval: Duration,
}

/// The times of a group without settings of its own, and the bounds of those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paces {
    /// Without settings of its own.
    pub usual: Pace,
    /// The shortest.
    pub min: Pace,
    /// The longest.
    pub max: Pace,
}

impl Default for Paces {
    fn default() -> Self {
        let pace = |session_timeout, heartbeat_interval, assignment_interval| Pace {
            session_timeout: Duration::from_secs(session_timeout),
            heartbeat_interval: Duration::from_secs(heartbeat_interval),
            assignment_interval: Duration::from_secs(assignment_interval),
        };
        Self { usual: pace(45, 5, 1), min: pace(45, 5, 0), max: pace(60, 15, 15) }
    }
}
