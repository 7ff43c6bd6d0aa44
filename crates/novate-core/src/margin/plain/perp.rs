//! What holds of a perp and its underlying while no price, term or factor changes.
//!
//! Responsible for: those numbers, and whether they lie inside the bounds of the short way.

use super::rows::{LARGEST_BLUR_PPM, LARGEST_MOVE, ROWS};
use crate::margin::Level;
use crate::margin::liquidity::bare_rates;
use crate::margin::portfolio::Exposure;
use crate::margin::rates::Rates;
use crate::state::{Market, State};
use crate::units::{Lots, Nanos, PPM, Price, Ticks, div_floor, narrow, rate_down, scaled_down};

/// A perp and its underlying at a level and a moment. What every position reads comes first, also of `rates`; rows read the rest.
#[derive(Debug, Default)]
pub struct Perp {
    pub(super) moment: u64,
    /// Journal time for the levels below initial, whose factor moves with it.
    pub(super) at: Nanos,
    /// Inside the bounds of this module, and the only perp of its underlying.
    pub(super) fits: bool,
    pub(super) crowds: bool,
    /// Its quote has six decimals.
    pub(super) in_micros: bool,
    pub(super) underlying: u32,
    /// Refresh of the liquidity inputs.
    pub(super) epoch: u32,
    /// Places of its quote, bucket, sector and gap group.
    pub(super) coin_at: u32,
    pub(super) bucket_at: u32,
    pub(super) sector_at: u32,
    pub(super) group_at: u32,
    /// Micro-dollars of a long and of a short lot, and of the clipped premium; 0 where they are no whole number.
    pub(super) worth: [i64; 2],
    pub(super) premium_worth: i64,
    pub(super) gap_ppm: i64,
    pub(super) room_ppm: i64,
    /// Liquidity rates of an owner for whom none are stored.
    pub(super) bare_ppm: (i64, i64),
    pub(super) rise: i64,
    pub(super) fall: i64,
    pub(super) gain_ppm: i64,
    /// Its part of the bucket's dated moves, and by how much its own differ from that.
    pub(super) history_ppm: i64,
    pub(super) blur_ppm: i64,
    /// BASIS on the gross dollars of a leg; 0 where matched dollars alone count.
    pub(super) gross_basis_ppm: i64,
    pub(super) premium: Price,
    /// Price of a long and of a short exposure.
    pub(super) prices: [Price; 2],
    pub(super) scale: i64,
    /// 1e-9 shares of a lot.
    pub(super) share: i64,
    /// The highest bid and the lowest ask that lose nothing at once.
    pub(super) edges: [Ticks; 2],
    pub(super) rates: Rates,
}

impl Perp {
    /// Micro-dollars of signed lots at a price, rounded down; `worth` is that of one lot.
    #[inline]
    pub fn value(&self, lots: Lots, worth: i64, price: Price) -> Option<i64> {
        if worth != 0 || lots == 0 {
            return lots.checked_mul(worth);
        }
        narrow(scaled_down(i128::from(lots.checked_mul(self.share)?), price, i128::from(self.scale)))
    }

    /// The same at the price of its own sign.
    #[inline]
    pub fn at_index(&self, lots: Lots) -> Option<i64> {
        let sign = usize::from(lots < 0);
        self.value(lots, self.worth[sign], self.prices[sign])
    }
}

impl Perp {
    pub fn work_out(&mut self, state: &State, market: &Market, level: usize) {
        let listed = state.known_underlying(market.terms.underlying);
        self.underlying = market.terms.underlying;
        self.epoch = listed.liquidity_epoch;
        self.in_micros = state.known_asset(market.terms.quote).terms.decimals == 6;
        self.crowds = listed.terms.crowd_ppm != 0;
        self.bare_ppm = bare_rates(state, listed);
        self.gross_basis_ppm = if Exposure::basis_is_net(state, listed) { 0 } else { listed.terms.basis_ppm };
        self.rates.renew(state, listed, if level == 0 { Level::Initial } else { Level::Maintenance });
        (self.rise, self.fall) = (self.rates.rises[0], self.rates.falls[0]);
        (self.gain_ppm, self.gap_ppm, self.room_ppm) = (self.rates.gain_ppm, self.rates.gap_ppm, self.rates.room_ppm);

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
        self.fits = listed.perps.len() == 1 && self.scale > 0 && self.share > 0 && long > 0 && short > 0;
        self.fits &= sizes.copied().all(small) && self.rates.dated.iter().all(|d| small(d.abs()));
        self.fits &= (0..=PPM).contains(&self.gain_ppm) && self.gap_ppm >= 0 && (0..=PPM).contains(&state.config().rotation_ppm);
        self.fits &= self.rates.dated.len() == state.dated_rows.len();
        if self.fits {
            let whole = |price: Price| {
                let (product, scale) = (i128::from(self.share) * i128::from(price), i128::from(self.scale));
                if product % scale == 0 { narrow(product / scale).unwrap_or(0) } else { 0 }
            };
            (self.worth, self.premium_worth) = (self.prices.map(whole), whole(self.premium));
        }
    }

    /// Its part of the bucket's moves, and how far its own dated moves are from that.
    pub fn set_history(&mut self, moves: &[i64; ROWS]) {
        let dated = &self.rates.dated;
        let Some((row, &largest)) = moves.iter().enumerate().take(dated.len()).max_by_key(|(_, m)| m.abs()).filter(|(_, m)| **m != 0) else {
            (self.history_ppm, self.blur_ppm) = (0, 2);
            self.fits &= dated.iter().all(|&d| d == 0);
            return;
        };
        self.history_ppm = div_floor(i128::from(dated[row].abs()) * i128::from(PPM), i128::from(largest.abs())) as i64;
        let part = |m: i64| m.signum() * rate_down(i128::from(m.abs()), self.history_ppm) as i64;
        let off = moves.iter().zip(dated).map(|(&m, &d)| (d - part(m)).abs()).max().unwrap_or(0);
        // One more for what `part` itself lost, and one for the size of a rotation.
        self.blur_ppm = off + 2;
        self.fits &= self.history_ppm <= LARGEST_MOVE && self.blur_ppm <= LARGEST_BLUR_PPM;
        self.fits &= moves.iter().zip(dated).all(|(&m, &d)| d == 0 || d.signum() == m.signum());
    }
}
