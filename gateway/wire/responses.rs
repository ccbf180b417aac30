//! The dialect of OpenAI's Responses: its requests, and its answers, whole and streamed.
//!
//! A request is read into a conversation and written anew as a chat completion, as for Messages. Nothing of
//! an answer is kept here: what goes on with one that was kept is refused, whoever would be asked.

mod encoder;
mod output;
mod request;
mod said;
#[cfg(test)]
mod tests;
mod transcript;

pub(super) use self::{
    encoder::{Encoder, whole},
    output::{REPEATED, cut},
    request::read,
    said::{data, plain},
    transcript::transcript,
};
