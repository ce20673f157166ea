//! Numbers in the value format (`docs/format.md` section 8), and sums of them.

use super::{Head, VERSION, ValueRef};
use flowdb_engine::format::{put_bytes, put_varint};
use flowdb_engine::{Error, Result};

const TAG_INTEGER: u8 = 0x06;
const TAG_FLOAT: u8 = 0x07;
const TAG_BIGINT: u8 = 0x08;
const TAG_NEGATIVE_BIGINT: u8 = 0x09;
/// The largest integer that a JavaScript number has no neighbour beside.
const SAFE_INTEGER_MAX: i64 = (1 << 53) - 1;

/// A numeric value. JavaScript has two types of them, which do not mix: numbers, which are
/// doubles, and bigints.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A number.
    Float(f64),
    /// A bigint, as far as it fits into 64 bits.
    Integer(i64),
}

impl Number {
    /// The number that `contents` are, in the value format; `InvalidArgument` if they are something else, or
    /// a bigint of more than 64 bits.
    pub fn from_value(contents: &[u8]) -> Result<Number> {
        let value = ValueRef::new(contents)?;
        match value.head(value.root())? {
            Head::Number(number) => Ok(Number::Float(number)),
            Head::BigInt { negative, magnitude } => {
                integer(negative, magnitude).map(Number::Integer).ok_or_else(overflow)
            }
            _ => Err(Error::invalid("the value is not a number")),
        }
    }

    /// The number in the value format, as JavaScript writes it.
    pub fn to_value(self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self {
            Number::Integer(integer) => {
                out.push(if integer < 0 { TAG_NEGATIVE_BIGINT } else { TAG_BIGINT });
                let magnitude = integer.unsigned_abs().to_le_bytes();
                let length = magnitude.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                put_bytes(&mut out, &magnitude[..length]);
            }
            Number::Float(float) => match safe_integer(float) {
                Some(integer) => {
                    out.push(TAG_INTEGER);
                    put_varint(&mut out, ((integer << 1) ^ (integer >> 63)).cast_unsigned());
                }
                None => {
                    out.push(TAG_FLOAT);
                    let canonical = if float.is_nan() { f64::NAN } else { float };
                    out.extend_from_slice(&canonical.to_bits().to_le_bytes());
                }
            },
        }
        out
    }

    /// The number as JavaScript writes it in JSON: the shortest digits that are no other number's.
    /// `InvalidArgument` for a bigint, which JSON has not, and what is not finite.
    pub fn to_json(self) -> Result<String> {
        match self {
            Number::Float(float) if float.is_finite() => Ok(shortest(float)),
            _ => Err(Error::invalid("JSON has no bigints, and no infinities")),
        }
    }

    /// The sum of two bigints, or of two numbers.
    ///
    /// Fails with `InvalidArgument` if the types differ, a bigint leaves 64 bits, a sum of whole numbers, or
    /// of numbers within the safe integers, leaves these (±(2^53 - 1)), where counting would silently stand
    /// still, or a sum is not finite.
    pub fn plus(self, delta: Number) -> Result<Number> {
        match (self, delta) {
            (Number::Integer(a), Number::Integer(b)) => {
                a.checked_add(b).map(Number::Integer).ok_or_else(sum_overflow)
            }
            (Number::Float(a), Number::Float(b)) => {
                #[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is a double")]
                let is_safe = |number: f64| number.abs() <= SAFE_INTEGER_MAX as f64;
                let counts = (a.fract() == 0.0 && b.fract() == 0.0) || (is_safe(a) && is_safe(b));
                let sum = a + b;
                let is_good = sum.is_finite() && (is_safe(sum) || !counts);
                if is_good { Ok(Number::Float(sum)) } else { Err(sum_overflow()) }
            }
            _ => Err(Error::invalid("delta: a number and a bigint cannot be added")),
        }
    }
}

fn overflow() -> Error {
    Error::invalid("the number is out of range: a bigint beyond 64 bits")
}

fn sum_overflow() -> Error {
    Error::invalid(
        "delta: the sum is out of range: a bigint beyond 64 bits, a count beyond 2^53 - 1, or infinity",
    )
}

/// As ECMAScript has it (Number::toString): an exponent from 10^21 on and below 10^-6.
fn shortest(float: f64) -> String {
    if float == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{float:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    if (0..21).contains(&exponent) || (-6..0).contains(&exponent) {
        return float.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{}", exponent.unsigned_abs())
}

fn integer(negative: bool, magnitude: &[u8]) -> Option<i64> {
    let mut bytes = [0; 8];
    bytes.get_mut(..magnitude.len())?.copy_from_slice(magnitude);
    let magnitude = i128::from(u64::from_le_bytes(bytes));
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// The integer that a double is; negative zero is none.
fn safe_integer(float: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "compared with what it came from")]
    let integer = float as i64;
    #[expect(clippy::cast_precision_loss, reason = "safe integers are doubles")]
    let is_same = integer as f64 == float;
    let is_negative_zero = integer == 0 && float.is_sign_negative();
    (is_same && integer.unsigned_abs() <= SAFE_INTEGER_MAX.unsigned_abs() && !is_negative_zero)
        .then_some(integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAFE: f64 = 9_007_199_254_740_991.0;

    #[test]
    fn numbers_round_trip_in_the_form_that_javascript_writes() {
        let cases: [(Number, &[u8]); 10] = [
            (Number::Float(1.0), &[1, 6, 2]),
            (Number::Float(-1.0), &[1, 6, 1]),
            (Number::Float(0.0), &[1, 6, 0]),
            (Number::Float(-0.0), &[1, 7, 0, 0, 0, 0, 0, 0, 0, 0x80]),
            (Number::Float(0.5), &[1, 7, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f]),
            (Number::Integer(0), &[1, 8, 0]),
            (Number::Integer(256), &[1, 8, 2, 0, 1]),
            (Number::Integer(-1), &[1, 9, 1, 1]),
            (Number::Integer(i64::MAX), &[1, 8, 8, 255, 255, 255, 255, 255, 255, 255, 127]),
            (Number::Integer(i64::MIN), &[1, 9, 8, 0, 0, 0, 0, 0, 0, 0, 128]),
        ];
        for (number, bytes) in cases {
            assert_eq!(number.to_value(), bytes, "{number:?}");
            assert_eq!(Number::from_value(bytes).unwrap(), number);
            ValueRef::new(bytes).unwrap().validate().unwrap();
        }
        for float in [SAFE, -SAFE, SAFE + 1.0, f64::MAX, f64::INFINITY, i64::MIN as f64] {
            assert_eq!(Number::from_value(&Number::Float(float).to_value()).unwrap(), Number::Float(float));
        }
    }

    #[test]
    fn numbers_are_json_as_javascript_writes_it() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-42.0, "-42"),
            (0.1 + 0.2, "0.30000000000000004"),
            (SAFE, "9007199254740991"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (1e21, "1e+21"),
            (-1.5e300, "-1.5e+300"),
            (0.000_001, "0.000001"),
            (1.25e-7, "1.25e-7"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
        ];
        for (float, text) in cases {
            assert_eq!(Number::Float(float).to_json().unwrap(), text);
        }
        assert!(Number::Integer(1).to_json().is_err());
        assert!(Number::Float(f64::NAN).to_json().is_err());
    }

    #[test]
    fn what_is_no_number_of_64_bits_is_refused() {
        for bytes in
            [&[1, 2][..], &[1, 0x0a, 1, b'5'], &[1, 8, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1], &[1], &[2, 6, 2]]
        {
            assert!(Number::from_value(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn sums_that_overflow_are_errors() {
        let float = Number::Float;
        let whole = Number::Integer;
        assert_eq!(float(1.5).plus(float(2.0)).unwrap(), float(3.5));
        assert_eq!(float(SAFE - 1.0).plus(float(1.0)).unwrap(), float(SAFE));
        assert_eq!(whole(i64::MAX - 1).plus(whole(1)).unwrap(), whole(i64::MAX));
        assert_eq!(float(1e300).plus(float(0.5)).unwrap(), float(1e300), "no count");
        for (a, b) in [
            (float(SAFE), float(1.0)),
            (float(SAFE), float(0.5)),
            (float(-SAFE), float(-1.0)),
            (float(f64::MAX), float(f64::MAX)),
            (float(1.0), float(f64::NAN)),
            (whole(i64::MAX), whole(1)),
            (whole(i64::MIN), whole(-1)),
            (whole(1), float(1.0)),
        ] {
            assert!(a.plus(b).is_err(), "{a:?} {b:?}");
        }
    }
}
