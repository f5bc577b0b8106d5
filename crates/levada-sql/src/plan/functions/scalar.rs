//! [`Function`]: a scalar function of our own, and what such functions have in common.

use datafusion::{
    arrow::{
        array::{Array as _, ArrayRef, AsArray as _, Int32Array, StringArray, StringBuilder},
        datatypes::{DataType, Field, FieldRef, Int32Type},
    },
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// Bytes of all texts that a function gives for a batch of rows, at most.
const TEXTS_SIZE_MAX: usize = 256 << 20;
/// Bytes of a text that a function gives, at most.
pub(super) const TEXT_SIZE_MAX: usize = 16 << 20;

/// What a function is given and gives.
pub(super) struct Call<'a> {
    /// The function's name, as it is written in small letters.
    pub(super) name: &'static str,
    /// Arrays of one length.
    pub(super) arguments: &'a [ArrayRef],
    /// How many rows there are.
    pub(super) rows: usize,
    /// What it gives.
    pub(super) output: &'a DataType,
}

/// The types that a function takes its arguments in, where it takes them at all.
type Takes = fn(&'static str, &[DataType]) -> Result<Vec<DataType>>;
/// The type of what it gives, of arguments of these types, with those that are constant.
type Gives = fn(&[DataType], &[Option<&ScalarValue>]) -> Result<DataType>;
type Run = fn(&Call<'_>) -> Result<ArrayRef>;

/// See the module.
///
/// When a query is planned first, the types of its numbers are not Flink's yet: a function is a *draft* then, which
/// takes anything. [`sharpened`] makes it what it is.
#[derive(Clone, Debug)]
pub(super) struct Function {
    /// As it is written, in small letters.
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    pub(super) gives: Gives,
    pub(super) run: Run,
    is_draft: bool,
    signature: Signature,
}

impl Function {
    pub(super) fn define(name: &'static str, takes: Takes, gives: Gives, run: Run) -> Arc<ScalarUDF> {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(ScalarUDF::from(Self { name, takes, gives, run, is_draft: true, signature }))
    }

    /// What the planner takes for a type until types are known.
    fn drafted(&self, types: &[DataType], constants: &[Option<&ScalarValue>]) -> DataType {
        let int = |of: &DataType| if *of == DataType::Int64 { DataType::Int32 } else { of.clone() };
        let types: Vec<DataType> = types.iter().map(int).collect();
        let narrow = |constant: &Option<&ScalarValue>| constant.and_then(|it| it.cast_to(&int(&it.data_type())).ok());
        let constants: Vec<Option<ScalarValue>> = constants.iter().map(narrow).collect();
        let constants: Vec<Option<&ScalarValue>> = constants.iter().map(Option::as_ref).collect();
        let given = (self.takes)(self.name, &types).and_then(|types| (self.gives)(&types, &constants));
        given.unwrap_or_else(|_| types.first().cloned().unwrap_or(DataType::Null))
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.is_draft == other.is_draft
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.is_draft.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if self.is_draft { Ok(types.to_vec()) } else { (self.takes)(self.name, types) }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let constants = vec![None; types.len()];
        if self.is_draft { Ok(self.drafted(types, &constants)) } else { (self.gives)(types, &constants) }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let of = match self.is_draft {
            true => self.drafted(&types, args.scalar_arguments),
            false => (self.gives)(&types, args.scalar_arguments)?,
        };
        Ok(Arc::new(Field::new(self.name, of, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let arguments = args.args.iter().map(|argument| argument.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let call = Call { name: self.name, arguments: &arguments, rows, output: args.return_field.data_type() };
        Ok(ColumnarValue::Array((self.run)(&call)?))
    }
}

/// A function of our own that takes only what it takes; `None` where it is none of ours.
pub(super) fn sharpened(function: &ScalarUDF) -> Option<Arc<ScalarUDF>> {
    let function = function.inner().downcast_ref::<Function>()?;
    Some(Arc::new(ScalarUDF::from(Function { is_draft: false, ..function.clone() })))
}

/// A type as SQL names it.
pub(crate) fn named(of: &DataType) -> String {
    let field = Field::new("", of.clone(), true);
    crate::types::Type::of(&field).map_or_else(|_| of.to_string(), |of| of.to_string())
}

/// What an argument may be.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    Text,
    /// `INT`, or a smaller whole number.
    Int,
}

/// That the arguments are what is wanted of each, of which the last `optional` may be missing.
pub(super) fn take(name: &str, types: &[DataType], wanted: &[Wanted], optional: usize) -> Result<Vec<DataType>> {
    let name = name.to_uppercase();
    if types.len() > wanted.len() || types.len() + optional < wanted.len() {
        let (least, most) = (wanted.len() - optional, wanted.len());
        let count = if least == most { format!("{most}") } else { format!("{least} to {most}") };
        return plan_err!("{name} takes {count} arguments, and gets {}", types.len());
    }
    let each = types.iter().zip(wanted).enumerate();
    each.map(|(place, (of, wanted))| match (of, wanted) {
        (DataType::Utf8 | DataType::Null, Wanted::Text) => Ok(DataType::Utf8),
        (DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Null, Wanted::Int) => Ok(DataType::Int32),
        (of, Wanted::Text) => {
            plan_err!("argument {} of {name} is {}, and is to be STRING; cast it", place + 1, self::named(of))
        }
        (of, Wanted::Int) => {
            plan_err!("argument {} of {name} is {}, and is to be INT; cast it", place + 1, self::named(of))
        }
    })
    .collect()
}

impl Call<'_> {
    /// The texts of an argument.
    pub(super) fn texts(&self, at: usize) -> Result<&StringArray> {
        match self.arguments.get(at).and_then(|array| array.as_string_opt::<i32>()) {
            Some(texts) => Ok(texts),
            None => exec_err!("argument {} is no text", at + 1),
        }
    }

    /// The numbers of an argument.
    pub(super) fn ints(&self, at: usize) -> Result<&Int32Array> {
        match self.arguments.get(at).and_then(|array| array.as_primitive_opt::<Int32Type>()) {
            Some(ints) => Ok(ints),
            None => exec_err!("argument {} is no INT", at + 1),
        }
    }

    /// One text a row, computed from the row's number.
    pub(super) fn each_text(&self, mut text: impl FnMut(usize) -> Result<Option<String>>) -> Result<ArrayRef> {
        let (mut texts, mut size) = (StringBuilder::new(), 0_usize);
        for row in 0..self.rows {
            let text = text(row)?;
            size += text.as_ref().map_or(0, String::len);
            if size > TEXTS_SIZE_MAX {
                let name = self.name.to_uppercase();
                return exec_err!("texts that {name} gives for a batch of rows take more than {TEXTS_SIZE_MAX} bytes");
            }
            texts.append_option(text);
        }
        Ok(Arc::new(texts.finish()))
    }

    /// Refuses a text of so many bytes where it may not have as many; to be asked before it has them.
    pub(super) fn check_text(&self, size: usize) -> Result<()> {
        if size <= TEXT_SIZE_MAX {
            return Ok(());
        }
        let name = self.name.to_uppercase();
        exec_err!("{name} gives a text of {size} bytes, and {TEXT_SIZE_MAX} are the most: give it shorter texts")
    }
}

/// The value at a place, unless it is NULL.
pub(super) fn text_at(texts: &StringArray, row: usize) -> Option<&str> {
    (!texts.is_null(row)).then(|| texts.value(row))
}

/// The value at a place, unless it is NULL.
pub(super) fn int_at(ints: &Int32Array, row: usize) -> Option<i32> {
    (!ints.is_null(row)).then(|| ints.value(row))
}
