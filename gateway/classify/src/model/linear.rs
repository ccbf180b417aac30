//! A linear model over hashed features, its weights as bytes.

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
            temperature: f32::from_le_bytes(word(12)?),
            bias: bytes.get(HEAD..rows_at)?,
            rows: bytes.get(rows_at..)?,
        };
        (bits < 30 && model.rows.len() == width << bits).then_some(model)
    }

    /// Adds the row of a feature to the sums.
    #[inline]
    pub fn add<const W: usize>(&self, bucket: usize, sums: &mut [i32; W]) {
        let Some(row) = self.rows.get(bucket * W..bucket * W + W) else { return };
        for (sum, weight) in sums.iter_mut().zip(row) {
            *sum += i32::from(weight.cast_signed());
        }
    }

    /// Probabilities of the first `classes` classes from the sums over `features` features.
    #[must_use]
    pub fn probabilities<const W: usize>(
        &self,
        sums: &[i32; W],
        features: usize,
        classes: usize,
    ) -> [f32; W] {
        let norm = self.scale / (features.max(1) as f32).sqrt();
        let mut scores = [f32::NEG_INFINITY; W];
        let biases = self.bias.chunks_exact(4).filter_map(|it| it.try_into().ok());
        let sums = sums.iter().zip(biases.map(f32::from_le_bytes));
        for (score, (sum, bias)) in scores.iter_mut().zip(sums).take(classes) {
            *score = (*sum as f32 * norm + bias) / self.temperature;
        }
        softmax(&mut scores);
        scores
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
