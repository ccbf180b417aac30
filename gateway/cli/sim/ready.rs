//! A configuration with which `signalbox serve` starts at once before a simulated fleet.

use std::{fs, path::Path};

use crate::{
    cli::{
        self,
        init::{
            self,
            files::{self, NewFile},
            known::{self, KnownModel},
            models::Model,
            render::{self, Head},
        },
    },
    directory,
    sim::{Fleet, ModelSpec},
};

/// The first line of every configuration that is written here: who finds another one leaves it alone.
const MARK: &str =
    "# Written by `signalbox sim --write-config`, and written anew each time it starts.";
/// The file with the key.
const KEY_FILE: &str = "sim.key";

/// Writes the configuration and, where there is none yet, its key; returns the commands that come next.
pub(super) fn write(path: &Path, specs: &[ModelSpec], fleet: &Fleet) -> Result<String, String> {
    let config = match path.extension() {
        Some(ending) if ending == "toml" => path.to_owned(),
        _ => path.join(cli::CONFIG),
    };
    let theirs = fs::read_to_string(&config).is_ok_and(|text| !text.starts_with(MARK));
    if theirs {
        let config = config.display();
        return Err(format!(
            "{config} was not written by the simulated fleet: choose another place"
        ));
    }
    let key = files::folder(&config).join(KEY_FILE);
    let catalogue = known::catalogue();
    let models: Vec<_> = specs.iter().map(|spec| model(spec, fleet, &catalogue)).collect();
    let head = Head {
        comment: format!("{MARK}\n"),
        policy:
            "preset = \"bank\"                 # or `file = \"policy.toml\"`, a policy of your own"
                .into(),
        identity: String::new(),
        team: "default".into(),
        key_name: "sim".into(),
        credential: format!("secret = \"file:{KEY_FILE}\""),
    };
    let text = render::config(&head, &models);
    let mut new = vec![NewFile { path: config.clone(), text, secret: false }];
    if !key.exists() {
        let text = directory::new_key(rand::random());
        new.push(NewFile { path: key.clone(), text, secret: true });
    }
    files::write(&new, true)?;
    let serve = cli::command_of(&config, "serve");
    let key = format!("KEY=$(cat {})", cli::typed(&key));
    Ok(init::next(&serve, "127.0.0.1:8080", &key))
}

/// A simulated model as a configuration has it.
fn model<'a>(spec: &ModelSpec, fleet: &Fleet, catalogue: &'a [KnownModel]) -> Model<'a> {
    let upstream = spec.also.first().unwrap_or(&spec.id);
    let known = KnownModel::find(catalogue, &spec.id);
    let zone = known.and_then(|it| it.fields.get("zone")?.as_str()).map(str::to_owned);
    Model {
        id: spec.id.to_string(),
        upstream: upstream.to_string(),
        known,
        engine: Some("vllm"),
        context: Some((spec.context_tokens_max, "max_model_len")),
        output_tokens_max: None,
        zone,
        endpoints: fleet.urls(&spec.id).into_iter().map(|url| (url, None)).collect(),
    }
}
