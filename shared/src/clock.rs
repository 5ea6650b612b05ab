//! placeholder until merged
use futures_util::future::BoxFuture;
/// Time.
pub trait Clock: Send + Sync {
    /// ladder now
    fn now_ms(&self) -> u64;
    /// wall now
    fn wall_ms(&self) -> u64;
    /// sleep
    fn sleep_until_ms<'a>(&'a self, at_ms: u64) -> BoxFuture<'a, ()>;
}
