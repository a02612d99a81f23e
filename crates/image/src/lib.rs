//! Archives, layouts and layers turned into a bounded, verified stream of files.
//!
//! Knows nothing of what the files mean and opens no sockets. Bytes come from a [`Source`].

mod content;
mod disk;
mod error;
mod folder;
mod layer;
mod notebook;
mod open;
mod pool;
mod recognise;
mod reread;
mod seek;
mod source;
mod stream;
mod tar;
mod verify;
mod visit;
mod walk;

pub use content::{Content, ReadAt};
pub use disk::{Disk, ROOT_SIGNS, is_disk, open_disk, walk_disk};
pub use error::Error;
pub use folder::{FolderResult, walk_file, walk_folder};
pub use layer::{WalkMode, WalkResult, walk_layer, walk_layer_with};
pub use open::{Image, LayerRef, Wish, host_platform, open_archive, open_elsewhere, open_layout};
pub use pool::{BufferPool, walks_max};
pub use recognise::{recognise_file, recognise_folder};
pub use reread::is_budget;
pub use source::{Blobs, FileSource, MemorySource, Source, read_full};
pub use verify::{is_provable_stored, verify_stored};
pub use visit::{Entry, EntryKind, Pair, Visitor, Want};
