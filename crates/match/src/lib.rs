//! Packages and advisories to findings, each with its reason.
