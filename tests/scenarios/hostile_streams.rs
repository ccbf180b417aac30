//! Backends whose HTTP is right and whose answer is not, or is in a way that nobody expects.

use super::hostile::{DONE, FINISH, PLAIN, TEXT, USAGE, bytes, send};
use crate::harness::{
    byte_backend::Step,
    gateway::BACKEND_KEY,
    trial::{
        End::{self, Counted, Cut, Other, Whole},
        Trial, hold,
    },
};

const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// What streams begin with: no content yet.
const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
const ERROR: &str = "data: {\"error\":\"at http://zyzzyva.internal/v1\"}\n\n";

/// A stream of these writes, to the end of its connection.
fn stream(name: &str, writes: &[&str], end: End) -> Trial {
    let writes: Vec<_> = writes.iter().map(|it| it.as_bytes()).collect();
    written(name, &writes, end)
}

fn written(name: &str, writes: &[&[u8]], end: End) -> Trial {
    let steps = [HEAD.as_bytes()].into_iter().chain(writes.iter().copied());
    Trial::stream(name, steps.map(send).chain([Step::Close]).collect(), end)
}

/// A stream that says this and then does that.
fn then(name: &str, said: &str, step: Step, end: End) -> Trial {
    Trial::stream(name, vec![send([HEAD, said].concat()), step], end)
}

/// A plain answer with this body.
fn plain(name: &str, body: impl AsRef<[u8]>, end: End) -> Trial {
    let body = body.as_ref();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    Trial::plain(name, vec![send([head.as_bytes(), body].concat())], end)
}

fn flood(text: &str) -> Step {
    Step::Flood(text.as_bytes().to_vec())
}

/// Line ends, marks and fields as the standard of server-sent events lets them be.
#[tokio::test]
async fn an_odd_stream_is_a_stream() {
    let all = [TEXT, FINISH, USAGE, DONE].concat();
    let cr = all.replace('\n', "\r");
    let mixed = [TEXT, &FINISH.replace('\n', "\r\n"), &USAGE.replace('\n', "\r"), DONE].concat();
    let several = all.replace(",\"choices\":", ",\ndata: \"choices\":\ndata: ");
    let fields = all.replace("data:", "id: 7\nevent: message\nretry: 1\nzyz: 1\ndata:");
    let spaced = all.replace("data: {", "data:    {");
    let umlaut =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\u{1F682} zyzzyva\"}}]}\n\n";
    let at = umlaut.find('\u{1F682}').unwrap();
    let (umlaut, rest) = (umlaut.as_bytes(), [FINISH, USAGE, DONE].concat());
    let (one, two, three) = (&umlaut[..=at], &umlaut[at + 1..at + 3], &umlaut[at + 3..]);
    let named = TEXT.replace("zyzzyva", "[DONE]\\n\\ndata: [DONE] no");
    let split: Vec<_> = all.split_inclusive(|_| true).collect();
    let null = TEXT.replace("\"id\"", "\"error\":null,\"id\"");
    let first = TEXT.replace("zyzzyva", "zyz");
    let last = TEXT.replace("}}]", "},\"finish_reason\":\"stop\"}]");
    let other = "data: {\"choices\":[]}\n\ndata: {\"zyz\":[1,{}]}\n\n: hm\n\ndata:\n\n\n\n";
    hold(vec![
        stream("byte_order_mark", &["\u{feff}", &all], Whole),
        stream("byte_order_mark_cut", &["\u{feff}data", &all[4..]], Whole),
        stream("cr_only", &[&cr], Whole),
        stream("cr_only_one_event_a_write", &[&cr[..TEXT.len()], &cr[TEXT.len()..]], Whole),
        stream("mixed_line_ends", &[&mixed], Whole),
        stream("data_in_several_lines", &[&several], Whole),
        stream("fields_beside_data", &[&fields], Whole),
        stream("many_spaces", &[&spaced], Whole),
        written("letter_cut_in_three", &[one, two, three, rest.as_bytes()], Whole),
        stream("done_cut_in_two", &[TEXT, FINISH, USAGE, "data: [DO", "NE]\n", "\n"], Whole),
        stream("one_byte_a_write", &split, Whole),
        stream("done_twice", &[&all, DONE], Whole),
        stream("text_after_done", &[&all, TEXT, "data: {\"choices\"", ":[]"], Whole),
        stream("error_after_done", &[&all, "data: {\"error\":\"late\"}\n\n"], Whole),
        then("silence_after_done", &all, Step::Silence, Whole),
        then("flood_after_done", &all, flood(TEXT), Whole),
        then("reset_after_done", &all, Step::Reset, Whole),
        stream("no_done_after_finish", &[TEXT, FINISH, USAGE], Whole),
        stream("done_without_a_blank_line", &[TEXT, FINISH, USAGE, "data: [DONE]"], Whole),
        stream("last_text_without_a_blank_line", &[&first, USAGE, last.trim_end()], Whole),
        stream("only_event_without_a_blank_line", &[USAGE, last.trim_end()], Whole),
        stream("usage_without_a_blank_line", &[TEXT, FINISH, USAGE.trim_end()], Whole),
        stream("done_without_finish", &[TEXT, USAGE, DONE], Whole),
        stream("error_null", &[&null, FINISH, USAGE, DONE], Whole),
        stream("events_of_no_meaning", &[other, TEXT, other, FINISH, USAGE, DONE], Whole),
        stream("finish_twice", &[TEXT, FINISH, FINISH, USAGE, DONE], Whole),
        stream("done_in_the_text", &[TEXT, &named, FINISH, USAGE, "data: [DONE]\r\n\r\n"], Whole),
    ])
    .await;
}

#[tokio::test]
async fn a_stream_that_breaks_before_its_content() {
    let large = TEXT.replace("zyzzyva", &"y".repeat(1_500_000));
    let deep = format!("data: {}{}\n\n", "[".repeat(10_000), "]".repeat(10_000));
    let nested = format!("data: {{\"choices\":{}{}}}\n\n", "[".repeat(10_000), "]".repeat(10_000));
    hold(vec![
        stream("event_above_a_mebibyte", &[&large, FINISH, USAGE, DONE], Other),
        stream("event_nested_deeply", &[&deep, DONE], Other),
        stream("choices_nested_deeply", &[&nested, DONE], Other),
        stream("role_then_end", &[ROLE], Other),
        stream("usage_then_done", &[USAGE, DONE], Other),
        stream("half_of_the_first_event", &[&TEXT[..40]], Other),
        stream("event_of_the_name_error", &["event: error\ndata: zyzzyva\n\n"], Other),
        stream("error_as_text", &["data: {\"error\":\"zyzzyva\"}\n\n"], Other),
        stream("object_of_the_name_error", &["data: {\"object\":\"error\"}\n\n"], Other),
        stream("error_beside_choices", &["data: {\"choices\":[],\"error\":{}}\n\n"], Other),
        stream("event_is_a_list", &["data: [{\"choices\":[]}]\n\n", TEXT, FINISH, DONE], Other),
        stream("event_is_a_number", &["data: 7\n\n", TEXT, FINISH, DONE], Other),
        stream("event_is_cut_json", &["data: {\"choices\":[\n\n", TEXT, FINISH, DONE], Other),
        stream("json_lines_for_events", &["{\"choices\":[]}\n{\"choices\":[]}\n\n"], Other),
        stream("whole_answer_for_events", &[PLAIN, "\n\n"], Other),
        written("utf_16", &[b"\xFF\xFEd\0a\0t\0a\0:\0 \0{\0}\0\n\0\n\0"], Other),
        then("error_in_the_same_write", &[TEXT, ERROR].concat(), Step::Close, Other),
        then("silence_in_mid_event", &TEXT[..40], Step::Silence, Other).hasty(),
        then("silence_after_its_role", ROLE, Step::Silence, Other).hasty(),
    ])
    .await;
}

#[tokio::test]
async fn a_stream_that_breaks_after_its_content() {
    let large = TEXT.replace("zyzzyva", &"y".repeat(1_500_000));
    let secret = format!("data: {{\"error\":\"{BACKEND_KEY} at http://zyzzyva.internal/v1\"}}\n\n");
    let named = TEXT.replace("zyzzyva", "[DONE]");
    let two = FINISH.replace("\"index\":0", "\"index\":1");
    let deep = format!("data: {}\n\n", "{\"a\":".repeat(10_000));
    hold(vec![
        stream("error_that_tells_secrets", &[TEXT, &secret, DONE], Cut),
        stream("error_after_finish", &[TEXT, FINISH, "data: {\"error\":\"x\"}\n\n", DONE], Cut),
        stream("error_without_a_blank_line", &[TEXT, FINISH, ERROR.trim_end()], Cut),
        stream("error_event_in_mid_stream", &[TEXT, "event: error\ndata: x\n\n", DONE], Cut),
        stream("done_only_in_the_text", &[TEXT, &named], Cut),
        stream("one_choice_of_two_finished", &[TEXT, &two], Cut),
        stream("garbage_in_mid_stream", &[TEXT, "data: zyz\n\n", FINISH, DONE], Cut),
        stream("html_in_mid_stream", &[TEXT, "data: <html>\n\n", FINISH, DONE], Cut),
        stream("deep_in_mid_stream", &[TEXT, &deep, FINISH, DONE], Cut),
        stream("large_in_mid_stream", &[TEXT, &large, FINISH, DONE], Cut),
        stream("finish_of_null_then_end", &[TEXT, &FINISH.replace("\"stop\"", "null")], Cut),
        stream("finish_of_nothing_then_end", &[TEXT, &FINISH.replace("stop", "")], Cut),
        stream("end_in_a_letter", &[TEXT, &TEXT[..60]], Cut),
        stream("half_of_done", &[TEXT, "data: [DON"], Cut),
        then("silence_after_finish", &[TEXT, FINISH].concat(), Step::Silence, Cut).hasty(),
        then("silence_in_mid_event_after_text", &TEXT.repeat(2)[..99], Step::Silence, Cut).hasty(),
    ])
    .await;
}

/// Usage that cannot be is replaced by our own count; odd usage that can be is not.
#[tokio::test]
async fn usage_that_cannot_be_is_not_believed() {
    let good = "{\"prompt_tokens\":9,\"completion_tokens\":2";
    let of = |prompt: &str, completion: &str| {
        format!("{{\"prompt_tokens\":{prompt},\"completion_tokens\":{completion}")
    };
    let cached = of("9", "2") + ",\"prompt_tokens_details\":{\"cached_tokens\":10}";
    let thought = of("9", "2") + ",\"completion_tokens_details\":{\"reasoning_tokens\":3}";
    let rows = [
        ("usage_negative", of("9", "-2"), Counted),
        ("usage_fractional", of("9", "2.5"), Counted),
        ("usage_as_text", of("9", "\"2\""), Counted),
        ("usage_of_1e300", of("1e300", "2"), Counted),
        ("usage_null", of("null", "null"), Counted),
        ("usage_of_a_list", of("[9]", "{}"), Counted),
        ("usage_true", of("true", "2"), Counted),
        ("usage_beyond_32_bits", of("9", "4294967297"), Counted),
        ("usage_beyond_the_request", of("4000000000", "2"), Counted),
        ("usage_beyond_the_answer", of("9", "3000000000"), Counted),
        ("usage_without_output", of("9", "0"), Counted),
        ("usage_without_input", "{\"completion_tokens\":2".to_owned(), Counted),
        ("usage_more_cached_than_read", cached, Counted),
        ("usage_more_thought_than_said", thought, Counted),
        ("usage_empty", "{\"zyz\":1".to_owned(), Counted),
        ("usage_with_more_in_it", good.to_owned() + ",\"zyz\":[{\"a\":null}]", Whole),
    ];
    let mut trials = Vec::new();
    for (name, usage, end) in rows {
        let body = PLAIN.replace(good, &usage);
        let event = USAGE.replace(good, &usage);
        assert!(body != PLAIN && event != USAGE, "{name}");
        trials.push(plain(name, body, end));
        trials.push(stream(name, &[TEXT, FINISH, &event, DONE], end));
    }
    let with =
        |event: &str, usage: &str| event.replace("\"id\":\"x\"", &format!("\"usage\":{usage}"));
    let running = with(TEXT, &(of("9", "1") + "}"));
    let null = with(TEXT, "null");
    let (cr, lines) = (USAGE.replace('\n', "\r"), USAGE.replace(",", "\ndata: ,"));
    let shrinking = USAGE.replace("2}}", "1}}");
    trials.extend([
        stream("usage_in_each_event", &[&running, FINISH, USAGE, DONE], Whole),
        stream("usage_null_in_each_event", &[&null, &with(FINISH, "null"), USAGE, DONE], Whole),
        stream("usage_with_finish", &[TEXT, &with(FINISH, &(of("9", "2") + "}")), DONE], Whole),
        stream("usage_before_content", &[USAGE, TEXT, FINISH, DONE], Whole),
        stream("metered", &[TEXT, FINISH, USAGE, DONE], Whole).metered(),
        stream("metered_in_cr", &[TEXT, FINISH, &cr, DONE], Whole).metered(),
        stream("metered_before_content", &[USAGE, TEXT, FINISH, DONE], Whole).metered(),
        stream("metered_without_a_blank_line", &[TEXT, FINISH, USAGE.trim_end()], Whole).metered(),
        stream("metered_in_two_lines", &[TEXT, FINISH, &lines, DONE], Whole).metered(),
        stream("metered_at_once", &[&[TEXT, FINISH, USAGE, DONE].concat()], Whole).metered(),
        stream("usage_twice", &[TEXT, FINISH, USAGE, USAGE, DONE], Whole),
        stream("usage_that_shrinks", &[TEXT, FINISH, USAGE, &shrinking, DONE], Whole),
        stream("usage_after_done", &[TEXT, FINISH, DONE, USAGE], Counted),
        stream("usage_without_finish", &[TEXT, DONE], Counted),
        plain("usage_a_number", PLAIN.replace(good, "7,\"a\":{\"b\":1"), Counted),
    ]);
    hold(trials).await;
}

#[tokio::test]
async fn a_plain_answer_that_is_none() {
    let latin = [PLAIN.split("zyz").next().unwrap().as_bytes(), b"\xE9zy\"}}]}"].concat();
    let cut = PLAIN.replace("zyzzyva", "\u{e9}");
    let letter = cut.as_bytes();
    let at = cut.find('\u{e9}').unwrap();
    let lone = [&letter[..at], &letter[at + 1..]].concat();
    let deep = format!("{{\"choices\":[{{\"message\":{{\"content\":\"a\"}}}}],\"a\":{}", {
        "[".repeat(10_000) + &"]".repeat(10_000) + "}"
    });
    let beside = PLAIN.replace("\"id\":\"x\"", "\"error\":{\"message\":\"zyzzyva.internal\"}");
    let choices = |text: &str| format!("{{\"id\":\"x\",\"choices\":{text}}}");
    hold(vec![
        plain("choices_empty", choices("[]"), Other),
        plain("choices_null", choices("null"), Other),
        plain("choices_of_text", choices("\"zyzzyva\""), Other),
        plain("choices_an_object", choices("{\"message\":{\"content\":\"zyzzyva\"}}"), Other),
        plain("choices_of_nulls", choices("[null]"), Other),
        plain("choices_missing", "{\"id\":\"x\",\"text\":\"zyzzyva\"}", Other),
        plain("latin_1", latin, Other),
        plain("half_a_letter", lone, Other),
        plain("nested_deeply", deep, Other),
        plain("two_answers_in_one_body", PLAIN.repeat(2), Other),
        plain("text_after_the_answer", format!("{PLAIN} zyz"), Other),
        plain("answer_in_a_list", format!("[{PLAIN}]"), Other),
        plain("answer_in_quotes", "\"zyzzyva\"", Other),
        plain("null", "null", Other),
        plain("comma_too_many", PLAIN.replace("11}}", "11},}"), Other),
        plain("error_beside_choices_plain", beside, Other),
        plain("error_of_text", "{\"error\":\"zyzzyva\"}", Other),
        plain("error_true", PLAIN.replace("\"id\":\"x\"", "\"error\":true"), Other),
        plain("byte_order_mark_plain", format!("\u{feff}{PLAIN}"), Other),
        plain("quotes_of_python", PLAIN.replace('"', "'"), Other),
        plain("not_a_number", PLAIN.replace("11}", "NaN}"), Other),
        plain("number_with_zeros", PLAIN.replace("11}", "0011}"), Other),
        plain("line_in_a_string", PLAIN.replace("\"x\"", "\"x\ny\""), Other),
        plain("unknown_escape", PLAIN.replace("\"x\"", "\"\\x\""), Other),
        plain("spaces_only", " \r\n\t".repeat(1_000), Other),
        plain("utf_16_plain", b"\xFF\xFE{\0}\0", Other),
    ])
    .await;
}

#[tokio::test]
async fn an_odd_plain_answer_is_an_answer() {
    let member = |text: &str| PLAIN.replace("\"id\":\"x\"", text);
    let twice = member("\"id\":\"x\",\"id\":\"y\",\"usage\":7");
    let silent = PLAIN.replace("\"content\":\"zyzzyva\"", "\"content\":null,\"a\":\"zyzzyva\"");
    let wide = member(&format!("\"a\":[{}0]", "0,".repeat(200_000)));
    let deep = member(&format!("\"a\":{}{}", "[".repeat(100), "]".repeat(100)));
    hold(vec![
        plain("error_null_plain", member("\"error\":null"), Whole),
        plain("error_false_plain", member("\"error\":false"), Whole),
        plain("keys_twice", twice, Whole),
        plain("content_null", silent, Whole).by_chat(),
        plain("wide", wide, Whole),
        plain("deep_within_bounds", deep, Whole),
        plain("spaces_around", format!("\r\n {PLAIN} \n\n"), Whole),
        plain("half_a_surrogate", PLAIN.replace("\"x\"", "\"\\ud800\""), Whole),
        plain("escaped_keys", PLAIN.replace("\"usage\"", "\"us\\u0061ge\""), Whole),
        Trial::plain(
            "no_length",
            bytes(format!("HTTP/1.1 200 OK\r\ncontent-type: a/json\r\n\r\n{PLAIN}")),
            Whole,
        ),
    ])
    .await;
}

/// Far above what an answer may be: given up long before its end.
#[tokio::test]
async fn what_has_no_end_is_not_read_to_it() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"a\":\"";
    let endless = vec![send(head), flood("zyz ")];
    hold(vec![
        Trial::plain("answer_without_end", endless, Other),
        then("comments_without_end", "", flood(": still here\n\n"), Other),
        then("empty_lines_without_end", "", flood("\n"), Other),
        then("roles_without_end", "", flood(ROLE), Other),
        then("line_without_end", "data: ", flood("x"), Other),
        then("fields_without_end", "", flood("id: 1\n"), Other),
        then("line_without_end_after_text", TEXT, flood("x"), Cut),
        then("comments_without_end_after_text", TEXT, flood(": hm\n\n"), Cut).hasty(),
        then("empty_lines_without_end_after_text", TEXT, flood("\n"), Cut).hasty(),
    ])
    .await;
}
