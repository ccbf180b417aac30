//! The demo's prompts.
