//! Publishing over keep-alive connections, with as little work of its own as there can be.

use std::fmt::Write as _;

use crate::arrivals::{STAMP, STAMP_DIGITS, Stopwatch};
use crate::sender::{Connection, Publishing, Sender};

/// The length of an event's data.
const DATA_BYTES: usize = 1024;

/// An event's data, stamped with this time.
fn data(stamp_us: u64, text: &mut String) {
    let padding =
        DATA_BYTES - r#"{"pad":""}"#.len() - r#","#.len() - STAMP.len() - STAMP_DIGITS - 1;
    let _ = write!(
        text,
        r#"{{{STAMP}{stamp_us:0STAMP_DIGITS$}","pad":"{:x<padding$}"}}"#,
        ""
    );
}

/// A connection that publishes this many events a call.
pub(crate) struct Publisher {
    connection: Connection,
    publishing: Publishing,
    batch: usize,
    stopwatch: Stopwatch,
}

impl Publisher {
    pub(crate) async fn open(sender: &Sender, batch: usize, stopwatch: Stopwatch) -> Self {
        Self {
            connection: sender.connect().await,
            publishing: sender.publishing(batch > 1),
            batch,
            stopwatch,
        }
    }

    /// Makes one call, and gives how many events it published.
    pub(crate) async fn publish(&mut self) -> usize {
        let now = self.stopwatch.now_us();
        let Publishing { path, body, event } = &self.publishing;
        let mut text = String::with_capacity(self.batch * (DATA_BYTES + 64) + 64);
        text.push_str(&body.0);
        for n in 0..self.batch {
            if n > 0 {
                text.push(',');
            }
            text.push_str(&event.0);
            data(now, &mut text);
            text.push_str(&event.1);
        }
        text.push_str(&body.1);
        self.connection.post(path, &[], text.into()).await;
        self.batch
    }
}
