//! Findings to the smallest set of changes.
