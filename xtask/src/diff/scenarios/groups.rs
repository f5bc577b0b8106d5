//! Classic groups: members that come, work and go.

use levada_protocol::ApiKey;
use serde_json::{Value, json};

use crate::diff::script::Scenario;

const REBALANCE_IN_PROGRESS: i16 = 27;
/// From this version on a member gets its id before it joins.
const ID_FIRST: i16 = 4;
/// From this version on several members leave at once.
const LEAVE_MANY: i16 = 3;

/// Versions of JoinGroup, SyncGroup, Heartbeat and LeaveGroup that went together.
#[derive(Clone, Copy)]
struct Versions {
    join: i16,
    sync: i16,
    heartbeat: i16,
    leave: i16,
}

const ALL: [Versions; 10] = [
    Versions { join: 0, sync: 0, heartbeat: 0, leave: 0 },
    Versions { join: 1, sync: 1, heartbeat: 1, leave: 1 },
    Versions { join: 2, sync: 1, heartbeat: 1, leave: 1 },
    Versions { join: 3, sync: 2, heartbeat: 2, leave: 2 },
    Versions { join: 4, sync: 2, heartbeat: 2, leave: 2 },
    Versions { join: 5, sync: 3, heartbeat: 3, leave: 3 },
    Versions { join: 6, sync: 4, heartbeat: 4, leave: 4 },
    Versions { join: 7, sync: 5, heartbeat: 4, leave: 4 },
    Versions { join: 8, sync: 5, heartbeat: 4, leave: 5 },
    Versions { join: 9, sync: 5, heartbeat: 4, leave: 5 },
];

/// A join as the consumers of a group send it.
pub(super) fn join(group: &str, member: &str) -> Value {
    json!({
        "group_id": group,
        "session_timeout_ms": 30_000,
        "rebalance_timeout_ms": 60_000,
        "member_id": member,
        "protocol_type": "consumer",
        "protocols": [{ "name": "range", "metadata": "m" }, { "name": "roundrobin", "metadata": "n" }],
    })
}

fn sync(group: &str, member: &str, generation: &str, assignments: &[(&str, &str)], version: i16) -> Value {
    let one = |(member, assignment): &(&str, &str)| json!({ "member_id": member, "assignment": assignment });
    let assignments: Vec<_> = assignments.iter().map(one).collect();
    let mut body =
        json!({ "group_id": group, "generation_id": generation, "member_id": member, "assignments": assignments });
    if version >= 5 {
        body["protocol_type"] = json!("consumer");
        body["protocol_name"] = json!("range");
    }
    body
}

fn heartbeat(group: &str, member: &str, generation: &str) -> Value {
    json!({ "group_id": group, "generation_id": generation, "member_id": member })
}

fn leave(group: &str, member: &str, version: i16) -> Value {
    if version >= LEAVE_MANY {
        json!({ "group_id": group, "members": [{ "member_id": member }] })
    } else {
        json!({ "group_id": group, "member_id": member })
    }
}

/// Joins the first member of a group and gives it all there is; binds its id and the generation.
pub(super) fn first_member(s: &mut Scenario, group: &str, version: i16, id: &str, generation: &str) {
    let first = s.call(ApiKey::JoinGroup, version, join(group, "")).about("the first joins").bind(id, "member_id");
    if version >= ID_FIRST {
        s.call(ApiKey::JoinGroup, version, join(group, &format!("${id}")))
            .about("with its id")
            .bind(generation, "generation_id");
    } else {
        first.bind(generation, "generation_id");
    }
}

pub(in crate::diff) fn life() -> Scenario {
    let mut s = Scenario::new("groups-life");
    s.settle_coordinator("groups-life-0");
    for versions in ALL {
        one_life(&mut s, versions);
    }
    for version in ApiKey::ListGroups.versions() {
        for states in [json!([]), json!(["Empty"]), json!(["stable", "Dead"]), json!(["odd"])] {
            let mut body = json!({ "states_filter": states });
            if version < 4 {
                body = json!({});
            }
            s.call(ApiKey::ListGroups, version, body).about(&states.to_string());
        }
    }
    for types in [json!(["classic"]), json!(["consumer"]), json!(["Classic", "share"]), json!(["odd"])] {
        s.call(ApiKey::ListGroups, 5, json!({ "types_filter": types })).about(&types.to_string());
    }
    s
}

fn one_life(s: &mut Scenario, Versions { join: j, sync: y, heartbeat: h, leave: l }: Versions) {
    let group = &format!("groups-life-{j}");
    let describe = |s: &mut Scenario, about: &str| {
        for version in [0, 3, 4, 5, 6] {
            s.call(ApiKey::DescribeGroups, version, json!({ "groups": [group] })).about(about);
        }
    };
    describe(s, "before it is");
    first_member(s, group, j, "one", "generation");
    describe(s, "joined, not synced");
    s.call(ApiKey::Heartbeat, h, heartbeat(group, "$one", "$generation")).about("before the sync");
    s.call(ApiKey::SyncGroup, y, sync(group, "$one", "$generation", &[("$one", "all")], y));
    s.call(ApiKey::SyncGroup, y, sync(group, "$one", "$generation", &[], y)).about("again");
    s.call(ApiKey::Heartbeat, h, heartbeat(group, "$one", "$generation"));
    describe(s, "with one member");
    s.call(ApiKey::DescribeGroups, 6, json!({ "groups": [group], "include_authorized_operations": true }));
    if j >= ID_FIRST {
        let second = join(group, "");
        s.call(ApiKey::JoinGroup, j, second).on("b").about("the second asks for an id").bind("two", "member_id");
        s.send("b", ApiKey::JoinGroup, j, join(group, "$two")).about("the second joins");
    } else {
        s.send("b", ApiKey::JoinGroup, j, join(group, "")).about("the second joins");
    }
    s.call(ApiKey::Heartbeat, h, heartbeat(group, "$one", "$generation")).until("error_code", REBALANCE_IN_PROGRESS);
    s.call(ApiKey::SyncGroup, y, sync(group, "$one", "$generation", &[], y)).about("while it rebalances");
    s.send("a", ApiKey::JoinGroup, j, join(group, "$one")).about("the first joins again");
    let received = s.receive("b", ApiKey::JoinGroup, j).bind("generation", "generation_id");
    if j < ID_FIRST {
        received.bind("two", "member_id");
    }
    s.receive("a", ApiKey::JoinGroup, j);
    s.send("b", ApiKey::SyncGroup, y, sync(group, "$two", "$generation", &[], y));
    s.send("a", ApiKey::SyncGroup, y, sync(group, "$one", "$generation", &[("$one", "half"), ("$two", "other")], y));
    s.receive("a", ApiKey::SyncGroup, y);
    s.receive("b", ApiKey::SyncGroup, y);
    describe(s, "with two members");
    s.call(ApiKey::ListGroups, 5, json!({ "states_filter": ["Stable"] }));
    s.call(ApiKey::DeleteGroups, 2, json!({ "groups_names": [group] })).about("with members");
    s.call(ApiKey::LeaveGroup, l, leave(group, "$two", l)).on("b");
    s.call(ApiKey::LeaveGroup, l, leave(group, "$two", l)).on("b").about("again");
    s.call(ApiKey::Heartbeat, h, heartbeat(group, "$one", "$generation")).about("after the other left");
    s.call(ApiKey::JoinGroup, j, join(group, "$one")).about("alone again").bind("generation", "generation_id");
    s.call(ApiKey::LeaveGroup, l, leave(group, "$one", l)).about("before the sync");
    describe(s, "empty");
    s.call(ApiKey::SyncGroup, y, sync(group, "$one", "$generation", &[], y)).about("after it left");
    s.call(ApiKey::Heartbeat, h, heartbeat(group, "$one", "$generation")).about("after it left");
    if j % 2 == 0 {
        s.call(ApiKey::DeleteGroups, 1, json!({ "groups_names": [group, group] })).about("twice");
        describe(s, "deleted");
    }
}

pub(in crate::diff) fn refused() -> Scenario {
    let mut s = Scenario::new("groups-refused");
    let group = "groups-refused";
    s.settle_coordinator(group);
    first_member(&mut s, group, 9, "one", "generation");
    s.call(ApiKey::SyncGroup, 5, sync(group, "$one", "$generation", &[("$one", "all")], 5));
    for version in ApiKey::JoinGroup.versions() {
        for (field, value) in [
            ("group_id", json!("")),
            ("session_timeout_ms", json!(0)),
            ("session_timeout_ms", json!(-1)),
            ("session_timeout_ms", json!(1)),
            ("session_timeout_ms", json!(i32::MAX)),
            ("member_id", json!("unknown")),
            ("protocol_type", json!("")),
            ("protocol_type", json!("connect")),
            ("protocols", json!([])),
            ("protocols", json!([{ "name": "other", "metadata": "x" }])),
            ("protocols", json!([{ "name": "", "metadata": "" }])),
        ] {
            let mut body = join(group, "");
            // A sound first join before version 4 would wait for the member that is there.
            if version < ID_FIRST && field == "protocols" {
                continue;
            }
            body[field] = value.clone();
            s.call(ApiKey::JoinGroup, version, body).about(&format!("{field} = {value}")).bind("other", "member_id");
        }
    }
    refused_syncs(&mut s, group);
    refused_members(&mut s, group);
    coordinators(&mut s);
    s
}

fn refused_syncs(s: &mut Scenario, group: &str) {
    for version in ApiKey::SyncGroup.versions() {
        let sound = || sync(group, "$one", "$generation", &[], version);
        for (field, value) in [
            ("group_id", json!("")),
            ("group_id", json!("groups-refused-unknown")),
            ("generation_id", json!(0)),
            ("generation_id", json!(99)),
            ("generation_id", json!(-1)),
            ("member_id", json!("")),
            ("member_id", json!("unknown")),
        ] {
            let mut body = sound();
            body[field] = value.clone();
            s.call(ApiKey::SyncGroup, version, body).about(&format!("{field} = {value}"));
        }
        if version >= 5 {
            for (kind, name) in [("connect", "range"), ("consumer", "other"), ("", "")] {
                let mut body = sound();
                body["protocol_type"] = json!(kind);
                body["protocol_name"] = json!(name);
                s.call(ApiKey::SyncGroup, version, body).about(&format!("protocol {kind} {name}"));
            }
            let mut body = sound();
            body["protocol_name"] = Value::Null;
            s.call(ApiKey::SyncGroup, version, body).about("no protocol");
        }
    }
}

fn refused_members(s: &mut Scenario, group: &str) {
    for version in ApiKey::Heartbeat.versions() {
        for (group, member, generation) in [
            ("", "$one", json!("$generation")),
            ("groups-refused-unknown", "$one", json!("$generation")),
            (group, "", json!("$generation")),
            (group, "unknown", json!("$generation")),
            (group, "$one", json!(99)),
            (group, "$one", json!(-1)),
        ] {
            let body = json!({ "group_id": group, "member_id": member, "generation_id": generation });
            s.call(ApiKey::Heartbeat, version, body).about(&format!("`{group}` `{member}` {generation}"));
        }
    }
    for version in ApiKey::LeaveGroup.versions() {
        for (group, member) in [("", "$one"), ("groups-refused-unknown", "x"), (group, ""), (group, "unknown")] {
            s.call(ApiKey::LeaveGroup, version, leave(group, member, version)).about(&format!("`{group}` `{member}`"));
        }
        if version >= LEAVE_MANY {
            s.call(ApiKey::LeaveGroup, version, json!({ "group_id": group, "members": [] })).about("nobody");
            let members = json!([{ "member_id": "x" }, { "member_id": "", "group_instance_id": "y" }]);
            s.call(ApiKey::LeaveGroup, version, json!({ "group_id": group, "members": members })).about("two unknown");
        }
    }
    for version in ApiKey::DescribeGroups.versions() {
        for groups in [json!([""]), json!([]), json!(["groups-refused-unknown", "groups-refused-unknown"])] {
            s.call(ApiKey::DescribeGroups, version, json!({ "groups": groups })).about(&groups.to_string());
        }
    }
    for version in ApiKey::DeleteGroups.versions() {
        for groups in [json!([""]), json!([]), json!(["groups-refused-unknown"]), json!([group])] {
            s.call(ApiKey::DeleteGroups, version, json!({ "groups_names": groups })).about(&groups.to_string());
        }
    }
}

fn coordinators(s: &mut Scenario) {
    for version in ApiKey::FindCoordinator.versions() {
        for kind in [0, 1, 2, 3, -1] {
            for key in ["groups-refused", ""] {
                // Transactions and share groups have their topics made when they are first asked for.
                if kind == 1 || kind == 2 && key.is_empty() {
                    continue;
                }
                let body = match version {
                    0 => json!({ "key": key }),
                    1..=3 => json!({ "key": key, "key_type": kind }),
                    _ => json!({ "key_type": kind, "coordinator_keys": [key, "other"] }),
                };
                s.call(ApiKey::FindCoordinator, version, body).about(&format!("type {kind}, `{key}`"));
            }
        }
    }
    s.call(ApiKey::FindCoordinator, 6, json!({ "key_type": 0, "coordinator_keys": [] })).about("none");
}

pub(in crate::diff) fn fixed_members() -> Scenario {
    let mut s = Scenario::new("groups-fixed-members");
    for version in [5, 7, 9] {
        let group = &format!("groups-fixed-{version}");
        s.settle_coordinator(group);
        let fixed = |member: &str, instance: &str| {
            let mut body = join(group, member);
            body["group_instance_id"] = json!(instance);
            body
        };
        s.call(ApiKey::JoinGroup, version, fixed("", "i")).bind("one", "member_id").bind("generation", "generation_id");
        s.call(ApiKey::SyncGroup, 5, sync(group, "$one", "$generation", &[("$one", "all")], 5));
        s.call(ApiKey::JoinGroup, version, fixed("unknown", "i")).about("an unknown id with a known instance");
        s.call(ApiKey::JoinGroup, version, fixed("", "i")).about("comes again").bind("two", "member_id");
        let beat = |member: &str, instance: &str| json!({ "group_id": group, "generation_id": "$generation", "member_id": member, "group_instance_id": instance });
        s.call(ApiKey::Heartbeat, 4, beat("$one", "i")).about("the one that was replaced");
        s.call(ApiKey::Heartbeat, 4, beat("$two", "i"));
        s.call(ApiKey::Heartbeat, 4, beat("$two", "other")).about("an unknown instance");
        s.call(ApiKey::DescribeGroups, 5, json!({ "groups": [group] }));
        let members = json!([{ "member_id": "$one", "group_instance_id": "i" }]);
        s.call(ApiKey::LeaveGroup, 5, json!({ "group_id": group, "members": members }))
            .about("the one that was replaced");
        let members =
            json!([{ "member_id": "", "group_instance_id": "i" }, { "member_id": "", "group_instance_id": "j" }]);
        s.call(ApiKey::LeaveGroup, 5, json!({ "group_id": group, "members": members })).about("by instance");
        s.call(ApiKey::DescribeGroups, 5, json!({ "groups": [group] }));
    }
    s
}
