//! Several files, written together or not at all.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// A file to be written.
#[derive(Debug)]
pub(in crate::cli) struct NewFile {
    /// Where it is to stand.
    pub path: PathBuf,
    /// What is to stand in it.
    pub text: String,
    /// Whether only its owner may read it.
    pub secret: bool,
}

/// What one file became, so that it can be undone.
enum Placed {
    /// It is new.
    New(PathBuf),
    /// Another stood there and stands at the second path now.
    Replaced(PathBuf, PathBuf),
}

/// Writes all files; one that is there is replaced only if `force` says so, and kept as the first free of
/// `<name>.old`, `<name>.old.2`, … then.
/// After an error none of them has changed.
///
/// # Errors
/// What could not be done, with the path.
pub(in crate::cli) fn write(files: &[NewFile], force: bool) -> Result<(), String> {
    let mut staged = Vec::new();
    let mut placed = Vec::new();
    let result = files
        .iter()
        .try_for_each(|file| stage(file).map(|half| staged.push(half)))
        .and_then(|()| {
            let pairs = files.iter().zip(&staged);
            pairs
                .into_iter()
                .try_for_each(|(file, half)| place(half, &file.path, force, &mut placed))
        });
    staged.iter().for_each(|half| drop(fs::remove_file(half)));
    match result {
        Ok(()) => files.iter().try_for_each(|file| sync(folder(&file.path))),
        Err(wrong) => {
            placed.iter().rev().for_each(undo);
            Err(wrong)
        }
    }
}

/// The folder that a file stands in.
pub(in crate::cli) fn folder(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn stage(file: &NewFile) -> Result<PathBuf, String> {
    let folder = folder(&file.path);
    fs::create_dir_all(folder).map_err(|error| said(folder, &error))?;
    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
    let half = folder.join(format!(".{name}.{:016x}", rand::random::<u64>()));
    let mode = if file.secret { 0o600 } else { 0o644 };
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&half);
    let written = opened.and_then(|mut it| it.write_all(file.text.as_bytes()).and(it.sync_all()));
    match written {
        Ok(()) => Ok(half),
        Err(error) => {
            let _ = fs::remove_file(&half);
            Err(said(&file.path, &error))
        }
    }
}

fn place(half: &Path, path: &Path, force: bool, placed: &mut Vec<Placed>) -> Result<(), String> {
    if force && fs::symlink_metadata(path).is_ok() {
        let old = free_old(path);
        fs::rename(path, &old).map_err(|error| said(path, &error))?;
        placed.push(Placed::Replaced(path.to_owned(), old));
        return fs::rename(half, path).map_err(|error| said(path, &error));
    }
    // Unlike a renaming, a link never takes the place of what somebody else has put there meanwhile.
    fs::hard_link(half, path).map_err(|error| said(path, &error))?;
    placed.push(Placed::New(path.to_owned()));
    Ok(())
}

/// The first free name for what stands at a path: `.old`, `.old.2`, and so on. What was kept before is never
/// replaced: it may be the only one that its user has written.
pub(in crate::cli) fn free_old(path: &Path) -> PathBuf {
    let named = |end: String| {
        let mut old = path.as_os_str().to_owned();
        old.push(end);
        PathBuf::from(old)
    };
    let all = std::iter::once(String::from(".old")).chain((2_u32..).map(|at| format!(".old.{at}")));
    let is_free = |it: &PathBuf| fs::symlink_metadata(it).is_err();
    all.map(named).find(is_free).unwrap_or_else(|| named(String::from(".old")))
}

fn undo(placed: &Placed) {
    let _ = match placed {
        Placed::New(path) => fs::remove_file(path),
        Placed::Replaced(path, old) => fs::rename(old, path),
    };
}

fn sync(folder: &Path) -> Result<(), String> {
    let synced = fs::File::open(folder).and_then(|it| it.sync_all());
    synced.map_err(|error| said(folder, &error))
}

fn said(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{} is already there: --force replaces it", path.display())
        }
        _ => format!("{}: {error}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn fresh(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("signalbox-init-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    fn file(folder: &Path, name: &str, text: &str) -> NewFile {
        NewFile { path: folder.join(name), text: text.to_owned(), secret: name == "secret" }
    }

    fn names(folder: &Path) -> Vec<String> {
        let all = fs::read_dir(folder).unwrap();
        let mut all: Vec<_> =
            all.map(|it| it.unwrap().file_name().to_string_lossy().into_owned()).collect();
        all.sort();
        all
    }

    #[test]
    fn all_are_written_or_none() {
        let folder = fresh("all");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("b"), "theirs").unwrap();
        let files =
            [file(&folder, "a", "1"), file(&folder, "b", "2"), file(&folder, "secret", "3")];
        let refused = write(&files, false).unwrap_err();
        assert!(refused.contains("b is already there: --force replaces it"), "{refused}");
        assert_eq!(names(&folder), ["b"]);
        assert_eq!(fs::read_to_string(folder.join("b")).unwrap(), "theirs");
        write(&files, true).unwrap();
        assert_eq!(names(&folder), ["a", "b", "b.old", "secret"]);
        assert_eq!(fs::read_to_string(folder.join("b")).unwrap(), "2");
        assert_eq!(fs::read_to_string(folder.join("b.old")).unwrap(), "theirs");
        fs::write(folder.join("b"), "mine").unwrap();
        write(&files, true).unwrap();
        assert_eq!(fs::read_to_string(folder.join("b.old")).unwrap(), "theirs");
        assert_eq!(fs::read_to_string(folder.join("b.old.2")).unwrap(), "mine");
        let mode = fs::metadata(folder.join("secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_was_replaced_comes_back_after_an_error() {
        let folder = fresh("undone");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a"), "theirs").unwrap();
        fs::write(folder.join("b"), "theirs").unwrap();
        let half = folder.join("half");
        fs::write(&half, "1").unwrap();
        let mut placed = Vec::new();
        place(&half, &folder.join("a"), true, &mut placed).unwrap();
        assert_eq!(fs::read_to_string(folder.join("a")).unwrap(), "1");
        // What is to be the second is not there.
        place(&half, &folder.join("b"), true, &mut placed).unwrap_err();
        placed.iter().rev().for_each(undo);
        assert_eq!(names(&folder), ["a", "b"]);
        for name in ["a", "b"] {
            assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), "theirs");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
