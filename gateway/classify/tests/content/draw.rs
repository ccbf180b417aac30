//! Numbers drawn by a seed.

/// A seeded source of numbers (SplitMix64).
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % most as u64).expect("small")
    }

    /// A number of `from..=to`.
    pub(crate) fn within(&mut self, from: usize, to: usize) -> usize {
        from + self.below(to - from + 1)
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Characters of an alphabet.
    pub(crate) fn of(&mut self, alphabet: &str, count: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..count).map(|_| self.pick(&alphabet)).collect()
    }

    pub(crate) fn digits(&mut self, count: usize) -> String {
        self.of("0123456789", count)
    }

    pub(crate) fn capitals(&mut self, count: usize) -> String {
        self.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ", count)
    }

    /// A month and a day that there are in every year.
    pub(crate) fn date(&mut self) -> (usize, usize) {
        (self.within(1, 12), self.within(1, 28))
    }
}

/// The values of a text's digits.
pub(crate) fn values(digits: &str) -> Vec<usize> {
    digits.bytes().map(|b| usize::from(b.wrapping_sub(b'0'))).collect()
}

/// Whether a text is so many digits.
pub(crate) fn digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|b| b.is_ascii_digit())
}

pub(crate) fn value(text: &str, from: usize, to: usize) -> usize {
    text.get(from..to).and_then(|it| it.parse().ok()).unwrap_or(usize::MAX)
}

/// The sum of a text's digits, each times its weight.
pub(crate) fn weighed(text: &str, weights: &[usize]) -> usize {
    values(text).iter().zip(weights).map(|(a, b)| a * b).sum()
}

/// Whether there is such a day in some year.
pub(crate) fn dated(month: usize, day: usize) -> bool {
    const DAYS: [usize; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    (1..=12).contains(&month) && (1..=DAYS[month - 1]).contains(&day)
}

/// Luhn's sum: of every second digit from the right the double's digits are added.
pub(crate) fn luhn(text: &str) -> bool {
    const DOUBLED: [usize; 10] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];
    let mut sum = 0;
    for (place, digit) in values(text).into_iter().rev().enumerate() {
        sum += if place % 2 == 1 { DOUBLED[digit] } else { digit };
    }
    sum % 10 == 0
}

/// A text and the last digit with which a scheme takes it.
pub(crate) fn completed(body: &str, accepts: impl Fn(&str) -> bool) -> Option<String> {
    (0..10).map(|last| format!("{body}{last}")).find(|it| accepts(it))
}

/// What a scheme takes of what is drawn, again and again.
pub(crate) fn until(
    rng: &mut Rng,
    accepts: impl Fn(&str) -> bool,
    body: impl Fn(&mut Rng) -> String,
) -> String {
    loop {
        let body = body(rng);
        if let Some(whole) = completed(&body, &accepts) {
            return whole;
        }
    }
}
