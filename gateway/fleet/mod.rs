//! Room `fleet`: being built.
