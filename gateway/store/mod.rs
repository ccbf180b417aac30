//! **Store**: where rows are kept. The only room that speaks SQL.
//!
//! Other rooms say what they need as small traits and never see a connection; nothing here decides,
//! prices or waits on a request's way.

mod sqlite;

pub use self::sqlite::{
    Adjustment, Apart, Asked, BackedUp, Balances, BootMark, BootMoney, ChargeLabels, ChargeSum,
    Charged, Charges, Corrected, Correction, Counted, CountedRow, Departure, Dimension,
    EnrolledRow, Entry, Filter, Following, HourlyFleet, Keep, KeptRequest, LEDGER_COLUMNS,
    LEDGER_SCHEMA, Machines, ManagedError, Named, Observed, ObservedRow, PastArm, PastRow,
    PepperKnown, Predecessors, Reader, Recovered, Removed, RequestEnd, Settled, ShadowRow, Signer,
    Span, Spending, Spent, Sqlite, Sum, Verification, accept_pepper, adjust, audited_ms, backup,
    counted, free_bytes, free_to_write, held, managed_sum, note_uses, older, older_in_use,
    pepper_fingerprint, record, stored_managed, usable, write_managed,
};
