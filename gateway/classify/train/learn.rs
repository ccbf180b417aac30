//! Multinomial logistic regression by AdaGrad (Duchi, Hazan, Singer 2011), then eight bits a weight.

use classify::model::linear::{self, Feature, Linear, softmax};

use crate::measure::Tally;

/// One row: its class, its features with how much each counts, and how much the row counts.
pub struct Example {
    pub class: usize,
    pub features: Vec<(u32, f32)>,
    pub weight: f32,
}

/// The size of a model, and how it is trained.
#[derive(Clone, Copy)]
pub struct Shape {
    pub bits: u32,
    pub width: usize,
    pub classes: usize,
    pub epochs: usize,
    pub rate: f32,
    pub decay: f32,
}

/// Trains a model and returns its bytes. The order of the examples is shuffled by a fixed seed.
pub fn train(examples: &[Example], shape: Shape, temperature: f32) -> Vec<u8> {
    let Shape { bits, width, classes, .. } = shape;
    let mut weights = vec![0.0_f32; width << bits];
    let mut squares = vec![1e-3_f32; width << bits];
    let mut bias = vec![0.0_f32; width];
    let mut bias_squares = vec![1e-3_f32; width];
    let mut order: Vec<u32> = (0..examples.len() as u32).collect();
    let mut seed = 0x5EED_u64;
    for _ in 0..shape.epochs {
        shuffle(&mut order, &mut seed);
        for at in &order {
            let example = &examples[*at as usize];
            let mut scores = vec![f32::NEG_INFINITY; width];
            scores[..classes].copy_from_slice(&bias[..classes]);
            for feature in &example.features {
                let (bucket, share) = *feature;
                let row = &weights[bucket as usize * width..][..classes];
                scores.iter_mut().zip(row).for_each(|(score, weight)| *score += weight * share);
            }
            softmax(&mut scores);
            scores[example.class] -= 1.0;
            for (class, gradient) in scores[..classes].iter().enumerate() {
                let gradient = gradient * example.weight;
                bias_squares[class] += gradient * gradient;
                bias[class] -= shape.rate * 0.1 * gradient / bias_squares[class].sqrt();
            }
            for feature in &example.features {
                let (bucket, share) = *feature;
                let from = bucket as usize * width;
                let row = weights[from..][..classes].iter_mut();
                let square = squares[from..][..classes].iter_mut();
                for ((weight, square), gradient) in row.zip(square).zip(&scores) {
                    let gradient = gradient * share * example.weight + shape.decay * *weight;
                    *square += gradient * gradient;
                    *weight -= shape.rate * gradient / square.sqrt();
                }
            }
        }
    }
    quantised(&weights, &bias, shape, temperature)
}

/// Weights in eight bits: the largest thousandth of a percent is clipped.
fn quantised(weights: &[f32], bias: &[f32], shape: Shape, temperature: f32) -> Vec<u8> {
    let mut sizes: Vec<f32> = weights.iter().map(|it| it.abs()).filter(|it| *it > 0.0).collect();
    sizes.sort_by(f32::total_cmp);
    let at = (sizes.len() as f64 * 0.99999) as usize;
    let most = sizes.get(at.min(sizes.len().saturating_sub(1))).copied().unwrap_or(1.0);
    let scale = most / 127.0;
    let rows: Vec<i8> =
        weights.iter().map(|it| (it / scale).round().clamp(-127.0, 127.0) as i8).collect();
    linear::write(shape.bits, scale, temperature, bias, &rows)
}

/// The same model with another temperature.
pub fn heated(bytes: &[u8], temperature: f32) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[linear::TEMPERATURE_AT..][..4].copy_from_slice(&temperature.to_le_bytes());
    bytes
}

/// Fisher and Yates, by xorshift.
fn shuffle(order: &mut [u32], seed: &mut u64) {
    for at in (1..order.len()).rev() {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        order.swap(at, (*seed % (at as u64 + 1)) as usize);
    }
}

/// Features that count together as one: each is divided by the root of all squares.
pub fn even(features: &[Feature]) -> Vec<(u32, f32)> {
    let squares: f32 = features.iter().map(|it| f32::from(it.value()).powi(2)).sum();
    let share = 1.0 / squares.sqrt();
    let even = |it: &Feature| (it.bucket() as u32, f32::from(it.value()) * share);
    features.iter().map(even).collect()
}

/// The logits of an example under a model of this shape, at temperature 1.
pub fn logits(example: &Example, linear: &Linear<'_>, shape: Shape) -> Vec<f32> {
    let mut sums = match shape.width {
        32 => linear.biases::<32>(shape.classes).to_vec(),
        _ => linear.biases::<16>(shape.classes).to_vec(),
    };
    sums.truncate(shape.classes);
    for (bucket, share) in &example.features {
        let row = linear.row(*bucket as usize).iter().map(|it| f32::from(it.cast_signed()));
        sums.iter_mut().zip(row).for_each(|(sum, it)| *sum += it * linear.scale * share);
    }
    sums
}

/// The parts of the training rows that a learning curve is drawn from, in sixteenths.
const PARTS: [u64; 4] = [2, 4, 8, 12];

/// Whether a row belongs to the first `part` sixteenths, by its text.
pub fn within(text: &str, part: u64) -> bool {
    let hash = text.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    (hash >> 40) % 16 < part
}

/// How a model does that was trained on a part of the rows: share, accuracy, macro-F1.
pub fn curve(of: impl Fn(u64) -> Tally) -> Vec<(f64, f64, f64)> {
    let point = |part| {
        let tally = of(part);
        (part as f64 / 16.0, tally.accuracy(), tally.macro_f1())
    };
    PARTS.into_iter().map(point).collect()
}
