//! A compact list of paths for facts: what a package owns.
//!
//! Front-coded like the path table ([`crate::table`]): varint bytes shared with the previous path,
//! varint length of the rest, the rest. Own format, internal to the layer cache.

use crate::table::{put, shared_prefix, take, take_text};
use serde::{Deserialize, Serialize};

/// Paths in the order in which they were pushed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathList {
    #[serde(with = "crate::bytes")]
    bytes: Vec<u8>,
}

/// Appends paths to a list.
#[derive(Debug, Default)]
pub struct PathListBuilder {
    list: PathList,
    previous: String,
}

impl PathListBuilder {
    /// Appends one path.
    pub fn push(&mut self, path: &str) {
        let shared = shared_prefix(&self.previous, path);
        let rest = &path[shared..];
        put(&mut self.list.bytes, shared as u64);
        put(&mut self.list.bytes, rest.len() as u64);
        self.list.bytes.extend_from_slice(rest.as_bytes());
        self.previous.truncate(shared);
        self.previous.push_str(rest);
    }
    /// Bytes the list takes so far.
    pub fn bytes(&self) -> usize {
        self.list.bytes.len()
    }
    /// The finished list.
    pub fn finish(self) -> PathList {
        self.list
    }
}

impl PathList {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
    /// Calls `each` with every path; `None` when the list is damaged.
    pub fn for_each(&self, mut each: impl FnMut(&str)) -> Option<()> {
        let mut rest = self.bytes.as_slice();
        let mut path = String::new();
        while !rest.is_empty() {
            let shared = usize::try_from(take(&mut rest)?).ok()?;
            let suffix = take_text(&mut rest)?;
            if !path.is_char_boundary(shared) {
                return None;
            }
            path.truncate(shared);
            path.push_str(suffix);
            each(&path);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        let paths = ["usr/bin/ä", "usr/bin/ö", "", "usr/bin", "usr/bin/x"];
        let mut builder = PathListBuilder::default();
        paths.iter().for_each(|path| builder.push(path));
        let list = builder.finish();
        let mut seen = Vec::new();
        list.for_each(|path| seen.push(path.to_owned())).expect("sound");
        assert_eq!(seen, paths);
        for cut in 1..list.bytes.len() {
            let _ = PathList { bytes: list.bytes[..cut].to_vec() }.for_each(|_| ());
        }
    }
}
