//! The pipeline: one call from artifact to report; the layer cache and the jail.
