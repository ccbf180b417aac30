//! What a word beside a number can say of it.

/// What a word says of the number beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Topic {
    Card,
    Sg,
    My,
    Id,
    Th,
    Ph,
    Vn,
    Aadhaar,
    Pan,
    Cn,
    Hk,
    Tw,
    Jp,
    Kr,
    Identity,
    Tax,
    TaxId,
    TaxIt,
    TaxKr,
    TaxMy,
    TaxPh,
    TaxTw,
    TaxVn,
    Passport,
    Account,
    Phone,
    /// What is paid, owned or counted.
    Amount,
    /// A record's key as such: it says nothing of what the record is.
    Key,
    /// Something that is numbered and is none of these.
    Other,
}

impl Topic {
    pub(super) const fn bit(self) -> u32 {
        1 << self as u8
    }
}
