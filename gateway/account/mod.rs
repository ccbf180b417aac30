//! Room `account`: being built.
