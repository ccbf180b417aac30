//! A linear model over hashed features, its weights as bytes.

use fearless_simd::dispatch;

use crate::bits;

/// A model: `2^bits` rows of `width` weights, one for each class.
#[derive(Clone, Copy, Debug)]
pub struct Linear<'a> {
    /// Two to this power is the number of rows.
    pub bits: u32,
    /// Weights of a row; classes beyond the real ones stay zero.
    pub width: usize,
    /// What a weight of 1 stands for.
    pub scale: f32,
    /// What the logits are divided by before probabilities are made of them.
    pub temperature: f32,
    /// Added to the classes' sums.
    pub bias: &'a [u8],
    rows: &'a [u8],
}

/// Bytes before the bias: bits, width, scale, temperature.
const HEAD: usize = 16;
/// Where the temperature stands.
pub const TEMPERATURE_AT: usize = 12;

impl<'a> Linear<'a> {
    /// Reads a model; `None` if the bytes are not one.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let word = |at: usize| -> Option<[u8; 4]> { bytes.get(at..at + 4)?.try_into().ok() };
        let bits = u32::from_le_bytes(word(0)?);
        let width = u32::from_le_bytes(word(4)?) as usize;
        let rows_at = HEAD + width * 4;
        let model = Self {
            bits,
            width,
            scale: f32::from_le_bytes(word(8)?),
            temperature: f32::from_le_bytes(word(TEMPERATURE_AT)?),
            bias: bytes.get(HEAD..rows_at)?,
            rows: bytes.get(rows_at..)?,
        };
        (bits < 30 && model.rows.len() == width << bits).then_some(model)
    }

    /// Adds the row of a feature to the sums, as often as it counts.
    #[inline]
    pub fn add<const W: usize>(&self, feature: Feature, sums: &mut Sums<W>) {
        let bucket = feature.bucket();
        let Some(row) = self.rows.get(bucket * W..bucket * W + W) else { return };
        let value = feature.value();
        for (sum, weight) in sums.small.iter_mut().zip(row) {
            *sum += i16::from(weight.cast_signed()) * value;
        }
        sums.held += value.unsigned_abs();
        sums.features += usize::from((value * value).unsigned_abs());
        if sums.held > HELD_MAX {
            sums.flush();
        }
    }

    /// The rows of a model that has so many, each as wide as this.
    #[inline]
    #[must_use]
    pub fn rows<const W: usize, const ROWS: usize>(&self) -> Option<&'a Rows<W, ROWS>> {
        self.rows.as_chunks::<W>().0.try_into().ok()
    }

    /// The same model with another temperature.
    #[must_use]
    pub const fn heated(self, temperature: f32) -> Self {
        Self { temperature, ..self }
    }

    /// The weights of a row.
    #[must_use]
    pub fn row(&self, bucket: usize) -> &'a [u8] {
        self.rows.get(bucket * self.width..(bucket + 1) * self.width).unwrap_or_default()
    }

    /// What is added to the sums of the first `classes` classes; to the others what makes them impossible.
    #[must_use]
    pub fn biases<const W: usize>(&self, classes: usize) -> [f32; W] {
        let mut biases = [f32::NEG_INFINITY; W];
        let known = self.bias.chunks_exact(4).filter_map(|it| it.try_into().ok());
        let known = known.map(f32::from_le_bytes).take(classes);
        biases.iter_mut().zip(known).for_each(|(to, from)| *to = from);
        biases
    }

    /// Probabilities of the first `classes` classes.
    #[must_use]
    pub fn probabilities<const W: usize>(&self, sums: &Sums<W>, classes: usize) -> [f32; W] {
        let norm = self.scale / (sums.features.max(1) as f32).sqrt();
        let sums = sums.totals();
        let mut scores = self.biases::<W>(classes);
        for (score, sum) in scores.iter_mut().zip(sums) {
            *score = (sum as f32 * norm + *score) / self.temperature;
        }
        softmax(&mut scores);
        scores
    }
}

/// The rows of a model.
pub type Rows<const W: usize, const ROWS: usize> = [[u8; W]; ROWS];

/// The row of a bucket; where the bucket is known to be below `ROWS`, nothing is asked.
#[inline(always)]
#[must_use]
pub fn row_of<const W: usize, const ROWS: usize>(rows: &Rows<W, ROWS>, bucket: usize) -> &[u8; W] {
    rows.get(bucket).unwrap_or(const { &[0; W] })
}

/// The sum of the rows of at most [`FEW`] features, given `N` at a time.
pub fn sum_of<'a, const W: usize, const N: usize>(
    rows: impl Iterator<Item = [&'a [u8; W]; N]>,
) -> [i16; W] {
    dispatch!(bits::level(), _simd => summed(rows))
}

#[inline(always)]
fn summed<'a, const W: usize, const N: usize>(
    rows: impl Iterator<Item = [&'a [u8; W]; N]>,
) -> [i16; W] {
    let mut sums = [0; W];
    for some in rows {
        for row in some {
            let each = sums.iter_mut().zip(row);
            each.for_each(|(sum, weight)| *sum += i16::from(weight.cast_signed()));
        }
    }
    sums
}

/// Features whose weights fit into 16 bits together: (250 + 7) × 127 < 2^15.
const HELD_MAX: u16 = 250;
/// Features whose rows are added at one go.
pub const FEW: usize = HELD_MAX as usize;

/// A feature: its bucket, and how much it counts.
#[derive(Clone, Copy, Debug)]
pub struct Feature(u32);

impl Feature {
    /// One that counts once.
    #[inline]
    #[must_use]
    pub const fn of(bucket: usize) -> Self {
        Self::counting(bucket, 1)
    }

    /// One that counts `value` times, 1 to 7.
    #[inline]
    #[must_use]
    pub const fn counting(bucket: usize, value: u32) -> Self {
        Self((bucket & 0x1FFF_FFFF) as u32 | value << 29)
    }

    /// Its row.
    #[inline]
    #[must_use]
    pub const fn bucket(self) -> usize {
        (self.0 & 0x1FFF_FFFF) as usize
    }

    /// How often it counts.
    #[inline]
    #[must_use]
    pub const fn value(self) -> i16 {
        (self.0 >> 29) as i16
    }
}

/// Sums of weights by class. Few at a time are kept in 16 bits, which adds eight classes at once.
#[derive(Clone, Copy, Debug)]
pub struct Sums<const W: usize> {
    small: [i16; W],
    large: [i32; W],
    held: u16,
    /// Squares of what was added: the sum is divided by their root.
    pub features: usize,
}

impl<const W: usize> Default for Sums<W> {
    fn default() -> Self {
        Self { small: [0; W], large: [0; W], held: 0, features: 0 }
    }
}

impl<const W: usize> Sums<W> {
    fn flush(&mut self) {
        for (large, small) in self.large.iter_mut().zip(&mut self.small) {
            *large += i32::from(std::mem::take(small));
        }
        self.held = 0;
    }

    /// The sums.
    #[must_use]
    pub fn totals(&self) -> [i32; W] {
        let mut all = *self;
        all.flush();
        all.large
    }

    /// Adds what was summed up elsewhere, with so many squares.
    #[inline]
    pub fn add_totals(&mut self, totals: &[i16; W], features: usize) {
        self.large.iter_mut().zip(totals).for_each(|(large, total)| *large += i32::from(*total));
        self.features += features;
    }
}

/// Makes probabilities of scores, in place.
pub fn softmax(scores: &mut [f32]) {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - top).exp();
        total += *score;
    }
    for score in scores.iter_mut() {
        *score /= total;
    }
}

/// Writes a model in the form that [`Linear::read`] takes.
#[must_use]
pub fn write(bits: u32, scale: f32, temperature: f32, bias: &[f32], rows: &[i8]) -> Vec<u8> {
    let width = u32::try_from(bias.len()).unwrap_or(0);
    let mut bytes = Vec::with_capacity(HEAD + bias.len() * 4 + rows.len());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(width.to_le_bytes());
    bytes.extend(scale.to_le_bytes());
    bytes.extend(temperature.to_le_bytes());
    bias.iter().for_each(|bias| bytes.extend(bias.to_le_bytes()));
    bytes.extend(rows.iter().map(|weight| weight.cast_unsigned()));
    bytes
}
