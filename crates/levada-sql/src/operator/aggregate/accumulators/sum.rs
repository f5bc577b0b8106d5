//! Sums and averages: of whole and decimal numbers in 128 bits, of floating point numbers exactly.

use super::Accumulator;
use crate::{
    dataflow::RunError,
    plan::averages,
    snapshot::{Reader, SnapshotError, Writer},
    state::{exact::ExactSum, rows::index},
};
use datafusion::arrow::{
    array::{ArrayRef, AsArray as _, Decimal128Array, Float64Array},
    compute::{CastOptions, cast, cast_with_options},
    datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Float64Type},
};
use std::sync::Arc;

/// What is shown of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Sum,
    Average,
}

/// The memory of sums of arguments of a type.
pub(super) fn accumulator(
    argument: &DataType,
    output: &DataType,
    shown: Shown,
) -> Result<Box<dyn Accumulator>, RunError> {
    let output = output.clone();
    let scale = match argument {
        DataType::Float32 | DataType::Float64 => {
            return Ok(Box::new(FloatSum { sums: Vec::new(), counts: Vec::new(), output, shown }));
        }
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => 0,
        DataType::Decimal128(_, scale) => *scale,
        other => return Err(RunError::Internal(format!("there is no sum of {other}"))),
    };
    Ok(Box::new(WholeSum { sums: Vec::new(), counts: Vec::new(), scale, output, shown }))
}

/// Sums as what they are shown as.
fn shown_as(shown: Shown, sums: &ArrayRef, counts: &[i64], output: &DataType) -> Result<ArrayRef, RunError> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let shown = match shown {
        Shown::Sum => cast_with_options(sums, output, &strict).map_err(|_| RunError::SumTooLarge)?,
        Shown::Average => averages(sums, counts, output).map_err(|_| RunError::SumTooLarge)?,
    };
    Ok(shown)
}

/// A sum of numbers with the same number of decimal places.
struct WholeSum {
    sums: Vec<i128>,
    /// How many numbers it is of: of none, there is no sum.
    counts: Vec<i64>,
    scale: i8,
    output: DataType,
    shown: Shown,
}

impl Accumulator for WholeSum {
    fn grow(&mut self, end: usize) {
        self.sums.resize(end, 0);
        self.counts.resize(end, 0);
    }

    fn update(&mut self, groups: &[u32], values: Option<&ArrayRef>, weights: &[i64]) -> Result<(), RunError> {
        let Some(values) = values else { return Ok(()) };
        let wide = cast(values, &DataType::Decimal128(DECIMAL128_MAX_PRECISION, self.scale))?;
        let wide = wide.as_primitive::<Decimal128Type>();
        for (place, (group, weight)) in groups.iter().zip(weights).enumerate().filter(|(_, (_, weight))| **weight != 0)
        {
            let sum = &mut self.sums[index(*group)];
            let part = wide.value(place).checked_mul(i128::from(*weight));
            *sum = part.and_then(|part| sum.checked_add(part)).ok_or(RunError::SumTooLarge)?;
            self.counts[index(*group)] += weight;
        }
        Ok(())
    }

    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef, RunError> {
        let sums = groups.iter().map(|group| (self.counts[index(*group)] > 0).then(|| self.sums[index(*group)]));
        let sums = Decimal128Array::from_iter(sums).with_precision_and_scale(DECIMAL128_MAX_PRECISION, self.scale)?;
        // 128 bits have some more numbers than there are of so many digits.
        sums.validate_decimal_precision(DECIMAL128_MAX_PRECISION).map_err(|_| RunError::SumTooLarge)?;
        let sums: ArrayRef = Arc::new(sums);
        let counts: Vec<i64> = groups.iter().map(|group| self.counts[index(*group)]).collect();
        shown_as(self.shown, &sums, &counts, &self.output)
    }

    fn merge(&mut self, from: u32, into: u32) -> Result<(), RunError> {
        let part = self.sums[index(from)];
        let sum = &mut self.sums[index(into)];
        *sum = sum.checked_add(part).ok_or(RunError::SumTooLarge)?;
        self.counts[index(into)] += self.counts[index(from)];
        Ok(())
    }

    fn forget(&mut self, group: u32) {
        self.sums[index(group)] = 0;
        self.counts[index(group)] = 0;
    }

    fn size(&self) -> usize {
        self.sums.len() * (size_of::<i128>() + size_of::<i64>())
    }

    fn save(&self, to: &mut Writer) {
        self.sums.iter().for_each(|sum| to.i128(*sum));
        self.counts.iter().for_each(|count| to.i64(*count));
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.sums.iter_mut().try_for_each(|sum| from.i128().map(|read| *sum = read))?;
        self.counts.iter_mut().try_for_each(|count| from.i64().map(|read| *count = read))
    }
}

/// A sum of floating point numbers.
struct FloatSum {
    sums: Vec<ExactSum>,
    counts: Vec<i64>,
    output: DataType,
    shown: Shown,
}

impl Accumulator for FloatSum {
    fn grow(&mut self, end: usize) {
        self.sums.resize(end, ExactSum::default());
        self.counts.resize(end, 0);
    }

    fn update(&mut self, groups: &[u32], values: Option<&ArrayRef>, weights: &[i64]) -> Result<(), RunError> {
        let Some(values) = values else { return Ok(()) };
        let wide = cast(values, &DataType::Float64)?;
        let wide = wide.as_primitive::<Float64Type>();
        for (place, (group, weight)) in groups.iter().zip(weights).enumerate().filter(|(_, (_, weight))| **weight != 0)
        {
            self.sums[index(*group)].add(wide.value(place), *weight);
            self.counts[index(*group)] += weight;
        }
        Ok(())
    }

    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef, RunError> {
        let sums =
            groups.iter().map(|group| (self.counts[index(*group)] > 0).then(|| self.sums[index(*group)].value()));
        let sums: ArrayRef = Arc::new(Float64Array::from_iter(sums));
        let counts: Vec<i64> = groups.iter().map(|group| self.counts[index(*group)]).collect();
        shown_as(self.shown, &sums, &counts, &self.output)
    }

    fn merge(&mut self, from: u32, into: u32) -> Result<(), RunError> {
        let part = std::mem::take(&mut self.sums[index(from)]);
        self.sums[index(into)].merge(&part);
        self.counts[index(into)] += self.counts[index(from)];
        Ok(())
    }

    fn forget(&mut self, group: u32) {
        self.sums[index(group)] = ExactSum::default();
        self.counts[index(group)] = 0;
    }

    fn size(&self) -> usize {
        self.sums.len() * (size_of::<ExactSum>() + 2 * size_of::<f64>())
    }

    fn save(&self, to: &mut Writer) {
        self.sums.iter().for_each(|sum| sum.save(to));
        self.counts.iter().for_each(|count| to.i64(*count));
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.sums.iter_mut().try_for_each(|sum| ExactSum::load(from).map(|read| *sum = read))?;
        self.counts.iter_mut().try_for_each(|count| from.i64().map(|read| *count = read))
    }
}
