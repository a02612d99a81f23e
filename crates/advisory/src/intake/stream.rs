//! Large JSON documents record by record, in memory bounded by the largest record.

use crate::feed::FeedError;
use crate::intake::tally::Tally;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::fmt;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

/// Bytes of one record, and of anything between records.
const RECORD_BYTES_MAX: u64 = 32 << 20;
const BUFFER_BYTES: usize = 128 << 10;

/// Fails when too many bytes pass without a record being finished.
struct Meter<R> {
    inner: R,
    left: Left,
}

/// Bytes that may still pass; shared with the visitors.
#[derive(Clone)]
struct Left(Rc<Cell<u64>>);

impl Left {
    fn reset(&self) {
        self.0.set(RECORD_BYTES_MAX);
    }
}

impl<R: Read> Read for Meter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.0.get();
        if left == 0 {
            return Err(io::Error::other(format!("a record has more than {RECORD_BYTES_MAX} bytes")));
        }
        let size = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = match buffer.get_mut(..size) {
            Some(part) => self.inner.read(part)?,
            None => 0,
        };
        self.left.0.set(left.saturating_sub(count as u64));
        Ok(count)
    }
}

/// Calls `each` for every element of the array under `key` of the outermost object.
pub(crate) fn elements<T: DeserializeOwned>(
    feed: &'static str,
    input: &mut dyn Read,
    key: &'static str,
    tally: &mut Tally,
    each: &mut dyn FnMut(T, &mut Tally),
) -> Result<(), FeedError> {
    let mut count = 0_u64;
    let mut found = false;
    let result = {
        let mut counted = |element: T| {
            count += 1;
            each(element, tally);
        };
        run(input, |left, deserializer| {
            deserializer.deserialize_map(Top { key, found: &mut found, left, each: &mut counted })
        })
    };
    finish(feed, result, count, tally)?;
    if found {
        return Ok(());
    }
    Err(FeedError::Format { feed, why: format!("it has no `{key}`") })
}

/// Calls `each` for every value of the objects within the outermost object: outer key, inner key,
/// value.
pub(crate) fn pairs<T: DeserializeOwned>(
    feed: &'static str,
    input: &mut dyn Read,
    tally: &mut Tally,
    each: &mut dyn FnMut(&str, &str, T, &mut Tally),
) -> Result<(), FeedError> {
    let mut count = 0_u64;
    let result = {
        let mut counted = |outer: &str, inner: &str, value: T| {
            count += 1;
            each(outer, inner, value, tally);
        };
        run(input, |left, deserializer| deserializer.deserialize_map(Outer { left, each: &mut counted }))
    };
    finish(feed, result, count, tally)
}

fn run<'de, V>(
    input: &'de mut dyn Read,
    visit: impl FnOnce(
        Left,
        &mut serde_json::Deserializer<serde_json::de::IoRead<BufReader<Meter<&'de mut dyn Read>>>>,
    ) -> serde_json::Result<V>,
) -> serde_json::Result<V> {
    let left = Left(Rc::new(Cell::new(RECORD_BYTES_MAX)));
    let meter = Meter { inner: input, left: left.clone() };
    let mut deserializer =
        serde_json::Deserializer::from_reader(BufReader::with_capacity(BUFFER_BYTES, meter));
    let value = visit(left, &mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// An error after records were read is a gap; before it, the file is no such feed.
fn finish(
    feed: &'static str,
    result: serde_json::Result<()>,
    count: u64,
    tally: &mut Tally,
) -> Result<(), FeedError> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if count > 0 => {
            tally.gap("feed-cut", "", || format!("reading stopped after {count} records: {error}"));
            Ok(())
        }
        Err(error) if error.is_io() => Err(FeedError::Io { feed, source: error.into() }),
        Err(error) => Err(FeedError::Format { feed, why: error.to_string() }),
    }
}

struct Top<'a, T> {
    key: &'static str,
    found: &'a mut bool,
    left: Left,
    each: &'a mut dyn FnMut(T),
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Top<'_, T> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with `{}`", self.key)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == self.key {
                *self.found = true;
                map.next_value_seed(Elements { left: self.left.clone(), each: &mut *self.each })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            self.left.reset();
        }
        Ok(())
    }
}

struct Elements<'a, T> {
    left: Left,
    each: &'a mut dyn FnMut(T),
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Elements<'_, T> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Elements<'_, T> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(element) = seq.next_element::<T>()? {
            (self.each)(element);
            self.left.reset();
        }
        Ok(())
    }
}

type EachPair<'a, T> = &'a mut dyn FnMut(&str, &str, T);

struct Outer<'a, T> {
    left: Left,
    each: EachPair<'a, T>,
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Outer<'_, T> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of objects")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(outer) = map.next_key::<String>()? {
            map.next_value_seed(Inner { outer: &outer, left: self.left.clone(), each: &mut *self.each })?;
            self.left.reset();
        }
        Ok(())
    }
}

struct Inner<'a, T> {
    outer: &'a str,
    left: Left,
    each: EachPair<'a, T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Inner<'_, T> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Inner<'_, T> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of records")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((inner, value)) = map.next_entry::<String, T>()? {
            (self.each)(self.outer, &inner, value);
            self.left.reset();
        }
        Ok(())
    }
}
