//! A seeded generator (xorshift64*), the same on every machine.

/// Its state.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// A generator of a seed; neighbouring seeds give unrelated streams.
    pub fn new(seed: u64) -> Self {
        let mut chance = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..8).for_each(|_| {
            chance.next();
        });
        chance
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From `low` to `high`, both included.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        low + (i128::from(self.next()) % (i128::from(high) - i128::from(low) + 1)) as i64
    }

    /// From 1 to a power of two between those of `low` and `high`: all sizes are about as likely.
    pub fn magnitude(&mut self, low: i64, high: i64) -> i64 {
        let bits = self.range(low, high);
        self.range(1, 1 << bits)
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    /// One of a slice.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.next() % from.len() as u64) as usize]
    }
}
