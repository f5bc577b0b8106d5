use super::*;
use proptest::prelude::*;

#[test]
fn types_are_read_in_all_their_forms() {
    for (text, printed) in [
        ("char", "CHAR(1)"),
        ("varchar(20)", "VARCHAR(20)"),
        ("VARCHAR(2147483647)", "STRING"),
        ("BYTES", "BYTES"),
        ("numeric", "DECIMAL(10, 0)"),
        ("DEC(5)", "DECIMAL(5, 0)"),
        ("DECIMAL(38,38)", "DECIMAL(38, 38)"),
        ("INTEGER", "INT"),
        ("double precision", "DOUBLE"),
        ("TIME", "TIME(0)"),
        ("TIMESTAMP", "TIMESTAMP(6)"),
        ("TIMESTAMP(3) WITHOUT TIME ZONE", "TIMESTAMP(3)"),
        ("TIMESTAMP(9) WITH LOCAL TIME ZONE", "TIMESTAMP_LTZ(9)"),
        ("INTERVAL DAY(3) TO SECOND(3)", "INTERVAL DAY(3) TO SECOND(3)"),
        ("INTERVAL YEAR TO MONTH", "INTERVAL YEAR TO MONTH"),
        ("ARRAY<ARRAY<INT NOT NULL>>", "ARRAY<ARRAY<INT NOT NULL>>"),
        ("MAP<STRING, ARRAY<ARRAY<INT>>>", "MAP<STRING, ARRAY<ARRAY<INT>>>"),
        ("INT ARRAY MULTISET", "MULTISET<ARRAY<INT>>"),
        ("ROW(a INT NOT NULL 'the a', `b c` STRING NULL)", "ROW<`a` INT NOT NULL COMMENT 'the a', `b c` STRING>"),
        ("ROW<a ROW<b INT>>", "ROW<`a` ROW<`b` INT>>"),
    ] {
        assert_eq!(text.parse::<DataType>().unwrap().to_string(), printed);
    }
}

#[test]
fn what_is_no_type_is_refused_with_what_to_write() {
    for (text, message) in [
        ("TEXT", "line 1, column 1: `TEXT` is no type; write `STRING`"),
        ("DECIMAL(39)", "line 1, column 9: the digits of a decimal must be between 1 and 38: `39`"),
        ("DECIMAL(5, 6)", "line 1, column 12: the digits behind the point must be between 0 and 5: `6`"),
        ("TIMESTAMP(10)", "line 1, column 11: the digits of a second must be between 0 and 9: `10`"),
        ("CHAR(0)", "line 1, column 6: a length must be between 1 and 2147483647: `0`"),
        ("INTERVAL MONTH TO DAY", "line 1, column 16: an interval cannot be `MONTH TO DAY`"),
        ("ROW<a INT, a INT>", "line 1, column 12: `a` is a field already"),
        ("ARRAY", "line 0, column 0: expected `<`, but the statement ends"),
        ("INT INT", "line 1, column 5: expected the end of the type, found `INT`"),
    ] {
        assert_eq!(text.parse::<DataType>().unwrap_err().to_string(), message);
    }
}

#[test]
fn types_nest_only_so_deep() {
    let nested = |depth: usize| format!("{}INT{}", "ARRAY<".repeat(depth), ">".repeat(depth)).parse::<DataType>();
    assert!(nested(31).is_ok());
    assert!(nested(32).is_err());
    assert!(nested(100_000).is_err());
    assert!(format!("INT{}", " ARRAY".repeat(100_000)).parse::<DataType>().is_err());
    assert!("ROW<a ".repeat(100_000).parse::<DataType>().is_err());
}

fn simple() -> impl Strategy<Value = DataType> {
    use DataType as T;
    prop_oneof![
        (1..=LENGTH_MAX).prop_map(T::Char),
        (1..=LENGTH_MAX).prop_map(T::VarChar),
        Just(T::STRING),
        Just(T::Boolean),
        (1..=LENGTH_MAX).prop_map(T::Binary),
        Just(T::BYTES),
        (1..=38_u32).prop_flat_map(|p| (Just(p), 0..=p)).prop_map(|(precision, scale)| T::Decimal { precision, scale }),
        prop::sample::select(vec![T::TinyInt, T::SmallInt, T::Int, T::BigInt, T::Float, T::Double, T::Date]),
        (0..=9_u32).prop_map(T::Time),
        (0..=9_u32).prop_map(T::Timestamp),
        (0..=9_u32).prop_map(T::TimestampLtz),
        (prop::option::of(1..=6_u32), prop::option::of(0..=9_u32)).prop_map(|(precision, second_precision)| {
            let to = Some(IntervalUnit::Second);
            T::Interval(IntervalType { from: IntervalUnit::Day, to, precision, second_precision })
        }),
    ]
}

fn any_type() -> impl Strategy<Value = DataType> {
    simple().prop_recursive(4, 20, 4, |inner| {
        let element = (inner, any::<bool>()).prop_map(|(data_type, nullable)| NullableType { data_type, nullable });
        let field = ("[^`\0-\x1f]{1,8}", element.clone(), prop::option::of(".{0,8}"))
            .prop_map(|(name, data_type, comment)| Field { name, data_type, comment });
        prop_oneof![
            element.clone().prop_map(|e| DataType::Array(Box::new(e))),
            element.clone().prop_map(|e| DataType::Multiset(Box::new(e))),
            (element.clone(), element).prop_map(|(k, v)| DataType::Map(Box::new(k), Box::new(v))),
            prop::collection::vec(field, 1..4).prop_map(|mut fields| {
                let mut names = std::collections::BTreeSet::new();
                fields.retain(|field| names.insert(field.name.clone()));
                DataType::Row(fields)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same_type(data_type in any_type()) {
        prop_assert_eq!(data_type.to_string().parse::<DataType>(), Ok(data_type.clone()));
        let span = TokenSpan::empty();
        prop_assert_eq!(DataType::from_ast(&data_type.to_ast(span)), Ok(data_type));
    }
}
