use super::*;

#[test]
fn partitions_are_named_by_topic_and_number() {
    let named = |name| Partition::named(Path::new("/d"), name).map(|partition| (partition.topic, partition.partition));
    assert_eq!(named("orders-0"), Some(("orders".to_owned(), 0)));
    assert_eq!(named("a-b.c-17"), Some(("a-b.c".to_owned(), 17)));
    assert_eq!(named("orders-0.deleted"), None);
    assert_eq!(named("orders"), None);
    let partition = Partition::named(Path::new("/d"), "a-1").unwrap();
    assert!(partition.is_meant_by("a") && partition.is_meant_by("a-1"));
    assert!(!partition.is_meant_by("a-10"));
}
