//! Findings and facts to a verdict.
