//! Which resources have their schemas under which subjects.

use crate::rig::{Rig, USER_1, USER_2, avro, subject, to, topic};
use levada_schema::{AssociateOne, AssociationFilter, Context, Deleted, Error, Lifecycle, Mode, Write};

fn owned(text: &str) -> AssociateOne {
    AssociateOne { schema: Some(avro(text)), ..AssociateOne::default() }
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> u32 {
    result.unwrap_err().code()
}

#[test]
fn a_subject_serves_several_resources_weakly_and_one_strongly() {
    let mut rig = Rig::default();
    assert_eq!(code(rig.associate("t1", to("a", Lifecycle::Weak), Write::Create)), 40907, "there is no schema");
    rig.register("a", &avro(USER_1)).unwrap();
    rig.associate("t1", to("a", Lifecycle::Weak), Write::Create).unwrap();
    rig.associate("t2", to("a", Lifecycle::Weak), Write::Create).unwrap();
    assert_eq!(rig.associations("t1"), [("value".to_owned(), "a".to_owned(), Lifecycle::Weak, false)]);
    assert_eq!(code(rig.associate("t3", to("a", Lifecycle::Strong), Write::Create)), 40904);
    assert_eq!(code(rig.associate("t1", to("a", Lifecycle::Strong), Write::Upsert)), 40904);
    rig.dissociate("t2", false).unwrap();
    rig.associate("t1", to("a", Lifecycle::Strong), Write::Upsert).unwrap();
    assert_eq!(code(rig.associate("t3", to("a", Lifecycle::Weak), Write::Create)), 40905);
    let found = rig.registry.associations_of_subject(&subject("a"), &AssociationFilter::default());
    assert_eq!(found.len(), 1);
    assert_eq!(code(rig.dissociate("t2", false)), 40410);
}

#[test]
fn creating_the_same_again_is_no_change_and_another_is_refused() {
    let mut rig = Rig::default();
    rig.register("a", &avro(USER_1)).unwrap();
    rig.register("b", &avro(USER_1)).unwrap();
    rig.associate("t", to("a", Lifecycle::Weak), Write::Create).unwrap();
    let again = rig.associate("t", to("a", Lifecycle::Weak), Write::Create).unwrap();
    assert!(again.records.is_empty());
    assert_eq!(again.associations.len(), 1);
    assert_eq!(code(rig.associate("t", to("b", Lifecycle::Weak), Write::Create)), 40903);
    assert_eq!(code(rig.associate("t", to("b", Lifecycle::Weak), Write::Upsert)), 42212, "the subject stays");
    let key = AssociateOne { association_type: Some("key".to_owned()), ..to("b", Lifecycle::Weak) };
    rig.associate("t", key, Write::Create).unwrap();
    assert_eq!(rig.associations("t").len(), 2);
}

#[test]
fn a_schema_that_comes_with_a_new_association_is_frozen_with_it() {
    let mut rig = Rig::default();
    let associated = rig.associate("t", owned(USER_1), Write::Create).unwrap();
    let name = ":.ns:t-value";
    assert_eq!(rig.associations("t"), [("value".to_owned(), name.to_owned(), Lifecycle::Strong, true)]);
    assert_eq!(associated.associations[0].1.as_ref().map(|version| version.version), Some(1));
    assert!(rig.associate("t", owned(USER_1), Write::Create).unwrap().records.is_empty());
    assert_eq!(code(rig.associate("t", owned(USER_2), Write::Create)), 40903);
    assert_eq!(code(rig.associate("t", to(name, Lifecycle::Weak), Write::Upsert)), 40908);
    let thawed = AssociateOne { frozen: Some(false), ..to(name, Lifecycle::Strong) };
    assert_eq!(code(rig.associate("t", thawed, Write::Upsert)), 42212);
    assert_eq!(code(rig.dissociate("t", false)), 40908);
    rig.dissociate("t", true).unwrap();
    assert!(rig.associations("t").is_empty());
    assert!(!rig.registry.has_subjects(&subject(name), Deleted::Too), "its subject went along");
}

#[test]
fn a_subject_stays_with_a_resource_that_is_parted_from_without_a_cascade() {
    let mut rig = Rig::default();
    rig.associate("t", owned(USER_1), Write::Upsert).unwrap();
    assert!(!rig.associations("t")[0].3, "an upsert freezes nothing");
    rig.associate("t", owned(USER_2), Write::Upsert).unwrap();
    assert_eq!(rig.latest(":.ns:t-value").version, 2);
    rig.dissociate("t", false).unwrap();
    assert_eq!(rig.latest(":.ns:t-value").version, 2);
    rig.register("w", &avro(USER_1)).unwrap();
    rig.associate("t", to("w", Lifecycle::Weak), Write::Create).unwrap();
    rig.dissociate("t", true).unwrap();
    assert_eq!(rig.latest("w").version, 1, "a weak association does not take its subject along");
}

#[test]
fn a_subject_that_is_associated_keeps_a_version() {
    let mut rig = Rig::default();
    rig.register("a", &avro(USER_1)).unwrap();
    rig.register("a", &avro(USER_2)).unwrap();
    rig.associate("t", to("a", Lifecycle::Weak), Write::Create).unwrap();
    assert_eq!(code(rig.delete("a", false)), 40904);
    rig.delete_version("a", 1, false).unwrap();
    assert_eq!(code(rig.delete_version("a", 1, true)), 40904);
    assert_eq!(code(rig.delete_version("a", 2, false)), 40907);
    rig.dissociate("t", false).unwrap();
    rig.delete("a", false).unwrap();
    rig.delete("a", true).unwrap();
}

#[test]
fn what_is_not_an_association_is_refused() {
    let mut rig = Rig::default();
    rig.register("a", &avro(USER_1)).unwrap();
    let weak = || to("a", Lifecycle::Weak);
    let cases = [
        AssociateOne { association_type: Some("header".to_owned()), ..weak() },
        AssociateOne { schema: Some(avro(USER_1)), ..weak() },
        AssociateOne { frozen: Some(true), ..weak() },
        AssociateOne { frozen: Some(true), lifecycle: Some(Lifecycle::Strong), ..weak() },
        AssociateOne { frozen: Some(false), ..owned(USER_1) },
        AssociateOne { subject: Some("other".to_owned()), ..owned(USER_1) },
        AssociateOne { subject: None, ..weak() },
        AssociateOne { subject: Some("a\nb".to_owned()), ..weak() },
    ];
    for one in cases {
        assert_eq!(code(rig.associate("t", one.clone(), Write::Create)), 42212, "{one:?}");
    }
    let default = Context::default_context();
    let mut requests = vec![topic("t", Vec::new()), topic("t", vec![weak(), weak()]), topic("t/x", vec![weak()])];
    let mut other = topic("t", vec![weak()]);
    other.resource_type = Some("table".to_owned());
    requests.push(other);
    let mut nameless = topic("t", vec![weak()]);
    nameless.resource_id = String::new();
    requests.push(nameless.clone());
    for request in requests {
        assert_eq!(code(rig.registry.associate(&default, &request, Write::Create)), 42212, "{request:?}");
    }
    nameless.is_dry_run = true;
    let judged = rig.registry.associate(&default, &nameless, Write::Create).unwrap();
    assert!(judged.records.is_empty() && judged.associations.is_empty(), "a dry run changes nothing");
    rig.set_mode("a", Mode::Readonly);
    assert_eq!(code(rig.associate("t", weak(), Write::Create)), 42205);
}

#[test]
fn a_request_is_carried_out_wholly_or_not_at_all() {
    let rig = Rig::default();
    let key = AssociateOne { association_type: Some("key".to_owned()), ..owned(r#""string""#) };
    let broken = owned("{");
    let request = topic("t", vec![key.clone(), broken]);
    let error = rig.registry.associate(&Context::default_context(), &request, Write::Create);
    assert_eq!(code(error), 42201);
    let request = topic("t", vec![key, owned(USER_1)]);
    let associated = rig.registry.associate(&Context::default_context(), &request, Write::Create).unwrap();
    assert_eq!(associated.associations.len(), 2);
}

#[test]
fn resources_are_found_by_name_in_one_namespace_or_in_all() {
    let mut rig = Rig::default();
    rig.register("a", &avro(USER_1)).unwrap();
    rig.associate("t", to("a", Lifecycle::Weak), Write::Create).unwrap();
    rig.associate("t2", to("a", Lifecycle::Weak), Write::Create).unwrap();
    let all = AssociationFilter::default();
    let count = |namespace: &str, name: &str| rig.registry.associations_of_name(namespace, name, &all).len();
    assert_eq!((count("ns", "t"), count("-", "t"), count("other", "t"), count("ns", "t3")), (1, 1, 0, 0));
    let strong = AssociationFilter { lifecycle: Some(Lifecycle::Strong), ..all.clone() };
    assert!(rig.registry.associations_of_name("ns", "t", &strong).is_empty());
    let keys = AssociationFilter { association_types: vec!["key".to_owned()], ..all };
    assert!(rig.registry.associations_of_subject(&subject("a"), &keys).is_empty());
}

#[test]
fn an_alias_and_a_context_lead_to_the_subject_that_is_meant() {
    let mut rig = Rig::default();
    rig.register(":.m:a", &avro(USER_1)).unwrap();
    let request = topic("t", vec![to("a", Lifecycle::Weak)]);
    let context = Context::named("m");
    let associated = rig.registry.associate(&context, &request, Write::Create).unwrap();
    assert_eq!(associated.associations[0].0.key.subject, subject(":.m:a"));
    rig.configure(Some(":.m:b"), serde_json::json!({ "alias": "a" })).unwrap();
    let request = topic("t", vec![to(":.m:b", Lifecycle::Weak)]);
    assert_eq!(request.subjects(&rig.registry, &Context::default_context()), [subject(":.m:a")]);
}
