//! Vectors and ranks, made of the texts alone: the same text has the same vector from the same model, and
//! from no other one.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    ask::{texts, tokens},
    reply::Used,
    spec::{ModelSpec, UsageReporting},
};

/// The longest vector that is made.
const DIMENSIONS_MAX: u32 = 8_192;

#[derive(Deserialize)]
struct Inputs {
    input: Value,
    dimensions: Option<u32>,
    encoding_format: Option<String>,
}

#[derive(Deserialize)]
struct Ranking {
    query: String,
    documents: Vec<Value>,
    top_n: Option<usize>,
    return_documents: Option<bool>,
}

/// The answer to a request for vectors, or what is wrong with it.
pub(super) fn embeddings(spec: &ModelSpec, body: &[u8]) -> Result<(Bytes, Used), String> {
    let asked: Inputs = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let inputs = texts(&asked.input).ok_or("input: a text or tokens are expected")?;
    let length = asked.dimensions.unwrap_or(spec.dimensions).clamp(1, DIMENSIONS_MAX);
    let in_base64 = asked.encoding_format.as_deref() == Some("base64");
    let item = |(index, (text, _)): (usize, &(String, u32))| {
        let vector = vector(spec, text, length);
        let vector = if in_base64 { json!(packed(&vector)) } else { json!(vector) };
        json!({ "object": "embedding", "index": index, "embedding": vector })
    };
    let data: Vec<Value> = inputs.iter().enumerate().map(item).collect();
    let prompt = inputs.iter().map(|it| it.1).sum();
    let answer = json!({ "object": "list", "model": spec.id, "data": data });
    Ok(told(spec, answer, prompt))
}

/// The answer to a request for ranks, or what is wrong with it: the more words of the query a document has,
/// the higher it stands.
pub(super) fn rerank(spec: &ModelSpec, body: &[u8]) -> Result<(Bytes, Used), String> {
    let asked: Ranking = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let text = |it: &Value| {
        let text = it.as_str().or_else(|| it.get("text")?.as_str());
        text.map(str::to_owned).ok_or("documents: texts are expected")
    };
    let documents = asked.documents.iter().map(text).collect::<Result<Vec<String>, _>>()?;
    let mut ranked: Vec<(usize, f64)> =
        documents.iter().map(|it| score(&asked.query, it)).enumerate().collect();
    ranked.sort_by(|one, other| other.1.total_cmp(&one.1));
    ranked.truncate(asked.top_n.unwrap_or(usize::MAX));
    let result = |(index, score): (usize, f64)| {
        let mut result = json!({ "index": index, "relevance_score": score });
        if let (Some(true), Some(text), Some(it)) =
            (asked.return_documents, documents.get(index), result.as_object_mut())
        {
            it.insert("document".to_owned(), json!({ "text": text }));
        }
        result
    };
    let results: Vec<Value> = ranked.into_iter().map(result).collect();
    let query = tokens(&asked.query);
    let prompt = documents.iter().map(|it| tokens(it).saturating_add(query)).sum();
    let seed = xxh3_64_with_seed(asked.query.as_bytes(), 0);
    let id = format!("rerank-{seed:016x}");
    Ok(told(spec, json!({ "id": id, "model": spec.id, "results": results }), prompt))
}

/// An answer with what was used, where the model tells it.
fn told(spec: &ModelSpec, mut answer: Value, prompt: u32) -> (Bytes, Used) {
    if let Some(it) = answer.as_object_mut().filter(|_| spec.quirks.usage != UsageReporting::Never)
    {
        let usage = json!({ "prompt_tokens": prompt, "total_tokens": prompt });
        it.insert("usage".to_owned(), usage);
    }
    (answer.to_string().into(), Used { prompt, ..Used::default() })
}

/// A vector of length 1 in so many dimensions.
fn vector(spec: &ModelSpec, text: &str, length: u32) -> Vec<f32> {
    let own = xxh3_64_with_seed(spec.id.as_bytes(), 0);
    let number = |at: u32| {
        let hash = xxh3_64_with_seed(text.as_bytes(), own.wrapping_add(u64::from(at)));
        (hash % 2_001) as f32 / 1_000.0 - 1.0
    };
    let plain: Vec<f32> = (0..length).map(number).collect();
    let norm = plain.iter().map(|it| it * it).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    plain.into_iter().map(|it| it / norm).collect()
}

/// A vector as base64 of its numbers, 4 bytes each, the lowest first.
fn packed(vector: &[f32]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = vector.iter().flat_map(|it| it.to_le_bytes()).collect();
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let all = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS.get((all >> (18 - 6 * at) & 63) as usize).copied().unwrap_or(b'=');
            text.push(if at > three.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

/// How much of the query's words a document has, from 0 to 1.
fn score(query: &str, document: &str) -> f64 {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|it| !it.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let (asked, has) = (words(query), words(document));
    let shared = asked.iter().filter(|it| has.contains(it)).count();
    let spread = xxh3_64_with_seed(document.as_bytes(), 0) % 1_000;
    (shared as f64 + spread as f64 / 1_000.0) / (asked.len() as f64 + 1.0)
}
