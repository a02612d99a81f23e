//! Archives, layouts and layers turned into a bounded, verified stream of files.
//!
//! Knows nothing of what the files mean and opens no sockets. Bytes come from a [`Source`].

mod content;
mod source;
mod visit;

pub use content::{Content, ReadAt};
pub use source::{FileSource, MemorySource, Source};
pub use visit::{Entry, EntryKind, Visitor, Want};
