use super::*;

const FETCH: &str = "\
request FetchRequest key 1 versions 4-18 flexible 12+
  cluster_id string?12+ tag 0 = null ignorable
  topics []FetchTopic
    topic string 4-12 ignorable
  forgotten []FetchTopic 7+
data Empty versions 0 flexible none
";

#[test]
fn reads_versions_tags_defaults_and_shared_structs() {
    let messages = parse(FETCH).unwrap();
    assert_eq!(messages.len(), 2);
    let fetch = &messages[0];
    assert_eq!((fetch.kind, fetch.flexible_from), (Kind::Request(1), Some(12)));
    assert_eq!(fetch.structs.len(), 2, "the message and the struct that two fields share");
    let cluster_id = &fetch.structs[0].fields[0];
    assert_eq!(cluster_id.nullable, Some(Versions { first: 12, last: 18 }));
    assert_eq!((cluster_id.tag, cluster_id.default.as_deref(), cluster_id.ignorable), (Some(0), Some("null"), true));
    assert_eq!(fetch.structs[1].fields[0].versions, Versions { first: 4, last: 12 });
    assert_eq!(fetch.structs[0].fields[2].versions, Versions { first: 7, last: 18 });
}

#[test]
fn refuses_what_it_does_not_understand() {
    for wrong in [
        "request A versions 0 flexible none",
        "data A versions 0 flexible none\n  x int32 1+",
        "data A versions 0 flexible none\n  x int33",
        "data A versions 0 flexible none\n  x int32 = 1 sometimes",
        "data A versions 0 flexible none\n  x []Missing",
        "data A versions 0 flexible none\n  x B\n    y int8\n  z B\n    y int8",
        "data A versions 0 flexible none\n      x int32",
        "  x int32",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
