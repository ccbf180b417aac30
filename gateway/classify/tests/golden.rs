//! What the shipped model must read right: sentences as people write them, each language and task of a bank.

use classify::{Language, Prompt, Reading, Task, classify};

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
