//! Room `identity`: being built.
