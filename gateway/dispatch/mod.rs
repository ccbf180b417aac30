//! Room `dispatch`: being built.
