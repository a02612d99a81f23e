//! What a unit says of itself: `list`, documentation, cache keys and selection are derived from it.

/// Facts about one unit (a cataloguer, feed, format, …).
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Stable name, the same as the file's, in kebab case: `dpkg`, `go-binary`.
    pub name: &'static str,
    /// Raised whenever the unit's result changes for the same input; part of cache keys.
    pub version: u32,
    /// The ecosystem it speaks of (`types::ecosystem` id), or "" when it has none.
    pub ecosystem: &'static str,
    /// Where the unit applies.
    pub reads: Reads,
    /// One sentence for people: which records it reads and how far it goes.
    pub coverage: &'static str,
}

/// Which targets a cataloguer applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Installed software: images and root file systems. Also used in source folders.
    Installed,
    /// Declared software: lock files in source folders; not used in images.
    Declared,
    /// Not tied to a kind of target (feeds, formats).
    Any,
}
