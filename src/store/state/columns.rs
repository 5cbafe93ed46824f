//! Array columns of PostgreSQL.
//!
//! sqlx makes a value of its own out of each element before it looks at it, which takes longer than everything else that is
//! done to a page's columns: a fifth of what the service does for a page. This reads the same format, and nothing else.

use smol_str::SmolStr;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Decode, Postgres, Type};

/// A column.
pub(super) struct Column<T>(Vec<T>);

impl<T> From<Column<T>> for Vec<T> {
    fn from(column: Column<T>) -> Self {
        column.0
    }
}

/// An element of a column.
pub(super) trait Cell: Sized {
    /// What sqlx knows to be stored like this.
    type Stored;

    /// Reads it; `None` stands for NULL.
    fn read(bytes: Option<&[u8]>) -> Result<Self, BoxDynError>;
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Cell for $number {
            type Stored = Self;

            fn read(bytes: Option<&[u8]>) -> Result<Self, BoxDynError> {
                Ok(Self::from_be_bytes(there(bytes)?.try_into()?))
            }
        }
    )*};
}

numbers!(i16, i32, i64);

macro_rules! texts {
    ($($text:ty),*) => {$(
        impl Cell for $text {
            type Stored = String;

            fn read(bytes: Option<&[u8]>) -> Result<Self, BoxDynError> {
                Ok(std::str::from_utf8(there(bytes)?)?.into())
            }
        }
    )*};
}

texts!(String, Box<str>, SmolStr);

impl Cell for bool {
    type Stored = Self;

    fn read(bytes: Option<&[u8]>) -> Result<Self, BoxDynError> {
        Ok(there(bytes)? != [0])
    }
}

impl<T: Cell> Cell for Option<T> {
    type Stored = T::Stored;

    fn read(bytes: Option<&[u8]>) -> Result<Self, BoxDynError> {
        bytes.map(|bytes| T::read(Some(bytes))).transpose()
    }
}

fn there(bytes: Option<&[u8]>) -> Result<&[u8], BoxDynError> {
    bytes.ok_or_else(|| "a column has a NULL that it must not have".into())
}

impl<T: Cell> Type<Postgres> for Column<T>
where
    Vec<T::Stored>: Type<Postgres>,
{
    fn type_info() -> PgTypeInfo {
        <Vec<T::Stored>>::type_info()
    }
}

impl<'r, T: Cell> Decode<'r, Postgres> for Column<T> {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.format() == PgValueFormat::Binary {
            cells(value.as_bytes()?).map(Self)
        } else {
            Err("a column is not in the binary format".into())
        }
    }
}

/// Reads what `array_send` has written: dimensions, flags, type, length, first index, then each element after its size, which
/// is -1 for NULL.
fn cells<T: Cell>(mut rest: &[u8]) -> Result<Vec<T>, BoxDynError> {
    match take_number(&mut rest)? {
        0 => return Ok(Vec::new()),
        1 => {}
        _ => return Err("a column has more than one dimension".into()),
    }
    let _flags_and_type = take(&mut rest, 8)?;
    let length = usize::try_from(take_number(&mut rest)?)?;
    let _first_index = take_number(&mut rest)?;
    // An element takes four bytes at least: whoever promises more is not believed.
    let mut cells = Vec::with_capacity(length.min(rest.len() / 4));
    for _ in 0..length {
        let size = take_number(&mut rest)?;
        let bytes = usize::try_from(size).ok().map(|size| take(&mut rest, size)).transpose()?;
        cells.push(T::read(bytes)?);
    }
    Ok(cells)
}

#[inline]
fn take<'a>(rest: &mut &'a [u8], size: usize) -> Result<&'a [u8], BoxDynError> {
    let (taken, left) = rest.split_at_checked(size).ok_or_else(too_early)?;
    *rest = left;
    Ok(taken)
}

#[inline]
fn take_number(rest: &mut &[u8]) -> Result<i32, BoxDynError> {
    let (taken, left) = rest.split_first_chunk().ok_or_else(too_early)?;
    *rest = left;
    Ok(i32::from_be_bytes(*taken))
}

#[cold]
fn too_early() -> BoxDynError {
    "a column ends too early".into()
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use proptest::prelude::*;
    use sqlx::Encode;
    use sqlx::postgres::PgArgumentBuffer;

    use super::*;

    fn written<T>(values: &T) -> Vec<u8>
    where
        T: for<'q> Encode<'q, Postgres>,
    {
        let mut bytes = PgArgumentBuffer::default();
        assert!(!values.encode_by_ref(&mut bytes).unwrap().is_null());
        bytes.to_vec()
    }

    #[track_caller]
    fn check<T: Cell + PartialEq + Debug>(bytes: &[u8], expected: &[T]) {
        assert_eq!(cells::<T>(bytes).unwrap(), expected);
        for length in 0..bytes.len() {
            assert!(cells::<T>(&bytes[..length]).is_err(), "the first {length} bytes");
        }
    }

    #[test]
    fn what_sqlx_writes_is_read() {
        check::<i16>(&written(&vec![1_i16, -2]), &[1, -2]);
        check::<i32>(&written(&vec![i32::MIN, i32::MAX]), &[i32::MIN, i32::MAX]);
        check::<i64>(&written(&vec![i64::MIN, 7]), &[i64::MIN, 7]);
        check::<bool>(&written(&vec![true, false]), &[true, false]);
        check::<Option<i32>>(&written(&vec![Some(1), None, Some(-3)]), &[Some(1), None, Some(-3)]);
        let texts = written(&vec![Some("a"), None, Some(""), Some("中")]);
        let expected = [Some("a"), None, Some(""), Some("中")].map(|text| text.map(SmolStr::from));
        check::<Option<SmolStr>>(&texts, &expected);
        check::<i64>(&written(&Vec::<i64>::new()), &[]);
        assert!(cells::<i64>(&[0; 12]).unwrap().is_empty(), "as the server writes it");
    }

    #[test]
    fn what_must_not_be_null_or_is_no_text_is_refused() {
        assert!(cells::<i32>(&written(&vec![Some(1), None])).is_err());
        assert!(cells::<i64>(&written(&vec![1_i32])).is_err(), "numbers of another size");
        assert!(cells::<String>(&written(&vec![-1_i32])).is_err(), "no UTF-8");
        let mut square = written(&vec![1_i32]);
        square[3] = 2;
        assert!(cells::<i32>(&square).is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes: Vec<u8>, ones in 0..9_usize) {
            // One dimension and few elements, so that junk gets further than that.
            let begin = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
            let bytes = [&begin[..ones * 2], &bytes].concat();
            drop(cells::<i64>(&bytes));
            drop(cells::<Option<String>>(&bytes));
        }
    }
}
