//! Which label is meant by a word that is none: names of languages in English and in themselves, other words
//! for tasks, needs, classes, operations, days and windows.

use super::{TAG_BYTES_MAX, language};
use crate::facts::Language;

/// What is written, in lower case with `_` between words, and the labels that it may mean. A word may mean
/// something in several lists of labels: which of them are known where it stands decides.
const MEANT: &[(&str, &[&str])] = &[
    // Languages in English.
    ("arabic", &["ar"]),
    ("bengali", &["bn"]),
    ("bangla", &["bn"]),
    ("czech", &["cs"]),
    ("german", &["de"]),
    ("greek", &["el"]),
    ("english", &["en"]),
    ("american", &["en"]),
    ("british", &["en"]),
    ("spanish", &["es"]),
    ("castilian", &["es"]),
    ("persian", &["fa"]),
    ("farsi", &["fa"]),
    ("dari", &["fa"]),
    ("finnish", &["fi"]),
    ("french", &["fr"]),
    ("gujarati", &["gu"]),
    ("hebrew", &["he"]),
    ("hindi", &["hi"]),
    ("hungarian", &["hu"]),
    ("magyar", &["hu"]),
    ("indonesian", &["id"]),
    ("bahasa", &["id", "ms"]),
    ("bahasa_indonesia", &["id"]),
    ("italian", &["it"]),
    ("japanese", &["ja"]),
    ("jp", &["ja"]),
    ("javanese", &["jv"]),
    ("khmer", &["km"]),
    ("cambodian", &["km"]),
    ("kh", &["km"]),
    ("korean", &["ko"]),
    ("kr", &["ko"]),
    ("lao", &["lo"]),
    ("laotian", &["lo"]),
    ("malayalam", &["ml"]),
    ("marathi", &["mr"]),
    ("malay", &["ms"]),
    ("malaysian", &["ms"]),
    ("bahasa_melayu", &["ms"]),
    ("bahasa_malaysia", &["ms"]),
    ("burmese", &["my"]),
    ("myanmar", &["my"]),
    ("dutch", &["nl"]),
    ("flemish", &["nl"]),
    ("punjabi", &["pa"]),
    ("panjabi", &["pa"]),
    ("polish", &["pl", "rewriting"]),
    ("portuguese", &["pt"]),
    ("brazilian", &["pt"]),
    ("romanian", &["ro"]),
    ("moldovan", &["ro"]),
    ("russian", &["ru"]),
    ("sundanese", &["su"]),
    ("swedish", &["sv"]),
    ("tamil", &["ta"]),
    ("telugu", &["te"]),
    ("thai", &["th"]),
    ("tagalog", &["tl"]),
    ("filipino", &["tl"]),
    ("pilipino", &["tl"]),
    ("ph", &["tl"]),
    ("turkish", &["tr"]),
    ("ukrainian", &["uk"]),
    ("ua", &["uk"]),
    ("urdu", &["ur"]),
    ("vietnamese", &["vi"]),
    ("vn", &["vi"]),
    ("cantonese", &["yue"]),
    ("chinese", &["zh-Hans", "zh-Hant"]),
    ("zh", &["zh-Hans", "zh-Hant"]),
    ("zho", &["zh-Hans", "zh-Hant"]),
    ("chi", &["zh-Hans", "zh-Hant"]),
    ("cn", &["zh-Hans"]),
    ("mandarin", &["zh-Hans", "zh-Hant"]),
    ("putonghua", &["zh-Hans"]),
    ("simplified", &["zh-Hans"]),
    ("simplified_chinese", &["zh-Hans"]),
    ("chinese_simplified", &["zh-Hans"]),
    ("chinese_(simplified)", &["zh-Hans"]),
    ("traditional", &["zh-Hant"]),
    ("traditional_chinese", &["zh-Hant"]),
    ("chinese_traditional", &["zh-Hant"]),
    ("chinese_(traditional)", &["zh-Hant"]),
    ("tw", &["zh-Hant"]),
    ("unknown", &["und"]),
    ("undetermined", &["und"]),
    // Languages in themselves.
    ("العربية", &["ar"]),
    ("বাংলা", &["bn"]),
    ("čeština", &["cs"]),
    ("deutsch", &["de"]),
    ("ελληνικά", &["el"]),
    ("español", &["es"]),
    ("espanol", &["es"]),
    ("فارسی", &["fa"]),
    ("suomi", &["fi"]),
    ("français", &["fr"]),
    ("francais", &["fr"]),
    ("ગુજરાતી", &["gu"]),
    ("עברית", &["he"]),
    ("हिन्दी", &["hi"]),
    ("हिंदी", &["hi"]),
    ("italiano", &["it"]),
    ("日本語", &["ja"]),
    ("nihongo", &["ja"]),
    ("basa_jawa", &["jv"]),
    ("jawa", &["jv"]),
    ("ខ្មែរ", &["km"]),
    ("한국어", &["ko"]),
    ("ລາວ", &["lo"]),
    ("മലയാളം", &["ml"]),
    ("मराठी", &["mr"]),
    ("melayu", &["ms"]),
    ("မြန်မာ", &["my"]),
    ("nederlands", &["nl"]),
    ("ਪੰਜਾਬੀ", &["pa"]),
    ("polski", &["pl"]),
    ("português", &["pt"]),
    ("portugues", &["pt"]),
    ("română", &["ro"]),
    ("romana", &["ro"]),
    ("русский", &["ru"]),
    ("basa_sunda", &["su"]),
    ("sunda", &["su"]),
    ("svenska", &["sv"]),
    ("தமிழ்", &["ta"]),
    ("తెలుగు", &["te"]),
    ("ไทย", &["th"]),
    ("türkçe", &["tr"]),
    ("turkce", &["tr"]),
    ("українська", &["uk"]),
    ("اردو", &["ur"]),
    ("tiếng_việt", &["vi"]),
    ("tieng_viet", &["vi"]),
    ("粵語", &["yue"]),
    ("粤语", &["yue"]),
    ("廣東話", &["yue"]),
    ("广东话", &["yue"]),
    ("中文", &["zh-Hans", "zh-Hant"]),
    ("汉语", &["zh-Hans"]),
    ("漢語", &["zh-Hant"]),
    ("简体中文", &["zh-Hans"]),
    ("繁體中文", &["zh-Hant"]),
    // Tasks, and what models are used for.
    ("code", &["coding"]),
    ("code_generation", &["coding"]),
    ("programming", &["coding"]),
    ("program", &["coding"]),
    ("sql", &["coding"]),
    ("debugging", &["coding"]),
    ("maths", &["math"]),
    ("mathematics", &["math"]),
    ("arithmetic", &["math"]),
    ("calculation", &["math"]),
    ("translate", &["translation"]),
    ("translating", &["translation"]),
    ("mt", &["translation"]),
    ("summary", &["summarization"]),
    ("summaries", &["summarization"]),
    ("summarize", &["summarization"]),
    ("summarise", &["summarization"]),
    ("summarisation", &["summarization"]),
    ("extract", &["extraction"]),
    ("ner", &["extraction"]),
    ("ocr", &["extraction"]),
    ("classify", &["classification"]),
    ("classifier", &["classification"]),
    ("sentiment", &["classification"]),
    ("labelling", &["classification"]),
    ("labeling", &["classification"]),
    ("qa", &["closed_qa", "open_qa"]),
    ("q_a", &["closed_qa", "open_qa"]),
    ("q&a", &["qa", "closed_qa", "open_qa"]),
    ("question", &["qa", "closed_qa", "open_qa"]),
    ("questions", &["qa", "closed_qa", "open_qa"]),
    ("question_answering", &["qa", "closed_qa", "open_qa"]),
    ("rag", &["qa", "closed_qa"]),
    ("closed_qa", &["qa"]),
    ("open_qa", &["qa"]),
    ("brainstorming", &["qa"]),
    ("retrieval", &["closed_qa"]),
    ("knowledge", &["open_qa"]),
    ("write", &["writing"]),
    ("creative_writing", &["writing"]),
    ("copywriting", &["writing"]),
    ("drafting", &["writing"]),
    ("rewrite", &["rewriting", "writing"]),
    ("rewriting", &["writing"]),
    ("paraphrase", &["rewriting", "writing"]),
    ("proofreading", &["rewriting", "writing"]),
    ("editing", &["rewriting", "writing"]),
    ("brainstorm", &["brainstorming", "qa"]),
    ("ideas", &["brainstorming", "qa"]),
    ("ideation", &["brainstorming", "qa"]),
    ("conversation", &["chat"]),
    ("conversational", &["chat"]),
    ("smalltalk", &["chat"]),
    ("small_talk", &["chat"]),
    ("dialog", &["chat"]),
    ("dialogue", &["chat"]),
    ("general", &["chat"]),
    ("chitchat", &["chat"]),
    ("agent", &["tool_use"]),
    ("agents", &["tool_use"]),
    ("agentic", &["tool_use"]),
    ("tools", &["tool_use"]),
    ("tool", &["tool_use", "tools"]),
    ("tool_use", &["tools"]),
    ("tool_calls", &["tool_use", "tools"]),
    ("tool_calling", &["tool_use", "tools"]),
    ("function", &["tool_use", "tools"]),
    ("functions", &["tool_use", "tools"]),
    ("function_call", &["tool_use", "tools"]),
    ("function_calls", &["tool_use", "tools"]),
    ("function_calling", &["tool_use", "tools"]),
    ("bank", &["banking"]),
    ("finance", &["banking"]),
    ("payments", &["banking"]),
    // Needs and capabilities.
    ("image", &["vision"]),
    ("images", &["vision"]),
    ("image_input", &["vision"]),
    ("visual", &["vision"]),
    ("pictures", &["vision"]),
    ("multimodal", &["vision"]),
    ("sound", &["audio"]),
    ("speech", &["audio"]),
    ("voice", &["audio"]),
    ("input_audio", &["audio"]),
    ("json", &["json_schema"]),
    ("schema", &["json_schema"]),
    ("json_object", &["json_schema"]),
    ("json_mode", &["json_schema"]),
    ("response_format", &["json_schema"]),
    ("structured", &["json_schema"]),
    ("structured_output", &["json_schema"]),
    ("structured_outputs", &["json_schema"]),
    ("thinking", &["reasoning"]),
    ("think", &["reasoning"]),
    ("reason", &["reasoning"]),
    ("effort", &["reasoning"]),
    ("reasoning_effort", &["reasoning"]),
    ("logprob", &["logprobs"]),
    ("log_probs", &["logprobs"]),
    ("top_logprobs", &["logprobs"]),
    ("long", &["long_context"]),
    ("context", &["long_context"]),
    ("long_documents", &["long_context"]),
    // Data classes.
    ("open", &["public"]),
    ("unclassified", &["public"]),
    ("private", &["confidential", "internal"]),
    ("internal_only", &["internal"]),
    ("internal_use", &["internal"]),
    ("restricted", &["confidential", "secret"]),
    ("sensitive", &["confidential"]),
    ("personal", &["confidential"]),
    ("pii", &["confidential"]),
    ("highly_confidential", &["secret"]),
    ("strictly_confidential", &["secret"]),
    ("top_secret", &["secret"]),
    ("classified", &["secret"]),
    // Operations.
    ("chat_completion", &["chat"]),
    ("chat_completions", &["chat"]),
    ("chat/completions", &["chat"]),
    ("/v1/chat/completions", &["chat"]),
    ("messages", &["chat"]),
    ("completion", &["text_completion"]),
    ("completions", &["text_completion"]),
    ("/v1/completions", &["text_completion"]),
    ("embedding", &["embeddings"]),
    ("embed", &["embeddings"]),
    ("/v1/embeddings", &["embeddings"]),
    ("reranking", &["rerank"]),
    ("ranking", &["rerank"]),
    ("/v1/rerank", &["rerank"]),
    // Days and windows.
    ("monday", &["mon"]),
    ("tuesday", &["tue"]),
    ("tues", &["tue"]),
    ("wednesday", &["wed"]),
    ("thursday", &["thu"]),
    ("thurs", &["thu"]),
    ("friday", &["fri"]),
    ("saturday", &["sat"]),
    ("sunday", &["sun"]),
    ("daily", &["day"]),
    ("1d", &["day"]),
    ("24h", &["day"]),
    ("weekly", &["week"]),
    ("7d", &["week"]),
    ("monthly", &["month"]),
    ("30d", &["month"]),
    ("forever", &["total"]),
    ("lifetime", &["total"]),
    // Ways to choose, and engines.
    ("price", &["cost"]),
    ("cheapest", &["cost"]),
    ("lowest_cost", &["cost"]),
    ("speed", &["latency"]),
    ("fastest", &["latency"]),
    ("lowest_latency", &["latency"]),
    ("busy", &["load"]),
    ("least_busy", &["load"]),
    ("round_robin", &["load", "weight"]),
    ("random", &["weight"]),
    ("weighted", &["weight"]),
    ("weights", &["weight"]),
    ("llama.cpp", &["llama_cpp"]),
    ("llamacpp", &["llama_cpp"]),
    ("text_generation_inference", &["tgi"]),
    ("openai_compatible", &["openai"]),
];

/// The labels among `known` that a word means, if it is another word for one of them.
pub(crate) fn meant<'a>(found: &str, known: impl Iterator<Item = &'a str> + Clone) -> Vec<&'a str> {
    if found.len() > TAG_BYTES_MAX {
        return Vec::new();
    }
    let word = found.trim().to_lowercase().replace(['-', ' '], "_");
    let among = |label: &str| known.clone().find(|it| *it == label && *it != found);
    // The label itself, but for its case or the signs between its words.
    let same = |it: &&str| it.to_lowercase().replace(['-', ' '], "_") == word && **it != *found;
    if let Some(label) = known.clone().find(same) {
        return vec![label];
    }
    let named = MEANT.iter().filter(|(other, _)| *other == word);
    let named: Vec<_> = named.flat_map(|(_, labels)| *labels).filter_map(|it| among(it)).collect();
    if !named.is_empty() {
        return named;
    }
    language(found.trim()).map(Language::code).and_then(among).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        facts::{CoarseTask, DataClass, Needs, Operation, Task},
        fault::did_you_mean,
    };

    const LANGUAGES: &[(&str, &str)] = &[
        ("thai", "`th`"),
        ("Thai", "`th`"),
        ("ไทย", "`th`"),
        ("chinese", "`zh-Hans` or `zh-Hant`"),
        ("zh", "`zh-Hans` or `zh-Hant`"),
        ("zh-CN", "`zh-Hans`"),
        ("zh_TW", "`zh-Hant`"),
        ("zh-hans", "`zh-Hans`"),
        ("Traditional Chinese", "`zh-Hant`"),
        ("中文", "`zh-Hans` or `zh-Hant`"),
        ("english", "`en`"),
        ("EN", "`en`"),
        ("en-US", "`en`"),
        ("bahasa", "`id` or `ms`"),
        ("Bahasa Indonesia", "`id`"),
        ("japanese", "`ja`"),
        ("日本語", "`ja`"),
        ("iw", "`he`"),
        ("fil", "`tl`"),
        ("Filipino", "`tl`"),
        ("tha", "`th`"),
        ("Español", "`es`"),
        ("Tiếng Việt", "`vi`"),
    ];

    #[test]
    fn a_language_is_known_by_its_names() {
        let known = || Language::ALL.iter().map(|it| it.code());
        for (word, right) in LANGUAGES {
            let said = did_you_mean(word, known());
            assert_eq!(said, Some(format!("did you mean {right}?")), "{word}");
        }
        // Every language but the one that is none has a name in English here.
        for language in Language::ALL {
            let named = |(word, labels): &&(&str, &[&str])| {
                word.is_ascii() && word.len() > 2 && labels.contains(&language.code())
            };
            assert!(MEANT.iter().any(|it| named(&it)), "{language}");
        }
        assert_eq!(did_you_mean("klingon", known()), None);
        assert_eq!(did_you_mean(&"x".repeat(1_000), known()), None);
    }

    #[test]
    fn a_task_a_need_a_class_and_an_operation_are_known_by_other_words() {
        let tasks: Vec<_> = Task::ALL.iter().map(|it| it.code()).collect();
        let coarse: Vec<_> = CoarseTask::ALL.iter().map(|it| it.code()).collect();
        let needs: Vec<_> = Needs::NAMES.iter().map(|it| it.1).collect();
        let classes: Vec<_> = DataClass::ALL.iter().map(|it| it.code()).collect();
        let operations: Vec<_> = Operation::ALL.iter().map(|it| it.code()).collect();
        let engines = vec!["vllm", "llama_cpp"];
        for (known, word, right) in [
            (&tasks, "code", "`coding`"),
            (&tasks, "summary", "`summarization`"),
            (&tasks, "qa", "`closed_qa` or `open_qa`"),
            (&coarse, "open_qa", "`qa`"),
            (&coarse, "rewriting", "`writing`"),
            (&tasks, "translate", "`translation`"),
            (&tasks, "maths", "`math`"),
            (&tasks, "agent", "`tool_use`"),
            (&tasks, "Tool Use", "`tool_use`"),
            (&tasks, "polish", "`rewriting`"),
            (&needs, "images", "`vision`"),
            (&needs, "functions", "`tools`"),
            (&needs, "json", "`json_schema`"),
            (&needs, "thinking", "`reasoning`"),
            (&classes, "restricted", "`confidential` or `secret`"),
            (&classes, "Confidential", "`confidential`"),
            (&classes, "top-secret", "`secret`"),
            (&operations, "chat/completions", "`chat`"),
            (&operations, "embedding", "`embeddings`"),
            (&engines, "llama.cpp", "`llama_cpp`"),
        ] {
            let said = did_you_mean(word, known.iter().copied());
            assert_eq!(said, Some(format!("did you mean {right}?")), "{word}");
        }
    }

    #[test]
    fn whatever_is_meant_is_a_label_and_no_word_stands_twice() {
        let mut words: Vec<_> = MEANT.iter().map(|(word, _)| *word).collect();
        assert!(words.iter().all(|it| it.to_lowercase() == **it && !it.contains([' ', '-'])));
        words.sort_unstable();
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]), "a word stands twice");
        let operations = Operation::ALL.iter().map(|it| it.code());
        let rest =
            ["mon", "tue", "wed", "thu", "fri", "sat", "sun", "day", "week", "month", "total"];
        let ways = ["cost", "latency", "load", "weight", "llama_cpp", "tgi", "openai"];
        let labels: Vec<&str> = Language::ALL
            .iter()
            .map(|it| it.code())
            .chain(Task::ALL.iter().map(|it| it.code()))
            .chain(CoarseTask::ALL.iter().map(|it| it.code()))
            .chain(Needs::NAMES.iter().map(|it| it.1))
            .chain(DataClass::ALL.iter().map(|it| it.code()))
            .chain(operations)
            .chain(rest)
            .chain(ways)
            .collect();
        for (word, meant) in MEANT {
            assert!(meant.iter().all(|it| labels.contains(it)), "{word}: {meant:?}");
        }
    }
}
