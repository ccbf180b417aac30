//! In which language a simulated model answers: a few sentences for each, of our own writing.
//!
//! Only as clever as it must be: scripts by their blocks, Latin-script languages and the three ways
//! of writing Chinese by a few telling words. The gateway's own classifier is another matter.

/// The sentences of one language.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Voice {
    /// Its code.
    pub code: &'static str,
    /// What it says.
    pub sentences: &'static [&'static str],
}

impl Voice {
    /// So many sentences, from a place that the seed decides.
    pub(super) fn speak(&self, seed: u64, sentences: usize) -> String {
        let start = (seed >> 8) as usize % self.sentences.len().max(1);
        let mut text = String::new();
        for sentence in self.sentences.iter().cycle().skip(start).take(sentences) {
            if !text.is_empty() && !self.runs_on() {
                text.push(' ');
            }
            text.push_str(sentence);
        }
        text
    }

    fn runs_on(&self) -> bool {
        matches!(self.code, "zh-Hans" | "zh-Hant" | "yue" | "ja")
    }
}

/// The language in which to answer this prompt.
pub(super) fn of(prompt: &str) -> &'static Voice {
    let code = by_script(prompt).unwrap_or_else(|| by_words(prompt));
    VOICES.iter().find(|voice| voice.code == code).unwrap_or(&ENGLISH)
}

/// By the first script beyond Latin of which there are at least two characters.
fn by_script(prompt: &str) -> Option<&'static str> {
    let (mut han, mut kana) = (0, 0);
    let mut scripts = [
        ('\u{0e00}'..='\u{0e7f}', "th", 0),
        ('\u{0b80}'..='\u{0bff}', "ta", 0),
        ('\u{ac00}'..='\u{d7a3}', "ko", 0),
        ('\u{0900}'..='\u{097f}', "hi", 0),
        ('\u{1000}'..='\u{109f}', "my", 0),
        ('\u{1780}'..='\u{17ff}', "km", 0),
    ];
    for c in prompt.chars().take(4_000).filter(|c| !c.is_ascii()) {
        match c {
            '\u{3040}'..='\u{30ff}' => kana += 1,
            '\u{4e00}'..='\u{9fff}' => han += 1,
            _ => {
                for (range, _, seen) in &mut scripts {
                    *seen += u32::from(range.contains(&c));
                }
            }
        }
    }
    if kana >= 2 {
        return Some("ja");
    }
    if han >= 2 {
        return Some(chinese(prompt));
    }
    scripts.iter().find(|(_, _, seen)| *seen >= 2).map(|(_, code, _)| *code)
}

fn chinese(prompt: &str) -> &'static str {
    let has = |set: &str| prompt.chars().take(4_000).filter(|c| set.contains(*c)).count();
    if has("嘅咗唔喺佢哋嚟啲冇乜") > 0 {
        "yue"
    } else if has("個為們這國時會來對說請單號帳戶轉錢銀開關點還務")
        > has("个为们这国时会来对说请单号账户转钱银开关点还务")
    {
        "zh-Hant"
    } else {
        "zh-Hans"
    }
}

fn by_words(prompt: &str) -> &'static str {
    let tells: [(&str, &[&str]); 5] = [
        ("vi", &["tôi", "không", "của", "được", "và", "cho", "là", "ạ", "em", "nào"]),
        ("tl", &["ang", "ng", "po", "ko", "ako", "mga", "paano", "yung", "lang", "hindi"]),
        ("ms", &["saya", "boleh", "nak", "akaun", "tak", "dengan", "untuk", "macam", "sila"]),
        ("id", &["saya", "bisa", "rekening", "tidak", "gimana", "dengan", "untuk", "tolong"]),
        ("it", &["il", "per", "che", "conto", "come", "una", "della", "sono", "posso", "non"]),
    ];
    let words: Vec<String> = prompt
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty())
        .take(400)
        .map(str::to_lowercase)
        .collect();
    let best = tells.iter().rev().max_by_key(|(_, tells)| {
        words.iter().filter(|word| tells.contains(&word.as_str())).count()
    });
    match best {
        Some((code, tells)) if words.iter().any(|word| tells.contains(&word.as_str())) => code,
        _ => "en",
    }
}

const ENGLISH: Voice = Voice {
    code: "en",
    sentences: &[
        "Thank you for your question.",
        "Here is what applies in your case, step by step.",
        "A transfer that reaches us before five in the afternoon is booked the same day.",
        "Please have your account number and a valid identity document ready.",
        "Fees are shown before you confirm, so nothing is charged without your agreement.",
        "If anything looks unfamiliar, call the hotline on the back of your card at once.",
        "I am glad to go through the details with you.",
        "You can check the result in the app under recent activity.",
    ],
};

/// Every language that the simulated models know.
pub(super) const VOICES: [Voice; 16] = [
    ENGLISH,
    Voice {
        code: "zh-Hans",
        sentences: &[
            "感谢您的咨询。",
            "下面我分步骤为您说明。",
            "下午五点之前提交的转账，当天即可入账。",
            "请准备好您的账号和有效身份证件。",
            "确认之前会显示手续费，未经您同意不会扣款。",
            "如果发现陌生交易，请立即拨打卡片背面的热线电话。",
            "您可以在应用的最近交易中查看结果。",
        ],
    },
    Voice {
        code: "zh-Hant",
        sentences: &[
            "感謝您的詢問。",
            "以下分步驟為您說明。",
            "下午五點以前提出的轉帳，當天即可入帳。",
            "請準備好您的帳號和有效身分證件。",
            "確認之前會顯示手續費，未經您同意不會扣款。",
            "如果發現不明交易，請立即撥打卡片背面的服務專線。",
            "您可以在應用程式的最近交易中查看結果。",
        ],
    },
    Voice {
        code: "yue",
        sentences: &[
            "多謝你嘅查詢。",
            "等我一步一步同你講。",
            "下晝五點前做嘅轉賬，即日就會到賬。",
            "麻煩你準備好戶口號碼同身份證。",
            "確認之前會顯示手續費，你未同意就唔會收錢。",
            "如果見到唔認得嘅交易，請即刻打卡背面嘅熱線。",
            "你可以喺手機程式嘅最近交易度睇到結果。",
        ],
    },
    Voice {
        code: "ja",
        sentences: &[
            "お問い合わせありがとうございます。",
            "順を追ってご説明いたします。",
            "午後五時までのお振込みは当日中に入金されます。",
            "口座番号と本人確認書類をご用意ください。",
            "手数料はご確認の前に表示され、同意なしに引き落とされることはありません。",
            "心当たりのない取引がございましたら、すぐにカード裏面の番号へお電話ください。",
            "結果はアプリの最近の取引でご覧いただけます。",
        ],
    },
    Voice {
        code: "ko",
        sentences: &[
            "문의해 주셔서 감사합니다.",
            "순서대로 안내해 드리겠습니다.",
            "오후 다섯 시 전에 신청하신 이체는 당일에 입금됩니다.",
            "계좌번호와 신분증을 준비해 주세요.",
            "수수료는 확인 전에 표시되며 동의 없이 출금되지 않습니다.",
            "모르는 거래가 보이면 바로 카드 뒷면의 번호로 전화해 주세요.",
            "결과는 앱의 최근 거래에서 확인하실 수 있습니다.",
        ],
    },
    Voice {
        code: "th",
        sentences: &[
            "ขอบคุณสำหรับคำถามค่ะ",
            "ขออธิบายทีละขั้นตอนนะคะ",
            "การโอนเงินก่อนห้าโมงเย็นจะเข้าบัญชีภายในวันเดียวกัน",
            "กรุณาเตรียมเลขที่บัญชีและบัตรประจำตัวไว้ให้พร้อม",
            "ค่าธรรมเนียมจะแสดงก่อนยืนยัน และจะไม่หักเงินหากท่านไม่ตกลง",
            "หากพบรายการที่ไม่คุ้นเคย โปรดโทรหมายเลขด้านหลังบัตรทันที",
            "ท่านสามารถดูผลได้ในแอปที่เมนูรายการล่าสุด",
        ],
    },
    Voice {
        code: "ta",
        sentences: &[
            "உங்கள் கேள்விக்கு நன்றி.",
            "ஒவ்வொரு படியாக விளக்குகிறேன்.",
            "மாலை ஐந்து மணிக்கு முன் செய்யும் பரிமாற்றம் அன்றே வரவு வைக்கப்படும்.",
            "உங்கள் கணக்கு எண்ணையும் அடையாள அட்டையையும் தயாராக வைத்திருங்கள்.",
            "கட்டணம் உறுதிப்படுத்தும் முன் காட்டப்படும்.",
            "அறியாத பரிவர்த்தனை இருந்தால் அட்டையின் பின்புறம் உள்ள எண்ணை உடனே அழையுங்கள்.",
        ],
    },
    Voice {
        code: "hi",
        sentences: &[
            "आपके प्रश्न के लिए धन्यवाद।",
            "मैं इसे क्रम से समझाता हूँ।",
            "शाम पाँच बजे से पहले किया गया ट्रांसफ़र उसी दिन खाते में जमा हो जाता है।",
            "कृपया अपना खाता नंबर और पहचान पत्र तैयार रखें।",
            "शुल्क पुष्टि से पहले दिखाया जाता है, आपकी सहमति के बिना कुछ नहीं कटता।",
            "कोई अनजान लेन-देन दिखे तो तुरंत कार्ड के पीछे दिए नंबर पर फ़ोन करें।",
        ],
    },
    Voice {
        code: "my",
        sentences: &[
            "မေးမြန်းသည့်အတွက် ကျေးဇူးတင်ပါသည်။",
            "အဆင့်လိုက် ရှင်းပြပေးပါမည်။",
            "ညနေ ငါးနာရီမတိုင်မီ လွှဲသော ငွေသည် ထိုနေ့တွင်ပင် ဝင်ပါမည်။",
            "သင့်ငွေစာရင်းနံပါတ်နှင့် မှတ်ပုံတင်ကို အဆင်သင့် ထားပါ။",
            "အခကြေးငွေကို အတည်မပြုမီ ပြပေးပါမည်။",
        ],
    },
    Voice {
        code: "km",
        sentences: &[
            "សូមអរគុណសម្រាប់សំណួររបស់អ្នក។",
            "ខ្ញុំសូមពន្យល់ជាជំហានៗ។",
            "ការផ្ទេរប្រាក់មុនម៉ោងប្រាំល្ងាចនឹងចូលគណនីនៅថ្ងៃដដែល។",
            "សូមត្រៀមលេខគណនី និងអត្តសញ្ញាណប័ណ្ណរបស់អ្នក។",
            "ថ្លៃសេវានឹងបង្ហាញមុនពេលអ្នកបញ្ជាក់។",
        ],
    },
    Voice {
        code: "vi",
        sentences: &[
            "Cảm ơn quý khách đã liên hệ.",
            "Tôi xin hướng dẫn từng bước như sau.",
            "Lệnh chuyển tiền trước năm giờ chiều sẽ được ghi có trong ngày.",
            "Quý khách vui lòng chuẩn bị số tài khoản và giấy tờ tùy thân.",
            "Phí được hiển thị trước khi xác nhận, chúng tôi không thu nếu quý khách chưa đồng ý.",
            "Nếu thấy giao dịch lạ, xin gọi ngay số điện thoại ở mặt sau thẻ.",
        ],
    },
    Voice {
        code: "id",
        sentences: &[
            "Terima kasih atas pertanyaan Anda.",
            "Berikut penjelasannya langkah demi langkah.",
            "Transfer sebelum pukul lima sore masuk ke rekening pada hari yang sama.",
            "Mohon siapkan nomor rekening dan kartu identitas Anda.",
            "Biaya ditampilkan sebelum Anda menyetujui, jadi tidak ada potongan tanpa izin.",
            "Jika ada transaksi yang tidak dikenal, segera hubungi nomor di belakang kartu.",
        ],
    },
    Voice {
        code: "ms",
        sentences: &[
            "Terima kasih atas pertanyaan anda.",
            "Berikut penerangannya satu demi satu.",
            "Pindahan sebelum pukul lima petang akan masuk ke akaun pada hari yang sama.",
            "Sila sediakan nombor akaun dan kad pengenalan anda.",
            "Caj dipaparkan sebelum anda mengesahkan, jadi tiada potongan tanpa persetujuan.",
            "Jika ada transaksi yang tidak dikenali, segera hubungi nombor di belakang kad.",
        ],
    },
    Voice {
        code: "tl",
        sentences: &[
            "Salamat po sa inyong tanong.",
            "Ipapaliwanag ko po ito nang paisa-isa.",
            "Papasok po sa araw ding iyon ang padalang ginawa bago mag-alas singko ng hapon.",
            "Pakihanda po ang inyong account number at valid ID.",
            "Ipinapakita po ang bayad bago ninyo kumpirmahin ang transaksyon.",
            "Kung may transaksyong hindi ninyo kilala, tumawag po agad sa numero sa likod ng card.",
        ],
    },
    Voice {
        code: "it",
        sentences: &[
            "Grazie per la Sua domanda.",
            "Ecco come procedere, passo dopo passo.",
            "I bonifici inviati prima delle diciassette vengono accreditati in giornata.",
            "Tenga a portata di mano il numero di conto e un documento d'identità valido.",
            "Le commissioni sono indicate prima della conferma, senza sorprese.",
            "Se nota un'operazione sconosciuta, chiami subito il numero sul retro della carta.",
        ],
    },
];
