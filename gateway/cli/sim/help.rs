//! What `signalbox sim --help` says of the control address.

use std::fmt::Write;

use crate::sim::InjectedFault;

/// The orders of the control address with examples, and each fault.
pub(super) fn control() -> String {
    let mut text = String::from(
        "\
Control address (the first line that is printed; 127.0.0.1:9200 with --listen-base 9200):
  curl http://127.0.0.1:9200/sim/fault -d '{\"model\": \"gpt-oss-20b\", \"fault\": \"html\", \"times\": 3}'
      a fault for the next 3 requests of each replica; without `times` until further notice;
      `\"replica\": 0` for one replica; `\"fault\": null` mends
  curl http://127.0.0.1:9200/sim/kill -d '{\"model\": \"gpt-oss-20b\", \"replica\": 0}'
      closes the port and every connection of it; /sim/revive opens it again
  curl http://127.0.0.1:9200/sim/seen
      what each model has seen: requests, cancelled ones, tokens, the last request
  curl http://127.0.0.1:9200/sim/faults
      these names:

Faults:
",
    );
    for fault in InjectedFault::ALL {
        let _ = writeln!(text, "  {:<15} {}", fault.name(), fault.says());
    }
    text
}
