//! What a start makes of the records is what they were written for, whatever was asked.

use crate::rig::{Rig, USER_1, USER_2, avro, field, subject, to};
use levada_model::{Rng as _, SeededRng};
use levada_schema::{
    AssociateOne, Association, AssociationFilter, Deleted, Lifecycle, Record, Register, Registry, TagSchema, Version,
    VersionId, Write,
};
use std::sync::Arc;

const SUBJECTS: [&str; 4] = ["a", "b", ":.ns:t0-value", ":.ns:t1-value"];
const RESOURCES: [&str; 2] = ["t0", "t1"];

type Seen = (Vec<(String, Arc<Version>)>, Vec<Arc<Association>>, i32);

/// All that clients can see.
fn seen(registry: &Registry) -> Seen {
    let versions = registry.all(Deleted::Too).map(|(at, version)| (at.qualified(), Arc::clone(version))).collect();
    let all = AssociationFilter::default();
    let mut associations: Vec<_> =
        RESOURCES.iter().flat_map(|id| registry.associations_of_resource(id, &all)).collect();
    for name in SUBJECTS {
        associations.extend(registry.associations_of_subject(&subject(name), &all));
    }
    for name in RESOURCES {
        associations.extend(registry.associations_of_name("-", name, &all));
    }
    (versions, associations, registry.id_max(subject("a").context()))
}

fn step(rig: &mut Rig, rng: &SeededRng) -> bool {
    let choose = |count: u64| usize::try_from(rng.next_u64() % count).unwrap();
    let name = SUBJECTS[choose(4)];
    let id = RESOURCES[choose(2)];
    let text = [USER_1, USER_2][choose(2)];
    let lifecycle = [Lifecycle::Strong, Lifecycle::Weak][choose(2)];
    let write = [Write::Create, Write::Upsert][choose(2)];
    match choose(9) {
        0 | 1 => rig.register(name, &avro(text)).is_ok(),
        2 => {
            let tags_to_add = vec![field("User.id", &[["A", "B"][choose(2)]])];
            rig.register(name, &Register { tags_to_add, ..avro(text) }).is_ok()
        }
        3 => {
            let tags_to_add = Some(vec![field("User.id", &["C"])]);
            let request = TagSchema { tags_to_add, ..TagSchema::default() };
            let tagged = rig.registry.tag(&subject(name), VersionId::Latest, &request);
            tagged.map(|tagged| rig.write(tagged.records)).is_ok()
        }
        4 | 5 => rig.associate(id, to(name, lifecycle), write).is_ok(),
        6 => {
            let one = AssociateOne { schema: Some(avro(text)), ..AssociateOne::default() };
            rig.associate(id, one, write).is_ok()
        }
        7 => rig.dissociate(id, choose(2) == 0).is_ok(),
        _ => rig.delete(name, choose(2) == 0).is_ok(),
    }
}

#[test]
fn a_start_makes_the_same_of_the_records_whatever_was_asked() {
    let mut carried_out = 0;
    for seed in 0..40 {
        let rng = SeededRng::new(seed);
        let mut rig = Rig::default();
        for index in 0..60 {
            carried_out += usize::from(step(&mut rig, &rng));
            if index % 10 == 9 {
                assert_eq!(seen(&rig.restarted()), seen(&rig.registry), "seed {seed}, step {index}");
            }
        }
        for record in &rig.written {
            let (key, value) = record.encode();
            assert_eq!(Record::decode(&key, value.as_deref()).unwrap(), *record);
        }
    }
    assert!(carried_out > 800, "only {carried_out} steps did anything");
}
