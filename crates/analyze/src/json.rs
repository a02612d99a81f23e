//! A parsed JSON document (RFC 8259) that borrows its texts from the bytes it was read from: large
//! documents are read once, looked at and thrown away. Of equal names in one object the last counts.
//! Numbers are checked and not kept. What it does not do: write, or read deeper than 128 levels. What
//! the values take is counted (`loose::begin_document_of`): lists of nothing are small as text only.

use crate::loose::charge;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    /// `null`, or a value that was taken.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number.
    Number,
    /// A text.
    String(Cow<'a, str>),
    /// A list.
    Array(Vec<Json<'a>>),
    /// Names and values in the order of the document.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// The value under a name of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => {
                members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }
    /// The value under a name of an object, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        match self {
            Self::Object(members) => {
                members.iter_mut().rev().find(|(key, _)| key == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }
    /// The text, when it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
    /// The elements, when it is a list.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(list) => Some(list),
            _ => None,
        }
    }
    /// Whether it is a list.
    pub fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }
    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }
    /// The value; `null` stays behind.
    pub fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Null)
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number)
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number)
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::Number)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Owned(text.to_owned())))
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Borrowed(text)))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        charge::<[usize; 2], _>()?;
        while let Some(value) = access.next_element()? {
            charge::<Json<'_>, _>()?;
            list.push(value);
        }
        list.shrink_to_fit();
        Ok(Json::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json<'de>, A::Error> {
        let mut members = Vec::new();
        charge::<[usize; 2], _>()?;
        while let Some(Name(name)) = access.next_key()? {
            charge::<(Cow<'_, str>, Json<'_>), _>()?;
            members.push((name, access.next_value()?));
        }
        members.shrink_to_fit();
        Ok(Json::Object(members))
    }
}

/// A name in an object, borrowed where it has no escapes.
pub struct Name<'a>(pub Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(Any)? {
            Json::String(name) => Ok(Self(name)),
            _ => Err(D::Error::custom("a name must be a text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_serde_json_reads() {
        let cases = [
            "null",
            " [true, -1, 1.5e3, 18446744073709551615, \"a\\n\", \"é\"] ",
            "{\"a\": {\"b\": []}, \"a\": \"last\", \"\\u0061b\": 1}",
            "{\"a\" 1}",
            "[1,]",
            "1e999",
            "\"\\ud800\"",
            "\u{0}",
            "{1: 2}",
            "",
        ];
        for text in cases {
            let ours = serde_json::from_str::<Json<'_>>(text);
            let theirs = serde_json::from_str::<serde_json::Value>(text);
            assert_eq!(ours.is_ok(), theirs.is_ok(), "{text}");
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                for name in ["a", "ab", "b"] {
                    let text =
                        |value: Option<&serde_json::Value>| value.and_then(|v| v.as_str().map(str::to_owned));
                    assert_eq!(ours.get(name).is_some(), theirs.get(name).is_some(), "{name}");
                    assert_eq!(
                        ours.get(name).and_then(|v| v.as_str().map(str::to_owned)),
                        text(theirs.get(name))
                    );
                }
                assert_eq!(ours.as_array().map(<[_]>::len), theirs.as_array().map(Vec::len));
                assert_eq!(ours.is_object(), theirs.is_object());
            }
        }
        let deep = "[".repeat(100_000);
        assert!(serde_json::from_str::<Json<'_>>(&deep).is_err());
    }
}
