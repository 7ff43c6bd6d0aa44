//! What holds of a perp and its underlying while no price, term or factor changes.
//!
//! Responsible for: those numbers, and whether they lie inside the bounds of the short way.

use super::rows::{FINE, LARGEST_MOVE, LARGEST_OFF, ROWS, fine};
use crate::margin::Level;
use crate::margin::liquidity::bare_rates;
use crate::margin::portfolio::Exposure;
use crate::margin::rates::Rates;
use crate::state::{Market, State};
use crate::units::{Lots, Nanos, PPM, Price, Ticks, div_floor, narrow, scaled_down};

/// What a market is to the short way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fit {
    /// Outside the bounds of this module, or not the only perp of its underlying.
    #[default]
    No,
    /// A perp with a short way.
    Perp,
    /// A spot market.
    Spot,
}

/// A perp and its underlying at a level and a moment. What every position reads comes first; what only exact rows read, last.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Perp {
    pub(super) moment: u64,
    /// Journal time for the levels below initial, whose factor moves with it.
    pub(super) at: Nanos,
    /// Micro-dollars of a long and of a short lot; 0 where they are no whole number.
    pub(super) worth: [i64; 2],
    pub(super) premium: Price,
    pub(super) underlying: u32,
    /// Refresh of the liquidity inputs.
    pub(super) epoch: u32,
    pub(super) fit: Fit,
    pub(super) crowds: bool,
    /// Its quote has six decimals.
    pub(super) in_micros: bool,
    /// Places of its quote, bucket, sector and gap group.
    pub(super) coin_at: u8,
    pub(super) bucket_at: u8,
    pub(super) sector_at: u8,
    pub(super) group_at: u32,
    /// What a dollar makes when it rises and falls in full: the part of a gain that counts, and a loss.
    pub(super) rise: [i64; 2],
    pub(super) fall: [i64; 2],
    /// The same of the bucket's dated moves, times which its own are made.
    pub(super) history: [i64; 2],
    /// By how much of a dollar any of these is off in a row.
    pub(super) off: i64,
    pub(super) gap_ppm: i64,
    pub(super) room_ppm: i64,
    /// Liquidity rates of an owner for whom none are stored.
    pub(super) bare_ppm: (i64, i64),
    /// BASIS on the gross dollars of a leg; 0 where matched dollars alone count.
    pub(super) gross_basis_ppm: i64,
    /// Micro-dollars of the clipped premium of a lot; 0 where they are no whole number.
    pub(super) premium_worth: i64,
    /// Price of a long and of a short exposure.
    pub(super) prices: [Price; 2],
    pub(super) scale: i64,
    /// 1e-9 shares of a lot.
    pub(super) share: i64,
    /// The highest bid and the lowest ask that lose nothing at once.
    pub(super) edges: [Ticks; 2],
    /// Signed sizes of the dated rows.
    pub(super) dated: [i64; ROWS],
    pub(super) rates: Rates,
}

impl Perp {
    /// Micro-dollars of signed lots at a price, rounded down; `worth` is that of one lot.
    #[inline(always)]
    pub fn value(&self, lots: Lots, worth: i64, price: Price) -> Option<i64> {
        if worth != 0 || lots == 0 {
            return lots.checked_mul(worth);
        }
        self.divided(lots, price)
    }

    #[cold]
    fn divided(&self, lots: Lots, price: Price) -> Option<i64> {
        narrow(scaled_down(i128::from(lots.checked_mul(self.share)?), price, i128::from(self.scale)))
    }

    /// The same at the price of its own sign.
    #[inline(always)]
    pub fn at_index(&self, lots: Lots) -> Option<i64> {
        let sign = usize::from(lots < 0);
        self.value(lots, self.worth[sign], self.prices[sign])
    }

    pub fn work_out(&mut self, state: &State, market: &Market, level: usize) {
        let listed = state.known_underlying(market.terms.underlying);
        self.underlying = market.terms.underlying;
        self.epoch = listed.liquidity_epoch;
        self.in_micros = state.known_asset(market.terms.quote).terms.decimals == 6;
        self.crowds = listed.terms.crowd_ppm != 0;
        self.bare_ppm = bare_rates(state, listed);
        self.gross_basis_ppm = if Exposure::basis_is_net(state, listed) { 0 } else { listed.terms.basis_ppm };
        self.rates.renew(state, listed, if level == 0 { Level::Initial } else { Level::Maintenance });
        (self.gap_ppm, self.room_ppm) = (self.rates.gap_ppm, self.rates.room_ppm);

        let external = listed.price.last_external();
        let (long, short) = if level == 0 { listed.price.initial_prices(false) } else { (external, external) };
        self.prices = [long, short];
        self.scale = narrow(listed.scale()).unwrap_or(0);
        let (num, den) = (i128::from(market.split.num), i128::from(market.split.den));
        let shares = i128::from(market.terms.lot_size) * num;
        self.share = if shares % den == 0 { narrow(shares / den).unwrap_or(0) } else { 0 };
        let index = listed.price.index();
        let bound = div_floor(i128::from(listed.terms.basis_ppm) * i128::from(index), i128::from(PPM)) as i64;
        self.premium = if market.mark.mark() == 0 { 0 } else { (market.mark.mark() - index).clamp(-bound, bound) };
        let step = i128::from(market.terms.tick_size) * den;
        let edge = |product: i128| narrow(div_floor(product, step)).unwrap_or(i64::MAX);
        self.edges = [edge(i128::from(long) * num), edge(i128::from(short) * num + step - 1)];

        let sizes = self.rates.rises.iter().chain(&self.rates.falls).chain(&self.rates.rotations);
        let small = |size: i64| (0..=LARGEST_MOVE).contains(&size);
        let mut fits = listed.perps.len() == 1 && self.scale > 0 && self.share > 0 && long > 0 && short > 0;
        fits &= sizes.copied().all(small) && self.rates.dated.iter().all(|d| small(d.abs()));
        fits &= (0..=PPM).contains(&self.rates.gain_ppm) && self.gap_ppm >= 0 && (0..=PPM).contains(&state.config().rotation_ppm);
        fits &= self.gross_basis_ppm >= 0 && self.rates.dated.len() == state.dated_rows.len();
        self.fit = if fits { Fit::Perp } else { Fit::No };
        if fits {
            let whole = |price: Price| {
                let (product, scale) = (i128::from(self.share) * i128::from(price), i128::from(self.scale));
                if product % scale == 0 { narrow(product / scale).unwrap_or(0) } else { 0 }
            };
            (self.worth, self.premium_worth) = (self.prices.map(whole), whole(self.premium));
            (self.rise, self.fall) = (self.made(fine(self.rates.rises[0])), self.made(fine(self.rates.falls[0])));
            self.dated = [0; ROWS];
            self.dated[..self.rates.dated.len()].copy_from_slice(&self.rates.dated);
        }
    }

    /// What counts of a gain, and a loss, at a size.
    fn made(&self, size: i64) -> [i64; 2] {
        [div_floor(i128::from(size) * i128::from(self.rates.gain_ppm), i128::from(PPM)) as i64, size]
    }

    /// Its part of the bucket's moves, and how far its own dated moves are from that.
    pub fn set_history(&mut self, moves: &[i64; ROWS]) {
        let dated = &self.dated;
        let (row, &largest) = moves.iter().enumerate().max_by_key(|(_, m)| m.abs()).expect("there are rows");
        let part = if largest == 0 { 0 } else { div_floor(i128::from(dated[row].abs()) << FINE, i128::from(largest.abs())) as i64 };
        let mut fits = moves.iter().all(|m| m.abs() <= LARGEST_MOVE) && part <= fine(LARGEST_MOVE);
        fits = fits && moves.iter().zip(dated).all(|(&m, &d)| d == 0 || d.signum() == m.signum());
        let made = |m: i64| div_floor(i128::from(fine(m.abs().min(LARGEST_MOVE))) * i128::from(part), 1 << FINE) as i64;
        let apart = |(&m, &d): (&i64, &i64)| (fine(d.abs()) - made(m)).abs();
        let off = moves.iter().zip(dated).map(apart).max().unwrap_or(0);
        // Roundings of `off`, of a size, of a gain that counts, and of a rotation's or a tail's part of it, each at the largest move.
        self.off = off + 16;
        self.history = self.made(part);
        if !fits || off > LARGEST_OFF {
            self.fit = Fit::No;
        }
    }
}
