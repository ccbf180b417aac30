//! What two processes say to each other at a hand-over, and in which order. Pure.

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::account::SetAside;

/// The version of all this. Builds of different versions refuse each other.
pub(super) const VERSION: u32 = 1;

/// For the first word.
const GREETING_MAX: Duration = Duration::from_secs(5);
/// For the successor to make ready whatever takes time. The incumbent serves meanwhile.
const PREPARING_MAX: Duration = Duration::from_secs(120);
/// From the moment in which nobody takes connections to the word that the successor does. Callers wait
/// in the queues of the sockets meanwhile.
const SWITCHING_MAX: Duration = Duration::from_secs(20);

/// Where a configuration listens, as it says so: a port may be 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::app) struct ListenAddresses {
    /// For callers.
    pub(in crate::app) server: SocketAddr,
    /// For operators.
    pub(in crate::app) admin: SocketAddr,
}

/// What a successor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum Ask {
    /// It is there.
    Hello {
        /// Of what is said here.
        version: u32,
        /// Where it would listen.
        #[serde(flatten)]
        doors: ListenAddresses,
    },
    /// It would only know whether it could take over.
    Look {
        /// Of what is said here.
        version: u32,
        /// Where it would listen.
        #[serde(flatten)]
        doors: ListenAddresses,
    },
    /// It is ready but for what the ledger says: nobody shall be let in until it is.
    Quiesce,
    /// It is ready, and waits for the last word.
    Serving,
}

/// What an incumbent answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum Answer {
    /// To the first word: the sockets come with it.
    Offer {
        /// Of the incumbent.
        pid: u32,
    },
    /// To one that only looks: it could take over.
    Would {
        /// Of the incumbent.
        pid: u32,
    },
    /// It takes no connections any more, and what it admitted before is on disk.
    Quiesced(Quiesced),
    /// The last word: the doors and the place beside the ledger are the successor's.
    Yours,
    /// There is no hand-over, or it has ended. The incumbent goes on.
    Refused {
        /// Why.
        why: String,
    },
}

/// What the successor is told when nobody is let in. Fields that come later have a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::app) struct Quiesced {
    /// What the incumbent may still spend of each hard budget.
    #[serde(default)]
    pub(in crate::app) aside: Vec<SetAside>,
    /// Milliseconds for which it still serves over connections that are open.
    #[serde(default)]
    pub(in crate::app) grace_ms: u64,
}

/// How far a hand-over is, for the incumbent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Somebody has connected.
    Greeting,
    /// The successor has the sockets, and prepares.
    Preparing,
    /// Nobody takes connections.
    Switching,
    /// It has ended: the successor serves.
    HandedOver,
    /// It has ended: the incumbent goes on.
    Kept,
}

/// What an incumbent hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A word.
    Said(Ask),
    /// Something that is none.
    Noise(String),
    /// The other end is closed.
    Gone,
    /// Nothing in time.
    Silence,
}

/// What an incumbent does about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Sends the sockets.
    Offer,
    /// Stops taking connections, flushes, and says so.
    Quiesce,
    /// Says the last word, and leaves.
    Yield,
    /// Says whether it would hand over, or why not; nothing changes.
    Tell(Option<String>),
    /// Says why not, and takes connections as before.
    GoOn(String),
}

impl Phase {
    /// How long the next word may take.
    pub(super) fn patience(self) -> Duration {
        match self {
            Self::Preparing => PREPARING_MAX,
            Self::Switching => SWITCHING_MAX,
            Self::Greeting | Self::HandedOver | Self::Kept => GREETING_MAX,
        }
    }

    /// Whether no more is said.
    pub(super) fn ended(self) -> bool {
        matches!(self, Self::HandedOver | Self::Kept)
    }

    /// What comes after it, and what is to be done.
    pub(super) fn hear(self, heard: Heard, own: ListenAddresses) -> (Self, Step) {
        let why = match (self, heard) {
            (Self::Greeting, Heard::Said(Ask::Hello { version, doors })) => {
                match mismatch(version, doors, own) {
                    None => return (Self::Preparing, Step::Offer),
                    Some(why) => why,
                }
            }
            (Self::Greeting, Heard::Said(Ask::Look { version, doors })) => {
                return (Self::Kept, Step::Tell(mismatch(version, doors, own)));
            }
            (Self::Preparing, Heard::Said(Ask::Quiesce)) => {
                return (Self::Switching, Step::Quiesce);
            }
            (Self::Switching, Heard::Said(Ask::Serving)) => return (Self::HandedOver, Step::Yield),
            (_, Heard::Said(word)) => format!("{word:?} is out of turn"),
            (_, Heard::Noise(noise)) => format!("it cannot be understood: {noise}"),
            (_, Heard::Gone) => String::from("it has gone"),
            (_, Heard::Silence) => format!("it said nothing for {:?}", self.patience()),
        };
        (Self::Kept, Step::GoOn(why))
    }
}

/// Why a successor cannot take these doors.
fn mismatch(version: u32, doors: ListenAddresses, own: ListenAddresses) -> Option<String> {
    if version != VERSION {
        return Some(format!(
            "it speaks version {version} of the hand-over, and the gateway that runs version {VERSION}"
        ));
    }
    let differs = |name: &str, its: SocketAddr, own: SocketAddr| {
        let why = || format!("its {name} is {its}, and {own} of the gateway that runs");
        (its != own).then(why)
    };
    let server = differs("server.listen", doors.server, own.server);
    server.or_else(|| differs("admin.listen", doors.admin, own.admin))
}

/// A word as a line.
pub(super) fn line(word: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(word).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn doors(server: &str, admin: &str) -> ListenAddresses {
        ListenAddresses { server: server.parse().unwrap(), admin: admin.parse().unwrap() }
    }

    fn own() -> ListenAddresses {
        doors("127.0.0.1:8080", "127.0.0.1:9090")
    }

    fn hello(version: u32, doors: ListenAddresses) -> Heard {
        Heard::Said(Ask::Hello { version, doors })
    }

    #[test]
    fn a_hand_over_goes_through_three_words() {
        let mut phase = Phase::Greeting;
        for (heard, after, step) in [
            (hello(VERSION, own()), Phase::Preparing, Step::Offer),
            (Heard::Said(Ask::Quiesce), Phase::Switching, Step::Quiesce),
            (Heard::Said(Ask::Serving), Phase::HandedOver, Step::Yield),
        ] {
            let (next, does) = phase.hear(heard, own());
            assert_eq!((next, does), (after, step));
            phase = next;
        }
        assert!(phase.ended());
    }

    #[test]
    fn another_version_and_other_doors_are_refused_by_name() {
        for (heard, expected) in [
            (hello(2, own()), "version 2"),
            (hello(VERSION, doors("127.0.0.1:8081", "127.0.0.1:9090")), "server.listen is"),
            (hello(VERSION, doors("127.0.0.1:8080", "0.0.0.0:9090")), "admin.listen is 0.0.0.0"),
        ] {
            let (phase, step) = Phase::Greeting.hear(heard, own());
            assert_eq!(phase, Phase::Kept);
            assert!(matches!(&step, Step::GoOn(why) if why.contains(expected)), "{step:?}");
        }
    }

    #[test]
    fn who_only_looks_is_told_and_takes_nothing() {
        for (doors, expected) in
            [(own(), None), (doors("[::1]:1", "127.0.0.1:9090"), Some("listen"))]
        {
            let look = Heard::Said(Ask::Look { version: VERSION, doors });
            let (phase, step) = Phase::Greeting.hear(look, own());
            assert_eq!(phase, Phase::Kept);
            let Step::Tell(why) = step else { panic!("{step:?}") };
            assert_eq!(why.is_some(), expected.is_some());
            assert!(why.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
    }

    #[test]
    fn words_are_lines_that_a_later_version_may_add_to() {
        let ask: Ask = serde_json::from_str(
            r#"{"say":"hello","version":1,"server":"[::1]:1","admin":"127.0.0.1:2","more":[1]}"#,
        )
        .unwrap();
        let hello = Ask::Hello { version: 1, doors: doors("[::1]:1", "127.0.0.1:2") };
        assert_eq!(ask, hello);
        let answer: Answer = serde_json::from_str(r#"{"say":"quiesced","more":1}"#).unwrap();
        assert_eq!(answer, Answer::Quiesced(Quiesced::default()));
        assert_eq!(line(&Ask::Quiesce), b"{\"say\":\"quiesce\"}\n");
    }

    fn heard() -> impl Strategy<Value = Heard> {
        prop_oneof![
            Just(hello(VERSION, own())),
            Just(hello(VERSION + 1, own())),
            Just(Heard::Said(Ask::Look { version: VERSION, doors: own() })),
            Just(Heard::Said(Ask::Quiesce)),
            Just(Heard::Said(Ask::Serving)),
            Just(Heard::Noise("x".into())),
            Just(Heard::Gone),
            Just(Heard::Silence),
        ]
    }

    proptest! {
        /// Whatever is heard: it is handed over only by the three words in their order, and anything
        /// else ends with the incumbent going on.
        #[test]
        fn nothing_but_the_three_words_takes_the_doors(words in proptest::collection::vec(heard(), 1..6)) {
            let mut phase = Phase::Greeting;
            let mut taken = 0;
            for word in &words {
                if phase.ended() { break; }
                let (next, step) = phase.hear(word.clone(), own());
                prop_assert_eq!(next == Phase::Kept, matches!(step, Step::GoOn(_) | Step::Tell(_)));
                phase = next;
                taken += 1;
            }
            let order = [hello(VERSION, own()), Heard::Said(Ask::Quiesce), Heard::Said(Ask::Serving)];
            prop_assert_eq!(phase == Phase::HandedOver, words[..taken] == order);
        }
    }
}
