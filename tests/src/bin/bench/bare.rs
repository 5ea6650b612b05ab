//! The limit: a process that does nothing but sign a body of the same length and post it to the same receiver.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::arrivals::Arrivals;
use crate::report::Row;
use crate::sender::Connection;

/// What a delivery of the other scenarios is long.
const BODY_BYTES: usize = 1100;

/// Runs [`client`] as a process of its own.
pub(crate) async fn measure(connections: usize, load: Duration) -> Row {
    let arrivals = Arrivals::listen().await;
    let start = Instant::now();
    let mut child = Command::new(std::env::current_exe().expect("the path of this binary"))
        .args([
            "bare-client",
            &arrivals.addr.to_string(),
            &connections.to_string(),
            &load.as_secs().to_string(),
        ])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("a process of our own");
    let mut told = String::new();
    child
        .stdout
        .take()
        .expect("piped")
        .read_to_string(&mut told)
        .await
        .expect("its processor time");
    let took = start.elapsed();
    child.wait().await.expect("its end");
    let cpu_ms = told.trim().parse().expect("milliseconds");
    Row {
        name: format!("limit: bare hyper, {connections} connections"),
        deliveries: arrivals.count(),
        took,
        cpu: Duration::from_millis(cpu_ms),
        latencies_us: Vec::new(),
    }
}

/// Signs and posts as fast as it is answered, then prints the milliseconds of processor time that took.
pub(crate) async fn client(addr: SocketAddr, connections: usize, load: Duration) {
    let end = Instant::now() + load;
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        tasks.spawn(async move {
            let body = Bytes::from(vec![b'x'; BODY_BYTES]);
            let key = Hmac::<Sha256>::new_from_slice(&[7; 32]).expect("a key of any length");
            let mut connection = Connection::open(addr, Vec::new()).await;
            while Instant::now() < end {
                let mut mac = key.clone();
                mac.update(&body);
                let signature = hex::encode(mac.finalize().into_bytes());
                connection
                    .post("/", &[("x-signature", &signature)], body.clone())
                    .await;
            }
        });
    }
    tasks.join_all().await;
    println!("{}", crate::cpu::used(std::process::id()).as_millis());
}
