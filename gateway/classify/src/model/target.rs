//! The language that a translation is to be in, where the request names it.

use crate::Language;

/// Names of languages as the bank's languages write them.
const NAMES: &[(Language, &[&str])] = &[
    (
        Language::En,
        &[
            "english",
            "inggeris",
            "inggris",
            "英语",
            "英文",
            "英語",
            "ภาษาอังกฤษ",
            "tiếng anh",
            "영어",
            "अंग्रेज़ी",
            "अंग्रेजी",
            "ஆங்கில",
            "ingles",
            "inglese",
            "အင်္ဂလိပ်",
            "អង់គ្លេស",
        ],
    ),
    (
        Language::Ms,
        &[
            "malay",
            "bahasa melayu",
            "马来",
            "馬來",
            "マレー語",
            "말레이",
            "tiếng mã lai",
            "ภาษามลายู",
            "மலாய்",
        ],
    ),
    (Language::Id, &["indonesian", "bahasa indonesia", "印尼", "インドネシア語", "인도네시아어"]),
    (
        Language::Ja,
        &[
            "japanese",
            "bahasa jepun",
            "bahasa jepang",
            "日语",
            "日文",
            "日語",
            "日本語",
            "일본어",
            "ภาษาญี่ปุ่น",
            "tiếng nhật",
            "giapponese",
        ],
    ),
    (
        Language::Ko,
        &[
            "korean",
            "bahasa korea",
            "韩语",
            "韩文",
            "韓文",
            "韓語",
            "韓国語",
            "한국어",
            "ภาษาเกาหลี",
            "tiếng hàn",
        ],
    ),
    (
        Language::Th,
        &[
            "into thai",
            "to thai",
            "in thai",
            "bahasa thai",
            "泰语",
            "泰文",
            "泰語",
            "タイ語",
            "태국어",
            "ภาษาไทย",
            "tiếng thái",
        ],
    ),
    (
        Language::Vi,
        &[
            "vietnamese",
            "bahasa vietnam",
            "越南语",
            "越南文",
            "ベトナム語",
            "베트남어",
            "tiếng việt",
            "ภาษาเวียดนาม",
        ],
    ),
    (Language::Ta, &["tamil", "淡米尔", "தமிழில்", "தமிழுக்கு", "タミル語"]),
    (Language::Tl, &["tagalog", "filipino", "他加禄", "菲律宾语"]),
    (Language::Hi, &["hindi", "印地语", "हिंदी", "हिन्दी", "ヒンディー語"]),
    (Language::My, &["burmese", "缅甸语", "缅文", "မြန်မာ", "ビルマ語"]),
    (Language::Km, &["khmer", "cambodian", "高棉", "ខ្មែរ", "クメール語"]),
    (Language::It, &["italian", "意大利语", "イタリア語", "이탈리아어", "in italiano"]),
    (Language::ZhHant, &["traditional chinese", "繁体", "繁體", "繁体字"]),
    (Language::Yue, &["cantonese", "粤语", "粵語", "廣東話", "广东话"]),
    (
        Language::ZhHans,
        &[
            "chinese",
            "mandarin",
            "bahasa cina",
            "中文",
            "汉语",
            "华语",
            "中国語",
            "중국어",
            "ภาษาจีน",
            "tiếng trung",
            "cinese",
        ],
    ),
    (Language::Fr, &["french", "法语", "フランス語"]),
    (Language::De, &["german", "德语", "ドイツ語"]),
    (Language::Es, &["spanish", "西班牙语", "スペイン語"]),
];

/// Bytes of the request that are looked at, from its head and from its tail.
const SPAN: usize = 240;

/// The language that is named, if one is: the last one named in the head (`from Thai into English`),
/// else in the tail.
#[must_use]
pub fn read(instruction: &str) -> Option<Language> {
    let head_end = super::sample::floor(instruction, SPAN);
    let tail_from = super::sample::floor(instruction, instruction.len().saturating_sub(SPAN));
    let head = instruction.get(..head_end)?.to_lowercase();
    last_named(&head).or_else(|| {
        let tail = instruction.get(tail_from..)?.to_lowercase();
        last_named(&tail)
    })
}

fn last_named(text: &str) -> Option<Language> {
    let place = |names: &[&str]| names.iter().filter_map(|name| text.rfind(name)).max();
    let found = NAMES.iter().filter_map(|(language, names)| Some((place(names)?, *language)));
    // Of two names at the same place the first of the table is the closer one.
    found.rev().max_by_key(|(at, _)| *at).map(|(_, language)| language)
}
