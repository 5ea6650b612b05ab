//! Clients that ask and never read, and a tenant's deliveries beside them.

use std::path::Path;
use std::time::Duration;

use rung_tests::Rung;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::beside::{self, Load};

const CONNECTIONS: usize = 800;

pub(crate) fn run(loads: &Runtime, exe: &Path, time: Duration) {
    let what = "never-read, 800 clients without a key that never read";
    beside::measure(loads, exe, what, time, begin);
}

async fn begin(rung: &Rung) -> Load {
    let address = rung.addr();
    let mut load = Load::new();
    for _ in 0..CONNECTIONS {
        load.spawn(async move {
            loop {
                let Ok(mut stream) = TcpStream::connect(address).await else {
                    continue;
                };
                let request = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
                // Its answers fill what the system takes, and then it waits to be given up on.
                while stream.write_all(request).await.is_ok() {}
            }
        });
    }
    load
}
