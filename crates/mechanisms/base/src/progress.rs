//! How a build tells what it is doing.

/// Told what a build is doing. Calls come from several threads.
pub trait Progress: Sync {
    /// A step begins; `total` is its amount of work in bytes, 0 when that is not known.
    fn begin(&self, step: &str, total: u64);

    /// `amount` more bytes of the step are done.
    fn advance(&self, amount: u64);

    /// Something worth knowing that is no failure.
    fn note(&self, message: &str);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _step: &str, _total: u64) {}

    fn advance(&self, _amount: u64) {}

    fn note(&self, _message: &str) {}
}
