//! Test images and package records from a text description. Development only.
