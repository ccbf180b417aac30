//! Room `store`: being built.
