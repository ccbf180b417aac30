//! Room `record`: being built.
