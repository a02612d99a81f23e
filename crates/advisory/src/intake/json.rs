//! Tolerant JSON values: a field of the wrong type gives its default and is counted, so that one odd
//! field does not cost the record. Broken syntax still fails. `serde_json` bounds the nesting (128).

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

/// Elements kept of one list.
const LIST_MAX: usize = 200_000;
/// Elements of all lists of one record: `[{},{},…` takes thirty times its own size in memory.
const ELEMENTS_MAX: u32 = 1_000_000;

thread_local! {
    /// Fields of the wrong type since `odd_take`: visitors have no other way to tell.
    static ODD: Cell<u32> = const { Cell::new(0) };
    /// Elements of lists since `odd_take`.
    static ELEMENTS: Cell<u32> = const { Cell::new(0) };
}

fn element<E: Error>() -> Result<(), E> {
    let count = ELEMENTS.with(|count| {
        count.set(count.get().saturating_add(1));
        count.get()
    });
    match count > ELEMENTS_MAX {
        true => Err(E::custom(format!("the record has more than {ELEMENTS_MAX} list elements"))),
        false => Ok(()),
    }
}

fn odd() {
    ODD.with(|count| count.set(count.get().saturating_add(1)));
}

/// How many fields of the current record had the wrong type; counting starts anew.
pub(crate) fn odd_take() -> u32 {
    ELEMENTS.with(|count| count.set(0));
    ODD.with(|count| count.replace(0))
}

fn drain_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<(), A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn drain_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Visitor methods for values of a type that was not wanted.
macro_rules! unwanted {
    ($value:expr; $($kind:ident)*) => {
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> { Ok($value) }
        $(unwanted!(@$kind $value);)*
    };
    (@scalars $value:expr) => {
        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> { odd(); Ok($value) }
        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> { odd(); Ok($value) }
        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> { odd(); Ok($value) }
        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> { odd(); Ok($value) }
    };
    (@text $value:expr) => {
        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> { odd(); Ok($value) }
    };
    (@seq $value:expr) => {
        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            odd();
            drain_seq(seq)?;
            Ok($value)
        }
    };
    (@map $value:expr) => {
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            odd();
            drain_map(map)?;
            Ok($value)
        }
    };
}

/// A text; empty when it is missing, null or something else. Numbers become their digits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
            fn visit_string<E: Error>(self, text: String) -> Result<Text, E> {
                Ok(Text(text))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Text, E> {
                odd();
                Ok(Text(number.to_string()))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Text, E> {
                odd();
                Ok(Text(number.to_string()))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Text, E> {
                odd();
                Ok(Text(number.to_string()))
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Text, E> {
                odd();
                Ok(Text::default())
            }
            unwanted!(Text::default(); seq map);
        }
        deserializer.deserialize_any(Texts)
    }
}

impl std::ops::Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// A number, also when written as a text; `None` when it is anything else.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Number(pub(crate) Option<f64>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
                Ok(Number(Some(number)))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(Some(number as f64)))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number(Some(number as f64)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                Ok(Number(text.trim().parse().ok()))
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Number, E> {
                odd();
                Ok(Number(None))
            }
            unwanted!(Number(None); seq map);
        }
        deserializer.deserialize_any(Numbers)
    }
}

/// A structure; its default when the value is missing, null or no object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Loose<T>(pub(crate) T);

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Structures<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for Structures<T> {
            type Value = Loose<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Loose<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Loose)
            }
            unwanted!(Loose::default(); scalars text seq);
        }
        deserializer.deserialize_any(Structures(PhantomData))
    }
}

/// A list; empty when the value is missing, null or no array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lists<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Lists<T> {
            type Value = List<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
                let mut list = Vec::new();
                while list.len() < LIST_MAX {
                    match seq.next_element()? {
                        Some(value) => {
                            element()?;
                            list.push(value);
                        }
                        None => return Ok(List(list)),
                    }
                }
                odd();
                drain_seq(seq)?;
                Ok(List(list))
            }
            unwanted!(List::default(); scalars text map);
        }
        deserializer.deserialize_any(Lists(PhantomData))
    }
}

/// The pairs of an object in their order; empty when the value is no object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pairs<T>(pub(crate) Vec<(String, T)>);

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Objects<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Objects<T> {
            type Value = Pairs<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut pairs = Vec::new();
                while pairs.len() < LIST_MAX {
                    match map.next_entry()? {
                        Some(pair) => {
                            element()?;
                            pairs.push(pair);
                        }
                        None => return Ok(Pairs(pairs)),
                    }
                }
                odd();
                drain_map(map)?;
                Ok(Pairs(pairs))
            }
            unwanted!(Pairs::default(); scalars text seq);
        }
        deserializer.deserialize_any(Objects(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Record {
        name: Text,
        list: List<Text>,
        inner: Loose<Inner>,
        number: Number,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Inner {
        word: Text,
    }

    #[test]
    fn odd_fields_cost_only_themselves() {
        odd_take();
        let good = r#"{"name":"a","list":["x"],"inner":{"word":"w"},"number":1.5,"other":[{}]}"#;
        let record: Record = serde_json::from_str(good).expect("good");
        assert_eq!(odd_take(), 0);
        assert_eq!((record.inner.0.word.0.as_str(), record.number.0), ("w", Some(1.5)));
        let odd = r#"{"name":["a"],"list":{"x":1},"inner":"<Any value>","number":true}"#;
        assert_eq!(serde_json::from_str::<Record>(odd).expect("odd"), Record::default());
        assert_eq!(odd_take(), 4);
        let null = r#"{"name":null,"list":null,"inner":null,"number":null}"#;
        assert_eq!(serde_json::from_str::<Record>(null).expect("null"), Record::default());
        assert_eq!(odd_take(), 0);
    }

    #[test]
    fn elements_are_counted_over_the_record() {
        #[derive(Debug, Default, Deserialize)]
        #[serde(default)]
        struct Lists {
            lists: List<List<Text>>,
        }
        let text = |lists: usize| {
            let list = format!("[{}\"\"]", "\"\",".repeat(150_000));
            format!(r#"{{"lists":[{}]}}"#, vec![list; lists].join(","))
        };
        odd_take();
        assert!(serde_json::from_str::<Lists>(&text(6)).is_ok_and(|lists| lists.lists.0.len() == 6));
        odd_take();
        assert!(serde_json::from_str::<Lists>(&text(7)).is_err());
        odd_take();
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let deep = format!(r#"{{"name":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        // Nothing of it is kept, and the skipping does not recurse.
        let _ = serde_json::from_str::<Record>(&deep);
        let deep = format!(r#"{{"list":{}{}}}"#, r#"[{"a":"#.repeat(50_000), "}]".repeat(50_000));
        assert!(serde_json::from_str::<serde_json::Value>(&deep).is_err());
    }
}
