//! Readers of software bills of materials: an SBOM enters the pipeline as an inventory.

use seaworthy_types::{About, Inventory, Limits, Outcome};

// tidy:begin

/// Every reader of software bills of materials, sorted by name.
pub const ALL: &[&dyn SbomReader] = &[];
// tidy:end

/// Reads one SBOM format.
pub trait SbomReader: Sync {
    /// Name, version, coverage.
    fn about(&self) -> &'static About;
    /// Whether the document looks like this format; `document` is parsed JSON.
    fn recognises(&self, document: &serde_json::Value) -> bool;
    /// The packages of the document. What has no usable identity becomes a gap note.
    fn read(&self, document: &serde_json::Value, limits: &Limits) -> Outcome<Inventory>;
}
