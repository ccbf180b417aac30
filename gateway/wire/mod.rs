//! Room `wire`: being built.
