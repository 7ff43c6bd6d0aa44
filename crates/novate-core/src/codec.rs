//! The wire: 48-byte headers, fixed little-endian records, MessagePack arrays.
//!
//! Responsible for: turning bytes into values and back, byte-equal. Never interprets a message: what a command
//! means is its handler's business. Hot bodies are records that numpy reads in place; rare bodies are
//! MessagePack arrays of the fields in order.

use crate::reject::{Refusal, Reject};
use serde::{Serialize, de::DeserializeOwned};

/// Opaque bytes in a document, MessagePack's own binary form.
pub type Bytes = serde_bytes::ByteBuf;

/// Size of a message header in bytes.
pub const HEADER: usize = 48;
/// The only message version so far.
pub const VERSION: u16 = 1;

/// The header in front of every command and event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the whole message, header included.
    pub length: u32,
    /// Message type number.
    pub kind: u16,
    /// Message version.
    pub version: u16,
    /// Account the message is about; 0 for the venue.
    pub account: u64,
    /// Key or agent that sent it.
    pub actor: u64,
    /// Correlates replies with their sender; chosen by the sender.
    pub request: u64,
    /// Position in the journal, from 1; filled by the sequencer.
    pub sequence: u64,
    /// Journal time; filled by the sequencer.
    pub time_ns: i64,
}

/// BLAKE3 of a whole message: what a quarantine names it by.
#[must_use]
pub fn digest(message: &[u8]) -> [u8; 32] {
    *blake3::hash(message).as_bytes()
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

impl Header {
    /// Reads the first 48 bytes; `None` when there are fewer.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let b = bytes.get(..HEADER)?;
        Some(Self {
            length: u32::from_le_bytes(array(b, 0)),
            kind: u16::from_le_bytes(array(b, 4)),
            version: u16::from_le_bytes(array(b, 6)),
            account: u64::from_le_bytes(array(b, 8)),
            actor: u64::from_le_bytes(array(b, 16)),
            request: u64::from_le_bytes(array(b, 24)),
            sequence: u64::from_le_bytes(array(b, 32)),
            time_ns: i64::from_le_bytes(array(b, 40)),
        })
    }

    /// Appends the header's 48 bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
    }

    /// The header's 48 bytes.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> [u8; HEADER] {
        let mut b = [0_u8; HEADER];
        b[0..4].copy_from_slice(&self.length.to_le_bytes());
        b[4..6].copy_from_slice(&self.kind.to_le_bytes());
        b[6..8].copy_from_slice(&self.version.to_le_bytes());
        b[8..16].copy_from_slice(&self.account.to_le_bytes());
        b[16..24].copy_from_slice(&self.actor.to_le_bytes());
        b[24..32].copy_from_slice(&self.request.to_le_bytes());
        b[32..40].copy_from_slice(&self.sequence.to_le_bytes());
        b[40..48].copy_from_slice(&self.time_ns.to_le_bytes());
        b
    }
}

/// A field of a fixed record.
pub trait Field: Sized + Copy {
    /// Bytes on the wire.
    const SIZE: usize;
    /// Writes the little-endian bytes over exactly `SIZE` bytes.
    fn put(self, out: &mut [u8]);
    /// Reads from exactly `SIZE` bytes.
    fn take(bytes: &[u8]) -> Self;
}

macro_rules! integer_fields {
    ($($ty:ty),*) => {$(
        impl Field for $ty {
            const SIZE: usize = size_of::<$ty>();
            #[inline]
            fn put(self, out: &mut [u8]) { out.copy_from_slice(&self.to_le_bytes()); }
            #[inline]
            fn take(bytes: &[u8]) -> Self { Self::from_le_bytes(array(bytes, 0)) }
        }
    )*};
}
integer_fields!(u8, u16, u32, u64, i64);

impl Field for [u8; 16] {
    const SIZE: usize = 16;
    #[inline]
    fn put(self, out: &mut [u8]) {
        out.copy_from_slice(&self);
    }
    #[inline]
    fn take(bytes: &[u8]) -> Self {
        array(bytes, 0)
    }
}

/// A message body: its type number, the names and types of its fields, and its bytes.
pub trait Body: Sized {
    /// Type number; append-only.
    const KIND: u16;
    /// Name shared with the Python definition.
    const NAME: &'static str;
    /// `record` (fixed little-endian) or `document` (MessagePack array).
    const FORM: &'static str;
    /// Field names and types, in wire order; append-only.
    const FIELDS: &'static [(&'static str, &'static str)];
    /// Appends the body.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads a whole body.
    ///
    /// # Errors
    /// `message_must_be_complete` for a record of another size, `body_must_match_its_type` for a document that
    /// is not canonical MessagePack of the fields.
    fn take(bytes: &[u8]) -> Result<Self, Refusal>;
}

/// Appends a whole message; length, kind and version of `header` are filled here.
pub fn write_message<B: Body>(mut header: Header, body: &B, out: &mut Vec<u8>) {
    let start = out.len();
    header.kind = B::KIND;
    header.version = VERSION;
    header.write(out);
    body.put(out);
    let length = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Appends a MessagePack array of the fields.
pub fn put_document<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    rmp_serde::encode::write(out, value).expect("writing MessagePack to memory cannot fail");
}

/// Reads a MessagePack array of the fields and insists on the canonical encoding, so that equal commands are
/// equal bytes.
///
/// # Errors
/// `body_must_match_its_type`.
pub fn take_document<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let value: T = rmp_serde::from_slice(bytes).map_err(|_| Reject::body_must_match_its_type)?;
    let mut again = Vec::with_capacity(bytes.len());
    put_document(&value, &mut again);
    if again == bytes { Ok(value) } else { Err(Reject::body_must_match_its_type.into()) }
}

/// Defines fixed records: `Name = kind { field: type, .. }`.
#[macro_export]
macro_rules! record {
    ($($(#[$meta:meta])* $name:ident = $kind:literal { $($(#[$fmeta:meta])* $field:ident : $ty:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty),* }

        impl $crate::codec::Body for $name {
            const KIND: u16 = $kind;
            const NAME: &'static str = stringify!($name);
            const FORM: &'static str = "record";
            const FIELDS: &'static [(&'static str, &'static str)] = &[$((stringify!($field), stringify!($ty))),*];
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                const SIZE: usize = 0 $(+ <$ty as $crate::codec::Field>::SIZE)*;
                let mut _bytes = [0_u8; SIZE];
                let mut _at = 0;
                $(
                    $crate::codec::Field::put(self.$field, &mut _bytes[_at.._at + <$ty as $crate::codec::Field>::SIZE]);
                    _at += <$ty as $crate::codec::Field>::SIZE;
                )*
                out.extend_from_slice(&_bytes);
            }
            #[inline]
            fn take(bytes: &[u8]) -> Result<Self, $crate::reject::Refusal> {
                const SIZE: usize = 0 $(+ <$ty as $crate::codec::Field>::SIZE)*;
                if bytes.len() != SIZE {
                    return Err($crate::reject::Reject::message_must_be_complete.at(0, bytes.len() as i64, SIZE as i64));
                }
                let mut _at = 0;
                $(
                    let $field = <$ty as $crate::codec::Field>::take(&bytes[_at.._at + <$ty as $crate::codec::Field>::SIZE]);
                    _at += <$ty as $crate::codec::Field>::SIZE;
                )*
                Ok(Self { $($field),* })
            }
        }
    )*};
}

/// Defines MessagePack documents: `Name = kind { field: type, .. }`.
#[macro_export]
macro_rules! document {
    ($($(#[$meta:meta])* $name:ident = $kind:literal { $($(#[$fmeta:meta])* $field:ident : $ty:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty),* }

        impl $crate::codec::Body for $name {
            const KIND: u16 = $kind;
            const NAME: &'static str = stringify!($name);
            const FORM: &'static str = "document";
            const FIELDS: &'static [(&'static str, &'static str)] = &[$((stringify!($field), stringify!($ty))),*];
            fn put(&self, out: &mut Vec<u8>) { $crate::codec::put_document(self, out); }
            fn take(bytes: &[u8]) -> Result<Self, $crate::reject::Refusal> { $crate::codec::take_document(bytes) }
        }
    )*};
}

/// One definition as JSON, for the test that compares them with Python's.
#[must_use]
pub fn definition_json<B: Body>() -> String {
    let fields: Vec<String> = B::FIELDS.iter().map(|(name, ty)| format!("[\"{name}\",\"{}\"]", ty.replace(' ', ""))).collect();
    format!("{{\"name\":\"{}\",\"kind\":{},\"form\":\"{}\",\"fields\":[{}]}}", B::NAME, B::KIND, B::FORM, fields.join(","))
}
