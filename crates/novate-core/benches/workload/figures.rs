//! Medians, percentiles, and the JSON they are printed in.

use novate_core::account::{Account, Balance, Position};
use novate_core::order::Order;
use std::time::Instant;

/// Sorted figures.
pub struct Figures(Vec<f64>);

impl Figures {
    /// Sorts them.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The value below which a share of the figures lies.
    pub fn at(&self, share: f64) -> f64 {
        let last = self.0.len() - 1;
        self.0[((self.0.len() as f64 * share) as usize).min(last)]
    }

    /// Their mean.
    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    /// Median, least and greatest rate as JSON fields.
    pub fn rates(&self) -> String {
        let (low, high) = (self.at(0.0), self.at(1.0));
        format!("\"mcmd_s_median\":{:.4},\"mcmd_s_min\":{low:.4},\"mcmd_s_max\":{high:.4}", self.at(0.5))
    }

    /// Percentiles in nanoseconds as JSON fields.
    pub fn percentiles(&self) -> String {
        format!(
            "\"mean_ns\":{:.1},\"p50_ns\":{:.0},\"p99_ns\":{:.0},\"p999_ns\":{:.0},\"timer_ns\":{:.0}",
            self.mean(),
            self.at(0.5),
            self.at(0.99),
            self.at(0.999),
            timer_ns()
        )
    }
}

/// What reading the clock twice costs, and so is inside every latency: the median of many.
fn timer_ns() -> f64 {
    let once = || {
        let start = Instant::now();
        start.elapsed().as_nanos() as f64
    };
    Figures::of((0..10_000).map(|_| once()).collect()).at(0.5)
}

/// Most memory the process had at once.
pub fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM"));
    line.and_then(|l| l.split_whitespace().nth(1)).and_then(|k| k.parse::<u64>().ok()).unwrap_or(0) / 1_024
}

/// Bytes of the records that there are many of.
pub fn sizes() -> String {
    format!(
        "{{\"order_bytes\":{},\"position_bytes\":{},\"balance_bytes\":{},\"account_bytes\":{}}}",
        size_of::<Order>(),
        size_of::<Position>(),
        size_of::<Balance>(),
        size_of::<Account>()
    )
}
