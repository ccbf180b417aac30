//! Words that ask for a task in any language: what a model of words has learned of one of them holds for all.

use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// What a word asks for or speaks of; the words of all languages together, in small letters.
const CUES: [&str; COUNT as usize] = [
    // How many, how much.
    "how many|how much|how long will|how far|calculate|compute|what percent|average|total of|几个|多少|幾個|\
     幾多|几天|一共|共有|总共|總共|平均|求|何個|何人|いくつ|いくら|何円|何分|何本|何枚|何日|合計|몇|얼마|모두|평균|कितने|कितना|कितनी|\
     औसत|कुल|kitne|kitna|kitni|กี่|เท่าไร|เท่าไหร่|คำนวณ|ทั้งหมด|bao nhiêu|mấy|tổng cộng|trung bình|tính|\
     berapa|hitung|kira|jumlah|purata|rata-rata|ilan|magkano|gaano|எத்தனை|எவ்வளவு|மொத்தம்|சராசரி|\
     ဘယ်လောက်|ဘယ်နှ|စုစုပေါင်း|ပျမ်းမျှ|ប៉ុន្មាន|សរុប|មធ្យម|quanti|quante|quanto|quanta|calcola|\
     wie viele|wie viel|wieviel|insgesamt|combien|cuántos|cuántas|cuánto|cuánta|quantos|quantas|сколько|\
     كم|কত|কতগুলি|কতটি|మొత్తం|ఎన్ని|ఎంత|kaç|ne kadar|hoeveel|ile|kolik|hur många|montako|چند|کتنے|کتنا|ngapi|\
     πόσα|πόσο|כמה|скільки",
    // Into another language.
    "translate|translation|in english|in chinese|how do you say|翻译|翻譯|译成|譯成|英文点讲|点讲|訳して|翻訳|英訳|和訳|訳|번역|\
     영어로|영작|अनुवाद|anuvad|แปล|dịch|terjemah|terjemahkan|isalin|i-translate|மொழிபெயர்|ဘာသာပြန်|បកប្រែ|\
     traduci|tradurre|traduzione|übersetz|traduis|traduire|traduce|traducir|traduzir|traduza|перевед|переклад|\
     ترجم|অনুবাদ|అనువద|çevir|vertaal|przetłumacz|přelož|översätt|ترجمه|ترجمہ",
    // In short.
    "summar|tl;dr|tldr|key points|in short|gist|main points|headline|摘要|总结|總結|概括|概要|要点|要點|归纳|一句话|重點|要約|まとめ|\
     ざっくり|要するに|요약|정리해|간추|핵심|सारांश|संक्षेप|सार|saransh|สรุป|ย่อความ|ใจความ|tóm tắt|tóm lại|ringkas|rangkum|\
     intipati|kesimpulan|buod|ibuod|lagom|சுருக்க|சுருக்கம்|အနှစ်ချုပ်|အကျဉ်း|សង្ខេប|riassum|sintesi|sintetizza|\
     zusammenfass|fass zusammen|résume|résumé|resum|сократи|кратко|резюм|ملخص|لخص|সারাংশ|সংক্ষেপ|సారాంశ|özetle|özet|\
     samenvat|streść|shrň|sammanfatta|خلاصه|خلاصہ",
    // In other words.
    "rewrite|rephrase|reword|paraphras|polish|proofread|grammar|correct this|improve|simplify|make it|shorten|more formal|\
     改写|改寫|润色|潤飾|修改|改成|语病|語病|通顺|更正式|改短|改得|書き直|言い換え|直して|推敲|丁寧|敬語|やわらか|고쳐|다듬|바꿔|교정|맞춤법|\
     ठीक कर|सुधार|दोबारा लिख|theek kar|sudhar|ปรับ|แก้|เรียบเรียง|ให้สุภาพ|viết lại|sửa|chỉnh|trau chuốt|tulis semula|perbaiki|\
     baiki|ubah|tukar ayat|haluskan|lebih sopan|ayusin|isulat muli|pakiayos|gawing|மாற்றி எழுது|திருத்|ပြန်ရေး|ပြင်|\
     កែ|សរសេរឡើងវិញ|riscrivi|riformula|correggi|migliora|semplifica|umschreib|umformulier|korrigier|verbesser|reformul|\
     corrige|améliore|reescrib|mejora|reescreva|corrija|перепиши|исправь|улучши|перефраз|أعد صياغة|صحح|পুনরায়|తిరిగి రాయ|\
     yeniden yaz|düzelt|herschrijf|przeredag|popraw",
    // A new text.
    "write a|write an|write me|draft|compose|essay|poem|story|letter|email|speech|slogan|caption|script|写一|写封|写篇|寫一|寫封|寫篇|\
     作文|文案|诗|詩|故事|演讲|演講|邮件|郵件|書いて|作文|小説|詩を|俳句|文面|メール|挨拶文|써줘|써 줘|작성|이메일|편지|글|시를|लिख|निबंध|\
     कविता|कहानी|पत्र|likh|เขียน|แต่ง|จดหมาย|บทความ|เรียงความ|viết một|viết cho|soạn|bài thơ|thư|bài văn|tulis|karang|buatkan|\
     puisi|surat|cerpen|gumawa ng|sumulat|isulat|tula|liham|kuwento|எழுது|கவிதை|கடிதம்|கதை|ရေးပေး|ရေးသား|ကဗျာ|စာ|សរសេរ|\
     កំណាព្យ|លិខិត|scrivi|scrivimi|redigi|poesia|lettera|racconto|schreib|verfass|gedicht|brief|écris|rédige|poème|lettre|\
     escribe|redacta|poema|carta|escreva|redija|напиши|сочини|стих|письмо|اكتب|قصيدة|رسالة|লেখ|লিখ|కవిత|రాయండి|yaz|şiir|\
     schrijf|napisz|napiš|skriv",
    // Ideas, advice, plans.
    "ideas|suggest|recommend|brainstorm|advice|what should i|plan for|itinerary|tips|pros and cons|which one should|主意|建议|建議|\
     推荐|推薦|点子|點子|方案|计划|計劃|攻略|怎么办|怎麼辦|该不该|要不要|アイデア|おすすめ|案を|提案|プラン|どうしたら|どうすれば|べきか|추천|\
     아이디어|조언|계획|어떡|어떻게 할|좋을까|सुझाव|सलाह|आइडिया|योजना|क्या करूँ|क्या करूं|sujhav|salah|แนะนำ|ไอเดีย|ช่วยคิด|วางแผน|\
     ควร|gợi ý|ý tưởng|nên|lời khuyên|kế hoạch|tư vấn|cadang|cadangan|idea|saran|rekomendasi|usul|nasihat|patutkah|sebaiknya|\
     mungkahi|suhestiyon|payo|ano dapat|யோசனை|பரிந்துரை|ஆலோசனை|အကြံ|စိတ်ကူး|ណែនាំ|គំនិត|យោបល់|idee|consigli|suggerisci|\
     consiglia|proponi|ideen|vorschl|empfehl|idées|suggère|conseil|propose|sugiere|recomienda|consejo|sugestões|recomende|\
     conselho|идеи|посоветуй|предложи|أفكار|اقترح|نصيحة|পরামর্শ|ধারণা|సలహా|öner|fikir|ideeën|pomysły",
    // Into a class; a judgement.
    "classify|categor|sentiment|positive or negative|positive, negative|spam|which category|label|urgent|tone of|does it contradict|\
     same meaning|分类|分類|情感|正面|负面|負面|属于|屬於|是否|哪一类|判断|判斷|紧急|分類|ポジティブ|ネガティブ|どれに|判定|感情|분류|긍정|부정|\
     감정|판단|वर्गीकृत|श्रेणी|सकारात्मक|नकारात्मक|भावना|จัดประเภท|หมวด|เชิงบวก|เชิงลบ|phân loại|tích cực|tiêu cực|cảm xúc|\
     klasifikasi|kategori|positif|negatif|sentimen|uriin|kategorya|positibo|negatibo|வகைப்படுத்|நேர்மறை|எதிர்மறை|\
     အမျိုးအစား|អវិជ្ជមាន|វិជ្ជមាន|ប្រភេទ|classifica|categoria|positivo|negativo|klassifizier|kategorie|stimmung|classe|\
     catégorie|clasifica|categoría|classifique|классифиц|категори|صنف|إيجابي|سلبي|শ্রেণী|ইতিবাচক|వర్గీకర|sınıflandır|olumlu|\
     olumsuz",
    // Pull out.
    "extract|list all|pull out|find all|as json|in json|keywords|names and|fill in the|提取|抽取|列出|找出|关键词|關鍵詞|摘出|挑出|整理成|\
     抜き出|抽出|拾って|一覧|キーワード|추출|뽑아|목록|골라|निकाल|सूची|छाँट|nikal|ดึง|แยก|รายชื่อ|คำสำคัญ|trích|liệt kê|lọc|danh sách|ekstrak|\
     keluarkan|senaraikan|sebutkan|cantumkan|daftar|kunin|ilista|hugutin|பிரித்தெடு|பட்டியல்|ထုတ်|စာရင်း|ដកស្រង់|រាយ|estrai|\
     elenca|extrahier|liste|extrais|extrae|extraia|извлек|выпиши|استخرج|বের কর|తీయండి|çıkar|listele",
    // Programs.
    "code|python|javascript|java|sql|function|regex|script|error|bug|excel|formula|html|api|代码|代碼|函数|函數|报错|報錯|程序|程式|公式|\
     コード|関数|エラー|プログラム|正規表現|코드|함수|에러|오류|कोड|फंक्शन|โค้ด|ฟังก์ชัน|สูตร|mã nguồn|hàm|lỗi|kod|fungsi|kode|rumus|\
     நிரல்|குறியீடு|ကုဒ်|កូដ|codice|funzione|errore|funktion|fehler|fonction|función|código|função|код|функци|كود|دالة|কোড|కోడ్",
    // From a text that is there.
    "according to|based on the|in the text|passage|the document|the article|above|context|根据|根據|文中|上文|原文|短文|阅读|閱讀|材料|\
     によると|本文|上の文|文章を読んで|に基づ|에 따르면|본문|지문|다음 글|위 글|के अनुसार|गद्यांश|अनुच्छेद|ตามข้อความ|จากข้อความ|บทความ|\
     theo đoạn|trong bài|đoạn văn|dựa vào|menurut|berdasarkan|petikan|teks di|ayon sa|batay sa|பத்தி|படி|အရ|စာပိုဒ်|យោង|អត្ថបទ|\
     secondo il|nel testo|in base|brano|laut|im text|anhand|selon|d'après|según|en el texto|segundo o|texto|согласно|в тексте|وفقا|\
     النص|অনুযায়ী|ప్రకారం|göre|metin",
    // What, why, how it is.
    "what is|what are|why|explain|difference between|how does|who|when did|where is|meaning of|什么是|什麼是|为什么|為什麼|解释|解釋|区别|\
     區別|点解|乜嘢|是谁|とは|なぜ|なんで|どうして|違い|仕組み|教えて|뭐야|왜|설명|차이|무엇|क्या है|क्यों|समझा|अंतर|कैसे|kyu|kya hai|\
     คืออะไร|ทำไม|อธิบาย|ต่างกัน|là gì|tại sao|vì sao|giải thích|khác nhau|apa itu|kenapa|mengapa|jelaskan|terangkan|beza|\
     perbedaan|ano ang|bakit|paano|ipaliwanag|pagkakaiba|என்றால் என்ன|ஏன்|விளக்கு|வேறுபாடு|ဘာလဲ|ဘာကြောင့်|ရှင်းပြ|ဘယ်လို|\
     អ្វី|ហេតុអ្វី|ពន្យល់|ខុសគ្នា|cos'è|che cos|perché|spiega|differenza|was ist|warum|erklär|unterschied|qu'est-ce|pourquoi|\
     explique|différence|qué es|por qué|explica|diferencia|o que é|por que|что такое|почему|объясни|разниц|ما هو|لماذا|اشرح|\
     কেন|ব্যাখ্যা|ఎందుకు|వివరించ|nedir|neden|açıkla",
    // A role to be played, small talk.
    "pretend|act as|roleplay|role-play|you are now|stay in character|play the role|imagine you|let's play|joke|扮演|假装|假裝|角色|你是一|\
     你现在是|陪我|笑话|笑話|になりきって|演じて|ロールプレイ|のふり|雑談|冗談|역할|연기해|인 척|처럼 말해|농담|심심|बनकर|रोल|नाटक|मज़ाक|bankar|\
     สวมบท|แกล้งเป็น|รับบท|มุก|คุยเล่น|đóng vai|giả vờ|nhập vai|chuyện cười|lakonkan|berpura|anggap kamu|anggap awak|jadi|lawak|\
     berlagak|magpanggap|kunwari|biro|நடி|போல் பேசு|நகைச்சுவை|ဟန်ဆောင်|သရုပ်ဆောင်|ដើរតួ|ធ្វើជា|fingi|fai finta|interpreta|\
     barzelletta|spiel|rolle|tu als|joue|fais semblant|blague|finge|actúa como|chiste|aja como|piada|притвори|сыграй|шутк|تظاهر|\
     مثل دور|অভিনয়|నటించ|rolünü|şaka",
    // A bank and its customer.
    "my card|my account|transfer|refund|charged|balance|atm|loan|mortgage|interest rate|otp|credit card|bank|fee|我的卡|转账|轉賬|轉帳|\
     余额|餘額|还款|還款|扣款|贷款|貸款|利率|额度|額度|账单|開戶|口座|振込|残高|ローン|引き落とし|暗証番号|通帳|계좌|이체|송금|대출|\
     잔액|카드|수수료|खाता|खाते|बैंक|लोन|ट्रांसफर|बैलेंस|บัญชี|โอน|บัตร|ธนาคาร|เงินกู้|ดอกเบี้ย|tài khoản|chuyển khoản|chuyển tiền|\
     thẻ|vay|lãi suất|ngân hàng|akaun|pindah wang|kad saya|pinjaman|rekening|kartu saya|pinjaman|baki|saldo|bunga|account ko|\
     card ko|utang|interes|bangko|கணக்கு|வங்கி|கடன்|அட்டை|ဘဏ်|ငွေလွှဲ|ချေးငွေ|ကတ်|ធនាគារ|គណនី|ប្រាក់|កម្ចី|conto|bonifico|\
     carta di|mutuo|prestito|banca|konto|überweis|karte|kredit|compte|virement|carte|prêt|cuenta|transferencia|tarjeta|préstamo|\
     conta|cartão|empréstimo|счет|счёт|карт|перевод|кредит|حساب|بطاقة|قرض|تحويل|অ্যাকাউন্ট|ঋণ|ఖాతా|రుణ|hesab|kart|kredi",
];
/// How many cues there are.
pub const COUNT: u32 = 13;

struct Words {
    find: AhoCorasick,
    /// The cue of each word.
    of: Vec<u8>,
}

fn words() -> Option<&'static Words> {
    static READ: OnceLock<Option<Words>> = OnceLock::new();
    let read = || {
        let each =
            (0..).zip(CUES).flat_map(|(cue, words)| words.split('|').map(move |it| (it, cue)));
        let (all, of): (Vec<&str>, Vec<u8>) = each.unzip();
        let find = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(all)
            .ok()?;
        Some(Words { find, of })
    };
    READ.get_or_init(read).as_ref()
}

/// The cues that stand in a text, one bit each. A word of ASCII letters begins where a word does.
#[must_use]
pub fn of(text: &str) -> u32 {
    let Some(words) = words() else { return 0 };
    let bytes = text.as_bytes();
    let mut found = 0;
    for it in words.find.find_iter(text) {
        let letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
        let begun = !letter(it.start()) || !it.start().checked_sub(1).is_some_and(letter);
        if begun && let Some(cue) = words.of.get(it.pattern().as_usize()) {
            found |= 1 << cue;
        }
    }
    found
}
