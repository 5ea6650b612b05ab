//! Work that takes the processor for milliseconds, kept from the tasks that wait for the network.

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};

/// Does what may take milliseconds without keeping the runtime's other tasks waiting, where it has several threads. Where it has
/// one, as on Lambda, there is one request at a time.
pub fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
        _ => work(),
    }
}
