//! How the names of a request's headers are spelled over HTTP/1.1. Some receivers tell names apart by case, though they must not.
//!
//! hyper keeps names in lower case and writes them so, which HTTP/2 demands. Over HTTP/1.1 it writes a name as the request's
//! [`Extensions`] spell it, in a type that is hyper's own: it makes one for each head that it reads, if it is told to. So it reads a head
//! with the wanted names, once for each set of them, over a connection in memory.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Extensions, HeaderName, Request};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::join;

/// The names that HTTP and Rung itself set, as they are spelled. Those of Standard Webhooks and of Trace Context stay in lower case,
/// as their documents have them.
const OWN: [&str; 8] = [
    "Host",
    "Content-Type",
    "Content-Length",
    "Connection",
    "User-Agent",
    "Rung-Hops",
    "Rung-Test",
    "Rung-Challenge",
];
/// Sets of names that are remembered; with more, all are forgotten.
const REMEMBERED: usize = 1_024;
/// What the connection in memory holds of the request that is written to it, in bytes.
const REQUEST_BYTES: usize = 1_024;

/// How the names of a request's headers are spelled.
#[derive(Clone, Debug)]
pub enum Spelling {
    /// As these are.
    Named(Names),
    /// As in the head of a request that hyper has read while it kept the case: that request's extensions.
    Received(Extensions),
}

impl Default for Spelling {
    fn default() -> Self {
        Self::Named(Names::default())
    }
}

impl<'a> FromIterator<&'a str> for Spelling {
    fn from_iter<T: IntoIterator<Item = &'a str>>(names: T) -> Self {
        Self::Named(names.into_iter().collect())
    }
}

/// The names of a request's headers as they are to be spelled; where two differ in case alone, the first holds. A name that is not
/// among them is spelled in lower case, unless it is one of [`OWN`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Names(String);

impl Names {
    /// How a name is spelled.
    #[must_use]
    pub fn spelled<'n>(&'n self, name: &'n HeaderName) -> &'n str {
        let mut names = self.names();
        let found = names.find(|known| known.eq_ignore_ascii_case(name.as_str()));
        found.unwrap_or(name.as_str())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.lines().chain(OWN)
    }
}

impl<'a> FromIterator<&'a str> for Names {
    fn from_iter<T: IntoIterator<Item = &'a str>>(names: T) -> Self {
        let mut all = Self::default();
        for name in names {
            all.0.push_str(name);
            all.0.push('\n');
        }
        all
    }
}

/// The spellings that hyper has read.
#[derive(Default)]
pub(super) struct Spellings(Mutex<HashMap<Names, Extensions>>);

impl Spellings {
    /// What a request has along for its names to be spelled so.
    pub(super) async fn extensions(&self, spelling: &Spelling) -> Extensions {
        let names = match spelling {
            Spelling::Named(names) => names,
            Spelling::Received(received) => return received.clone(),
        };
        if let Some(known) = self.lock().get(names) {
            return known.clone();
        }
        // Names that hyper does not read are none that could be sent.
        let read = read(names).await.unwrap_or_default();
        let mut known = self.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(names.clone(), read.clone());
        read
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Names, Extensions>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has hyper read a head with these names.
async fn read(names: &Names) -> hyper::Result<Extensions> {
    let names: Vec<&str> = names.names().collect();
    let fields: String = names.iter().map(|name| format!("{name}:\r\n")).collect();
    // Whatever its headers say, it has no body.
    let head = format!("HTTP/1.1 204 No Content\r\n{fields}\r\n");
    let (client, server) = duplex(head.len() + REQUEST_BYTES);
    let (mut sender, connection) = http1::Builder::new()
        .preserve_header_case(true)
        .max_headers(names.len())
        .handshake(TokioIo::new(client))
        .await?;
    let exchange = sender.send_request(Request::new(Empty::<Bytes>::new()));
    // Whether the connection ends well does not matter: the answer's head is all that is wanted.
    let (answered, _, _) = join!(exchange, connection, answer(server, head));
    Ok(answered?.into_parts().0.extensions)
}

/// Answers a request with a head, and closes.
async fn answer(mut server: DuplexStream, head: String) -> std::io::Result<()> {
    server.read_exact(&mut [0]).await?;
    server.write_all(head.as_bytes()).await
}
