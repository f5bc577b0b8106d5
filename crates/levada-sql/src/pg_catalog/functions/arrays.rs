//! Functions of arrays, which are texts, as `{1,2}`, and of vectors, as `1 2`, whose first place is 0.

use super::{Args, Found, check_size, given, number};
use datafusion::error::DataFusionError;

/// The most elements of an array that is expanded to rows: PostgreSQL itself has no key of more than 32 columns.
pub(in crate::pg_catalog) const PLACES_MAX: usize = 64;

/// The elements of an array or a vector.
fn elements(text: &str) -> Vec<&str> {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let elements: Vec<&str> = match inner {
        Some(inner) => inner.split(',').collect(),
        None => text.split(' ').collect(),
    };
    elements.into_iter().filter(|element| !element.is_empty()).collect()
}

pub(super) fn to_string(args: Args<'_>) -> Found {
    let (Some(array), Some(separator)) = (given(args, 0), given(args, 1)) else { return Ok(None) };
    let elements = elements(array);
    check_size(elements.len().saturating_mul(separator.len()).saturating_add(array.len()))?;
    Ok(Some(elements.join(separator)))
}

pub(super) fn remove(args: Args<'_>) -> Option<String> {
    let (array, unwanted) = (given(args, 0)?, given(args, 1)?);
    let left: Vec<&str> = elements(array).into_iter().filter(|element| *element != unwanted).collect();
    Some(format!("{{{}}}", left.join(",")))
}

pub(super) fn length(text: &str) -> Option<String> {
    let count = elements(text).len();
    (count > 0).then(|| count.to_string())
}

/// The last place: of arrays the first is 1, of vectors 0.
pub(super) fn upper(text: &str) -> Option<String> {
    let count = elements(text).len();
    (count > 0).then(|| (count - 1 + first_place(text)).to_string())
}

fn first_place(text: &str) -> usize {
    usize::from(text.starts_with('{'))
}

pub(super) fn any(args: Args<'_>) -> Option<String> {
    let (wanted, array) = (given(args, 0)?, given(args, 1)?);
    Some(elements(array).contains(&wanted).to_string())
}

pub(super) fn element(args: Args<'_>) -> Option<String> {
    let text = given(args, 0)?;
    let at = usize::try_from(number(args, 1)?).ok()?.checked_sub(first_place(text))?;
    elements(text).get(at).map(|element| (*element).to_owned())
}

/// The element at a place, of which the first is 1, of vectors, too; and the place.
pub(super) fn nth<'a>(args: Args<'a>) -> Option<(&'a str, usize)> {
    let place = usize::try_from(number(args, 1)?).ok()?;
    Some((elements(given(args, 0)?).get(place.checked_sub(1)?)?, place))
}

/// The row that `_pg_expandarray` gives for it.
pub(super) fn place(args: Args<'_>) -> Option<String> {
    nth(args).map(|(element, place)| format!("({element},{place})"))
}

/// What it has in brackets, in the dimension that is asked for.
pub(super) fn subscript(args: Args<'_>) -> Found {
    if given(args, 2).is_some_and(|dimension| dimension != "1") {
        return Err(DataFusionError::Plan("arrays of the catalog have one dimension".to_owned()));
    }
    let place = |(_, place): (&str, usize)| Some((place - 1 + first_place(given(args, 0)?)).to_string());
    Ok(nth(args).and_then(place))
}

/// How many rows an array is expanded to.
pub(super) fn places(args: Args<'_>) -> Found {
    let count = given(args, 0).map_or(0, |text| elements(text).len());
    if count > PLACES_MAX {
        let what = format!("an array of {count} elements is not expanded, of {PLACES_MAX} at most");
        return Err(DataFusionError::Plan(what));
    }
    Ok(Some(count.to_string()))
}

/// What stands in such a row: arrays of numbers are all that is expanded.
pub(super) fn field(args: Args<'_>) -> Found {
    let (Some(row), Some(name)) = (given(args, 0), given(args, 1)) else { return Ok(None) };
    let parts = row.strip_prefix('(').and_then(|row| row.strip_suffix(')')).and_then(|row| row.rsplit_once(','));
    let found = match (name, parts) {
        ("x", Some((element, _))) => element,
        ("n", Some((_, place))) => place,
        _ => return Err(DataFusionError::Plan(format!("`{row}` has no field `{name}`"))),
    };
    match found.parse::<i64>() {
        Ok(number) => Ok(Some(number.to_string())),
        Err(_) => Err(DataFusionError::Plan(format!("`{found}` is no number: only arrays of numbers are expanded"))),
    }
}
