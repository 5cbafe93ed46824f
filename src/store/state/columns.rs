//! Array columns of PostgreSQL.
//!
//! sqlx makes a value of its own for each element before it decodes the element, which takes a fifth of the service's CPU
//! time for a page. `postgres_protocol` reads the same format without that.

use fallible_iterator::FallibleIterator;
use postgres_protocol::types;
use smol_str::SmolStr;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Decode, Postgres, Type};

/// An array with one dimension.
#[derive(Debug)]
pub(super) struct Column<T>(Vec<T>);

impl<T> From<Column<T>> for Vec<T> {
    fn from(column: Column<T>) -> Self {
        column.0
    }
}

/// An element of a column.
pub(super) trait Cell: Sized {
    /// A type with the same format for which sqlx knows the array type.
    type Stored;

    /// Decodes an element that is not NULL.
    fn decode(bytes: &[u8]) -> Result<Self, BoxDynError>;

    /// Decodes an element; `None` is NULL.
    fn decode_nullable(bytes: Option<&[u8]>) -> Result<Self, BoxDynError> {
        Self::decode(bytes.ok_or("an array has an element that is NULL")?)
    }
}

macro_rules! cells {
    ($($type:ty: $stored:ty = $decode:expr;)+) => {
        $(impl Cell for $type {
            type Stored = $stored;

            fn decode(bytes: &[u8]) -> Result<Self, BoxDynError> {
                Ok($decode(bytes)?.into())
            }
        })+
    };
}

cells! {
    i16: Self = types::int2_from_sql;
    i32: Self = types::int4_from_sql;
    i64: Self = types::int8_from_sql;
    String: Self = types::text_from_sql;
    Box<str>: String = types::text_from_sql;
    SmolStr: String = types::text_from_sql;
}

impl<T: Cell> Cell for Option<T> {
    type Stored = T::Stored;

    fn decode(bytes: &[u8]) -> Result<Self, BoxDynError> {
        T::decode(bytes).map(Some)
    }

    fn decode_nullable(bytes: Option<&[u8]>) -> Result<Self, BoxDynError> {
        bytes.map(T::decode).transpose()
    }
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
            Err("an array is not in the binary format".into())
        }
    }
}

fn cells<T: Cell>(bytes: &[u8]) -> Result<Vec<T>, BoxDynError> {
    let array = types::array_from_sql(bytes)?;
    if array.dimensions().count()? > 1 {
        return Err("an array has more than one dimension".into());
    }
    let mut values = array.values();
    // Each element takes at least four bytes, so a corrupt length does not allocate much.
    let length = values.size_hint().0.min(bytes.len() / 4);
    let mut cells = Vec::with_capacity(length);
    while let Some(value) = values.next()? {
        cells.push(T::decode_nullable(value)?);
    }
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use proptest::prelude::*;
    use sqlx::Encode;
    use sqlx::postgres::PgArgumentBuffer;

    use super::*;

    fn encode<T>(values: &T) -> Vec<u8>
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
    fn arrays_that_sqlx_encodes_are_decoded() {
        check::<i16>(&encode(&vec![1_i16, -2]), &[1, -2]);
        check::<i32>(&encode(&vec![i32::MIN, i32::MAX]), &[i32::MIN, i32::MAX]);
        check::<i64>(&encode(&vec![i64::MIN, 7]), &[i64::MIN, 7]);
        check::<Option<i32>>(&encode(&vec![Some(1), None, Some(-3)]), &[Some(1), None, Some(-3)]);
        let texts = encode(&vec![Some("a"), None, Some(""), Some("中")]);
        let expected = [Some("a"), None, Some(""), Some("中")].map(|text| text.map(SmolStr::from));
        check::<Option<SmolStr>>(&texts, &expected);
        check::<i64>(&encode(&Vec::<i64>::new()), &[]);
        assert!(cells::<i64>(&[0; 12]).unwrap().is_empty(), "as the server encodes it");
    }

    #[test]
    fn an_unexpected_null_size_or_text_is_refused() {
        assert!(cells::<i32>(&encode(&vec![Some(1), None])).is_err());
        assert!(cells::<i64>(&encode(&vec![1_i32])).is_err(), "numbers of another size");
        assert!(cells::<String>(&encode(&vec![-1_i32])).is_err(), "not UTF-8");
        let mut square = encode(&vec![1_i32]);
        square[3] = 2;
        assert!(cells::<i32>(&square).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_cause_a_panic(bytes: Vec<u8>, ones in 0..9_usize) {
            // One dimension and few elements, so that random bytes get further than the header.
            let begin = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
            let bytes = [&begin[..ones * 2], &bytes].concat();
            drop(cells::<i64>(&bytes));
            drop(cells::<Option<String>>(&bytes));
        }
    }
}
