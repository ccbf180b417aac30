//! stub
#![allow(missing_docs, unused)]
use crate::{config::Config, failure::Failure, outcome::*};
use http::HeaderMap;
use policies::{Counts, Plan, facts::*};
use std::{sync::Arc, time::Instant};
pub mod price {
    use super::*;
    pub fn charge(_: &Trail, _: &Signals, _: &Plan, _: &Names) -> Charge {
        todo!()
    }
}
pub struct Accounts;
pub struct Seat;
pub struct Permit;
pub struct RateHeaders;
impl RateHeaders {
    pub fn write(&self, _: &mut HeaderMap) {}
}
impl Accounts {
    pub fn new(_: &Config, _: &[(u8, Money)], _: Instant, _: jiff::Timestamp) -> Self {
        todo!()
    }
    pub fn enter(&self, _: &Caller, _: Instant) -> Result<Seat, Failure> {
        todo!()
    }
    pub fn left(&self, _: &Caller) -> Option<Money> {
        todo!()
    }
    pub fn binds(&self, _: &Caller) -> bool {
        todo!()
    }
    pub async fn admit(
        &self,
        _: &Caller,
        _: &Plan,
        _: Tokens,
        _: Instant,
    ) -> Result<Permit, Failure> {
        todo!()
    }
    pub fn limits(&self, _: &Caller, _: Instant) -> RateHeaders {
        todo!()
    }
}
impl Permit {
    pub fn settle(self, _: Money, _: Counts) {}
    pub fn reserved(&self) -> Money {
        todo!()
    }
}
