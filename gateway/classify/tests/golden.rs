//! What the shipped model must read right: sentences as people write them, each language and task of a bank.

use classify::{Complexity, Language, Prompt, Reading, Task, classify};

const LANGUAGES: [(&str, &str); 34] = [
    ("en", "Could you tell me when the branch on Orchard Road closes today?"),
    ("en", "Please send me the statement for last month."),
    ("zh-Hans", "请问这个账户的年费是多少？"),
    ("zh-Hans", "我想把工资卡换到另一家分行办理。"),
    ("zh-Hant", "請問這個帳戶的年費是多少？"),
    ("zh-Hant", "我想將薪資轉到另一個帳戶，需要哪些文件？"),
    ("yue", "我張卡唔見咗，而家點算好？"),
    ("yue", "邊度可以攞返啲文件呀？"),
    ("ms", "Bolehkah saya menukar alamat surat-menyurat melalui aplikasi ini?"),
    ("ms", "Kenapa wang saya belum masuk ke dalam akaun simpanan?"),
    ("id", "Bagaimana cara mengganti nomor telepon di rekening saya?"),
    ("id", "Kenapa uang saya belum masuk karena sudah transfer kemarin?"),
    ("ta", "என் கணக்கில் எவ்வளவு பணம் உள்ளது?"),
    ("ta", "கடன் அட்டையை எப்படி நிறுத்துவது?"),
    ("th", "ขอเปลี่ยนที่อยู่สำหรับส่งเอกสารได้ที่ไหน"),
    ("th", "ทำไมยอดเงินของฉันไม่ตรง"),
    ("vi", "Làm thế nào để đổi mật khẩu ngân hàng trực tuyến?"),
    ("vi", "Tôi bị mất thẻ, xin khóa giúp tôi."),
    ("ja", "口座の名義を変更するにはどうすればいいですか？"),
    ("ja", "来月の引き落とし日を教えてください。"),
    ("ko", "이번 달 카드 결제일이 언제인가요?"),
    ("ko", "비밀번호를 잊어버렸어요."),
    ("hi", "मेरा कार्ड काम क्यों नहीं कर रहा है?"),
    ("hi", "mera card kaam nahi kar raha hai, kya karu"),
    ("tl", "Paano po magpalit ng numero ng telepono sa aking account?"),
    ("tl", "Bakit hindi pa pumapasok ang sahod ko?"),
    ("my", "ကျွန်တော့်အကောင့်ထဲမှာ ငွေဘယ်လောက်ရှိလဲ"),
    ("km", "តើខ្ញុំអាចប្តូរលេខសម្ងាត់យ៉ាងដូចម្តេច?"),
    ("it", "Quando mi arriva la nuova carta di credito?"),
    ("it", "Vorrei chiudere il mio conto, che documenti servono?"),
    ("fr", "Pourquoi mon virement a-t-il été refusé hier soir ?"),
    ("de", "Warum wurde meine Überweisung gestern abgelehnt?"),
    ("und", "12345 67890"),
    ("und", "🙂🙂"),
];

const TASKS: [(&str, &str); 24] = [
    ("coding", "Write a Python function that checks whether an IBAN is valid."),
    ("coding", "Why does this Rust code not compile?\n```\nfn main() { let x: i32 = \"a\"; }\n```"),
    ("coding", "帮我写一个 SQL 查询，统计每个月的交易笔数。"),
    ("math", "Solve for x: 3x + 7 = 22."),
    ("math", "What is 17% of 2,450?"),
    ("translation", "Translate this sentence into Japanese: The office is closed on Monday."),
    (
        "translation",
        "Terjemahkan ayat ini ke dalam bahasa Inggeris: Pejabat kami tutup pada hari Isnin.",
    ),
    ("translation", "把下面这句话翻译成英文：会议改到星期五。"),
    (
        "summarization",
        "Summarise the following report in three bullet points:\n\nSales rose by four percent.",
    ),
    ("summarization", "总结下面的文章，不超过三句话。\n\n今年第一季度，公司收入增长了百分之五。"),
    ("rewriting", "Rewrite this email so that it sounds more polite: Send me the file now."),
    ("writing", "Write a short poem about the sea at night."),
    ("writing", "Tulis surat permohonan maaf kepada pelanggan atas kelewatan penghantaran."),
    ("brainstorming", "Give me ten ideas for a team event with a small budget."),
    ("chat", "Hello, how are you today?"),
    ("chat", "你好，今天过得怎么样？"),
    ("open_qa", "Why is the sky blue?"),
    ("open_qa", "How do vaccines work?"),
    ("banking", "My card was swallowed by the cash machine, what should I do?"),
    ("banking", "Why was my transfer declined?"),
    ("banking", "Macam mana nak naikkan had kad kredit saya?"),
    ("banking", "我的银行卡丢了，怎么挂失？"),
    (
        "extraction",
        "Extract all names and dates from the text below as JSON.\n\nAnna met Ben on 3 May.",
    ),
    ("classification", "Is the sentiment of this review positive or negative? The room was dirty."),
];

/// Fails with every row that is read otherwise.
fn reads(rows: &[(&'static str, &'static str)], code: impl Fn(&Reading) -> &'static str) {
    let read = |(wanted, text): &(&'static str, &'static str)| {
        let found = code(&classify(&Prompt::of(&[text])));
        (found != *wanted).then(|| format!("{text}: {found}, expected {wanted}"))
    };
    let wrong: Vec<_> = rows.iter().filter_map(read).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_language_of_plain_sentences() {
    reads(&LANGUAGES, |reading| reading.language.code());
}

#[test]
fn the_task_of_plain_requests() {
    reads(&TASKS, |reading| reading.task.code());
}

#[test]
fn a_follow_up_takes_the_task_of_the_turn_before() {
    for more in ["continue", "lagi", "もっと", "继续"] {
        let turns = ["Translate this sentence into French: The branch is closed.", more];
        assert_eq!(classify(&Prompt::of(&turns)).task, Task::Translation, "{more}");
    }
}

#[test]
fn nothing_said_is_no_language_and_no_panic() {
    for text in
        ["", " ", "\n\n", "{}", "```\n```", "\u{202e}\u{0}", "ก", "\u{1F468}\u{200D}\u{1F469}"]
    {
        let reading = classify(&Prompt::of(&[text]));
        assert!((0.0..=1.0).contains(&reading.task_confidence), "{text:?}");
    }
    assert_eq!(classify(&Prompt::of(&[])).language, Language::Und);
}

/// Language, task and request, in the hard languages and in the ways people mix them.
const HARD: [(&str, &str, &str); 19] = [
    ("ms", "banking", "boleh tak tolong check kenapa duit gaji saya tak masuk lagi hari ni"),
    ("id", "banking", "Mengapa saldo rekening saya berkurang padahal saya belum menarik uang?"),
    (
        "ms",
        "banking",
        "kad saya kena telan dengan mesin ATM dekat Bangsar, macam mana nak ambil balik",
    ),
    (
        "tl",
        "rewriting",
        "Pwede po bang gawing mas magalang ang email na ito: Ibalik niyo na ang pera ko.",
    ),
    ("tl", "math", "Magkano ang matitira kung ang 4,500 ay babawasan ng 12 porsiyento?"),
    ("ta", "banking", "எனது கடன் அட்டைக்கான வருடாந்திர கட்டணத்தை ஏன் வசூலித்தீர்கள்?"),
    (
        "ta",
        "summarization",
        "இந்தக் கட்டுரையை மூன்று வரிகளில் சுருக்கமாகக் கூறவும்: இந்த ஆண்டு மழை அதிகம் \
     பெய்ததால் நெல் விளைச்சல் உயர்ந்தது. விவசாயிகள் மகிழ்ச்சி அடைந்தனர்.",
    ),
    ("th", "translation", "ช่วยแปลประโยคนี้เป็นภาษาญี่ปุ่นหน่อย: พรุ่งนี้สำนักงานปิดครึ่งวัน"),
    ("vi", "brainstorming", "Gợi ý cho tôi năm cách tiết kiệm tiền điện trong mùa hè"),
    ("my", "rewriting", "ဒီစာပိုဒ်ကို ပိုယဉ်ကျေးအောင် ပြန်ရေးပေးပါ။ ငွေကို မြန်မြန်ပြန်ပေးပါ။"),
    ("km", "writing", "សូមសរសេរលិខិតសុំទោសអតិថិជនដោយសារការដឹកជញ្ជូនយឺត"),
    ("yue", "banking", "我張信用卡尋日俾人碌咗三千蚊，點樣可以攞返？"),
    (
        "zh-Hant",
        "summarization",
        "請幫我把這段會議紀錄整理成三個重點：業務部下週搬遷，資訊部負責網路，預算維持不變。",
    ),
    ("zh-Hans", "coding", "写一个Python函数，检查身份证号的校验位是否正确"),
    ("hi", "banking", "mera paisa kat gaya lekin ATM se cash nahi nikla, ab kya karu"),
    (
        "en",
        "coding",
        "eh bro can help me see why this loop never stop ah\nwhile True:\n    x = x + 1",
    ),
    (
        "ja",
        "closed_qa",
        "次の文を読んで、誰が鍵を持っているか答えてください。田中さんは鍵を佐藤さんに渡した。",
    ),
    (
        "ko",
        "classification",
        "이 고객 메시지가 불만인지 문의인지 칭찬인지 분류해 줘: 배송이 또 늦었네요.",
    ),
    (
        "it",
        "extraction",
        "Estrai dal testo il nome del cliente, l'importo e la data: Il 3 marzo la signora \
     Bianchi ha versato 250 euro.",
    ),
];

#[test]
fn hard_languages_and_mixtures() {
    let wrong = |(language, task, text): &(&str, &str, &str)| {
        let found = classify(&Prompt::of(&[text]));
        let right = (found.language.code(), found.task.code()) == (*language, *task);
        (!right).then(|| {
            format!("{text}: {} {}, expected {language} {task}", found.language, found.task)
        })
    };
    let wrong: Vec<String> = HARD.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const WEATHER: &str = r#"[{"type":"function","function":{"name":"get_weather",
    "description":"Current weather and forecast of a city"}},{"type":"function","function":{
    "name":"block_card","description":"Blocks a lost or stolen bank card"}}]"#;

fn with_tools(text: &str) -> Task {
    let turns = [text];
    classify(&Prompt { tools: 2, tools_text: WEATHER, ..Prompt::of(&turns) }).task
}

#[test]
fn tools_that_are_there_are_not_always_wanted() {
    for (text, task) in [
        ("Write me a limerick about a lazy cat", Task::Writing),
        ("Translate into French: the branch is closed on Monday", Task::Translation),
        ("hello, how are you doing", Task::Chat),
        ("Why do leaves turn red in autumn?", Task::OpenQa),
        ("Write a Python function that reverses a string", Task::Coding),
    ] {
        assert_eq!(with_tools(text), task, "{text}");
    }
    for text in [
        "What's the weather forecast for Penang tomorrow?",
        "Check the forecast of the city of Ipoh",
    ] {
        assert_eq!(with_tools(text), Task::ToolUse, "{text}");
    }
}

#[test]
fn a_follow_up_in_another_language_names_the_new_target() {
    let turns =
        ["Terjemahkan ke bahasa Inggris: Rapat dipindahkan ke hari Jumat.", "and in Korean?"];
    let reading = classify(&Prompt::of(&turns));
    assert_eq!((reading.task, reading.target_language), (Task::Translation, Some(Language::Ko)));
}

#[test]
fn mixed_text_names_both_languages() {
    for (text, first, second) in [
        ("ช่วยเช็ค statement ของ credit card ให้หน่อยครับ", "th", "en"),
        ("我個 application 幾時先有 result 呀，唔該 update 一下", "yue", "en"),
        ("帮我 check 一下这个 invoice 的 payment status", "zh-Hans", "en"),
    ] {
        let named: Vec<_> =
            classify(&Prompt::of(&[text])).languages.iter().map(|(it, _)| it.code()).collect();
        assert!(named.contains(&first) && named.contains(&second), "{text}: {named:?}");
    }
}

#[test]
fn the_instruction_speaks_not_the_paste() {
    let paste = "The quarterly figures show a slow but steady rise in deposits. ".repeat(40);
    let text = format!("Tolong ringkaskan laporan ini dalam tiga ayat:\n\n{paste}");
    let reading = classify(&Prompt::of(&[&text]));
    assert_eq!((reading.language, reading.task), (Language::Ms, Task::Summarization));
    let text = format!("{paste}\n\nสรุปข้อความข้างบนให้หน่อยค่ะ");
    assert_eq!(classify(&Prompt::of(&[&text])).language, Language::Th);
}

/// What is no language, alone.
const NO_LANGUAGE: [&str; 39] = [
    "550e8400-e29b-41d4-a716-446655440000",
    "id: 550e8400-e29b-41d4-a716-446655440000",
    "aGVsbG8gd29ybGQgdGhpcyBpcyBhIHRlc3Q=",
    "SGVsbG8sIHdvcmxkIQ==",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "d41d8cd98f00b204e9800998ecf8427e",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "0xdeadbeef",
    "/usr/local/lib/libfoo.so",
    "C:\\Users\\anna\\report.pdf",
    "./src/main.rs",
    "~/notes/todo.txt",
    "https://example.com/a/b?c=d&e=f#top",
    "www.example.com",
    "example.com/path",
    "anna.lim@example.com",
    "<anna.lim@example.com>",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "SGD 1,250.00",
    "RM 50.00",
    "$5.00 USD",
    "EUR 12 / USD 13",
    "2026-05-03T10:15:30Z",
    "03/05/2026 10:15 UTC",
    "+65 9123 4567",
    "&nbsp;&amp;&#39;&lt;",
    "<br/><div class=\"row\"></div>",
    "<p></p>",
    "customer_id",
    "MAX_RETRY_COUNT",
    "getUserName()",
    "getElementById",
    "foo.bar.baz",
    "ABC-12345",
    "v1.2.3-rc4",
    "192.168.0.1:8080",
    "application/json",
    "🙂👍🎉",
    "---\n***\n===",
];

#[test]
fn what_is_no_word_is_no_language() {
    let rows = NO_LANGUAGE.map(|text| ("und", text));
    reads(&rows, |reading| reading.language.code());
}

#[test]
fn what_is_no_word_does_not_sway_the_language() {
    for (wanted, text) in [
        ("es", "¿Qué significa este error? 550e8400-e29b-41d4-a716-446655440000"),
        ("zh-Hans", "请查一下订单550e8400-e29b-41d4-a716-446655440000的状态"),
        ("id", "Tolong cek kenapa https://example.com/the-best-way-to-pay tidak bisa dibuka"),
        ("de", "Warum ist /usr/local/share/information/about/this/thing nicht lesbar?"),
        ("fr", "Pourquoi ai-je payé USD 1,250.00 le 2026-05-03T10:15:30Z à anna.lim@example.com ?"),
        ("th", "ช่วยดู get_account_balance และ transfer_money_to_account ให้หน่อย"),
        ("it", "<p class=\"the-main-text\">Quando arriva la mia nuova carta?</p>&nbsp;&nbsp;"),
        ("vi", "Giải thích giúp tôi aGVsbG8gd29ybGQgdGhpcyBpcyBhIHRlc3Q= là gì"),
        ("en", "What does his/her and/or mean in this sentence?"),
        ("en", "HELLO, PLEASE TELL ME WHERE MY CARD IS"),
    ] {
        let found = classify(&Prompt::of(&[text]));
        assert_eq!(found.language.code(), wanted, "{text}: {found:?}");
    }
}

/// A talk in each of some languages, and what it is about.
const TALKS: [(&str, &str, &str); 8] = [
    ("en", "banking", "Why was my transfer to my landlord declined yesterday?"),
    ("zh-Hans", "banking", "我的银行卡丢了，怎么挂失？"),
    ("zh-Hant", "banking", "請問這個帳戶的年費是多少？"),
    ("yue", "banking", "我張卡唔見咗，而家點算好？"),
    ("th", "banking", "ขออายัดบัตรเครดิตที่หายไปได้ที่ไหน"),
    ("es", "coding", "Escribe una función de Python que ordene una lista de números."),
    ("id", "banking", "Kenapa saldo rekening saya berkurang padahal belum tarik uang?"),
    ("ja", "banking", "口座の名義を変更するにはどうすればいいですか？"),
];

#[test]
fn a_word_of_any_language_takes_language_and_task_of_the_talk() {
    for (language, _, talk) in TALKS {
        let alone = classify(&Prompt::of(&[talk]));
        assert_eq!(alone.language.code(), language, "{talk}");
        for said in [
            "ok",
            "OK!",
            "Ok.",
            "bye",
            "no",
            "yes",
            "thanks",
            "thank you",
            "continue",
            "yes please",
            "no, thanks",
            "ok thanks",
            "好",
            "好的",
            "sí",
            "hmm",
            "👍",
            "...",
            "1",
            "550e8400-e29b-41d4-a716-446655440000",
        ] {
            for turns in [&[talk, said][..], &[talk, "ok", said], &[talk, "yes", "ok", said]] {
                let read = classify(&Prompt::of(turns));
                assert_eq!(read.language.code(), language, "{turns:?}");
                assert_eq!(read.language_confidence, alone.language_confidence, "{turns:?}");
                assert_eq!(read.task, alone.task, "{turns:?}");
            }
        }
    }
}

#[test]
fn a_word_of_any_language_alone_is_no_sure_language() {
    for said in [
        "ok", "bye", "no", "continue", "yes", "thanks", "sí", "ok ok", "bye bye", "hello", "la",
        "ja",
    ] {
        let read = classify(&Prompt::of(&[said]));
        assert!(matches!(read.language, Language::Und | Language::En), "{said}: {read:?}");
        let read = classify(&Prompt::of(&["ok", said]));
        assert!(matches!(read.language, Language::Und | Language::En), "ok, {said}: {read:?}");
    }
}

#[test]
fn a_short_turn_with_clear_evidence_keeps_its_language() {
    let talk = "Why was my transfer to my landlord declined yesterday?";
    for (wanted, said) in [
        ("zh-Hans", "你好"),
        ("th", "สวัสดี"),
        ("de", "danke schön"),
        ("ko", "감사합니다"),
        ("ja", "ありがとう"),
        ("fr", "merci beaucoup"),
        ("es", "muchas gracias"),
        ("vi", "cảm ơn"),
        ("ta", "நன்றி"),
    ] {
        assert_eq!(classify(&Prompt::of(&[said])).language.code(), wanted, "{said}");
        assert_eq!(
            classify(&Prompt::of(&[talk, said])).language.code(),
            wanted,
            "{said} in a talk"
        );
    }
}

const ENGLISH: &str =
    "The tenant shall pay the rent on the first day of each month to the landlord. ";
const PYTHON: &str = "def total(rows):\n    \"\"\"Return the sum of the rows.\"\"\"\n    result = 0\n    \
                      for row in rows:\n        result += row.amount\n    return result\n\n";

#[test]
fn the_instruction_is_found_wherever_it_stands() {
    let code = PYTHON.repeat(20);
    let logs =
        "2026-05-03T10:15:30.120Z ERROR c.e.Server - connection refused while reading\n".repeat(40);
    let diff = "diff --git a/x.rs b/x.rs\n@@ -1,4 +1,4 @@\n-    let total = 0;\n+    let total = 1;\n     \
                let rows = read();\n"
        .repeat(20);
    let trace = format!(
        "Traceback (most recent call last):\n{}ValueError: the value is not known here\n",
        "  File \"/srv/app/main.py\", line 10, in run\n    result = compute(the_value)\n"
            .repeat(20)
    );
    let rows = "id,name,amount,when\n".to_owned() + &"7,the customer,120,yesterday\n".repeat(60);
    asked_in(&[
        ("es", format!("```python\n{code}```\n\n¿Por qué esta función es tan lenta?")),
        ("zh-Hans", format!("```python\n{code}```\n这个函数为什么这么慢？")),
        ("zh-Hans", format!("~~~~\n{code}```\n{code}~~~~\n这个函数为什么这么慢？")),
        (
            "es",
            format!("```\n{code}```\n¿Por qué esta función es tan lenta?\n```python\n{code}```\n"),
        ),
        ("fr", format!("Pourquoi cette fonction est-elle si lente ?\n```python\n{code}")),
        ("de", format!("{logs}\nWarum startet der Dienst nicht mehr?")),
        ("de", format!("Warum startet der Dienst nicht mehr?\n{logs}")),
        ("it", format!("{diff}\nPuoi spiegarmi che cosa cambia qui?")),
        ("th", format!("{trace}\nช่วยแก้ให้หน่อยครับ")),
        ("vi", format!("{rows}\nHãy tính tổng số tiền của từng khách hàng giúp tôi.")),
    ]);
}

#[test]
fn the_instruction_is_found_beside_prose_and_in_templates() {
    let paper = format!("{}\n", ENGLISH.repeat(4)).repeat(8);
    asked_in(&[
        ("zh-Hans", format!("{paper}\n请用中文总结上面的合同。")),
        ("zh-Hans", format!("{paper} 请用中文总结上面的合同。")),
        ("zh-Hans", format!("{paper}\n\n请用中文总结这份合同。\n\n{paper}")),
        ("es", format!("{paper}\n\n¿Cuándo tengo que pagar el alquiler?\n\n{paper}")),
        ("es", format!("¿Cuándo tengo que pagar el alquiler?\n\n{paper}")),
        ("hi", format!("मुझे किराया कब देना है?\n\n{paper}")),
        ("zh-Hans", format!("请用中文总结下面的合同。\n\n{paper}")),
        (
            "ja",
            format!(
                "この文書を要約してください。\n\nOn 3 May 2026, Ann wrote:\n> {ENGLISH}\n> {ENGLISH}"
            ),
        ),
        (
            "zh-Hans",
            format!(
                "You answer by the context alone.\n<context>\n{paper}</context>\n<user_query>\n租客什么时候\
                 付租金？\n</user_query>\nAnswer in short sentences."
            ),
        ),
        (
            "zh-Hans",
            format!("<context>{ENGLISH}</context><user_query>租客什么时候付租金？</user_query>"),
        ),
        (
            "zh-Hans",
            format!(
                "Use the context.\n\nContext:\n{paper}\n\nQuestion: 租客什么时候付租金？\nAnswer:"
            ),
        ),
        (
            "zh-Hans",
            format!(
                "Use the context.\n\n{paper}\n\n### 问题：\n租客什么时候付租金？\n\n### Answer\n"
            ),
        ),
        (
            "ko",
            format!(
                "<documents>\n<document>\n{paper}</document>\n</documents>\n\n월세는 언제 내야 하나요?"
            ),
        ),
    ]);
}

fn asked_in(rows: &[(&str, String)]) {
    for (wanted, text) in rows {
        let read = classify(&Prompt::of(&[text]));
        let tail: String = text.chars().skip(text.chars().count().saturating_sub(60)).collect();
        assert_eq!(read.language.code(), *wanted, "…{tail}: {read:?}");
    }
}

#[test]
fn the_task_of_an_instruction_beside_a_paste() {
    let code = PYTHON.repeat(20);
    let paper = format!("{}\n", ENGLISH.repeat(4)).repeat(8);
    for (wanted, text) in [
        ("coding", format!("```python\n{code}```\n\n¿Por qué esta función es tan lenta?")),
        ("coding", format!("```python\n{code}```\n\n这个函数为什么这么慢？")),
        ("summarization", format!("{paper}\n\n请用中文总结上面的合同。")),
        ("summarization", format!("{paper}\n\nSummarise the contract above in three sentences.")),
        ("translation", format!("{paper}\n\nPlease translate the text above into German.")),
    ] {
        let read = classify(&Prompt::of(&[&text]));
        assert_eq!(read.task.code(), wanted, "{}: {read:?}", &text[..20]);
    }
}

#[test]
fn a_letter_is_read_without_its_salutation_and_its_closing() {
    let wishes = [
        ("zh-Hans", "banking", "我的信用卡被盗刷了，怎么办？"),
        ("th", "banking", "บัตรหายต้องทำยังไงคะ"),
        ("ms", "banking", "Kad saya hilang semalam, macam mana nak sekat?"),
        ("en", "banking", "My credit card was charged twice, please refund one of them."),
        (
            "en",
            "translation",
            "Translate into Vietnamese: Write a Python function that adds two numbers.",
        ),
        ("vi", "translation", "Dịch câu này sang tiếng Anh giúp tôi: Tôi muốn mở tài khoản."),
    ];
    for (language, task, wish) in wishes {
        for (before, behind) in [
            ("", "\n\nThanks,\nMei"),
            ("Dear team,\n\n", "\n\nRegards,\nTan Wei Ling"),
            ("สวัสดีค่ะ\n", ""),
            ("你好：\n", "\n谢谢！"),
            ("Selamat pagi\n", "\n\nSent from my iPhone"),
        ] {
            let text = format!("{before}{wish}{behind}");
            let read = classify(&Prompt::of(&[&text]));
            assert_eq!(
                (read.language.code(), read.task.code()),
                (language, task),
                "{text}: {read:?}"
            );
            assert_ne!(read.complexity, Complexity::Hard, "{text}");
        }
    }
}

#[test]
fn small_talk_is_easy_and_long_reckoning_is_hard() {
    let hard = "Let $f(x) = x^3 - 3x + k$. Find all $k$ such that $f$ has 3 real roots:\n(A) $|k| < 2$\n\
                (B) $|k| \\le 2$\n(C) $k > 2$\n(D) $k = \\{-2, 2\\}$\nShow that 4a^3 + 27b^2 = 0 where \
                $a = -3$, $b = k$, and prove it for $n \\ge 2$ by induction.";
    for (wanted, text) in [
        (Complexity::Easy, "hi there"),
        (Complexity::Easy, "谢谢！"),
        (Complexity::Easy, "terima kasih ya"),
        (Complexity::Easy, "สวัสดีค่ะ"),
        (Complexity::Easy, "👍"),
        (Complexity::Easy, "Why does the moon seem larger near the horizon?"),
        (Complexity::Hard, hard),
    ] {
        assert_eq!(classify(&Prompt::of(&[text])).complexity, wanted, "{text}");
        let spaced = format!("\n{}\n\n\n", text.replace('\n', "\n\n"));
        assert_eq!(classify(&Prompt::of(&[&spaced])).complexity, wanted, "{spaced}");
    }
}

#[test]
fn short_turns_as_people_type_them_take_the_language_of_the_talk() {
    for (language, _, talk) in TALKS {
        for said in [
            "tnx",
            "yess",
            "okkk",
            "nooo",
            "got it",
            "noted",
            "keep going",
            "I see",
            "good morning",
            "the second",
            "option b",
            "b)",
            "CPF",
            "AAPL",
            "ü",
            "5月3日",
            "100元",
            "3 May 2026",
            "...?",
        ] {
            let read = classify(&Prompt::of(&[talk, said]));
            assert_eq!(read.language.code(), language, "{said} after {talk}");
        }
    }
    let malay = "Bolehkah saya menukar alamat surat-menyurat melalui aplikasi ini?";
    let indonesian = "Bagaimana cara mengganti nomor telepon di rekening saya?";
    for said in ["boleh", "lanjut", "tidak", "sudah", "baik"] {
        assert_eq!(classify(&Prompt::of(&[malay, said])).language, Language::Ms, "{said}");
        assert_eq!(classify(&Prompt::of(&[indonesian, said])).language, Language::Id, "{said}");
    }
    for said in ["係", "得", "多謝", "唔該", "明白"] {
        let talk = "我張卡唔見咗，而家點算好？";
        assert_eq!(classify(&Prompt::of(&[talk, said])).language, Language::Yue, "{said}");
    }
    // A short turn of a talk speaks for a later one that has no words.
    let read = classify(&Prompt::of(&["Semak baki", "ok"]));
    assert_eq!(read.language, classify(&Prompt::of(&["Semak baki"])).language);
}

#[test]
fn a_number_right_beside_words_leaves_them_their_language() {
    for (language, text) in [
        ("th", "ลองไหม55"),
        ("th", "สนใจมาสด้า3"),
        ("ja", "メアリーは20代後半です。"),
        ("zh-Hans", "12月份巴厘岛极其炎热和潮湿。"),
    ] {
        assert_eq!(classify(&Prompt::of(&[text])).language.code(), language, "{text}");
        assert_eq!(classify(&Prompt::of(&[text, "ok"])).language.code(), language, "{text}, ok");
    }
}

#[test]
fn more_of_what_is_no_language() {
    for text in [
        "3 May 2026",
        "May 3, 2026",
        "Mon, 03 May 2026 10:15:30 GMT",
        "10:15 AM GMT+8",
        "2026年5月3日",
        "100元",
        "deadbeefcafebabe",
        "urn:uuid:550e8400-e29b-41d4-a716-446655440000",
        "mailto:a@b.co",
        "$PATH",
        "std::vec::Vec<String>",
        "foo->bar",
        "arr[i][j]",
        "x = y + 1;",
        "rgb(255, 0, 0)",
        "NaCl",
        "AAPL",
        "BTC/USD",
        "SKU: 12-AB-34",
        "37°C",
        "ü",
        "x",
    ] {
        let read = classify(&Prompt::of(&[text]));
        assert_eq!(read.language, Language::Und, "{text}: {read:?}");
    }
}

/// A question in several languages.
const ASKED: [(&str, &str); 6] = [
    ("zh-Hans", "租客什么时候必须付租金？"),
    ("ja", "家賃はいつまでに払う必要がありますか？"),
    ("th", "ผู้เช่าต้องจ่ายค่าเช่าเมื่อไหร่"),
    ("es", "¿Cuándo tiene que pagar el alquiler el inquilino?"),
    ("ms", "Bilakah penyewa perlu membayar sewa bulanan itu?"),
    ("en", "When does the tenant have to pay the rent?"),
];

#[test]
fn the_question_is_found_in_the_templates_of_the_field() {
    let doc = format!("{}\n\n{}", ENGLISH.repeat(3), ENGLISH.repeat(3));
    for (language, q) in ASKED {
        asked_in(&[
            (language, format!("{{\"context\": \"{ENGLISH}\", \"question\": \"{q}\"}}")),
            (
                language,
                format!(
                    "{{\n  \"query\": \"{q}\",\n  \"documents\": [\n    \"{ENGLISH}\"\n  ]\n}}"
                ),
            ),
            (
                language,
                format!(
                    "The original query is as follows: {q}\nWe have an existing answer: The rent is paid \
                     monthly.\n------------\n{doc}\n------------\nGiven the new context, refine it.\n\
                     Refined Answer: "
                ),
            ),
            (
                language,
                format!(
                    "Rephrase the follow up question to be a standalone question.\n\nChat History:\nHuman: \
                     What is this about?\nAssistant: A lease.\nFollow Up Input: {q}\nStandalone question:"
                ),
            ),
            (language, format!("Context: {ENGLISH} Question: {q} Answer:")),
            (language, format!("已知信息：\n{doc}\n\n根据上述已知信息，简洁地回答。问题是：{q}")),
            (
                language,
                format!("### Task:\nRespond to the query.\n\n<context>\n{doc}\n</context>\n\n{q}"),
            ),
            (
                language,
                format!("You are helpful.\n\nHuman: hi\nAssistant: hello\nHuman: {q}\nAssistant:"),
            ),
        ]);
    }
}

#[test]
fn the_question_is_found_beside_pastes_without_a_fence() {
    let trace = "Traceback (most recent call last):\n  File \"/srv/main.py\", line 10, in run\n    \
                 compute(the_value)\nValueError: invalid literal for int()";
    let pastes = [
        PYTHON.repeat(6),
        trace.to_owned(),
        "SELECT customer_id, SUM(amount) AS total\nFROM transactions t\nWHERE t.open\nGROUP BY customer_id"
            .to_owned(),
        "services:\n  gateway:\n    image: nginx:latest\n    restart: always\n    ports:\n      - \"80\""
            .to_owned(),
        "{\n  \"customer\": \"Anna Lim\",\n  \"status\": \"payment declined by the bank\"\n}".to_owned(),
        "error[E0502]: cannot borrow `v` as mutable\n --> src/main.rs:6:5\n  |\n6 |     \
         v.push(6);\n".to_owned(),
        "name;amount\nAnna Lim;20\nBen Tan;40".to_owned(),
        "[10:15] Anna: did you see the report\n[10:16] Ben: not yet, after lunch".to_owned(),
        "Agent: Good morning, how may I help you today?\nCustomer: My card was declined at the \
         store.\nAgent: Let me check that for you.\nCustomer: Thank you, I will wait."
            .to_owned(),
        "“The payment for last month is overdue and must be made as soon as possible.”".to_owned(),
    ];
    for paste in pastes {
        for (language, q) in ASKED {
            asked_in(&[
                (language, format!("{q}\n\n{paste}")),
                (language, format!("{paste}\n\n{q}")),
                (language, format!("{q}\n{paste}")),
                (language, format!("{}\n{q}", paste.trim_end())),
            ]);
        }
    }
}

#[test]
fn a_request_for_a_translation_is_in_the_language_of_the_request() {
    for (language, target, text) in [
        ("en", "th", "Translate to Thai: The branch is closed on Monday"),
        ("en", "th", "Translate to Thai: 我的银行卡丢了，怎么办？请帮我挂失这张卡。"),
        ("zh-Hans", "th", "翻译成泰语：The branch is closed on Monday and reopens on Tuesday"),
        ("th", "en", "แปลเป็นภาษาอังกฤษ: 我的银行卡丢了"),
        ("ja", "en", "英語に翻訳してください：\n\n내 카드를 잃어버렸어요"),
        ("es", "en", "Traduce al inglés: Je voudrais fermer mon compte bancaire"),
        ("de", "en", "Übersetze ins Englische: Je voudrais fermer mon compte bancaire"),
        ("fr", "en", "Traduis en anglais : Ich möchte mein Konto schließen"),
        ("ms", "en", "Terjemahkan ke bahasa Inggeris: 我的银行卡丢了"),
        ("vi", "en", "Dịch sang tiếng Anh: 我的银行卡丢了"),
        ("ar", "en", "ترجم إلى الإنجليزية: 我的银行卡丢了"),
    ] {
        let read = classify(&Prompt::of(&[text]));
        assert_eq!(read.language.code(), language, "{text}: {read:?}");
        assert_eq!(read.task, Task::Translation, "{text}: {read:?}");
        assert_eq!(read.target_language.map(Language::code), Some(target), "{text}");
    }
}
