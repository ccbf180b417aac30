//! Where the model of an entry is asked: by its own keys, by the credential that it names, by the variables
//! of its provider, and only if none of them says anything at the provider's public place.
//!
//! What cannot be told for sure is an error: a model at a house's own engines is never asked elsewhere.

use super::{book::View, provider::Provider, secret::variable, yaml::Node};

/// What the file and the environment say of places, outside of the entries.
pub(super) struct Places<'a> {
    credentials: Vec<View<'a>>,
    /// The first key that may name a place for models that name none.
    elsewhere: Option<String>,
    /// Whether all is asked through another proxy.
    detour: Option<View<'a>>,
    file: Option<View<'a>>,
    environment: &'a dyn Fn(&str) -> Option<String>,
}

/// The keys of an entry, with those of the credential that it names.
pub(super) struct Own<'a> {
    params: Option<View<'a>>,
    /// The credential, and its values.
    credential: Option<[View<'a>; 2]>,
}

/// What says where a model is asked.
#[derive(Debug)]
pub(super) struct Said {
    /// The URL, if anything says one.
    pub url: Option<String>,
    /// The variable of the provider that has it, and its path where it stands in the file.
    pub by: Option<(String, Option<String>)>,
}

/// Keys that name a place.
pub(super) const BASES: [&str; 2] = ["api_base", "base_url"];
/// What has all be asked through another proxy.
const DETOUR: &str = "use_litellm_proxy";

impl<'a> Places<'a> {
    /// Those of a file; `environment` says the value of a variable.
    pub(super) fn of(root: &View<'a>, environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let credentials = root.get("credential_list").iter().flat_map(View::items).collect();
        let litellm = root.get("litellm_settings");
        let names_one = |it: &(&str, View<'_>)| {
            BASES.iter().any(|key| it.0.ends_with(key)) && !it.1.node.is_null()
        };
        let all = litellm.iter().flat_map(View::entries).find(names_one).map(|it| it.1);
        let default = root.get("router_settings").and_then(|it| it.get("default_litellm_params"));
        let default = default.and_then(|it| {
            [BASES[0], BASES[1], "litellm_credential_name"].iter().find_map(|key| it.get(key))
        });
        let elsewhere = all.or(default).or_else(|| root.get("include")).map(|it| it.path);
        let detour = litellm.and_then(|it| it.get(DETOUR));
        let file = root.get("environment_variables");
        Self { credentials, elsewhere, detour, file, environment }
    }

    /// The value of a variable, unless it is empty.
    ///
    /// # Errors
    /// Why it cannot be told.
    fn variable(&self, name: &str) -> Result<Option<String>, String> {
        let around = |name: &str| (self.environment)(name).filter(|it| !it.is_empty());
        let Some(view) = self.file.as_ref().and_then(|it| it.get(name)) else {
            return Ok(around(name));
        };
        let unknown = || format!("what {name} of environment_variables is cannot be told: {WRITE}");
        let text = view.text().ok_or_else(unknown)?;
        let stated = match variable(text) {
            Some(from) => Some(around(from).ok_or_else(unknown)?),
            None => Some(text.to_owned()).filter(|it| !it.is_empty()),
        };
        match (stated, around(name)) {
            (Some(one), Some(other)) if one != other => Err(format!(
                "{name} is one thing in environment_variables and another in the environment: {WRITE}"
            )),
            (stated, around) => Ok(stated.or(around)),
        }
    }

    /// Whether a variable is set, in the file or around it.
    pub(super) fn is_set(&self, name: &str) -> bool {
        !matches!(self.variable(name), Ok(None))
    }

    /// The keys of an entry, with those of the credential that it names.
    ///
    /// # Errors
    /// Why it is not known whom it asks.
    pub(super) fn own(&self, params: Option<&View<'a>>) -> Result<Own<'a>, String> {
        let at = |key: &str| params.and_then(|it| it.get(key));
        let detours = at(DETOUR).or_else(|| self.detour.clone());
        if detours.is_some_and(|it| it.yes() != Some(false)) || self.is_set("USE_LITELLM_PROXY") {
            return Err(format!(
                "it may be asked through another proxy ({DETOUR}): write it as litellm_proxy/NAME, with \
                 api_base"
            ));
        }
        let mut own = Own { params: params.cloned(), credential: None };
        let Some(named) = at("litellm_credential_name") else { return Ok(own) };
        let is_it = |it: &&View<'a>| {
            let name = it.get("credential_name");
            name.is_some_and(|it| it.text().is_some() && it.text() == named.text())
        };
        let mut found = self.credentials.iter().filter(is_it);
        let (Some(one), None) = (found.next(), found.next()) else {
            return Err(format!(
                "credential_list does not have its credential, or has it twice: {WRITE}, and api_key"
            ));
        };
        let values = one.get("credential_values").filter(|it| matches!(it.node, Node::Map(_)));
        let values = values.ok_or_else(|| format!("its credential has no values: {WRITE}"))?;
        own.credential = Some([one.clone(), values]);
        Ok(own)
    }

    /// What says where the model of an entry is asked.
    ///
    /// # Errors
    /// Why that cannot be told.
    pub(super) fn said(&self, own: &Own<'_>, provider: &Provider) -> Result<Said, String> {
        if let Some(stated) = own.base()? {
            let url = match variable(&stated) {
                Some(from) => self.variable(from)?.ok_or_else(|| {
                    format!(
                        "its URL stands in {from}, which is not set here: set it, and import again"
                    )
                })?,
                None => stated,
            };
            return Ok(Said { url: Some(url), by: None });
        }
        if let Some(path) = &self.elsewhere {
            return Err(format!("it says no api_base, and {path} may say one for it: {WRITE}"));
        }
        let mut said = Said { url: None, by: None };
        for (name, read) in provider.variables() {
            let Some(url) = self.variable(&name)? else { continue };
            if !read {
                return Err(format!("whether it is asked where {name} says is not sure: {WRITE}"));
            }
            if said.url.as_ref().is_some_and(|it| *it != url) {
                return Err(format!("{name} and another variable name two places: {WRITE}"));
            }
            let path = self.file.as_ref().and_then(|it| it.get(&name)).map(|it| it.path);
            said.url = Some(url);
            said.by.get_or_insert((name, path));
        }
        Ok(said)
    }
}

/// What makes sure.
const WRITE: &str = "write api_base at the entry, and import again";

impl<'a> Own<'a> {
    /// What stands at a key: of the entry itself, else of its credential.
    pub(super) fn get(&self, key: &str) -> Option<View<'a>> {
        let of_entry = self.params.as_ref().and_then(|it| it.get(key));
        of_entry.or_else(|| self.credential.as_ref()?[1].get(key))
    }

    /// The text at a key.
    ///
    /// # Errors
    /// It is there, and no text.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, String> {
        let Some(view) = self.get(key) else { return Ok(None) };
        view.text().map(Some).ok_or_else(|| format!("its {key} is no text"))
    }

    /// Where the credential's name stands that the entry names.
    pub(super) fn credential(&self) -> Option<String> {
        let [credential, _] = self.credential.as_ref()?;
        credential.get("credential_name").map(|it| it.path)
    }

    /// Where it says itself that it is asked.
    fn base(&self) -> Result<Option<String>, String> {
        let [one, other] = BASES.map(|key| self.text(key));
        match (one?, other?) {
            (Some(one), Some(other)) if one != other => {
                Err(String::from("its api_base and its base_url are not the same: strike one"))
            }
            (one, other) => Ok(one.or(other).map(str::to_owned)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            provider::SPOKEN,
            report,
            translate::{Translation, translate},
        },
        *,
    };

    const HOUSE: &str = "http://10.0.0.7:8000/v1";

    /// A file of one model at a provider, with more keys of the entry and of the file.
    fn import(
        provider: &Provider,
        params: &str,
        file: &str,
        around: &[(&str, &str)],
    ) -> Translation {
        let (name, mode) = (provider.name, provider.kinds[0].word());
        let text = format!(
            "model_list:\n- model_name: m\n  litellm_params: {{model: {name}/x, {params}}}\n  model_info: \
             {{mode: {mode}}}\n{file}\n"
        );
        let found = |name: &str| around.iter().find(|it| it.0 == name).map(|it| it.1.to_owned());
        let found = translate(&text, &found).unwrap();
        let all = found.texts.clone().unwrap_or_default().concat();
        assert!(!(all + &report::list(&found)).contains("sk-secret"), "{text}");
        found
    }

    /// The URL of the model, unless it is not carried over; that is said with a reason.
    fn url(found: &Translation) -> Option<String> {
        let list = report::list(found);
        let said = list.contains("`m` is not carried over: ");
        assert_eq!(found.texts.is_none(), said, "{list}");
        let config: toml::Table = found.texts.as_ref()?[0].parse().unwrap();
        Some(config["model"][0]["endpoint"][0]["url"].as_str().unwrap().to_owned())
    }

    #[test]
    fn whatever_names_a_base_for_a_provider_its_models_are_asked_there() {
        let credential = format!(
            "credential_list: [{{credential_name: house, credential_values: {{api_base: {HOUSE}, api_key: \
             sk-secret}}}}, {{credential_name: other, credential_values: {{api_base: 'https://other'}}}}]"
        );
        for provider in SPOKEN {
            let named = import(provider, "litellm_credential_name: house", &credential, &[]);
            assert_eq!(url(&named).as_deref(), Some(HOUSE), "{}", provider.name);
            assert!(named.texts.unwrap()[0].contains("api_key = \"env:"), "{}", provider.name);
            let own = format!("litellm_credential_name: other, base_url: {HOUSE}");
            let file = credential.replace("api_base: 'https://other'", "api_key: sk-secret");
            assert_eq!(url(&import(provider, &own, &file, &[])).as_deref(), Some(HOUSE));
            for (name, read) in provider.variables() {
                let expected = read.then(|| HOUSE.to_owned());
                let around = import(provider, "", "", &[(&name, HOUSE)]);
                assert_eq!(url(&around), expected, "{name} {}", provider.name);
                let stated = format!("environment_variables: {{{name}: '{HOUSE}'}}");
                assert_eq!(url(&import(provider, "", &stated, &[])), expected, "{name}");
                let twice = import(provider, "", &stated, &[(&name, "https://other/v1")]);
                assert_eq!(url(&twice), None, "{name}");
                let own = import(provider, "api_base: 'https://own/v1'", &stated, &[]);
                assert_eq!(url(&own).as_deref(), Some("https://own/v1"), "{name}");
            }
        }
    }

    #[test]
    fn a_model_is_asked_in_public_only_if_nothing_may_name_another_place() {
        let credential =
            "credential_list: [{credential_name: a, credential_values: {api_base: 'x'}}";
        let twice = format!("{credential}, {{credential_name: a}}]");
        for (params, file) in [
            ("litellm_credential_name: a", ""),
            ("litellm_credential_name: [a]", &*twice),
            ("litellm_credential_name: a", &twice),
            ("litellm_credential_name: a", "credential_list: [{credential_name: a}]"),
            (
                "litellm_credential_name: a",
                "credential_list: [{credential_name: a, credential_values: x}]",
            ),
            (
                "litellm_credential_name: a",
                "credential_list: [{credential_name: a, credential_values: {api_base: [x]}}]",
            ),
            ("api_base: [x]", ""),
            ("base_url: {a: b}", ""),
            ("api_base: ''", ""),
            ("api_base: os.environ/GONE", ""),
            ("api_base: 'http://a/v1', base_url: 'http://b/v1'", ""),
            ("use_litellm_proxy: true", ""),
            ("", "litellm_settings: {use_litellm_proxy: true}"),
            ("", "environment_variables: {USE_LITELLM_PROXY: 'True'}"),
            ("", "litellm_settings: {api_base: 'http://a/v1'}"),
            ("", "litellm_settings: {openai_api_base: 'http://a/v1'}"),
            ("", "router_settings: {default_litellm_params: {api_base: 'http://a/v1'}}"),
            ("", "router_settings: {default_litellm_params: {litellm_credential_name: a}}"),
            ("", "include: [more.yaml]"),
        ] {
            for provider in SPOKEN {
                let found = import(provider, params, file, &[]);
                assert_eq!(url(&found), None, "{}: {params} {file}", provider.name);
            }
        }
        for value in ["os.environ/GONE", "[x]", "{a: b}"] {
            let stated = format!("environment_variables: {{OPENAI_BASE_URL: {value}}}");
            let found = import(&SPOKEN[0], "", &stated, &[]);
            assert_eq!(url(&found), None, "{value}");
        }
        let two = [("OPENAI_API_BASE", HOUSE), ("OPENAI_BASE_URL", "http://10.0.0.8/v1")];
        assert_eq!(url(&import(&SPOKEN[0], "", "", &two)), None);
        for provider in SPOKEN {
            let other = "environment_variables: {SOME_API_BASE: 'http://a', OPENAI_API_BASE: ''}";
            let found =
                import(provider, "use_litellm_proxy: false", other, &[("GROQ_API_BASE", "")]);
            assert_eq!(url(&found).as_deref(), provider.base, "{}", provider.name);
        }
    }

    #[test]
    fn a_variable_that_names_a_place_has_its_key_beside_it() {
        let of = |name: &str| SPOKEN.iter().find(|it| it.name == name).unwrap();
        for (provider, around, key) in [
            ("openai", &[("OPENAI_API_BASE", HOUSE)][..], Some("OPENAI_API_KEY")),
            ("hosted_vllm", &[("HOSTED_VLLM_API_BASE", HOUSE)], None),
            (
                "hosted_vllm",
                &[("HOSTED_VLLM_API_BASE", HOUSE), ("HOSTED_VLLM_API_KEY", "sk-secret")],
                Some("HOSTED_VLLM_API_KEY"),
            ),
        ] {
            let [config, _] = import(of(provider), "", "", around).texts.unwrap();
            let keys: Vec<&str> = config.lines().filter(|it| it.starts_with("api_key")).collect();
            let expected: Vec<String> =
                key.iter().map(|it| format!("api_key = \"env:{it}\"")).collect();
            assert_eq!(keys, expected, "{provider}");
        }
    }
}
