//! The parameters that are refused whatever they hold, each with what to use instead. They would choose where
//! gateway or engine connect, who serves, what it costs, or what is run: that is the operator's, and a caller
//! who believes that it is his must not be left in that belief.

const TEMPLATE: &str = "\
    a template runs in the engine that others use as well; `chat_template_kwargs` may \
    set what its own one reads";
const STATE: &str = "\
    engines take texts and media from here; states of a model are handed on between \
    engines alone";
const CODE: &str = "\
    code of callers runs in no engine; `logit_bias` and structured outputs steer what is \
    written";
const WHERE: &str = "\
    where requests go, with which credential, stands in the gateway's configuration; \
    `model` names a model, an alias or `auto`";
const OTHERS: &str = "\
    which models may take over is decided by the gateway's policy: set `model` to an \
    alias that lists them, or to `auto`";
const WHO: &str = "\
    which endpoint serves a model is decided by the gateway; `model` names a model, an \
    alias or `auto`, and `x-signalbox-data-class` keeps text where it may be";
const TRIES: &str = "how often it is tried again is decided by the gateway's policy";
const AS_IT_IS: &str = "\
    prompts are sent on as they are; one that is too long goes to a model with room for \
    it, if there is one";
const PRICES: &str = "prices stand in the gateway's configuration";
const MOCK: &str = "answers are never made up; for tests, `signalbox sim` stands in for engines";
const BODY: &str = "what it holds belongs into the request itself";

/// By name, in the order of the alphabet.
static REFUSED: [(&str, &str); 35] = [
    ("api_base", WHERE),
    ("api_key", WHERE),
    ("api_version", WHERE),
    ("base_url", WHERE),
    ("bootstrap_host", WHERE),
    ("bootstrap_port", WHERE),
    ("bootstrap_room", WHERE),
    ("chat_template", TEMPLATE),
    ("content_policy_fallbacks", OTHERS),
    ("context_window_fallbacks", OTHERS),
    ("custom_llm_provider", WHERE),
    ("custom_logit_processor", CODE),
    ("ec_transfer_params", STATE),
    ("extra_body", BODY),
    ("extra_headers", WHERE),
    ("fallbacks", OTHERS),
    ("input_cost_per_second", PRICES),
    ("input_cost_per_token", PRICES),
    ("input_embeds", STATE),
    ("kv_transfer_params", STATE),
    ("logits_processors", CODE),
    ("mock_response", MOCK),
    ("mock_tool_calls", MOCK),
    ("model_list", WHERE),
    ("models", OTHERS),
    ("num_retries", TRIES),
    ("output_cost_per_second", PRICES),
    ("output_cost_per_token", PRICES),
    ("plugins", AS_IT_IS),
    ("preset", AS_IT_IS),
    ("prompt_embeds", STATE),
    ("provider", WHO),
    ("route", OTHERS),
    ("transforms", AS_IT_IS),
    ("user_config", WHERE),
];

/// What to use instead of a parameter that is refused.
pub(super) fn instead(name: &[u8]) -> Option<&'static str> {
    let at = REFUSED.binary_search_by(|(known, _)| known.as_bytes().cmp(name)).ok()?;
    REFUSED.get(at).map(|(_, instead)| *instead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name() {
        for (name, said) in REFUSED {
            assert_eq!(instead(name.as_bytes()), Some(said), "{name}");
        }
        for name in ["", "model", "metadata", "mode", "routes", "zzz"] {
            assert_eq!(instead(name.as_bytes()), None, "{name}");
        }
    }
}
