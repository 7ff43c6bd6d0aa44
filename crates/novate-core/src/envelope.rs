//! What the writer of a journal needs of the 48 bytes in front of a command: where each ends, its sequence, its time.
//!
//! Responsible for: a buffer is whole messages back to back, or is refused as a whole. Never looks at an account or a body.
//! The engine itself refuses a wrong sequence or time again; this fills them, once, for a whole buffer at a time.

use crate::codec::{HEADER, Header};

/// Why a buffer is not stamped; nothing of it counts then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The buffer holds no whole message.
    NoMessage,
    /// The message at this byte says it is shorter than a header.
    TooShort {
        /// Where it begins.
        offset: usize,
        /// Bytes it says it has.
        length: u32,
    },
    /// The buffer ends inside the message at this byte.
    CutShort {
        /// Where it begins.
        offset: usize,
    },
    /// A command's time lies before the one in front of it.
    Backwards {
        /// Its sequence.
        sequence: u64,
        /// Its time.
        time_ns: i64,
        /// The time before it.
        last_time_ns: i64,
    },
}

/// A stamped buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamped {
    /// Commands in it.
    pub commands: u64,
    /// Time of the last one.
    pub time_ns: i64,
}

/// Fills sequences from `first_sequence` on, and the time of every message; with `time_ns` none, the messages carry their own
/// times, which must not decrease.
///
/// # Errors
/// For anything but whole messages, and for a time before `last_time_ns` or before the message in front. The buffer may be half
/// stamped then.
pub fn stamp(
    buffer: &mut [u8],
    first_sequence: u64,
    time_ns: Option<i64>,
    last_time_ns: i64,
) -> Result<Stamped, Fault> {
    if buffer.len() < HEADER {
        return Err(Fault::NoMessage);
    }
    let (mut offset, mut sequence, mut at) = (0, first_sequence, last_time_ns);
    while offset < buffer.len() {
        let header = header(buffer, offset)?;
        let own = time_ns.unwrap_or(header.time_ns);
        if own < at {
            return Err(Fault::Backwards { sequence, time_ns: own, last_time_ns: at });
        }
        at = own;
        buffer[offset..offset + HEADER].copy_from_slice(&Header { sequence, time_ns: at, ..header }.bytes());
        sequence = sequence.wrapping_add(1);
        offset += header.length as usize;
    }
    Ok(Stamped { commands: sequence.wrapping_sub(first_sequence), time_ns: at })
}

/// Whether one of the messages is of this type, in a buffer that `stamp` would take with the times it is given.
///
/// # Errors
/// For anything but whole messages.
pub fn check(buffer: &[u8], kind: u16) -> Result<bool, Fault> {
    if buffer.len() < HEADER {
        return Err(Fault::NoMessage);
    }
    let (mut offset, mut found) = (0, false);
    while offset < buffer.len() {
        let header = header(buffer, offset)?;
        found |= header.kind == kind;
        offset += header.length as usize;
    }
    Ok(found)
}

/// Whether one of the messages is of this type. Bytes that are no whole messages are none.
#[must_use]
pub fn holds(buffer: &[u8], kind: u16) -> bool {
    let mut offset = 0;
    while let Ok(header) = header(buffer, offset) {
        if header.kind == kind {
            return true;
        }
        offset += header.length as usize;
    }
    false
}

/// The header at `offset` of a message that is there whole.
fn header(buffer: &[u8], offset: usize) -> Result<Header, Fault> {
    let cut = Fault::CutShort { offset };
    let header = Header::read(&buffer[offset..]).ok_or(cut)?;
    if (header.length as usize) < HEADER {
        return Err(Fault::TooShort { offset, length: header.length });
    }
    if header.length as usize > buffer.len() - offset { Err(cut) } else { Ok(header) }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Stamped, holds, stamp};
    use crate::codec::{HEADER, Header};

    fn message(kind: u16, body: usize, time_ns: i64) -> Vec<u8> {
        let header = Header { length: (HEADER + body) as u32, kind, version: 1, time_ns, ..Header::default() };
        [&header.bytes()[..], &vec![7; body]].concat()
    }

    #[test]
    fn sequence_and_time_are_filled_and_nothing_else() {
        let mut buffer = [message(3, 5, 0), message(4, 0, 0), message(5, 70, 0)].concat();
        let before = buffer.clone();
        assert_eq!(stamp(&mut buffer, 8, Some(50), 50), Ok(Stamped { commands: 3, time_ns: 50 }));
        for (at, sequence) in [(0, 8), (53, 9), (101, 10)] {
            let header = Header::read(&buffer[at..]).expect("a header");
            assert_eq!((header.sequence, header.time_ns), (sequence, 50));
            buffer[at + 32..at + 48].fill(0);
        }
        assert_eq!(buffer, before);
    }

    #[test]
    fn own_times_must_not_decrease() {
        let times = |a, b| stamp(&mut [message(3, 1, a), message(3, 0, b)].concat(), 1, None, 10);
        assert_eq!(times(10, 12), Ok(Stamped { commands: 2, time_ns: 12 }));
        assert_eq!(times(12, 11), Err(Fault::Backwards { sequence: 2, time_ns: 11, last_time_ns: 12 }));
        assert_eq!(times(9, 11), Err(Fault::Backwards { sequence: 1, time_ns: 9, last_time_ns: 10 }));
    }

    #[test]
    fn anything_but_whole_messages_is_refused() {
        let refused = |mut bytes: Vec<u8>| {
            let fault = stamp(&mut bytes, 1, Some(1), 0).unwrap_err();
            assert_eq!(super::check(&bytes, 3), Err(fault));
            fault
        };
        assert_eq!(refused(Vec::new()), Fault::NoMessage);
        assert_eq!(refused(vec![0; 47]), Fault::NoMessage);
        assert_eq!(refused(vec![0; 48]), Fault::TooShort { offset: 0, length: 0 });
        let two = [message(3, 5, 0), message(4, 9, 0)].concat();
        assert_eq!(refused(two[..two.len() - 1].to_vec()), Fault::CutShort { offset: 53 });
        assert_eq!(refused([&two[..], &[1; 3]].concat()), Fault::CutShort { offset: 110 });
    }

    #[test]
    fn a_type_is_found_in_headers_only() {
        let buffer = [message(3, 40, 0), message(9, 0, 0)].concat();
        assert!(holds(&buffer, 3) && holds(&buffer, 9));
        assert_eq!((super::check(&buffer, 9), super::check(&buffer, 8)), (Ok(true), Ok(false)));
        assert!(!holds(&buffer, 0x0707) && !holds(&buffer[..90], 9) && !holds(&[], 0));
    }
}
