//! The closed sets of labels: languages, tasks and their coarse view, complexity, what a text contains.

/// Declares a fieldless label enum with its codes, in order, once.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* #[doc = concat!("`", $code, "`")] $variant),+ }

        impl $name {
            /// Every label, in the order of its index.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// How many labels there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The label's code as configuration, metrics and the ledger spell it.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The label with this code, if there is one.
            #[must_use]
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }

            /// Position in [`Self::ALL`].
            #[must_use]
            pub const fn index(self) -> usize { self as usize }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.code())
            }
        }
    };
}

labels! {
    /// A language a person may ask in, by ISO 639-1 code (Chinese by the way it is written).
    Language {
        Ar = "ar", Bn = "bn", Cs = "cs", De = "de", El = "el", En = "en", Es = "es", Fa = "fa",
        Fi = "fi", Fr = "fr", Gu = "gu", He = "he", Hi = "hi", Hu = "hu", Id = "id", It = "it",
        Ja = "ja", Jv = "jv", Km = "km", Ko = "ko", Lo = "lo", Ml = "ml", Mr = "mr", Ms = "ms",
        My = "my", Nl = "nl", Pa = "pa", Pl = "pl", Pt = "pt", Ro = "ro", Ru = "ru", Su = "su",
        Sv = "sv", Ta = "ta", Te = "te", Th = "th", Tl = "tl", Tr = "tr", Uk = "uk", Ur = "ur",
        Vi = "vi", Yue = "yue", ZhHans = "zh-Hans", ZhHant = "zh-Hant",
        /// The text does not say.
        Und = "und",
    }
}

labels! {
    /// What a request asks for.
    Task {
        Coding = "coding", Math = "math", Translation = "translation",
        Summarization = "summarization", Extraction = "extraction",
        Classification = "classification", ClosedQa = "closed_qa", OpenQa = "open_qa",
        Writing = "writing", Rewriting = "rewriting", Brainstorming = "brainstorming",
        Chat = "chat", ToolUse = "tool_use", Banking = "banking",
        /// No task of these: embeddings and reranking.
        None = "none",
    }
}

labels! {
    /// How much a request asks of a model, as far as its structure and its words tell.
    Complexity { Easy = "easy", Medium = "medium", Hard = "hard" }
}

labels! {
    /// What a text may contain that says who somebody is, what he owns, or what he must keep to himself.
    Content {
        PaymentCard = "payment_card", Iban = "iban", NationalId = "national_id", TaxId = "tax_id",
        Passport = "passport", AccountNumber = "account_number", Phone = "phone", Mail = "mail",
        Secret = "secret",
    }
}

labels! {
    /// The coarse view of [`Task`]: near neighbours folded together.
    CoarseTask {
        Coding = "coding", Math = "math", Translation = "translation",
        Summarization = "summarization", Extraction = "extraction",
        Classification = "classification", Qa = "qa", Writing = "writing", Chat = "chat",
        ToolUse = "tool_use", Banking = "banking",
        /// No task of these: embeddings and reranking.
        None = "none",
    }
}

impl Task {
    /// The coarse label: closed_qa, open_qa and brainstorming are `qa`, rewriting is `writing`.
    #[must_use]
    pub const fn coarse(self) -> CoarseTask {
        match self {
            Self::Coding => CoarseTask::Coding,
            Self::Math => CoarseTask::Math,
            Self::Translation => CoarseTask::Translation,
            Self::Summarization => CoarseTask::Summarization,
            Self::Extraction => CoarseTask::Extraction,
            Self::Classification => CoarseTask::Classification,
            Self::ClosedQa | Self::OpenQa | Self::Brainstorming => CoarseTask::Qa,
            Self::Writing | Self::Rewriting => CoarseTask::Writing,
            Self::Chat => CoarseTask::Chat,
            Self::ToolUse => CoarseTask::ToolUse,
            Self::Banking => CoarseTask::Banking,
            Self::None => CoarseTask::None,
        }
    }
}
