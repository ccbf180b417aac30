//! Names of fields that hold a secret, in the languages in which people write them.

/// Names of fields whose value is a secret where it is long and mixed. The words of a name may be parted:
/// `api_key`, `api-key`, `api.key`, `API key`.
const KEYS: &[&str] = &[
    "secretaccesskey",
    "accountkey",
    "sharedaccesskey",
    "clientsecret",
    "consumersecret",
    "appsecret",
    "apisecret",
    "webhooksecret",
    "signingsecret",
    "sharedsecret",
    "jwtsecret",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "masterkey",
    "encryptionkey",
    "signingkey",
    "subscriptionkey",
    "accesstoken",
    "authtoken",
    "apitoken",
    "refreshtoken",
    "bearertoken",
    "bottoken",
    "密钥",
    "密鑰",
    "金鑰",
    "secretkeybase",
    "apiキー",
    "api키",
    "คีย์api",
    "kunciapi",
    "khóaapi",
    "chiaveapi",
    "tokenakses",
    "访问令牌",
    "訪問令牌",
    "存取權杖",
    "シークレット",
    "アクセストークン",
    "액세스토큰",
];
/// Names that may be of much else: their value is a secret where nothing but chance could have written it.
const LOOSE: &[&str] = &["token", "secret"];
/// What stands before `token` where it tells a place in a list, or guards a form: no secret of anybody.
const OPEN: &[&str] = &[
    "page",
    "next",
    "continuation",
    "pagination",
    "cursor",
    "sync",
    "resume",
    "csrf",
    "xsrf",
    "verification",
    "idempotency",
];
/// Names of a field that holds a password, and nothing else.
const PASSWORDS: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "passwort",
    "kennwort",
    "wachtwoord",
    "lösenord",
    "motdepasse",
    "palavrapasse",
    "contraseña",
    "contrasena",
    "CONTRASEÑA",
    "hasło",
    "пароль",
    "Пароль",
    "密码",
    "密碼",
    "口令",
    "パスワード",
    "비밀번호",
    "รหัสผ่าน",
    "mậtkhẩu",
    "katasandi",
    "kodesandi",
    "katalaluan",
    "पासवर्ड",
    "পাসওয়ার্ড",
    "கடவுச்சொல்",
    "စကားဝှက်",
    "ពាក្យសម្ងាត់",
    "ລະຫັດຜ່ານ",
    "كلمة المرور",
    "كلمة السر",
];
/// Names that are short, and so stand behind a low line or for themselves: `DB_PASS`, `PGPASS`.
const SHORT: &[&str] = &["pass", "pw", "senha", "sandi"];
/// Words that end in one and name nothing that is kept.
const WORDS: &[&str] = &["bypass", "compass", "trespass", "surpass", "overpass", "underpass"];
/// What a pass is for that nobody signs in with: `boarding pass: …`.
const TICKETS: &[&str] = &[
    "boarding",
    "bus",
    "train",
    "rail",
    "metro",
    "transit",
    "travel",
    "day",
    "week",
    "monthly",
    "season",
    "annual",
    "park",
    "parking",
    "gate",
    "entry",
    "visitor",
    "museum",
    "lounge",
    "ski",
    "lift",
    "event",
    "hall",
    "vip",
    "conference",
    "work",
    "employment",
    "dependant",
    "student",
];
/// Names that may be of a number of another kind as well: what is of digits alone is no password there.
const CODES: &[&str] = &["ລະຫັດ"];
/// What says between a name and its sign that the value comes: `password is: …`, `密码是：…`.
const VERBS: &[&str] = &[
    " is",
    " ist",
    " est",
    " es",
    " adalah",
    " ialah",
    " là",
    " è",
    " é",
    "是",
    "为",
    "為",
    "は",
    "คือ",
];

/// The characters beyond ASCII that a name or a verb ends in.
const LAST: [&str; 32] = [
    "码", "碼", "钥", "鑰", "令", "是", "为", "為", "ド", "は", "호", "น", "อ", "ດ", "ນ", "ड", "ড",
    "்", "်", "់", "ь", "ر", "ー", "키", "牌", "杖", "ト", "큰", "ン", "à", "è", "é",
];

/// The same as bytes, the last the lowest, with a mask for those that have two.
static ENDS: [(u32, u32); LAST.len()] = ends();

#[allow(clippy::indexing_slicing, reason = "a constant: a slip stops the compiler")]
const fn ends() -> [(u32, u32); LAST.len()] {
    let (mut ends, mut at) = ([(0, 0); LAST.len()], 0);
    while at < LAST.len() {
        let bytes = LAST[at].as_bytes();
        let mut place = 0;
        while place < bytes.len() {
            ends[at] = (ends[at].0 << 8 | bytes[place] as u32, ends[at].1 << 8 | 0xFF);
            place += 1;
        }
        at += 1;
    }
    ends
}

/// What a name says of the value beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A password, and nothing else.
    Password,
    /// A password where it looks like one.
    Likely,
    /// A long key.
    Key,
    /// A long key where nothing but chance could have written it.
    Loose,
}

/// What a text says that ends in a name.
pub(super) fn said(text: &str) -> Option<Named> {
    let text = VERBS.iter().find_map(|verb| text.strip_suffix(verb)).unwrap_or(text);
    let text = text.trim_end_matches([' ', '"', '\'', '\\', '*', '`']);
    let ends = |names: &[&str]| names.iter().find_map(|name| begin(text, name));
    if ends(PASSWORDS).is_some() {
        return Some(Named::Password);
    }
    let small = |at: &usize| {
        let before = at.checked_sub(1).and_then(|at| text.as_bytes().get(at));
        before.is_some_and(u8::is_ascii_lowercase)
    };
    let short = |at: usize| !small(&at) && ends(WORDS).is_none() && !ticket(text, at);
    if ends(SHORT).is_some_and(short) || ends(CODES).is_some() {
        return Some(Named::Likely);
    }
    if ends(KEYS).is_some() {
        return Some(Named::Key);
    }
    let before = text.get(..ends(LOOSE)?)?;
    let open =
        OPEN.iter().any(|word| begin(before.trim_end_matches(['_', '-', ' ']), word).is_some());
    (!open).then_some(Named::Loose)
}

/// Whether the word before a pass tells that it lets somebody in where no password does.
fn ticket(text: &str, at: usize) -> bool {
    let head = text.get(..at).unwrap_or("");
    let word = head.trim_end_matches([' ', '-', '_']);
    let parted = word.len() < head.len();
    parted && TICKETS.iter().any(|it| ends_in_word(word, it))
}

/// Whether a text ends in a whole word, in capitals or not.
pub(super) fn ends_in_word(text: &str, word: &str) -> bool {
    begin(text, word).is_some_and(|at| {
        let before = at.checked_sub(1).and_then(|at| text.as_bytes().get(at));
        !before.is_some_and(u8::is_ascii_alphabetic)
    })
}

/// Where a name begins that a text ends in, in capitals or not, its words parted or not.
pub(super) fn begin(text: &str, name: &str) -> Option<usize> {
    let (text, mut at) = (text.as_bytes(), text.len());
    for b in name.bytes().rev() {
        let parted = at < text.len()
            && at > 0
            && matches!(text.get(at - 1), Some(b'_' | b'-' | b'.' | b' '))
            && b != b' ';
        at -= usize::from(parted);
        let same = text.get(at.checked_sub(1)?).is_some_and(|it| it.eq_ignore_ascii_case(&b));
        if !same {
            return None;
        }
        at -= 1;
    }
    Some(at)
}

/// Whether what stands before a sign ends as such a name may, or as a verb behind it does: two letters are
/// enough to tell most that do not.
#[inline]
pub(super) fn likely(before: &[u8]) -> bool {
    let [.., first, last] = before else { return false };
    if !last.is_ascii() {
        let last = before.iter().rev().take(3).rev().fold(0, |last, b| last << 8 | u32::from(*b));
        return ENDS.iter().fold(false, |any, (end, mask)| any | (last & mask == *end));
    }
    if !first.is_ascii() {
        return true;
    }
    let longer = |end: &[u8]| {
        let from = before.len().checked_sub(end.len());
        from.and_then(|from| before.get(from..)).is_some_and(|it| it.eq_ignore_ascii_case(end))
    };
    match &[first | 0x20, last | 0x20] {
        b"pw" => true,
        b"ey" => longer(b"key"),
        b"et" => longer(b"secret"),
        b"en" => longer(b"token"),
        b"rd" => longer(b"word") || longer(b"woord") || longer(b"nord"),
        b"wd" => longer(b"pwd") || longer(b"sswd"),
        b"ss" => longer(b"pass"),
        b"on" => longer(b"zation"),
        b"di" => longer(b"sandi"),
        b"an" => longer(b"luan"),
        b"ue" => longer(b"value"),
        b"rt" => longer(b"wort"),
        b"ig" => longer(b"?sig") || longer(b"&sig"),
        b"re" => longer(b"x-amz-signature"),
        b"ha" => longer(b"senha"),
        b"se" => longer(b"passe") || longer(b"phrase") || longer(b"base"),
        b"pi" => longer(b"api"),
        b"na" => longer(b"sena"),
        b"is" => longer(b" is"),
        b"es" => longer(b" es") || longer(b"akses"),
        b"st" => longer(b" ist") || longer(b" est"),
        b"ah" => longer(b"alah"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_verb_ends_likely() {
        let names = [KEYS, LOOSE, PASSWORDS, SHORT, CODES].concat();
        let verbs = VERBS.iter().map(|verb| format!("password{verb}"));
        for text in names.into_iter().map(str::to_owned).chain(verbs) {
            let text = format!("x {text}");
            assert!(likely(text.as_bytes()), "{text}");
            assert!(said(&text).is_some(), "{text}");
        }
    }
}
