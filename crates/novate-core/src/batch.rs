//! Several orders, cancellations and amendments in one command.
//!
//! Responsible for: reading the legs and answering each on its own: a refused leg changes nothing and does not stop the
//! next. Never knows a rule of an order: each leg is the command of its type.

use crate::codec::{Body, Header};
use crate::command::{AmendOrder, CancelOrder, OrderBatch, PlaceOrder, PlaceOrderFull};
use crate::context::Context;
use crate::event::{BatchDone, LegRefused};
use crate::reject::{Refusal, Reject, require};
use crate::trading;

/// One leg, read.
enum Leg {
    Place(PlaceOrder),
    PlaceFull(PlaceOrderFull),
    Cancel(CancelOrder),
    Amend(AmendOrder),
}

impl Leg {
    const fn kind(&self) -> u16 {
        match self {
            Self::Place(_) => PlaceOrder::KIND,
            Self::PlaceFull(_) => PlaceOrderFull::KIND,
            Self::Cancel(_) => CancelOrder::KIND,
            Self::Amend(_) => AmendOrder::KIND,
        }
    }
}

fn size<B: Body>() -> usize {
    B::FIELDS.iter().map(|(_, ty)| match *ty {
        "u8" => 1,
        "u16" => 2,
        "u32" => 4,
        "u64" | "i64" => 8,
        _ => 16,
    }).sum()
}

/// Reads a body of this type off the front.
fn take<B: Body>(rest: &mut &[u8]) -> Result<B, Refusal> {
    let (body, tail) = rest.split_at_checked(size::<B>()).ok_or(Reject::batch_must_be_whole.at(1, rest.len() as i64, size::<B>() as i64))?;
    *rest = tail;
    B::take(body)
}

fn read(mut rest: &[u8], most: u32) -> Result<Vec<Leg>, Refusal> {
    let mut legs = Vec::new();
    while let Some((kind, tail)) = rest.split_first_chunk::<2>() {
        rest = tail;
        let kind = u16::from_le_bytes(*kind);
        legs.push(match kind {
            PlaceOrder::KIND => Leg::Place(take(&mut rest)?),
            PlaceOrderFull::KIND => Leg::PlaceFull(take(&mut rest)?),
            CancelOrder::KIND => Leg::Cancel(take(&mut rest)?),
            AmendOrder::KIND => Leg::Amend(take(&mut rest)?),
            _ => return Err(Reject::batch_must_be_whole.at(1, i64::from(kind), 0)),
        });
        require(legs.len() <= most as usize, Reject::batch_must_be_whole.at(1, legs.len() as i64, i64::from(most)))?;
    }
    require(rest.is_empty() && !legs.is_empty(), Reject::batch_must_be_whole.at(1, rest.len() as i64, 0))?;
    Ok(legs)
}

/// `OrderBatch`.
///
/// # Errors
/// 201, 435; what a leg meets is told as `LegRefused`.
pub fn run(cx: &mut Context<'_>, header: &Header, command: &OrderBatch) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let legs = read(&command.legs, cx.state.trading.terms.as_ref().map_or(0, |t| t.batch_legs))?;
    let mut refused = 0;
    for (number, leg) in (0..).zip(&legs) {
        let answer = match leg {
            Leg::Place(c) => trading::place(cx, header, c),
            Leg::PlaceFull(c) => trading::place_full(cx, header, c),
            Leg::Cancel(c) => trading::cancel(cx, header, c),
            Leg::Amend(c) => trading::amend(cx, header, c),
        };
        if let Err(Refusal { code, field, value, limit }) = answer {
            refused += 1;
            let (retry, reserved0) = (u16::from(code.retry_can_help()), 0);
            cx.tell_account(account, &LegRefused { leg: number, code: code as u16, command: leg.kind(), field, retry, reserved0, value, limit });
        }
    }
    cx.tell_account(account, &BatchDone { legs: legs.len() as u32, refused });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::codec::Body;
    use crate::command::{CancelOrder, PlaceOrder};

    #[test]
    fn a_batch_is_whole_or_refused() {
        let mut legs = CancelOrder::KIND.to_le_bytes().to_vec();
        CancelOrder { order: 7, client_id: [0; 16] }.put(&mut legs);
        assert_eq!(read(&legs, 1).map(|l| l.len()), Ok(1));
        assert!(read(&legs, 0).is_err() && read(&[], 5).is_err());
        assert!((1..legs.len()).all(|cut| read(&legs[..cut], 5).is_err()));
        legs.extend_from_slice(&PlaceOrder::KIND.to_le_bytes());
        assert!(read(&legs, 5).is_err(), "a leg without its body");
    }
}
