//! What the system's manager wants to know of a service (`NOTIFY_SOCKET`), where there is one.

use std::{
    env,
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// What has come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// This process serves, and is the one to watch.
    Ready,
    /// It has been told to stop.
    Stopping,
    /// Another process serves, and is the one to watch.
    Succeeded(i32),
}

/// Tells the manager. Where it cannot be told, that is logged.
pub fn notify(notice: Notice) {
    let Some(to) = env::var_os("NOTIFY_SOCKET").filter(|it| !it.is_empty()) else { return };
    if let Err(error) = send(&to, &text(notice)) {
        tracing::warn!(%error, "NOTIFY_SOCKET cannot be told: {notice:?}");
    }
}

fn text(notice: Notice) -> String {
    match notice {
        Notice::Ready => format!("READY=1\nMAINPID={}\n", std::process::id()),
        Notice::Stopping => String::from("STOPPING=1\n"),
        Notice::Succeeded(pid) => format!("MAINPID={pid}\n"),
    }
}

fn send(to: &OsStr, text: &str) -> io::Result<()> {
    let addr = match to.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(to)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not hold up the start.
    socket.set_nonblocking(true)?;
    socket.send_to_addr(text.as_bytes(), &addr).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_hears_it_by_path_and_by_abstract_name() {
        let name = format!("signalbox-notify-{}", std::process::id());
        let path = env::temp_dir().join(&name);
        let by_path = UnixDatagram::bind(&path).unwrap();
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&abstract_name).unwrap();
        let at = format!("@{name}");
        for (to, socket) in [(path.as_os_str(), by_path), (OsStr::new(&at), by_name)] {
            send(to, &text(Notice::Succeeded(7))).unwrap();
            let mut buffer = [0; 64];
            let read = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..read], b"MAINPID=7\n");
        }
        assert!(send(OsStr::new("/nowhere/at/all"), "x").is_err());
        std::fs::remove_file(path).unwrap();
    }
}
