//! The query of a URL of the operators' API, parameter by parameter, with every fault.

use crate::spend::{Wrong, decoded};

/// Hands each parameter of a query to `take`, decoded, once; says all that is wrong.
pub(super) fn read(
    query: &str,
    mut take: impl FnMut(&str, &str) -> Result<(), String>,
) -> Result<(), Vec<Wrong>> {
    let (mut seen, mut wrong) = (Vec::new(), Vec::new());
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let name = decoded(name).unwrap_or_else(|_| name.into());
        let taken = match decoded(value) {
            Ok(_) if seen.contains(&name) => Err("stands twice: expected once".to_owned()),
            Ok(value) => take(&name, &value),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = taken {
            let parameter = crate::failure::shown(&name).to_string();
            wrong.push(Wrong { parameter, fault });
        }
        seen.push(name);
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}
