//! A schema and what it refers to, as one text.

use levada_json_schema::{BundleError, Reference, parse, resolved};

const ADDRESS: &str = r##"{"$id":"http://x/address.json","type":"object","properties":{"country":{"$ref":"country.json"},"next":{"$ref":"#"},"zip":{"$ref":"#/definitions/zip"}},"definitions":{"zip":{"type":"string","maxLength":9}}}"##;
const COUNTRY: &str = r#"{"type":"string","enum":["PT","DE"]}"#;

fn references() -> [Reference<'static>; 2] {
    [Reference { name: "country.json", text: COUNTRY }, Reference { name: "address.json", text: ADDRESS }]
}

#[test]
fn a_schema_is_one_text_that_takes_what_it_took() {
    let text = r##"{"$id":"http://x/user.json","type":"object","properties":{"home":{"$ref":"address.json"},"zip":{"$ref":"address.json#/definitions/zip"},"id":{"$ref":"#/definitions/id"}},"definitions":{"id":{"type":"integer"}}}"##;
    let bundled = resolved(text, &references()).unwrap();
    let schema = parse(&bundled, &[]).unwrap();
    schema.validate(r#"{"home":{"country":"PT","zip":"1","next":{"country":"DE"}},"zip":"2","id":3}"#).unwrap();
    for wrong in [
        r#"{"home":{"country":"XX"}}"#,
        r#"{"home":{"next":{"next":{"country":"XX"}}}}"#,
        r#"{"home":{"zip":"0123456789"}}"#,
        r#"{"zip":7}"#,
        r#"{"id":"x"}"#,
    ] {
        schema.validate(wrong).unwrap_err();
    }
    assert!(bundled.contains(r##""home":{"$ref":"#/definitions/address.json"}"##), "{bundled}");
    assert_eq!(resolved(&bundled, &[]).unwrap(), bundled, "there is nothing left to be put in");
}

#[test]
fn what_is_not_referred_to_is_left_out_and_names_do_not_clash() {
    let text = r##"{"properties":{"c":{"$ref":"country.json"},"d":{"$ref":"#/definitions/country.json"}},"definitions":{"country.json":{"type":"integer"}}}"##;
    let bundled = resolved(text, &references()).unwrap();
    assert_eq!(
        bundled,
        r##"{"properties":{"c":{"$ref":"#/definitions/country.json_"},"d":{"$ref":"#/definitions/country.json"}},"definitions":{"country.json":{"type":"integer"},"country.json_":{"type":"string","enum":["PT","DE"]}}}"##
    );
}

#[test]
fn later_drafts_have_their_own_place_for_definitions() {
    let text = r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","properties":{"a b":{"$ref":"a%20b"}}}"#;
    let odd = [Reference { name: "a b", text: r#"{"type":"null"}"# }];
    let text = text.replace("a%20b", "a b");
    let bundled = resolved(&text, &odd).unwrap();
    assert!(bundled.contains(r##""$ref":"#/$defs/a%20b""##), "{bundled}");
    parse(&bundled, &[]).unwrap().validate(r#"{"a b":1}"#).unwrap_err();
}

#[test]
fn what_cannot_be_one_text_is_refused() {
    let other = [Reference {
        name: "o.json",
        text: r#"{"$schema":"http://json-schema.org/draft-04/schema#","type":"integer"}"#,
    }];
    assert_eq!(resolved(r#"{"properties":{"o":{"$ref":"o.json"}}}"#, &other), Err(BundleError::Drafts));
    let dynamic = r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","$dynamicAnchor":"n","properties":{"n":{"$dynamicRef":"#n"}}}"##;
    assert_eq!(resolved(dynamic, &[]), Err(BundleError::Dynamic("#n".to_owned())));
    assert!(matches!(resolved("{", &[]), Err(BundleError::Parse(_))));
    let data = r##"{"default":{"$ref":"nowhere"},"const":{"$dynamicRef":"#"}}"##;
    assert_eq!(resolved(data, &[]).unwrap(), data, "data stay data");
}
