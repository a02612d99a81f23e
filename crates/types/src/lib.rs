//! The words of Seaworthy: values that every other crate speaks in.
//!
//! No I/O, no clock, no environment. A value of these types is valid because it exists;
//! parsing happens at the edge, in the constructors here.

mod about;
mod advisory;
mod date;
mod digest;
pub mod distribution;
pub mod ecosystem;
mod finding;
mod image;
mod image_ref;
mod inventory;
mod limits;
mod note;
mod package;
mod purl;
mod report;
pub mod sbom;
mod severity;
mod verdict;

pub use about::{About, Reads};
pub use advisory::{
    Advisory, Affected, Completeness, Enrichment, Epss, Event, Kev, Range, RangeKind, Ssvc, Status,
    is_bulletin, is_cve,
};
pub use date::{Date, Timestamp};
pub use digest::{Digest, DigestError};
pub use finding::{Comparison, Finding, FindingId, FindingKind, Reason, Subject, Suppression};
pub use image::{ImageConfig, ImageFacts, LayerFactsSummary, Platform, TargetKind};
pub use image_ref::{ImageRef, ImageRefError};
pub use inventory::{Inventory, OsRelease, Unidentified};
pub use limits::Limits;
pub use note::{Grade, Note, Outcome};
pub use package::{Location, Origin, Package, Scope, SourcePackage};
pub use purl::{Purl, PurlError};
pub use report::{Action, ActionKind, DataSource, DataStatus, LayerReport, Report, Target, Tool};
pub use severity::{Rating, Severity};
pub use verdict::{Decision, Verdict};
