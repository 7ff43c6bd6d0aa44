//! Numbers in the bytes of a record, little endian, and where a whole event ends. Knows no message.

use crate::heads::LEAD;

/// An integer of a record.
pub trait Number: Sized {
    /// Bytes that it takes.
    const SIZE: usize;
    /// Of exactly so many bytes; 0 of another number of them.
    fn of(bytes: &[u8]) -> Self;
}

macro_rules! numbers {
    ($($kind:ty),*) => {$(
        impl Number for $kind {
            const SIZE: usize = size_of::<$kind>();
            fn of(bytes: &[u8]) -> Self {
                bytes.try_into().map_or(0, <$kind>::from_le_bytes)
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, i64);

/// The number at an offset of a record that is long enough; whoever calls has looked at its length.
pub fn number<N: Number>(record: &[u8], at: usize) -> N {
    N::of(&record[at..at + N::SIZE])
}

/// The first event of a buffer as long as its header says, if all of it is there.
pub fn whole(events: &[u8]) -> Option<&[u8]> {
    if events.len() < LEAD {
        return None;
    }
    let length = number::<u32>(events, 0) as usize;
    if length < LEAD { None } else { events.get(..length) }
}

/// How a field lies in a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// One byte.
    U8,
    /// Two bytes.
    U16,
    /// Four bytes.
    U32,
    /// Eight bytes.
    U64,
    /// Eight bytes, signed.
    I64,
    /// Sixteen bytes that are no number.
    Bytes16,
}

impl Wire {
    /// By the name that the definitions give it.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "u8" => Self::U8,
            "u16" => Self::U16,
            "u32" => Self::U32,
            "u64" => Self::U64,
            "i64" => Self::I64,
            "[u8;16]" => Self::Bytes16,
            _ => return None,
        })
    }

    /// Bytes that it takes.
    pub const fn size(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 => 4,
            Self::U64 | Self::I64 => 8,
            Self::Bytes16 => 16,
        }
    }

    /// The number at an offset of a record that is long enough; 0 of what is no number.
    pub fn read(self, record: &[u8], at: usize) -> i128 {
        match self {
            Self::U8 => i128::from(number::<u8>(record, at)),
            Self::U16 => i128::from(number::<u16>(record, at)),
            Self::U32 => i128::from(number::<u32>(record, at)),
            Self::U64 => i128::from(number::<u64>(record, at)),
            Self::I64 => i128::from(number::<i64>(record, at)),
            Self::Bytes16 => 0,
        }
    }

    /// Writes a number at an offset of a record that is long enough; `None` where it does not fit.
    pub fn write(self, record: &mut [u8], at: usize, value: i128) -> Option<()> {
        let fits = match self {
            Self::U8 => u8::try_from(value).is_ok(),
            Self::U16 => u16::try_from(value).is_ok(),
            Self::U32 => u32::try_from(value).is_ok(),
            Self::U64 => u64::try_from(value).is_ok(),
            Self::I64 => i64::try_from(value).is_ok(),
            Self::Bytes16 => false,
        };
        if !fits {
            return None;
        }
        record[at..at + self.size()].copy_from_slice(&value.to_le_bytes()[..self.size()]);
        Some(())
    }
}
