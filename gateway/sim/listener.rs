//! The state of a simulated replica's port.

/// Whether a port is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListenerState {
    /// It is.
    Open,
    /// New connections are refused; what is under way is finished.
    Refusing,
    /// Everything is dropped.
    Dead,
}
