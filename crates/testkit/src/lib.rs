//! Test images and package records from a text description. Development only.
//!
//! Nothing here uses the crates that it helps to test: tars and manifests are written byte by byte.

mod image;
mod tar;
mod text;

pub use image::{Layer, Packing, TestImage, digest, oci_archive, oci_parts, parts_to_tar, write_parts};
pub use tar::{Fields, Tar};
pub use text::parse;
