//! How long work tells how far it is.

/// Hears of progress; called from the thread that called `scan`.
pub trait Progress {
    /// A stage begins; `bytes_total` is 0 when unknown.
    fn stage(&self, name: &str, bytes_total: u64);
    /// This many more bytes are done.
    fn advance(&self, bytes: u64);
}

/// Says nothing.
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _name: &str, _bytes_total: u64) {}
    fn advance(&self, _bytes: u64) {}
}
