//! What feeds share: reading archives and JSON within bounds, tolerant types, version ranges,
//! ratings, and counting what was left out. Knows no feed.

pub(crate) mod archive;
pub(crate) mod csv;
pub(crate) mod json;
pub(crate) mod range;
pub(crate) mod rating;
pub(crate) mod stream;
pub(crate) mod tally;
pub(crate) mod text;
