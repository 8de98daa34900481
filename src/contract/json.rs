//! JSON read strictly: one object, no key twice, nothing after it. A parser that lets the last of two
//! equal keys win would let a broken sender say `"smoke":true` and be heard saying `false`.

use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::terms::RefusalReason;

/// The fields of a message.
pub(super) type Fields = Map<String, Value>;

/// Reads exactly one object.
pub(super) fn object(bytes: &[u8]) -> Result<Fields, RefusalReason> {
    match value(bytes)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(RefusalReason::Malformed),
    }
}

/// What is kept of a value.
pub(super) enum Want {
    /// All of it.
    All,
    /// Of an object these keys; a value that is no object counts as absent.
    Keys(&'static [(&'static str, Want)]),
}

/// Reads exactly one object and keeps what is wanted. The rest has to be JSON, too, but nothing is made
/// of it: what twenty receivers say about themselves costs next to nothing.
pub(super) fn part(bytes: &[u8], want: &'static Want) -> Result<Fields, RefusalReason> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = want.deserialize(&mut reader).map_err(reason)?;
    reader.end().map_err(|_| RefusalReason::TrailingBytes)?;
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(RefusalReason::Malformed),
    }
}

fn reason(error: serde_json::Error) -> RefusalReason {
    if error.is_eof() { RefusalReason::Truncated } else { RefusalReason::Malformed }
}

/// Reads exactly one value of any type.
pub(super) fn value(bytes: &[u8]) -> Result<Value, RefusalReason> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut reader).map_err(reason)?;
    reader.end().map_err(|_| RefusalReason::TrailingBytes)?;
    Ok(value)
}

/// A whole number within `range`; `None` when the field is absent or null.
pub(super) fn whole(
    fields: &Fields,
    key: &str,
    range: RangeInclusive<i64>,
) -> Result<Option<i64>, RefusalReason> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => {
            number.as_i64().filter(|n| range.contains(n)).map(Some).ok_or(RefusalReason::OutOfRange)
        }
        Some(_) => Err(RefusalReason::Malformed),
    }
}

/// A count of 32 bits; `None` when the field is absent or null.
pub(super) fn count(fields: &Fields, key: &str) -> Result<Option<u32>, RefusalReason> {
    let count = whole(fields, key, 0..=i64::from(u32::MAX))?;
    Ok(count.and_then(|n| u32::try_from(n).ok()))
}

/// Yes or no; `None` when the field is absent or null.
pub(super) fn flag(fields: &Fields, key: &str) -> Result<Option<bool>, RefusalReason> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(RefusalReason::Malformed),
    }
}

/// A text; `None` when the field is absent or null.
pub(super) fn text<'f>(fields: &'f Fields, key: &str) -> Result<Option<&'f str>, RefusalReason> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(RefusalReason::Malformed),
    }
}

/// Builds a value and refuses a key that comes twice, at any depth. The parser's own limit on depth
/// (128) bounds the recursion.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = items.next_key::<String>()? {
            let value = items.next_value_seed(Strict)?;
            if map.insert(key, value).is_some() {
                return Err(A::Error::custom("a key that comes twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

impl<'de> DeserializeSeed<'de> for &'static Want {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        match self {
            Want::All => Strict.deserialize(from),
            Want::Keys(keys) => from.deserialize_any(Keys(keys)),
        }
    }
}

/// Keeps some keys of an object and refuses one of them that comes twice.
struct Keys(&'static [(&'static str, Want)]);

impl<'de> Visitor<'de> for Keys {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(known) = items.next_key_seed(Known(self.0))? {
            let Some((key, want)) = known else {
                items.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = items.next_value_seed(want)?;
            if fields.insert((*key).to_owned(), value).is_some() {
                return Err(A::Error::custom("a key that comes twice"));
            }
        }
        Ok(Value::Object(fields))
    }
}

/// Finds a key among the wanted ones without a copy of it.
struct Known(&'static [(&'static str, Want)]);

impl<'de> DeserializeSeed<'de> for Known {
    type Value = Option<&'static (&'static str, Want)>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Known {
    type Value = Option<&'static (&'static str, Want)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|(known, _)| *known == key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_comes_twice_is_refused_at_any_depth() {
        for twice in [&br#"{"a":1,"a":2}"#[..], br#"{"x":[{"a":1,"\u0061":2}]}"#] {
            assert_eq!(object(twice), Err(RefusalReason::Malformed));
        }
    }

    #[test]
    fn a_part_is_read_as_strictly_and_the_rest_is_passed_over() {
        static WANT: Want = Want::Keys(&[("a", Want::All), ("b", Want::Keys(&[("c", Want::All)]))]);
        let kept = |text: &str| part(text.as_bytes(), &WANT).map(|f| Value::Object(f).to_string());
        let whole = r#"{"x":[{"y":1,"y":2}],"b":{"d":3,"c":[4]},"a":{"z":5},"x":6}"#;
        assert_eq!(kept(whole), Ok(r#"{"a":{"z":5},"b":{"c":[4]}}"#.to_owned()));
        for no_object in ["5", "-5", "0.5", "true", "null", "\"t\"", "[{},1]"] {
            let text = format!(r#"{{"b":{no_object},"a":1}}"#);
            assert_eq!(kept(&text), Ok(r#"{"a":1,"b":null}"#.to_owned()), "{no_object}");
        }
        for twice in [r#"{"a":1,"\u0061":2}"#, r#"{"b":{"c":1,"c":1}}"#, r#"{"a":{"z":1,"z":2}}"#] {
            assert_eq!(kept(twice), Err(RefusalReason::Malformed), "{twice}");
        }
        for cut in 1..whole.len() {
            assert_eq!(kept(&whole[..cut]), Err(RefusalReason::Truncated), "{cut}");
        }
        assert_eq!(kept(r#"{"x":tru}"#), Err(RefusalReason::Malformed));
        assert_eq!(kept("{} {}"), Err(RefusalReason::TrailingBytes));
        assert_eq!(kept("[1]"), Err(RefusalReason::Malformed));
    }

    #[test]
    fn a_cut_is_told_from_rubbish_and_from_too_much() {
        assert_eq!(object(br#"{"a":tr"#), Err(RefusalReason::Truncated));
        assert_eq!(object(b""), Err(RefusalReason::Truncated));
        assert_eq!(object(br#"{"a":trap}"#), Err(RefusalReason::Malformed));
        assert_eq!(object(b"[1]"), Err(RefusalReason::Malformed));
        assert_eq!(object(b"{}\0"), Err(RefusalReason::TrailingBytes));
        assert!(object(b" {} \r\n").is_ok());
    }

    #[test]
    fn a_message_nested_without_end_is_refused() {
        assert_eq!(object(&b"[".repeat(4096)), Err(RefusalReason::Malformed));
    }

    #[test]
    fn a_number_is_whole_and_in_range_or_refused() {
        let fields =
            object(br#"{"a":7,"b":-1,"c":7.0,"d":"7","e":18446744073709551616,"f":null}"#).unwrap();
        assert_eq!(whole(&fields, "a", 0..=7), Ok(Some(7)));
        for out in ["b", "c", "e"] {
            assert_eq!(whole(&fields, out, 0..=7), Err(RefusalReason::OutOfRange), "{out}");
        }
        assert_eq!(whole(&fields, "d", 0..=7), Err(RefusalReason::Malformed));
        assert_eq!(whole(&fields, "f", 0..=7), Ok(None));
        assert_eq!(whole(&fields, "g", 0..=7), Ok(None));
    }
}
