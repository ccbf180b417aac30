//! Room `app`: being built.
