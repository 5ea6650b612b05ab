//! Requests whose bodies never end, and another tenant's deliveries beside them.

use std::path::Path;
use std::time::Duration;

use rung_tests::{Rung, Tenant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::beside::{self, Load};

const CONNECTIONS: usize = 800;

pub(crate) fn run(loads: &Runtime, exe: &Path, time: Duration) {
    let what = "half-bodies, 800 batches of another tenant that never end";
    beside::measure(loads, exe, what, time, begin);
}

async fn begin(rung: &Rung) -> Load {
    let slow = Tenant::create(rung, "slow", "standard").await;
    let (address, half) = (
        rung.addr(),
        format!(
            "POST /v1/events/batch HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: 1000000\r\n\r\n{{",
            slow.key
        ),
    );
    let mut load = Load::new();
    for _ in 0..CONNECTIONS {
        let half = half.clone();
        load.spawn(async move {
            loop {
                let Ok(mut stream) = TcpStream::connect(address).await else {
                    continue;
                };
                let _ = stream.write_all(half.as_bytes()).await;
                // Until it is given up on.
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        });
    }
    load
}
