//! Enumerations, numbers and strings, and bounds in general.

use super::{Found, Note};
use crate::decimal::Decimal;
use crate::json::Json;
use crate::kind::Kind;
use crate::node::{Node, NumberRules};
use crate::types::Types;

/// The kinds of one bound.
pub(super) struct BoundKinds {
    pub(super) added: Kind,
    pub(super) removed: Kind,
    /// The reader takes more.
    pub(super) loosened: Kind,
    pub(super) tightened: Kind,
}

/// Notes how a bound differs. `is_implied`: whether all that the writer writes is within the reader's.
pub(super) fn bound<T: PartialEq>(
    path: &str,
    (written, read): (Option<&T>, Option<&T>),
    is_implied: bool,
    kinds: &BoundKinds,
    found: &mut Found,
) {
    let kind = match (written, read) {
        (None, None) => return,
        (Some(written), Some(read)) if written == read => return,
        (Some(_), None) => kinds.removed,
        (_, Some(_)) if is_implied => kinds.loosened,
        (Some(_), Some(_)) => kinds.tightened,
        (None, Some(_)) => kinds.added,
    };
    found.note(kind, path);
}

/// Notes how a count's upper bound differs; `effective` is what the writer keeps to, by whatever keyword.
pub(super) fn most(
    path: &str,
    counts: (Option<u64>, Option<u64>),
    effective: Option<u64>,
    kinds: &BoundKinds,
    found: &mut Found,
) {
    let (written, read) = counts;
    let is_implied = matches!((effective, read), (Some(effective), Some(read)) if effective <= read);
    bound(path, (written.as_ref(), read.as_ref()), is_implied, kinds, found);
}

/// Notes how a count's lower bound differs; `effective` is what the writer keeps to, by whatever keyword.
pub(super) fn least(
    path: &str,
    counts: (Option<u64>, Option<u64>),
    effective: u64,
    kinds: &BoundKinds,
    found: &mut Found,
) {
    let (written, read) = counts;
    let is_implied = read.is_some_and(|read| effective >= read);
    bound(path, (written.as_ref(), read.as_ref()), is_implied, kinds, found);
}

/// Notes how enumerations differ.
pub(super) fn values(promise: &Node, demand: &Node, types: Types, found: &mut Found) {
    match (&promise.values, &demand.values) {
        (None, None) => {}
        (Some(_), None) => found.note(Kind::ProductTypeNarrowed, ""),
        (Some(written), Some(read)) => {
            let kind = if written.allowed == read.allowed {
                return;
            } else if written.allowed.is_subset(&read.allowed) {
                Kind::EnumArrayExtended
            } else if read.allowed.is_subset(&written.allowed) {
                Kind::EnumArrayNarrowed
            } else {
                Kind::EnumArrayChanged
            };
            found.note(kind, read.keyword);
        }
        (None, Some(read)) => {
            let all = [(Types::NULL, vec![Json::Null]), (Types::BOOLEAN, vec![Json::Bool(false), Json::Bool(true)])];
            let is_finite = types.is_within(Types::NULL.or(Types::BOOLEAN));
            let mut possible = all.iter().filter(|(one, _)| types.meets(*one)).flat_map(|(_, values)| values);
            let is_all = is_finite && possible.all(|value| read.allowed.contains(value));
            found.note(if is_all { Kind::EnumArrayExtended } else { Kind::TypeChanged }, "");
        }
    }
}

/// A bound of a number, and whether the bound itself is excluded.
type Limit<'a> = Option<(&'a Decimal, bool)>;

/// The lower bound that a number keeps to.
pub(super) fn lowest(rules: &NumberRules) -> Limit<'_> {
    let inclusive = rules.minimum.as_ref().map(|bound| (bound, false));
    let exclusive = rules.exclusive_minimum.as_ref().map(|bound| (bound, true));
    // Of two at one number, the exclusive one is the stricter, and `true` the larger.
    inclusive.max(exclusive)
}

/// The upper bound that a number keeps to.
pub(super) fn highest(rules: &NumberRules) -> Limit<'_> {
    let inclusive = rules.maximum.as_ref().map(|bound| (bound, false));
    let exclusive = rules.exclusive_maximum.as_ref().map(|bound| (bound, true));
    match (inclusive, exclusive) {
        (Some(one), Some(other)) => Some(if other.0 <= one.0 { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// Notes how the rules for numbers differ.
pub(super) fn numbers(promise: &Node, demand: &Node, types: Types, found: &mut Found) {
    let (written, read) = (&promise.number, &demand.number);
    let (lowest, highest) = (lowest(written), highest(written));
    let is_at_most = |read: &Option<Decimal>| match (highest, read) {
        (Some((bound, _)), Some(read)) => bound <= read,
        _ => false,
    };
    let is_below = |read: &Option<Decimal>| match (highest, read) {
        (Some((bound, is_excluded)), Some(read)) => bound < read || bound == read && is_excluded,
        _ => false,
    };
    let is_at_least = |read: &Option<Decimal>| match (lowest, read) {
        (Some((bound, _)), Some(read)) => bound >= read,
        _ => false,
    };
    let is_above = |read: &Option<Decimal>| match (lowest, read) {
        (Some((bound, is_excluded)), Some(read)) => bound > read || bound == read && is_excluded,
        _ => false,
    };
    let kinds = |added, removed, loosened, tightened| BoundKinds { added, removed, loosened, tightened };
    let maximum = kinds(Kind::MaximumAdded, Kind::MaximumRemoved, Kind::MaximumIncreased, Kind::MaximumDecreased);
    let pair = (written.maximum.as_ref(), read.maximum.as_ref());
    bound("maximum", pair, is_at_most(&read.maximum), &maximum, found);
    let minimum = kinds(Kind::MinimumAdded, Kind::MinimumRemoved, Kind::MinimumDecreased, Kind::MinimumIncreased);
    let pair = (written.minimum.as_ref(), read.minimum.as_ref());
    bound("minimum", pair, is_at_least(&read.minimum), &minimum, found);
    let maximum = kinds(
        Kind::ExclusiveMaximumAdded,
        Kind::ExclusiveMaximumRemoved,
        Kind::ExclusiveMaximumIncreased,
        Kind::ExclusiveMaximumDecreased,
    );
    let pair = (written.exclusive_maximum.as_ref(), read.exclusive_maximum.as_ref());
    bound("exclusiveMaximum", pair, is_below(&read.exclusive_maximum), &maximum, found);
    let minimum = kinds(
        Kind::ExclusiveMinimumAdded,
        Kind::ExclusiveMinimumRemoved,
        Kind::ExclusiveMinimumDecreased,
        Kind::ExclusiveMinimumIncreased,
    );
    let pair = (written.exclusive_minimum.as_ref(), read.exclusive_minimum.as_ref());
    bound("exclusiveMinimum", pair, is_above(&read.exclusive_minimum), &minimum, found);
    multiples(written, read, types, found);
}

fn multiples(written: &NumberRules, read: &NumberRules, types: Types, found: &mut Found) {
    let are_integers = !types.meets(Types::FRACTION);
    let kind = match (&written.multiple_of, &read.multiple_of) {
        (None, None) => return,
        (Some(written), Some(read)) if written == read => return,
        (Some(_), None) => Kind::MultipleOfRemoved,
        (Some(written), Some(read)) if written.is_multiple_of(read) => Kind::MultipleOfReduced,
        (_, Some(read)) if are_integers && Decimal::one().is_multiple_of(read) => Kind::MultipleOfReduced,
        (None, Some(_)) => Kind::MultipleOfAdded,
        (Some(written), Some(read)) if read.is_multiple_of(written) => Kind::MultipleOfExpanded,
        (Some(_), Some(_)) => Kind::MultipleOfChanged,
    };
    found.note(kind, "multipleOf");
}

/// Notes how the rules for strings differ.
pub(super) fn strings(promise: &Node, demand: &Node, found: &mut Found) {
    let (written, read) = (&promise.string, &demand.string);
    let kinds = BoundKinds {
        added: Kind::MaxLengthAdded,
        removed: Kind::MaxLengthRemoved,
        loosened: Kind::MaxLengthIncreased,
        tightened: Kind::MaxLengthDecreased,
    };
    most("maxLength", (written.max_length, read.max_length), written.max_length, &kinds, found);
    let kinds = BoundKinds {
        added: Kind::MinLengthAdded,
        removed: Kind::MinLengthRemoved,
        loosened: Kind::MinLengthDecreased,
        tightened: Kind::MinLengthIncreased,
    };
    least("minLength", (written.min_length, read.min_length), written.min_length.unwrap_or(0), &kinds, found);
    let kind = match (&written.pattern, &read.pattern) {
        (None, None) => return,
        (Some(written), Some(read)) if written.text == read.text => return,
        (Some(_), None) => Kind::PatternRemoved,
        (None, Some(_)) => Kind::PatternAdded,
        (Some(_), Some(_)) => Kind::PatternChanged,
    };
    found.note(kind, "pattern");
}
