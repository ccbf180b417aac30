//! What a simulated backend can do wrong, by name. A fault comes from the specification or from the
//! control address, never from a request: a caller can't bring one about.

/// Declares the faults with their names, once.
macro_rules! faults {
    ($(#[doc = $says:literal] $variant:ident = $name:literal),+ $(,)?) => {
        /// One way to fail. Streams and plain answers fail alike where the words fit both.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum InjectedFault { $(#[doc = $says] $variant),+ }

        impl InjectedFault {
            /// Every fault.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name at the control address.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What it does, in a sentence.
            #[must_use]
            pub fn says(self) -> &'static str {
                match self { $(Self::$variant => $says),+ }.trim()
            }

            /// The fault of this name, if there is one.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

/// A fault as it is put in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    /// Which.
    pub fault: InjectedFault,
    /// How many requests meet it; until further notice without.
    pub times: Option<u32>,
    /// Of so many requests the last one meets it; at least 1, which is all of them.
    pub one_in: u32,
}

faults! {
    /// New connections are refused; requests in flight are finished.
    Refuse = "refuse",
    /// The connection is reset once the request has been read.
    Reset = "reset",
    /// The connection is reset once its second request, or a later one, has been read.
    ResetReused = "reset_reused",
    /// Not a byte comes back.
    StallHead = "stall_head",
    /// The head comes, then silence.
    StallContent = "stall_content",
    /// The head comes, then only comments, ten a second, for ever.
    StallPings = "stall_pings",
    /// Silence after a third of the content.
    StallMid = "stall_mid",
    /// 500 with an error in JSON.
    Status500 = "status_500",
    /// 503 with an error in JSON.
    Status503 = "status_503",
    /// 429 with `retry-after: 7`.
    Status429 = "status_429",
    /// 401: our credential is not good.
    Status401 = "status_401",
    /// 404: no such model there.
    Status404 = "status_404",
    /// 400 that quotes a URL, a host and a key, which no caller may see.
    Status400 = "status_400",
    /// 400 for a context that is too long, whatever was sent.
    ContextLength = "context_length",
    /// 307 to another place.
    Redirect = "redirect",
    /// 200 with an HTML page.
    Html = "html",
    /// 200 and nothing.
    Empty = "empty",
    /// 200 with an error object instead of an answer.
    ErrorObject = "error_object",
    /// A stream whose first event is an error.
    ErrorFirst = "error_first",
    /// A stream that is done before it has said anything.
    DoneFirst = "done_first",
    /// A stream of events without content, a thousand times 64 KiB, then silence.
    Prelude = "prelude",
    /// A stream that breaks off with an error event after a third of the content.
    ErrorMid = "error_mid",
    /// Half of the answer, then the connection closes.
    Half = "half",
    /// A third of the content and half an event, then the connection closes.
    CutEvent = "cut_event",
    /// The stream ends in good order after a third, without finish and without `[DONE]`.
    NoDone = "no_done",
    /// Bytes that are no JSON and no text.
    Garbage = "garbage",
    /// A single event of 4 MiB without an end in sight.
    EndlessEvent = "endless_event",
    /// A body said to be compressed, which nobody asked for.
    Gzip = "gzip",
    /// Its answers take ten times as long.
    Slow = "slow",
    /// Usage far beyond anything possible.
    WrongUsage = "wrong_usage",
    /// No usage at all, asked or not.
    NoUsage = "no_usage",
}
