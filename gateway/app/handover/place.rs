//! Where a successor finds the one in charge: `<ledger>.sock`, for the same user and root alone.

use std::{
    fs::{self, File, Permissions},
    io,
    os::{
        fd::AsRawFd,
        unix::{fs::PermissionsExt, net},
    },
    path::{Path, PathBuf},
};

use rustix::process::geteuid;
use tokio::net::{UnixListener, UnixStream};

/// What the address of a Unix socket holds, with the zero at its end.
const ADDRESS_BYTES_MAX: usize = 107;

/// The place beside a ledger.
#[derive(Clone, Debug)]
pub(super) struct Place(PathBuf);

impl Place {
    pub(super) fn beside(ledger: &Path) -> Self {
        Self(with_end(ledger, ".sock"))
    }

    /// Listens there, in place of whatever has been there: nobody finds nothing meanwhile.
    ///
    /// # Errors
    /// When the folder cannot be written to, or the name is too long even within its folder.
    pub(super) fn listen(&self) -> io::Result<UnixListener> {
        let new = with_end(&self.0, &format!(".{}", std::process::id()));
        let listen = || {
            let _ = fs::remove_file(&new);
            let listener = short(&new, |path| UnixListener::bind(path))?;
            fs::set_permissions(&new, Permissions::from_mode(0o600))?;
            fs::rename(&new, &self.0)?;
            Ok(listener)
        };
        listen().inspect_err(|_| drop(fs::remove_file(&new)))
    }

    /// Whoever is in charge; nothing where nobody answers.
    ///
    /// # Errors
    /// When somebody may be there, but this user may not ask.
    pub(super) fn connect(&self) -> io::Result<Option<net::UnixStream>> {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        match short(&self.0, |path| net::UnixStream::connect(path)) {
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => Ok(None),
            connected => connected.map(Some),
        }
    }

    /// Nobody is to be found there any more.
    pub(super) fn clear(&self) {
        let _ = fs::remove_file(&self.0);
    }

    /// Where it is, for people.
    pub(super) fn shown(&self) -> std::path::Display<'_> {
        self.0.display()
    }
}

/// Whether the other end is of the same user, or root's.
pub(super) fn trusted(stream: &UnixStream) -> bool {
    let own = geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Uses a path, or where it is too long for a socket's address, a shorter way to the same place.
fn short<T>(path: &Path, using: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().len() <= ADDRESS_BYTES_MAX {
        return using(path);
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidFilename.into());
    };
    let folder = File::open(folder)?;
    using(&PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("signalbox-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[tokio::test]
    async fn it_replaces_what_is_stale_and_only_its_user_may_ask() {
        let top = folder("place");
        let long = top.join("x".repeat(120));
        fs::create_dir_all(&long).unwrap();
        for folder in [&top, &long] {
            let place = Place::beside(&folder.join("books.db"));
            assert!(place.connect().unwrap().is_none(), "nobody was ever there");
            fs::write(folder.join("books.db.sock"), "").unwrap();
            assert!(place.connect().unwrap().is_none(), "no socket");
            drop(place.listen().unwrap());
            assert!(place.connect().unwrap().is_none(), "it has gone");
            let listener = place.listen().unwrap();
            let mode = fs::metadata(folder.join("books.db.sock")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let stream = place.connect().unwrap().expect("somebody");
            let (peer, _) = listener.accept().await.unwrap();
            let stream = UnixStream::from_std(stream).unwrap();
            assert!(trusted(&peer) && trusted(&stream));
            place.clear();
            assert!(place.connect().unwrap().is_none(), "it is cleared");
            let left = fs::read_dir(folder).unwrap().filter(|it| {
                it.as_ref().unwrap().file_name().to_string_lossy().starts_with("books")
            });
            assert_eq!(left.count(), 0, "something is left");
        }
        let too_long = Place::beside(&top.join("y".repeat(200)));
        assert!(too_long.listen().is_err());
        fs::remove_dir_all(top).unwrap();
    }
}
