//! How engines and hosts say that a prompt is too long, in any words.
//!
//! A list of sentences lags behind what engines say, so it is only the first of three ways. The second
//! asks what a sentence is about: of a prompt, of its length or its tokens, and of too much. Where the
//! prompt is known to be near the model's context, the third asks no more than that it speaks of length.
//! What speaks of another field of the request is not read so.

/// Parts of sentences that mean it whatever else they say; lower case, like all that follow.
const SIGNS: &str = "context_length_exceeded|exceed_context_size|maximum context length|\
    context length|context size|context window|maximum model length|max_model_len|\
    max_position_embeddings|prompt is too long|input is too long|prompt too long|\
    longer than the maximum|longer than the model|exceeds the available context|\
    `inputs` tokens + `max_new_tokens` must be|inputs tokens + max_new_tokens must be|\
    range of input length|exceeded model token limit";

/// Names of the bound on an answer. It is the caller's own, unless it is what a long prompt left of it.
const BOUNDS: [&str; 5] = [
    "max_tokens",
    "max_completion_tokens",
    "max_new_tokens",
    "max_output_tokens",
    // How frameworks begin what they say of any field.
    "input should be",
];

/// What a prompt is called.
const PROMPT: &str = "input|prompt|message|context|your request|the request|requested token|\
    total token|number of token|token count|conversation|输入|輸入|提示|上下文|消息|请求|入力|\
    プロンプト|コンテキスト|입력|프롬프트|컨텍스트|entrada|mensaje|entrée|invite|eingabe|anfrage|\
    kontext|запрос|ввод|контекст|masukan|permintaan|konteks|ข้อความ|บริบท|đầu vào|yêu cầu|ngữ cảnh|\
    الإدخال|السياق|इनपुट|richiesta";

/// What its length is called.
const LENGTH: &str = "token|length|too long|too large for|longer|context|characters|kv cache|\
    字符|长度|長度|超长|过长|太长|上下文|字数|\
    トークン|長さ|長す|コンテキスト|토큰|길이|컨텍스트|longitud|longueur|jeton|trop long|länge|\
    zu lang|kontext|comprimento|длин|токен|контекст|panjang|konteks|ความยาว|โทเค|บริบท|độ dài|\
    quá dài|ngữ cảnh|طول|السياق|लंबाई|टोकन|lunghezza|uzunlu|długoś";

/// How too much is said.
const EXCESS: &str = "exceed|too long|too large|too many|longer than|greater than|larger than|\
    more than|must be <=|less than|at most|maximum|limit|range of|reduce|overflow|超过|超過|超出|\
    超长|过长|太长|限制|最大|超え|長す|上限|초과|너무|excede|supera |demasiado|muito long|dépass|\
    trop |überschr|überst|zu lang|превыш|слишком|melebihi|terlalu|เกิน|vượt|quá dài|تجاوز|طويل|\
    अधिक|troppo|aşıyor|przekr";

/// What else has a length or a limit, or speaks of tokens.
const OTHER: &str = "temperature|top_p|top_k|image|picture|图片|图像|audio|video|tool|function|\
    schema|grammar|regex|stop|logprob|logit|penalty|best_of|content filter|content_filter|\
    content management|content policy|safety|sensitive|敏感|moderation|per minute|per day|\
    rate limit|rate_limit|quota|api key|api_key|unexpected token|invalid token|access token|\
    token id|vocab|.name|metadata|thinking_budget|budget_tokens|guided_|prefill|'user'|cache_key";

/// What is counted of a prompt. Where that is too much, it does not matter what else is in it.
const COUNTED: &str = "input token|prompt token|message token|total token|total number of token|\
    number of input tokens|tokens in the prompt|tokens in the input|tokens in request";

/// Where a count of tokens is no length.
const UNCOUNTED: &str = "per min|per day|tpm|rate limit|rate_limit|quota|token id|vocab|thinking|\
    guided_|budget";

fn any(words: &str, of: &str) -> bool {
    of.split('|').any(|it| words.contains(it))
}

/// Whether these words, in lower case, say that a prompt is too long; `near` if it is known to fill a good
/// part of the model's context.
pub(super) fn says(words: &str, near: bool) -> bool {
    if any(words, SIGNS) || nothing_left(words) {
        return true;
    }
    let rest = without_bounds(words);
    if any(&rest, COUNTED) && any(&rest, EXCESS) && !any(words, UNCOUNTED) {
        return true;
    }
    speaks(words) && (near || any(&rest, PROMPT) && any(&rest, EXCESS))
}

/// Whether they speak of length, and of nothing but a prompt's.
pub(super) fn speaks(words: &str) -> bool {
    let rest = without_bounds(words);
    let bound = rest.len() < words.len() && !any(&rest, PROMPT);
    any(&rest, LENGTH) && !bound && !any(words, OTHER)
}

/// The rest of the words: these names hold words of their own.
fn without_bounds(words: &str) -> String {
    BOUNDS.iter().fold(words.to_owned(), |rest, it| rest.replace(it, ""))
}

/// A bound on the answer below nothing is no caller's: the gateway lets none through. It is what the
/// engine reckoned to be left beside the prompt.
fn nothing_left(words: &str) -> bool {
    let below = |it: &[u8]| matches!(it, [b' ' | b':' | b'=' | b'(', b'-', b'1'..=b'9']);
    let bound = BOUNDS.iter().filter(|it| it.starts_with("max")).any(|it| words.contains(it));
    bound && words.as_bytes().windows(3).any(below)
}
