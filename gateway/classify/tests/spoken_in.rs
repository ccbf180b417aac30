//! In which language a request asks, where words or characters of another one stand in it.

use classify::{Language, Prompt, classify};

/// Fails with every row that is read otherwise.
fn reads(rows: &[(&str, &str)]) {
    let read = |(wanted, text): &(&str, &str)| {
        let found = classify(&Prompt::of(&[text]));
        (found.language.code() != *wanted).then(|| format!("{text}: {found:?}, expected {wanted}"))
    };
    let wrong: Vec<_> = rows.iter().filter_map(read).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hindi_in_latin_letters_has_no_script_of_its_own() {
    reads(&[
        ("tl", "nawala ko ang debit card ko sa palengke, ano pong gagawin ko"),
        ("tl", "naiwan ko ang wallet ko sa jeep, ano pong dapat kong gawin"),
        ("ms", "kad saya hilang masa di pasar semalam, macam mana nak sekat kad itu"),
        ("id", "kartu saya rusak kena air, bagaimana cara menggantinya di cabang"),
        ("en", "my card was eaten by the machine at the mall, whom do I call now"),
        ("hi", "net banking password reset nahi ho raha help me"),
        ("hi", "mera card kho gaya hai, naya card kab tak milega"),
        ("hi", "bhai mera loan reject kyun ho gaya, salary slip bhi di thi"),
        ("hi", "मेरा credit card block हो गया है, please help करें"),
        ("hi", "मेरे account से payment दो बार कट गया, refund कब मिलेगा"),
    ]);
}

#[test]
fn a_character_that_mandarin_uses_too_is_no_cantonese() {
    reads(&[
        ("zh-Hans", "合同里约定了仲裁条款，还能去法院起诉吗"),
        ("zh-Hans", "密码忘了登不上手机银行，咋办啊"),
        ("zh-Hans", "房产仲介费应该由谁来付"),
        ("zh-Hans", "屏幕凹进去一块，还在保修期内吗"),
        ("zh-Hans", "最近心情很忧郁，周末想去看郁金香"),
        ("zh-Hans", "网点里太嘈杂了，叫号的喇叭也听不清"),
        ("zh-Hans", "我家猫咪把存折咬坏了，怎么补办"),
        ("zh-Hant", "契約裡的仲裁條款是什麼意思？"),
        ("zh-Hant", "好囉，那我明天再過去分行辦理"),
        ("zh-Hant", "房屋仲介說要先付訂金，這樣合理嗎"),
        ("zh-Hant", "房仲有說明貸款的條件嗎"),
        ("zh-Hant", "搜尋日期要怎麼輸入"),
        ("zh-Hant", "本件認定係屬詐欺，應如何處理"),
        ("zh-Hans", "这批零件的返工率是多少"),
        ("zh-Hant", "請把報告的重點解釋給我聽"),
        ("zh-Hant", "我想在海邊度過這個假期，預算兩萬"),
        ("zh-Hant", "孩子要交學費，而家長都還沒收到通知"),
    ]);
}

#[test]
fn cantonese_is_told_by_words_of_its_own() {
    reads(&[
        ("yue", "今日好攰，想早啲瞓"),
        ("yue", "部機撳錢撳到一半死機"),
        ("yue", "得閒出嚟傾偈"),
        ("yue", "幫我過數俾房東，八千蚊"),
        ("yue", "月費係 120 蚊，點計"),
        ("yue", "開戶口要幾多按金"),
        ("yue", "你幾時得閒飲茶"),
        ("yue", "你收工未，一齊食飯"),
        ("yue", "呢句英文有問題，幫我執一執"),
        ("yue", "而家仲有位，不過要排隊"),
    ]);
}

#[test]
fn the_words_around_translate_decide() {
    reads(&[
        ("ms", "tolong translate to English: esok kaunter tutup, sila datang hari Isnin"),
        ("ms", "boleh translate ayat ni to English: kad saya dah tamat tempoh"),
        ("id", "tolong translate dong ke English: besok kantornya tutup ya"),
        ("tl", "Translate mo to English: salamat po sa tulong"),
        ("tl", "Paki translate nga ito to English: wala akong pasok bukas"),
        ("hi", "translate karo to English: kal branch band rahegi"),
        ("hi", "isko translate kar do to Tamil: the branch is closed tomorrow"),
        ("zh-Hans", "帮我 translate to English：明天网点不营业"),
        ("th", "ช่วย translate เป็น English: พรุ่งนี้สาขาปิด"),
        ("en", "Translate to English: salamat po sa tulong"),
        ("en", "please translate this to English: esok kaunter tutup"),
        ("en", "Translate the word tolong to Thai: tolong"),
        ("en", "Translate the Ang Mo Kio notice to Malay: the branch is closed"),
        ("en", "Can you translate 明天 to Thai: we open at nine"),
    ]);
}

#[test]
fn a_cantonese_request_for_a_translation_is_cantonese() {
    reads(&[
        ("yue", "將呢句譯做英文：佢冇返工"),
        ("yue", "譯做英文：佢哋聽日先返嚟"),
        ("zh-Hant", "請把這句翻譯成英文：佢冇返工"),
    ]);
}

#[test]
fn shared_characters_are_written_as_the_talk_is() {
    let talks = [
        ("zh-Hans", "帮我写个计算利息的函数"),
        ("zh-Hant", "幫我寫個計算利息的函式"),
        ("yue", "幫我寫個計利息嘅 function 吖"),
    ];
    for (language, talk) in talks {
        for said in ["改成原地的", "再加一段文字在上面", "口音重一些也可以"] {
            let read = classify(&Prompt::of(&[talk, said]));
            assert_eq!(read.language.code(), language, "{said} after {talk}: {read:?}");
        }
        let read = classify(&Prompt::of(&[talk, "这个函数为什么这么慢？"]));
        assert_eq!(read.language, Language::ZhHans, "{talk}");
    }
}
