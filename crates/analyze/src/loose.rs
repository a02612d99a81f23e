//! Reading JSON that others wrote without trusting its shape (RFC 8259).
//!
//! Each type here takes any value: what has the wrong type reads as absent, unknown fields are
//! passed over without being kept, of a repeated field the last one counts (as in `JSON.parse`).
//! Ignored values are passed over without recursion, so nesting costs nothing. Does not repair
//! text that is not JSON.

use crate::cataloguer::Facts;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that the values of one document may take: a list of empty objects is small as text and large
/// as values. Real lock files of large projects need a quarter of it.
const DOCUMENT_BYTES_MAX: usize = 48 << 20;

/// Documents up to this size need no turn: their values take little.
const SMALL_BYTES: u64 = 256 << 10;

thread_local! {
    // What is left for the document that this thread reads.
    static BYTES_LEFT: Cell<usize> = const { Cell::new(DOCUMENT_BYTES_MAX) };
}

/// This thread begins to read a document.
pub(crate) fn begin_document() {
    begin_document_of(DOCUMENT_BYTES_MAX);
}

/// This thread begins to read a document whose values may take this many bytes.
pub(crate) fn begin_document_of(bytes_max: usize) {
    BYTES_LEFT.set(bytes_max);
}

/// Whether one more value may be kept; counts it.
pub(crate) fn room_for<T>() -> bool {
    let left = BYTES_LEFT.get().checked_sub(size_of::<T>().max(1));
    BYTES_LEFT.set(left.unwrap_or(0));
    left.is_some()
}

/// What a document with too many values is told.
pub(crate) const NO_ROOM: &str = "it holds too many values for the memory there is";

/// Counts one more value, or says that there is no room for it.
pub(crate) fn charge<T, E: serde::de::Error>() -> Result<(), E> {
    room_for::<T>().then_some(()).ok_or_else(|| E::custom(NO_ROOM))
}

/// One large document at a time: each may take the whole of [`DOCUMENT_BYTES_MAX`]. What is read does
/// not depend on who waits for whom.
pub(crate) fn turn(document_bytes: u64) -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    (document_bytes > SMALL_BYTES).then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The bytes as text without a byte order mark; bytes that are not UTF-8 are replaced, with a note.
pub fn text<'a>(bytes: &'a [u8], facts: &mut Facts<'_>) -> Cow<'a, str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            facts.info("not-utf8", "bytes that are not UTF-8 were replaced");
            String::from_utf8_lossy(bytes)
        }
    }
}

/// Whether a name or version from a file can be one: not empty, at most `bytes_max` bytes, without
/// white space, control characters, characters that change the direction of writing, or
/// replacement characters.
pub fn is_word(text: &str, bytes_max: usize) -> bool {
    let odd = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{fffd}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    !text.is_empty() && text.len() <= bytes_max && !text.chars().any(odd)
}

/// A text cut for a note or a fact: at most `chars_max` characters, control characters as `?`.
pub fn clip(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// A string, or nothing when the value is something else.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Text<'a>(pub Option<Cow<'a, str>>);

impl Text<'_> {
    /// The string without white space around it, if there is one and it is not empty.
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }
}

/// `true`, or nothing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Flag(pub bool);

/// An array of values, empty when the value is something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T> {
    /// The values.
    pub items: Vec<T>,
    /// Whether the value is an array.
    pub is_list: bool,
}

/// The entries of an object in their order, empty when the value is something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries<'a, T>(pub Vec<(Cow<'a, str>, T)>);

/// The entries of an object whose values are objects; others cost nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objects<'a, T>(pub Vec<(Cow<'a, str>, T)>);

/// An object whose fields are chosen by name, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object<T>(pub Option<T>);

/// A string or an object with fields: what several formats allow in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextOrObject<'a, T> {
    /// Neither of both.
    Other,
    /// A string.
    Text(Cow<'a, str>),
    /// An object.
    Object(T),
}

/// Either one value or an array of them, as one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { items: Vec::new(), is_list: false }
    }
}
impl<T> Default for Entries<'_, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}
impl<T> Default for Objects<'_, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}
impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}
impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// What an object is read into.
pub trait Fields<'de>: Default {
    /// Takes the value of one field from `map`, or gives false when it does not want it.
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;
}

/// What any JSON value turns into; each method has the value of "something else" as its default.
trait Take<'de>: Sized {
    fn other() -> Self;
    fn flag(_value: bool) -> Self {
        Self::other()
    }
    fn text(_text: Cow<'de, str>) -> Self {
        Self::other()
    }
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::other())
    }
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::other())
    }
}

struct Any<T>(PhantomData<T>);

impl<'de, T: Take<'de>> Visitor<'de> for Any<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<T, E> {
        Ok(T::flag(value))
    }
    fn visit_i64<E>(self, _: i64) -> Result<T, E> {
        Ok(T::other())
    }
    fn visit_u64<E>(self, _: u64) -> Result<T, E> {
        Ok(T::other())
    }
    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok(T::other())
    }
    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::other())
    }
    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::text(Cow::Owned(text.to_owned())))
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::text(Cow::Borrowed(text)))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(list)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::map(map)
    }
}

fn any<'de, D: Deserializer<'de>, T: Take<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(Any(PhantomData))
}

fn fields<'de, A: MapAccess<'de>, T: Fields<'de>>(mut map: A) -> Result<T, A::Error> {
    let mut object = T::default();
    while let Some(name) = map.next_key::<Text<'de>>()? {
        if !object.field(name.0.as_deref().unwrap_or_default(), &mut map)? {
            map.next_value::<IgnoredAny>()?;
        }
    }
    Ok(object)
}

impl<'de> Take<'de> for Text<'de> {
    fn other() -> Self {
        Self(None)
    }
    fn text(text: Cow<'de, str>) -> Self {
        Self(Some(text))
    }
}

impl<'de> Take<'de> for Flag {
    fn other() -> Self {
        Self(false)
    }
    fn flag(value: bool) -> Self {
        Self(value)
    }
}

impl<'de, T: Deserialize<'de>> Take<'de> for List<T> {
    fn other() -> Self {
        Self::default()
    }
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<T>()? {
            charge::<T, A::Error>()?;
            items.push(item);
        }
        Ok(Self { items, is_list: true })
    }
}

impl<'de, T: Deserialize<'de>> Take<'de> for Entries<'de, T> {
    fn other() -> Self {
        Self::default()
    }
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut entries = Vec::new();
        while let Some((name, value)) = map.next_entry::<Text<'de>, T>()? {
            charge::<(Cow<'de, str>, T), A::Error>()?;
            entries.push((name.0.unwrap_or_default(), value));
        }
        Ok(Self(entries))
    }
}

impl<'de, T: Fields<'de>> Take<'de> for Objects<'de, T> {
    fn other() -> Self {
        Self::default()
    }
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut entries = Vec::new();
        while let Some((name, value)) = map.next_entry::<Text<'de>, Object<T>>()? {
            let Object(Some(value)) = value else { continue };
            charge::<(Cow<'de, str>, T), A::Error>()?;
            entries.push((name.0.unwrap_or_default(), value));
        }
        Ok(Self(entries))
    }
}

impl<'de, T: Fields<'de>> Take<'de> for Object<T> {
    fn other() -> Self {
        Self(None)
    }
    fn map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        fields(map).map(|object| Self(Some(object)))
    }
}

impl<'de, T: Fields<'de>> Take<'de> for TextOrObject<'de, T> {
    fn other() -> Self {
        Self::Other
    }
    fn text(text: Cow<'de, str>) -> Self {
        Self::Text(text)
    }
    fn map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        fields(map).map(Self::Object)
    }
}

impl<'de, T: Take<'de> + Deserialize<'de>> Take<'de> for OneOrMany<T> {
    fn other() -> Self {
        Self::default()
    }
    fn text(text: Cow<'de, str>) -> Self {
        Self(vec![T::text(text)])
    }
    fn list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        List::list(list).map(|list| Self(list.items))
    }
    fn map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        T::map(map).map(|one| Self(vec![one]))
    }
}

macro_rules! from_any {
    ($($type:ty, [$($bound:tt)*]);* $(;)?) => {$(
        impl<'de, $($bound)*> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                any(deserializer)
            }
        }
    )*};
}
from_any! {
    Text<'de>, [];
    Flag, [];
    List<T>, [T: Deserialize<'de>];
    Entries<'de, T>, [T: Deserialize<'de>];
    Objects<'de, T>, [T: Fields<'de>];
    Object<T>, [T: Fields<'de>];
    TextOrObject<'de, T>, [T: Fields<'de>];
}
impl<'de, T: Fields<'de>> Deserialize<'de> for OneOrMany<TextOrObject<'de, T>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        any(deserializer)
    }
}
impl<'de> Deserialize<'de> for OneOrMany<Text<'de>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        any(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Named<'a> {
        name: Text<'a>,
        flag: Flag,
        many: OneOrMany<Text<'a>>,
    }
    impl<'de> Fields<'de> for Named<'de> {
        fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
            match name {
                "name" => self.name = map.next_value()?,
                "flag" => self.flag = map.next_value()?,
                "many" => self.many = map.next_value()?,
                _ => return Ok(false),
            }
            Ok(true)
        }
    }

    fn read(text: &str) -> Option<Named<'_>> {
        serde_json::from_str::<Object<Named<'_>>>(text).expect("JSON").0
    }

    #[test]
    fn wrong_types_read_as_absent() {
        for (json, name) in [
            (r#"{"name":"a"}"#, Some("a")),
            (r#"{"name":" a\n"}"#, Some("a")),
            (r#"{"name":"x","name":"b"}"#, Some("b")),
            (r#"{"n\u0061me":"c"}"#, Some("c")),
            (r#"{"name":1}"#, None),
            (r#"{"name":-1.5}"#, None),
            (r#"{"name":null}"#, None),
            (r#"{"name":true}"#, None),
            (r#"{"name":["a"]}"#, None),
            (r#"{"name":{"a":1}}"#, None),
            (r#"{"name":""}"#, None),
        ] {
            assert_eq!(read(json).expect("object").name.get(), name, "{json}");
        }
        for other in ["[]", "1", "\"x\"", "null", "[[{}]]"] {
            assert_eq!(read(other), None, "{other}");
        }
        assert!(read(r#"{"flag":true}"#).expect("object").flag.0);
        assert_eq!(read(r#"{"many":"a"}"#).expect("object").many.0.len(), 1);
        assert_eq!(read(r#"{"many":["a",1]}"#).expect("object").many.0.len(), 2);
    }

    #[test]
    fn deep_nesting_is_passed_over() {
        let deep = format!(r#"{{"x":{}{},"name":"a"}}"#, "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(read(&deep).expect("object").name.get(), Some("a"));
        let inside = format!(r#"{{"name":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(read(&inside).expect("object").name.get(), None);
    }

    #[test]
    fn words() {
        assert!(is_word("@a/b", 10));
        for bad in ["", "a b", "a\n", "\u{202e}a", "a\u{0}", "\u{fffd}", "12345678901"] {
            assert!(!is_word(bad, 10), "{bad:?}");
        }
        assert_eq!(clip("a\u{1b}[1mbc", 5), "a?[1m");
    }
}
