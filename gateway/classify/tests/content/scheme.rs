//! A scheme of numbers: how they are made, which it takes, how they are written and told of.

use classify::{Content, contents};

use crate::{
    draw::Rng,
    form::{FORMS, Form, written},
};

/// A sentence, and the language it is in; `{}` is where the number stands.
pub(crate) type Said = (&'static str, &'static str);

pub(crate) struct Scheme {
    pub name: &'static str,
    pub kind: Content,
    /// A number that is right, without anything between its groups.
    pub draw: fn(&mut Rng) -> String,
    /// Whether the scheme itself takes a number, by the arithmetic of this file.
    pub accepts: fn(&str) -> bool,
    /// The groups in which it is written.
    pub groups: &'static [&'static [usize]],
    /// Its own form on paper.
    pub printed: Option<fn(&str) -> String>,
    /// Whether another scheme of the kind takes it, without a word or by one that names both.
    pub also: fn(&str) -> bool,
    /// Forms in which it is found where a word names it.
    pub forms: &'static [Form],
    /// Sentences that name what it is.
    pub said: &'static [Said],
    /// Forms in which it is found where no word names it.
    pub alone: &'static [Form],
    /// Sentences for those forms; the ones that are shared, if there are none.
    pub told: &'static [Said],
    /// Texts that only look like it, if they are none of the shared ones.
    pub misses: Option<fn(&mut Rng) -> String>,
}

impl Scheme {
    pub(crate) const PLAIN: Self = Self {
        name: "",
        kind: Content::Phone,
        draw: |_| String::new(),
        accepts: |_| false,
        groups: &[],
        printed: None,
        also: |_| false,
        forms: FORMS,
        said: &[],
        alone: &[],
        told: &[],
        misses: None,
    };

    /// How a number is grouped here: by one of the ways that fit its length.
    fn groups(&self, number: &str, rng: &mut Rng) -> &'static [usize] {
        let length = number.chars().count();
        let fit = |groups: &&&[usize]| groups.iter().sum::<usize>() == length;
        let fitting: Vec<_> = self.groups.iter().filter(fit).copied().collect();
        // One digit more or less leaves the groups as they were, but for the last.
        let any: Vec<_> = if fitting.is_empty() { self.groups.to_vec() } else { fitting };
        if any.is_empty() { &[] } else { rng.pick(&any) }
    }

    fn write(&self, number: &str, form: Form, language: &str, rng: &mut Rng) -> String {
        match self.printed {
            Some(printed) if form == Form::Printed => printed(number),
            _ => {
                let groups = self.groups(number, rng);
                written(number, groups, (form, language), rng)
            }
        }
    }

    /// A sentence and a form in which the number must be found.
    fn sentence(&self, rng: &mut Rng) -> (Said, Form) {
        let told = if self.told.is_empty() { NEUTRAL } else { self.told };
        let alone = !self.alone.is_empty() && (self.said.is_empty() || rng.below(3) == 0);
        if alone {
            return (rng.pick(told), rng.pick(self.alone));
        }
        let printed = self.printed.is_some() && rng.below(4) == 0;
        (rng.pick(self.said), if printed { Form::Printed } else { rng.pick(self.forms) })
    }

    /// A text with a number that is right.
    pub(crate) fn right(&self, rng: &mut Rng) -> String {
        let number = (self.draw)(rng);
        let ((language, sentence), form) = self.sentence(rng);
        sentence.replace("{}", &self.write(&number, form, language, rng))
    }

    /// A text with something that only looks like one; nothing where the scheme itself takes what was drawn.
    pub(crate) fn wrong(&self, rng: &mut Rng) -> Option<String> {
        if let Some(misses) = self.misses {
            return Some(misses(rng));
        }
        let number = (self.draw)(rng);
        match rng.below(6) {
            0..3 => {
                let number = match rng.below(3) {
                    0 => changed(&number, rng),
                    1 => more(&number, rng),
                    _ => less(&number, rng),
                };
                let ((language, sentence), form) = self.sentence(rng);
                let text = sentence.replace("{}", &self.write(&number, form, language, rng));
                (!(self.accepts)(&number) && !(self.also)(&number)).then_some(text)
            }
            3 if self.kind != Content::Phone => {
                let (_, sentence) = rng.pick(CALLED);
                let phone = rng.pick(&["+65 9", "08", "+62 8", "+66 8"]).to_owned();
                Some(sentence.replace("{}", &format!("{phone}{}", rng.digits(7))))
            }
            other => {
                let number = redrawn(&number, rng);
                let form = rng.pick(FORMS);
                let (language, sentence) = rng.pick(if other == 5 { NEUTRAL } else { NUMBERED });
                let text = sentence.replace("{}", &self.write(&number, form, language, rng));
                let taken = self.alone.contains(&form) && (self.accepts)(&number);
                (!taken && !(self.also)(&number)).then_some(text)
            }
        }
    }

    /// Whether a text holds one number of this kind.
    pub(crate) fn found(&self, text: &str) -> bool {
        contents(text).count(self.kind) == 1
    }

    pub(crate) fn taken(&self, text: &str) -> bool {
        contents(text).count(self.kind) > 0
    }
}

fn places(number: &str) -> Vec<usize> {
    number.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at).collect()
}

/// One digit is another.
fn changed(number: &str, rng: &mut Rng) -> String {
    let at = rng.pick(&places(number));
    let old = number.as_bytes()[at];
    let new = (old - b'0' + u8::try_from(rng.within(1, 9)).expect("a digit")) % 10 + b'0';
    format!("{}{}{}", &number[..at], new as char, &number[at + 1..])
}

fn more(number: &str, rng: &mut Rng) -> String {
    let at = rng.pick(&places(number));
    format!("{}{}{}", &number[..at], rng.digits(1), &number[at..])
}

fn less(number: &str, rng: &mut Rng) -> String {
    let at = rng.pick(&places(number));
    format!("{}{}", &number[..at], &number[at + 1..])
}

/// Every digit and letter is another of its sort.
fn redrawn(number: &str, rng: &mut Rng) -> String {
    let another = |c: char| match c {
        '0'..='9' => rng.digits(1),
        'A'..='Z' => rng.capitals(1),
        c => c.to_string(),
    };
    number.chars().map(another).collect()
}

/// Sentences that name nothing.
pub(crate) const NEUTRAL: &[Said] = &[
    ("en", "{}"),
    ("en", "Please look at {} and tell me what you see."),
    ("en", "We wrote {} on the whiteboard yesterday."),
    ("zh", "请帮我看一下 {} 对不对"),
    ("zh", "请将{}复制到下面"),
    ("zh", "麻煩幫我睇下 {} 啱唔啱"),
    ("ms", "Tolong semak {} untuk saya."),
    ("id", "Tolong periksa {} ini ya."),
    ("vi", "Kiểm tra giúp tôi {} nhé"),
    ("tl", "Pakitingnan po ang {} salamat"),
    ("hi", "कृपया {} देख लीजिए"),
    ("ta", "தயவுசெய்து {} பாருங்கள்"),
    ("ko", "{} 확인해 주세요"),
    ("my", "{} ကို စစ်ပေးပါ"),
    ("km", "សូមពិនិត្យ {} ឱ្យខ្ញុំ"),
    ("it", "Controlla {} per favore."),
];

/// Sentences that say that it is something else.
const NUMBERED: &[Said] = &[
    ("en", "Order {} has shipped."),
    ("en", "Where is my parcel? Tracking number {}"),
    ("en", "Invoice {} is overdue since May."),
    ("en", "Our reference: {}"),
    ("zh", "订单号 {} 还没发货"),
    ("zh", "快递单号：{}"),
    ("zh", "發票號碼 {} 開錯咗"),
    ("ms", "Nombor pesanan {} belum sampai."),
    ("id", "Nomor resi {} tidak bergerak."),
    ("th", "คำสั่งซื้อ {} ยังไม่มา"),
    ("vi", "Mã đơn hàng {} bị trễ"),
    ("ja", "注文番号 {} はまだ届きません"),
    ("ko", "주문번호 {} 배송 언제 와요"),
    ("hi", "ऑर्डर नंबर {} अभी तक नहीं आया"),
    ("ta", "ஆர்டர் எண் {} வரவில்லை"),
    ("tl", "Order number {} hindi pa dumating"),
    ("my", "အော်ဒါ နံပါတ် {} မရောက်သေးဘူး"),
    ("km", "លេខការបញ្ជាទិញ {} មិនទាន់មកដល់"),
    ("it", "La fattura numero {} non torna."),
];

/// Sentences with a phone number.
const CALLED: &[Said] = &[
    ("en", "Call me at {} tomorrow."),
    ("zh", "我的电话是 {}"),
    ("id", "Hubungi saya di {}"),
    ("th", "โทรกลับที่ {}"),
    ("vi", "Số điện thoại của tôi: {}"),
    ("it", "Il mio telefono è {}"),
];
