//! From the text of the imported file to those of a configuration and a policy: a function, and nothing else.

use policies::Fault;

use super::{
    book::{Book, View},
    deployment::{self, Reading},
    group,
    place::Places,
    reasons, render,
    secret::Secrets,
    settings, yaml,
};

/// What the file became.
pub(super) struct Translation {
    /// The configuration and the policy, unless no model is carried over.
    pub texts: Option<[String; 2]>,
    /// What became of each key.
    pub book: Book,
    /// The variables that are to be set.
    pub secrets: Secrets,
    /// The models of which budgets count nothing.
    pub unpriced: Vec<String>,
    /// How many models there are, and how many names that callers ask for.
    pub counts: [usize; 2],
}

/// Translates a file; `variable` says the value of a variable that is no secret, of the environment.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn translate(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Translation, Box<Fault>> {
    let tree = yaml::read(text)?;
    let root = View::root(&tree);
    let (book, secrets) = (Book::of(&tree), Secrets::of(&tree));
    let firsts = std::collections::BTreeMap::new();
    let mut reading = Reading { book, secrets, firsts, places: Places::of(&root, variable) };
    let list = root.get("model_list");
    let found: Vec<_> = list
        .iter()
        .flat_map(View::items)
        .filter_map(|it| deployment::read(&it, &mut reading))
        .collect();
    let settings = settings::read(&root, &mut reading);
    let groups = group::groups(found, &settings, &mut reading.book);
    let Reading { mut book, mut secrets, .. } = reading;
    book.close(reasons::of);
    let models = groups.iter().map(|it| it.models.len()).sum();
    let names = groups.iter().map(|it| 1 + it.others.len()).sum();
    let texts = (models > 0).then(|| {
        let what = "a new secret of at least 20 characters: the first key of callers";
        let key = secrets.add("SIGNALBOX_FIRST_KEY", what);
        [render::config(&groups, &settings, &key), render::policy(&groups, &settings)]
    });
    let unpriced = render::unpriced(&groups);
    Ok(Translation { texts, book, secrets, unpriced, counts: [models, names] })
}
