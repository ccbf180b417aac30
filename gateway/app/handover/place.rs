//! Where a successor finds the one in charge: `<ledger>.sock`, for the same user and root alone.

use std::{
    fs::{self, File, Permissions},
    io,
    os::{
        fd::AsRawFd,
        unix::{
            fs::{FileTypeExt, OpenOptionsExt, PermissionsExt},
            net,
        },
    },
    path::{Path, PathBuf},
};

use rustix::{fs::OFlags, process::geteuid};
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
    /// When the folder cannot be written to.
    pub(super) fn listen(&self) -> io::Result<Listening> {
        // It has a short name first: one of any length that its folder takes is given to it then.
        let new = self.folder().join(format!(".signalbox-{}", std::process::id()));
        let listen = || {
            let _ = fs::remove_file(&new);
            let listener = bind(&new)?;
            fs::set_permissions(&new, Permissions::from_mode(0o600))?;
            fs::rename(&new, &self.0)?;
            Ok(Listening { listener, told: false })
        };
        listen().inspect_err(|_| drop(fs::remove_file(&new)))
    }

    /// The same listener where it can still be found there; where its file was removed or replaced by
    /// something that is no socket, another one.
    pub(super) fn kept(&self, mut listening: Listening) -> Listening {
        // Another one's socket is left alone, and not connected to: its owner would be asked something.
        if fs::symlink_metadata(&self.0).is_ok_and(|it| it.file_type().is_socket()) {
            return listening;
        }
        let place = self.shown();
        match self.listen() {
            Ok(anew) => {
                tracing::warn!(%place, "the socket of the hand-over was removed: it is made anew");
                anew
            }
            Err(error) => {
                if !listening.told {
                    tracing::warn!(%place, %error, "no successor can take over: cannot listen there");
                }
                listening.told = true;
                listening
            }
        }
    }

    /// Why nobody answers there, in words.
    pub(super) fn found(&self) -> String {
        let place = self.shown();
        match fs::symlink_metadata(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => format!("{place} is missing"),
            Err(error) => format!("{place}: {error}"),
            Ok(it) if !it.file_type().is_socket() => format!("{place} is no socket"),
            Ok(_) => format!("nobody listens at {place}"),
        }
    }

    fn folder(&self) -> &Path {
        self.0.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// Whoever is in charge; nothing where nobody answers.
    ///
    /// # Errors
    /// When somebody may be there, but this user may not ask.
    pub(super) fn connect(&self) -> io::Result<Option<net::UnixStream>> {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        match connect(&self.0) {
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

/// A socket that listens at its place.
pub(super) struct Listening {
    pub(super) listener: UnixListener,
    /// Whether it was said that it cannot be made anew.
    told: bool,
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

fn fits(path: &Path) -> bool {
    path.as_os_str().len() <= ADDRESS_BYTES_MAX
}

/// Where something that is open can be reached, in few bytes.
fn shorter(open: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()))
}

/// Binds to a path; where it is too long for a socket's address, by way of its folder.
fn bind(path: &Path) -> io::Result<UnixListener> {
    if fits(path) {
        return UnixListener::bind(path);
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidFilename.into());
    };
    let folder = File::open(folder)?;
    UnixListener::bind(shorter(&folder).join(name))
}

/// Connects to a path; where it is too long for a socket's address, by way of the file itself.
fn connect(path: &Path) -> io::Result<net::UnixStream> {
    if fits(path) {
        return net::UnixStream::connect(path);
    }
    let flags = OFlags::PATH.bits().cast_signed();
    let socket = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    net::UnixStream::connect(shorter(&socket))
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
        let long_name = format!("books{}.db", "y".repeat(200));
        for (folder, name) in [(&top, "books.db"), (&long, "books.db"), (&long, &*long_name)] {
            let place = Place::beside(&folder.join(name));
            assert!(place.connect().unwrap().is_none(), "nobody was ever there");
            fs::write(folder.join(format!("{name}.sock")), "").unwrap();
            assert!(place.connect().unwrap().is_none(), "no socket");
            drop(place.listen().unwrap());
            assert!(place.connect().unwrap().is_none(), "it has gone");
            let listener = place.listen().unwrap();
            let mode =
                fs::metadata(folder.join(format!("{name}.sock"))).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let stream = place.connect().unwrap().expect("somebody");
            let (peer, _) = listener.listener.accept().await.unwrap();
            stream.set_nonblocking(true).unwrap();
            let stream = UnixStream::from_std(stream).unwrap();
            assert!(trusted(&peer) && trusted(&stream));
            let listener = place.kept(listener);
            place.clear();
            assert!(place.found().ends_with(".sock is missing"), "{}", place.found());
            let listener = place.kept(listener);
            assert!(place.connect().unwrap().is_some(), "it is made anew");
            fs::write(folder.join("other"), "").unwrap();
            fs::rename(folder.join("other"), folder.join(format!("{name}.sock"))).unwrap();
            assert!(place.found().ends_with(".sock is no socket"), "{}", place.found());
            let listener = place.kept(listener);
            assert!(place.connect().unwrap().is_some(), "it is made anew");
            drop(listener);
            assert!(place.found().starts_with("nobody listens at "), "{}", place.found());
            place.clear();
            assert!(place.connect().unwrap().is_none(), "it is cleared");
            let left = fs::read_dir(folder).unwrap().filter(|it| {
                it.as_ref().unwrap().file_name().to_string_lossy().starts_with("books")
            });
            assert_eq!(left.count(), 0, "something is left");
        }
        let too_long = Place::beside(&top.join("y".repeat(251)));
        assert!(too_long.listen().is_err(), "no folder takes such a name");
        fs::remove_dir_all(top).unwrap();
    }
}
