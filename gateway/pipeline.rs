//! Room `pipeline`: being built.
