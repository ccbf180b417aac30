//! Words of written Cantonese whose characters others use as well, and the words of others that look like
//! them.

use std::sync::OnceLock;

use super::keywords::{Found, Keywords};

/// Characters that Cantonese shares with Mandarin words (`喇叭`, `仲裁`, `忧郁`): alone they are no marker,
/// what is one of their kind stands among the words.
pub(super) const SHARED: [char; 13] =
    ['仲', '囉', '喎', '咋', '嘈', '凹', '郁', '冧', '咪', '喇', '嘞', '咩', '啫'];

/// What Mandarin does not say.
const OWN: &str = "點解 邊個 邊度 幾時 而家 依家 係咪 點樣 點算好 點做好 鍾意 聽日 琴日 聽晚 聽朝 尋日 尋晚 \
     琴晚 唔該 幾多 幾錢 幾耐 幾貴 夾錢 慳錢 搵錢 俾人 俾我 俾你 俾佢 俾錢 俾返 俾個 俾部 俾客 攰 \
     撳 㩒 揸 傾偈 傾計 傾下 傾緊 碌卡 出糧 搞掂 打邊爐 老豆 細路 屋企 放工 食飯 收工未 遲收工 \
     得閒 得閑 好耐 好靚 同埋 連埋 計埋 加埋 帶埋 訂埋 過數俾 過數去 過數到 過數未 過數比 \
     過數限額 過數上限 過數紀錄 過數失敗 過數？ 過數? 過數， 過數。 幫我過數 一蚊 兩蚊 三蚊 四蚊 \
     五蚊 六蚊 七蚊 八蚊 九蚊 十蚊 百蚊 千蚊 萬蚊 幾蚊 蚊雞 呢句 呢個 呢份 呢張 呢間 呢本 呢隻 \
     呢件 呢度 呢邊 呢次 呢排 呢條 呢筆 呢位 呢封 呢段 呢篇 呢幾 呢兩 呢款 呢種 真係 淨係 梗係 \
     食晒 多謝晒 仲有 仲未 仲係 仲要 仲會 仲可以 仲使 仲想 仲好 仲話 仲得 仲差 仲食 仲喺 仲唔 \
     仲冇 仲咁 仲嚟 仲諗 仲睇 係囉 好嘈 咁嘈 郁手 郁動 冧樓 冧巴 蚊咋 係咋 喇 咪 咩 啫 嘞 喎 拎返 \
     得囉 返囉 就當係 我頭先 你頭先 閂門 阿嫲 我返工 聽日返工 今日返工 冇返工 唔使返工";

/// Words of Mandarin in which one of those above stands, once.
const NOT_OWN: &str = "旁邊個 身邊個 周邊個 那邊個 這邊個 明月幾時 而家長 而家人 而家庭 而家裡 而家裏 而家中 而家具 \
     而家電 而家務 而家屬 而家鄉 而家族 而家长 而家里 而家电 而家务 而家属 而家乡 依家庭 點樣子 \
     點樣品 點樣本 點樣式 聽日本 聽日語 聽日文 聽日期 鋼琴日 提琴日 幾多愁 老豆腐 好耐心 好耐用 \
     好耐磨 好耐看 好耐性 好耐力 不得閒 難得閒 偷得閒 不得閑 難得閑 偷得閑 一蚊子 十蚊子 百蚊子 \
     千蚊子 萬蚊子 幾蚊子 三蚊香 十蚊香 呢個性 呢位置 呢種子 呢條件 呢份子 杜仲有 管仲有 喇叭 \
     喇嘛 喀喇 哈喇 喇合 喇子 喇嗎 猫咪 貓咪 咪蒙 咪咕 咪表 咪達 咪达 咪唑 羊咩 啫喱 好嘞 得嘞 \
     走嘞 来嘞 來嘞 行嘞 对嘞 對嘞 重點解 要點解 觀點解 難點解 焦點解 特點解 熱點解 痛點解 優點解 \
     缺點解 地點解 考點解 疑點解 站點解 節點解 據點解 論點解 海邊度 湖邊度 河邊度 身邊度 這邊度 \
     那邊度 旁邊度 岸邊度 江邊度 是喎 對喎 的喎 了喎 錯喎 沒喎 妈咪 媽咪 連埋葬 連埋怨 連埋伏 \
     連埋在 加埋怨 加埋伏 同埋葬 同埋伏 同埋怨 同埋在 搜尋日 追尋日 找尋日 探尋日 搜尋晚 找尋晚 \
     聽晚間 聽晚會 聽朝鮮 鋼琴晚 提琴晚 傾下來 傾下去 好耐人 好耐煩 好耐熱 毛呢款 毛呢種 濃郁動 \
     馥郁動 濃郁手 房仲有 房仲要 房仲會 房仲可以 房仲想 房仲好 房仲得 房仲未 房仲話 房仲差 老豆漿 \
     而家境 而家產 而家業 而家禽 而家事 而家居 而家用 而家財 打聽日";

/// Words of both: beside a marker one more.
const EITHER: &str = "仲 囉 咋 嘈 郁 冧 晒 埋單 收工 放學 即刻 成日 俾 定係 頭先 返工 返學";

/// What a word tells: of Cantonese alone, of either.
type Tells = (i32, i32);

/// What a dollar is called, after its number.
const MONEY: Tells = (0, 0);

/// What the words of a text tell of Cantonese: how many are its own, and how many others use as well.
#[must_use]
pub(super) fn count(text: &str) -> (u32, u32) {
    let Some(words) = words() else { return (0, 0) };
    let (mut own, mut either) = (0_i32, 0_i32);
    words.each(text, |Found { value, start, .. }| {
        own += if value == MONEY { i32::from(after_number(text, start)) } else { value.0 };
        either += value.1;
    });
    let count = |sum: i32| u32::try_from(sum).unwrap_or(0);
    (count(own), count(either))
}

/// Whether a digit stands before a place: `20蚊` is money, not what bites.
fn after_number(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or("").trim_end_matches(' ');
    before.bytes().next_back().is_some_and(|b| b.is_ascii_digit())
        && !text.get(at..).unwrap_or("").starts_with("蚊子")
}

fn words() -> Option<&'static Keywords<Tells>> {
    static WORDS: OnceLock<Option<Keywords<Tells>>> = OnceLock::new();
    let all = || {
        let lists = [(OWN, (1, 0)), (NOT_OWN, (-1, 0)), (EITHER, (0, 1)), ("蚊", MONEY)];
        Keywords::of(
            lists.iter().flat_map(|(list, tells)| list.split(' ').map(move |word| (word, *tells))),
        )
    };
    WORDS.get_or_init(all).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_mandarin_takes_back_one_of_cantonese() {
        for word in NOT_OWN.split(' ') {
            let held: Vec<_> = OWN.split(' ').filter(|own| word.contains(own)).collect();
            assert_eq!(held.len(), 1, "{word}: {held:?}");
            assert_eq!(count(word).0, 0, "{word}");
        }
    }

    #[test]
    fn a_word_is_listed_once() {
        let mut all: Vec<_> = [OWN, NOT_OWN, EITHER].iter().flat_map(|it| it.split(' ')).collect();
        all.sort_unstable();
        let twice: Vec<_> =
            all.windows(2).filter(|two| two[0] == two[1] || two[0].is_empty()).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
