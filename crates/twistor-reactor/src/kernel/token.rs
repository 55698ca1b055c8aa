use std::fmt;

/// The name under which a source is known to the kernel: a place in the reactor's table and the generation of who sits there.
///
/// A token outlives its source harmlessly: an event for a source that is gone carries an old generation and is dropped, whatever has
/// taken its place since.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    index: u32,
    generation: u32,
}

impl Token {
    /// The token of place `index` in its `generation`-th use.
    #[must_use]
    pub const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// The place in the table.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// How often the place was used before.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }

    /// Both numbers in one, for kernels that keep a word of user data with a registration.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The inverse of [`to_bits`](Self::to_bits).
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}.{})", self.index, self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn bits_go_both_ways() {
        for (index, generation) in [(0, 0), (1, 0), (0, 1), (u32::MAX, 7), (7, u32::MAX)] {
            let token = Token::new(index, generation);
            assert_eq!(Token::from_bits(token.to_bits()), token);
        }
    }
}
