//! What a configuration was read from, kept so that it can be read again when what is managed beside the file
//! changes: the file on the disk may say something else by then, and be no configuration at all.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    ops::Bound,
    path::{Path, PathBuf},
    sync::Arc,
};

use policies::{Fault, document::Spelled};
use toml::{Table, Value};

use super::{Config, Ground, Managed, ManagedKind, Secret, outside::Outside, validate::validate};

/// The layers of a configuration, and what its references led to.
#[derive(Debug, Default)]
pub(super) struct Source {
    table: Table,
    spelled: Spelled,
    file: String,
    folder: PathBuf,
    variables: Vec<(String, String)>,
    secrets: HashMap<String, Result<Secret, String>>,
    files: HashMap<PathBuf, Result<String, String>>,
    /// The places of teams and keys in the lists of the file.
    names: BTreeMap<(ManagedKind, Box<str>), usize>,
}

/// Keeps what validation asks of the world around it.
pub(super) struct Recorder<'a> {
    outside: &'a Outside<'a>,
    secrets: RefCell<HashMap<String, Result<Secret, String>>>,
    files: RefCell<HashMap<PathBuf, Result<String, String>>>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(outside: &'a Outside<'a>) -> Self {
        Self { outside, secrets: RefCell::default(), files: RefCell::default() }
    }

    /// Calls `of` with a world of which everything is kept that it is asked for.
    pub(super) fn outside<T>(&self, of: impl FnOnce(&Outside<'_>) -> T) -> T {
        let secret = |reference: &str| {
            let found = (self.outside.secret)(reference);
            let kept = found.as_ref().map(|it| Secret::new(it.as_str())).map_err(Clone::clone);
            self.secrets.borrow_mut().insert(reference.to_owned(), kept);
            found
        };
        let read = |path: &Path| {
            let found = (self.outside.read)(path);
            self.files.borrow_mut().insert(path.to_owned(), found.clone());
            found
        };
        let Outside { file, folder, variables, ground, managed, .. } = *self.outside;
        of(&Outside { file, folder, variables, secret: &secret, read: &read, ground, managed })
    }

    /// What was read, of these layers.
    pub(super) fn source(self, table: Table, spelled: Spelled) -> Source {
        Source {
            names: names(&table),
            table,
            spelled,
            file: self.outside.file.to_owned(),
            folder: self.outside.folder.to_owned(),
            variables: self.outside.variables.to_vec(),
            secrets: self.secrets.into_inner(),
            files: self.files.into_inner(),
        }
    }
}

fn names(table: &Table) -> BTreeMap<(ManagedKind, Box<str>), usize> {
    let of = |kind: ManagedKind| {
        let list = table.get(kind.name()).and_then(Value::as_array);
        let items = list.into_iter().flatten().enumerate();
        items.filter_map(move |(at, it)| Some(((kind, it.get("name")?.as_str()?.into()), at)))
    };
    [ManagedKind::Team, ManagedKind::Key].into_iter().flat_map(of).collect()
}

/// What a configuration was read from, and what was managed beside it: enough to read it again.
#[derive(Clone, Debug)]
pub struct ReadFrom {
    pub(super) source: Arc<Source>,
    /// What is managed beside the file.
    pub managed: Managed,
}

impl ReadFrom {
    /// The same files, secrets and variables, with other things managed beside them.
    ///
    /// # Errors
    /// Every fault; those of what is managed have paths such as `store.key.NAME.budget`.
    pub fn with_managed(&self, managed: &Managed) -> Result<Config, Vec<Fault>> {
        let it = &self.source;
        let gone = || Err(String::from("what nobody has read at the start"));
        let secret = |reference: &str| match it.secrets.get(reference) {
            Some(found) => found.as_ref().map(|it| it.expose().to_owned()).map_err(Clone::clone),
            // A row of the store may not name a secret of this machine.
            None => gone(),
        };
        let read = |path: &Path| it.files.get(path).cloned().unwrap_or_else(gone);
        let outside = Outside {
            file: &it.file,
            folder: &it.folder,
            variables: &it.variables,
            secret: &secret,
            read: &read,
            ground: &|_: &Ground<'_>| Vec::new(),
            managed: &|_| Ok(managed.clone()),
        };
        let config = validate(&it.table, &it.spelled, &outside)?;
        Ok(Config { source: Arc::clone(it), ..config })
    }

    /// What the file itself says of a name, without a credential.
    pub(crate) fn in_file(&self, kind: ManagedKind, name: &str) -> Option<&Table> {
        let at = *self.source.names.get(&(kind, name.into()))?;
        self.source.table.get(kind.name())?.as_array()?.get(at)?.as_table()
    }

    /// The names of a kind that the file itself has, after one, in their order.
    pub(crate) fn file_names(&self, kind: ManagedKind, after: &str) -> impl Iterator<Item = &str> {
        let from = Bound::Excluded((kind, Box::from(after)));
        let names = self.source.names.range((from, Bound::Unbounded));
        names.take_while(move |((of, _), _)| *of == kind).map(|((_, name), _)| &**name)
    }
}
