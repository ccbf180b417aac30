//! Sockets that the system's manager opened before the start (`LISTEN_FDS`), where it did.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use listenfd::ListenFd;

use super::StartError;

/// Those among the sockets that were passed that listen at these addresses.
///
/// # Errors
/// When one was passed that is for none of them: nobody would ever answer there.
pub(super) fn at(wanted: [SocketAddr; 2]) -> Result<[Option<TcpListener>; 2], StartError> {
    let mut passed = ListenFd::from_env();
    let taken = (0..passed.len()).map(|nth| passed.take_tcp_listener(nth));
    sorted(wanted, taken.filter_map(Result::transpose)).map_err(StartError::Passed)
}

fn sorted(
    wanted: [SocketAddr; 2],
    passed: impl Iterator<Item = io::Result<TcpListener>>,
) -> Result<[Option<TcpListener>; 2], String> {
    let mut found = [None, None];
    for (nth, socket) in passed.enumerate() {
        let no = |error| format!("socket {nth} (LISTEN_FDS) is none that listens for TCP: {error}");
        let socket = socket.map_err(no)?;
        let addr = socket.local_addr().map_err(no)?;
        let mut places = wanted.iter().zip(&mut found);
        let place = places.find(|(wanted, place)| **wanted == addr && place.is_none());
        let Some((_, place)) = place else {
            let [server, admin] = wanted;
            return Err(format!(
                "socket {nth} (LISTEN_FDS) is at {addr}, and the configuration listens once at {server} \
                 (server.listen) and at {admin} (admin.listen)"
            ));
        };
        *place = Some(socket);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(addr: &str) -> (SocketAddr, TcpListener) {
        let socket = TcpListener::bind(addr).unwrap();
        (socket.local_addr().unwrap(), socket)
    }

    #[test]
    fn each_goes_where_the_configuration_listens() {
        let ((server, a), (admin, b)) = (at("127.0.0.1:0"), at("127.0.0.1:0"));
        let both = [a.try_clone(), b.try_clone()];
        let found = sorted([admin, server], both.into_iter()).unwrap();
        assert_eq!(found.map(|it| it.unwrap().local_addr().unwrap()), [admin, server]);
        let found = sorted([server, admin], [b.try_clone()].into_iter()).unwrap();
        assert!(found[0].is_none() && found[1].is_some(), "one alone");
        let none = sorted([server, admin], std::iter::empty()).unwrap();
        assert!(none.iter().all(Option::is_none));
        let twice = sorted([server, admin], [a.try_clone(), a.try_clone()].into_iter());
        assert!(twice.unwrap_err().contains("socket 1"));
        let (other, stranger) = at("127.0.0.1:0");
        let fault = sorted([server, admin], [Ok(stranger)].into_iter()).unwrap_err();
        assert!(fault.contains(&other.to_string()) && fault.contains("server.listen"), "{fault}");
        let wrong = sorted([server, admin], [Err(io::Error::other("no"))].into_iter());
        assert!(wrong.unwrap_err().contains("none that listens"));
    }
}
