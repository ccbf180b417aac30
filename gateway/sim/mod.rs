//! Room `sim`: being built.
