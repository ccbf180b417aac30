//! Whether a text refuses, by how it begins: a heuristic, nothing that anybody should be held to.

/// Characters from which on a text says more than that it refuses.
const CHARACTERS_MAX: usize = 400;

/// How refusals begin, in lower case; `,` stands for any comma. The languages are those that the
/// classifier knows.
const OPENINGS: &[&str] = &[
    // English.
    "i can't help",
    "i can't assist",
    "i can't provide",
    "i can't do that",
    "i cannot help",
    "i cannot assist",
    "i cannot provide",
    "i cannot do that",
    "i won't be able to",
    "i will not help",
    "i won't help",
    "i'm not able to help",
    "i'm not able to assist",
    "i'm unable to help",
    "i'm unable to assist",
    "i'm unable to provide",
    "i am unable to help",
    "i am unable to assist",
    "i am unable to provide",
    "i must decline",
    "i have to decline",
    "i'm sorry, but i can't",
    "i'm sorry, but i cannot",
    "i'm sorry, i can't",
    "i'm sorry, i cannot",
    "i'm sorry, but i'm unable",
    "i am sorry, but i can't",
    "i am sorry, but i cannot",
    "sorry, i can't",
    "sorry, i cannot",
    "sorry, but i can't",
    "sorry, but i cannot",
    "unfortunately, i can't",
    "unfortunately, i cannot",
    // Chinese, simplified.
    "抱歉,我不能",
    "抱歉,我无法",
    "很抱歉,我不能",
    "很抱歉,我无法",
    "对不起,我不能",
    "对不起,我无法",
    "我无法提供",
    "我无法协助",
    "我无法回答",
    "我不能帮",
    // Chinese, traditional.
    "抱歉,我無法",
    "很抱歉,我無法",
    "對不起,我不能",
    "對不起,我無法",
    "我無法提供",
    "我無法協助",
    "我無法回答",
    "我不能幫",
    // Malay.
    "maaf, saya tidak boleh",
    "maaf, saya tidak dapat",
    "minta maaf, saya tidak",
    "saya tidak dapat membantu",
    // Indonesian.
    "maaf, saya tidak bisa",
    "mohon maaf, saya tidak",
    "saya tidak bisa membantu",
    // Thai.
    "ขออภัย ฉันไม่สามารถ",
    "ขออภัย ผมไม่สามารถ",
    "ขออภัยค่ะ ดิฉันไม่สามารถ",
    "ขออภัยครับ ผมไม่สามารถ",
    "ขอโทษ ฉันไม่สามารถ",
    "ฉันไม่สามารถช่วย",
    // Vietnamese.
    "xin lỗi, tôi không thể",
    "rất tiếc, tôi không thể",
    "tôi xin lỗi, nhưng tôi không thể",
    "tôi không thể giúp",
    "tôi không thể hỗ trợ",
    // Tagalog.
    "paumanhin, hindi ko",
    "paumanhin, hindi ako",
    "pasensya na, hindi ko",
    "hindi kita matutulungan",
    // Japanese.
    "申し訳ありませんが,",
    "申し訳ございませんが,",
    "すみませんが,お手伝いできません",
    "お手伝いすることはできません",
    "お答えすることはできません",
    // Korean.
    "죄송하지만,",
    "죄송합니다만,",
    "도와드릴 수 없",
    // Hindi.
    "क्षमा करें, मैं",
    "मुझे खेद है, लेकिन मैं",
    // Tamil.
    "மன்னிக்கவும், என்னால்",
    "மன்னிக்கவும், நான்",
    "என்னால் இதற்கு உதவ முடியாது",
];

/// Whether a short text begins as refusals do. It is a heuristic: one that refuses in other words is not
/// found, and one that begins so and then helps is taken for one.
pub(super) fn in_words(text: &str) -> bool {
    let text = text.trim_start_matches(|it: char| it.is_whitespace() || "\"'*>_“「".contains(it));
    if text.trim_end().chars().nth(CHARACTERS_MAX).is_some() {
        return false;
    }
    let text = plain(text);
    OPENINGS.iter().any(|it| text.starts_with(&plain(it)))
}

/// A text in lower case, with one kind of apostrophe and comma, and no space behind a comma.
fn plain(text: &str) -> String {
    let (mut out, mut comma) = (String::with_capacity(text.len()), false);
    for character in text.chars().flat_map(char::to_lowercase) {
        let character = match character {
            '’' | '‘' | 'ʼ' => '\'',
            '，' | '、' => ',',
            other => other,
        };
        if comma && character.is_whitespace() {
            continue;
        }
        comma = character == ',';
        out.push(if character.is_whitespace() { ' ' } else { character });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_opening_is_needed_and_as_it_is_compared() {
        for (at, one) in OPENINGS.iter().enumerate() {
            assert_eq!(*one, one.to_lowercase(), "{one}");
            let others = OPENINGS.iter().enumerate().filter(|(other, _)| *other != at);
            for (_, other) in others {
                assert!(!plain(one).starts_with(&plain(other)), "{one} is in {other}");
            }
        }
    }
}
