//! Room `signals`: being built.
