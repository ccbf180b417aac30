//! Room `edge`: being built.
