//! The language that a translation is to be in, where the request names it.

use std::{cmp::Reverse, sync::OnceLock};

use smallvec::SmallVec;

use super::{
    keywords::{Found, Keywords},
    sample,
};
use crate::Language;

/// Names of languages as the bank's languages write them; in small letters.
const NAMES: [(Language, &str); 22] = [
    (
        Language::En,
        "english, inglés, anglais, englisch, englische, inglês, английский, الإنجليزية, \
         inggeris, inggris, 英语, 英文, 英語, อังกฤษ, tiếng anh, 영어, 영문, अंग्रेज़ी, \
         अंग्रेजी, ஆங்கில, ingles, inglese, အင်္ဂလိပ်, អង់គ្លេស",
    ),
    (
        Language::Ms,
        "malay, bahasa melayu, bahasa malaysia, 马来, 馬來, マレー語, 말레이, tiếng mã lai, มลายู, \
         มาเลย์, மலாய், मलय, မလေး, ម៉ាឡេ",
    ),
    (
        Language::Id,
        "indonesian, bahasa indonesia, 印尼, インドネシア語, 인도네시아어, อินโดนีเซีย, tiếng indonesia, \
         indonesiano",
    ),
    (
        Language::Ja,
        "japanese, japonés, japonais, japanisch, japanische, jepun, jepang, 日语, 日文, 日語, 日本語, \
         일본어, ญี่ปุ่น, tiếng nhật, giapponese, \
         hapon, जापानी, ஜப்பானிய, ဂျပန်, ជប៉ុន",
    ),
    (
        Language::Ko,
        "korean, bahasa korea, 韩语, 韩文, 韓文, 韓語, 韓国語, 한국어, เกาหลี, tiếng hàn, coreano, \
         koreano, कोरियाई, கொரிய, ကိုရီးယား, កូរ៉េ",
    ),
    (
        Language::Th,
        "thai, tailandés, thaï, thailändisch, 泰语, 泰文, 泰語, タイ語, 태국어, ภาษาไทย, tiếng thái, \
         tailandese, थाई, தாய், ထိုင်း, \
         ថៃ",
    ),
    (
        Language::Vi,
        "vietnamese, bahasa vietnam, 越南语, 越南文, 越南語, ベトナム語, 베트남어, tiếng việt, เวียดนาม, \
         vietnamita, वियतनामी, ဗီယက်နမ်, វៀតណាម",
    ),
    (Language::Ta, "tamil, 淡米尔, 泰米尔, 淡米爾, தமிழில், தமிழுக்கு, タミル語, 타밀어, ทมิฬ, तमिल"),
    (Language::Tl, "tagalog, filipino, 他加禄, 菲律宾, 菲律賓, タガログ語, 타갈로그어, ตากาล็อก"),
    (Language::Hi, "hindi, 印地语, 印地語, हिंदी, हिन्दी, ヒンディー語, 힌디어, ฮินดี, இந்தி"),
    (
        Language::My,
        "burmese, bahasa burma, 缅甸语, 缅文, 緬甸文, မြန်မာ, ビルマ語, ミャンマー語, 버마어, 미얀마어, พม่า",
    ),
    (Language::Km, "khmer, cambodian, 高棉, 柬埔寨, ខ្មែរ, クメール語, 크메르어, เขมร"),
    (
        Language::It,
        "italian, bahasa itali, 意大利语, イタリア語, 이탈리아어, italiano, อิตาลี, tiếng ý",
    ),
    (Language::ZhHant, "traditional chinese, 繁体, 繁體, 번체, 繁体字, 正體中文"),
    (Language::Yue, "cantonese, 粤语, 粵語, 廣東話, 广东话, kantonis, 広東語, 광둥어, กวางตุ้ง"),
    (
        Language::ZhHans,
        "chinese, chino, chinois, chinesisch, chinesische, الصينية, mandarin, \
         simplified chinese, bahasa cina, bahasa tionghoa, 中文, 汉语, 华语, \
         华文, 華語, 漢語, 简体, 中国語, 중국어, ภาษาจีน, จีนกลาง, tiếng trung, cinese, चीनी, சீன, \
         တရုတ်, ចិន, intsik",
    ),
    (
        Language::Fr,
        "french, francés, français, französisch, französische, 法语, 法文, 法語, フランス語, 프랑스어, \
         perancis, prancis, ฝรั่งเศส, tiếng pháp, \
         francese",
    ),
    (
        Language::De,
        "german, alemán, allemand, deutsch, deutsche, 德语, 德文, 德語, ドイツ語, 독일어, jerman, เยอรมัน, \
         tiếng đức, tedesco",
    ),
    (
        Language::Es,
        "spanish, español, espagnol, spanisch, spanische, 西班牙语, 西班牙文, スペイン語, 스페인어, sepanyol, \
         spanyol, สเปน, spagnolo",
    ),
    (Language::Pt, "portuguese, 葡萄牙语, 葡萄牙文, ポルトガル語, portugis, portoghese"),
    (Language::Ru, "russian, 俄语, 俄文, ロシア語, 러시아어, russo"),
    (Language::Ar, "arabic, 阿拉伯语, アラビア語, bahasa arab, arabo"),
];

/// What stands before a name that is the target.
const BEFORE: [&str; 34] = [
    "to",
    "into",
    "in",
    "to bahasa",
    "in bahasa",
    "ke",
    "ke dalam",
    "ke bahasa",
    "ke dalam bahasa",
    "dalam",
    "dalam bahasa",
    "ke dlm",
    "dlm bahasa",
    "sang",
    "thành",
    "bằng",
    "sa",
    "sa wikang",
    "tungo sa",
    "成",
    "为",
    "為",
    "到",
    "作",
    "做",
    "用",
    "เป็น",
    "เป็นภาษา",
    "ជា",
    "ជាភាសា",
    "simplified",
    "traditional",
    "modern",
    "formal",
];
/// What stands after one.
const AFTER: [&str; 13] =
    ["に", "へ", "で", "로", "으로", "में", "த்தில்", "த்துக்கு", "த்திற்கு", "ில்", "லோ", "လို", "ဘာသာသို့"];

/// Bytes of the request that are looked at, from its head and from its tail.
const SPAN: usize = 240;

/// A language's name in a text, and whether its surroundings say that it is the target.
struct Named {
    language: Language,
    target: bool,
}

/// The language that is named as the target: in the head, else in the tail; the first one whose surroundings
/// say so (`into Thai`), else the last one.
#[must_use]
pub fn read(instruction: &str) -> Option<Language> {
    let head = instruction.get(..sample::floor(instruction, SPAN)).unwrap_or("");
    let rest = instruction.get(head.len()..).unwrap_or("");
    let tail = rest.get(sample::floor(rest, rest.len().saturating_sub(SPAN))..).unwrap_or("");
    let (in_head, in_tail) = (named(head), named(tail));
    let stated = in_head.iter().chain(&in_tail).find(|it| it.target);
    stated.or(in_head.last()).or(in_tail.last()).map(|it| it.language)
}

/// Every name in a text, in its order: of those that stand at one place the longest.
fn named(text: &str) -> SmallVec<[Named; 8]> {
    let mut places = SmallVec::<[Found<Language>; 8]>::new();
    names().into_iter().for_each(|names| {
        names.each(text, |found| {
            if is_word(text, &found) {
                places.push(found);
            }
        });
    });
    places.sort_by_key(|it| (it.start, Reverse(it.end)));
    let (mut named, mut passed) = (SmallVec::new(), 0);
    for Found { value: language, start, end } in places {
        if start < passed {
            continue;
        }
        passed = end;
        let (before, after) = (text.get(..start).unwrap_or(""), text.get(end..).unwrap_or(""));
        named.push(Named { language, target: stated(before, after) });
    }
    named
}

/// Whether a name in Latin letters is no part of a word.
fn is_word(text: &str, name: &Found<Language>) -> bool {
    let (before, rest) = (text.get(..name.start), text.get(name.start..).unwrap_or(""));
    if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return true;
    }
    let behind = text.get(name.end..).unwrap_or("");
    !behind.starts_with(char::is_alphabetic)
        && !before.is_some_and(|it| it.ends_with(char::is_alphabetic))
}

fn stated(before: &str, after: &str) -> bool {
    let before = before.trim_end_matches([' ', '"', '“', '「']);
    let ends = |word: &str| {
        let Some(at) = before.len().checked_sub(word.len()) else { return false };
        let (Some(rest), Some(end)) = (before.get(..at), before.get(at..)) else { return false };
        let word_begins = !word.is_ascii() || !rest.ends_with(|c: char| c.is_ascii_alphabetic());
        word_begins && end.eq_ignore_ascii_case(word)
    };
    BEFORE.iter().any(|word| ends(word)) || AFTER.iter().any(|word| after.starts_with(word))
}

/// The names; made ready once.
fn names() -> Option<&'static Keywords<Language>> {
    static MADE: OnceLock<Option<Keywords<Language>>> = OnceLock::new();
    let each = || NAMES.iter().flat_map(|(it, names)| names.split(", ").map(|name| (name, *it)));
    let each = || each().flat_map(|(name, it)| cases(name).map(move |name| (name, it)));
    MADE.get_or_init(|| Keywords::of(each())).as_ref()
}

/// A name as it is written in small letters, with a capital and in capitals, where that is not ASCII.
fn cases(name: &str) -> impl Iterator<Item = String> {
    let mut chars = name.chars();
    let capital = chars.next().into_iter().flat_map(char::to_uppercase);
    let written = [capital.chain(chars).collect(), name.to_uppercase()];
    let other = written.into_iter().filter(|it| !it.eq_ignore_ascii_case(name));
    other.chain([name.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_the_language_to_translate_into() {
        let cases = [
            ("Translate from Thai into English: สวัสดี", Language::En),
            ("Translate to French: The Chinese market closed early.", Language::Fr),
            ("Translate this English sentence to Japanese.", Language::Ja),
            ("How do you say 'good luck' in Vietnamese?", Language::Vi),
            ("把下面的英文翻译成中文：Good morning", Language::ZhHans),
            ("請將以下內容翻譯成繁體中文：hello", Language::ZhHant),
            ("呢句用廣東話點講？", Language::Yue),
            ("この文を英語に翻訳してください。", Language::En),
            ("다음 문장을 일본어로 번역해 주세요.", Language::Ja),
            ("Terjemahkan ke dalam bahasa Inggeris: Selamat pagi", Language::En),
            ("Terjemahkan kalimat bahasa Inggris ini ke bahasa Indonesia", Language::Id),
            ("แปลเป็นภาษาไทย: Good night", Language::Th),
            ("Dịch câu tiếng Anh sau sang tiếng Việt", Language::Vi),
            ("इसे अंग्रेज़ी में अनुवाद करें", Language::En),
            ("Isalin sa Ingles: Salamat po", Language::En),
            ("Traduci in italiano: See you", Language::It),
            ("into simplified Chinese please", Language::ZhHans),
            ("Перевод на Английский", Language::En),
            ("DỊCH SANG TIẾNG ANH", Language::En),
            ("Translate to ENGLISH: apa khabar", Language::En),
        ];
        for (text, language) in cases {
            assert_eq!(read(text), Some(language), "{text}");
        }
        assert_eq!(read("Translate this: hello"), None);
        assert_eq!(read("Thailand and Chinatown"), None);
    }
}
