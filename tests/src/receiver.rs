//! A customer's endpoint: answers by script and forgets nothing.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::patience::PATIENCE;
use crate::wire::{Received, read_request};

/// What the receiver does with one request.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    delay: Duration,
    manner: Manner,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    Whole,
    Hang,
    HangBeforeBody,
    Reset,
}

impl Answer {
    /// A response with this status and the body `OK`.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: b"OK".to_vec(),
            delay: Duration::ZERO,
            manner: Manner::Whole,
        }
    }

    /// Takes the request and never answers; the connection stays open.
    pub fn hang() -> Self {
        Self {
            manner: Manner::Hang,
            ..Self::status(200)
        }
    }

    /// Breaks the connection off with a TCP reset.
    pub fn reset() -> Self {
        Self {
            manner: Manner::Reset,
            ..Self::status(200)
        }
    }

    /// Sends the response's headers, and never its body.
    pub fn without_its_body(self) -> Self {
        Self {
            manner: Manner::HangBeforeBody,
            ..self
        }
    }

    /// One more response header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another response body.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..self
        }
    }

    /// Waits before it answers.
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

type Script = Box<dyn Fn(&Received) -> Answer + Send + Sync>;

struct State {
    script: Mutex<Script>,
    received: watch::Sender<Vec<Received>>,
}

/// An HTTP endpoint on a free loopback port. Dropping it closes the port and every connection.
pub struct Receiver {
    addr: SocketAddr,
    state: Arc<State>,
    task: AbortHandle,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// Starts one that answers as `script` says.
    pub async fn start(script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("its address");
        let state = Arc::new(State {
            script: Mutex::new(Box::new(script)),
            received: watch::Sender::new(Vec::new()),
        });
        let task = tokio::spawn(listen(listener, Arc::clone(&state))).abort_handle();
        Self { addr, state, task }
    }

    /// Starts one that answers every request with this status.
    pub async fn always(status: u16) -> Self {
        Self::start(move |_| Answer::status(status)).await
    }

    /// Starts one that answers request 1, 2, … with these statuses, and all after them with the last.
    pub async fn in_turn(statuses: &[u16]) -> Self {
        let statuses = statuses.to_vec();
        Self::start(move |request| {
            Answer::status(statuses[(request.number - 1).min(statuses.len() - 1)])
        })
        .await
    }

    /// Changes the script from the next request on.
    pub fn answer(&self, script: impl Fn(&Received) -> Answer + Send + Sync + 'static) {
        *self
            .state
            .script
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Box::new(script);
    }

    /// Its URL with this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Everything so far, in order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.state.received.borrow().clone()
    }

    /// How many requests have arrived.
    pub fn count(&self) -> usize {
        self.state.received.borrow().len()
    }

    /// The ids of all events that have arrived.
    pub fn event_ids(&self) -> HashSet<String> {
        self.state
            .received
            .borrow()
            .iter()
            .map(|request| request.event_id().to_owned())
            .collect()
    }

    /// Waits until `n` requests have arrived, and gives all there are.
    pub async fn wait_for(&self, n: usize) -> Vec<Received> {
        self.wait_until(&format!("{n} requests"), |received| received.len() >= n)
            .await
    }

    /// Waits until what has arrived fulfils a condition, and gives all there is.
    ///
    /// # Panics
    /// After [`PATIENCE`], with what has arrived instead.
    pub async fn wait_until(
        &self,
        what: &str,
        condition: impl Fn(&[Received]) -> bool,
    ) -> Vec<Received> {
        let mut received = self.state.received.subscribe();
        let arrived = tokio::time::timeout(PATIENCE, received.wait_for(|all| condition(all))).await;
        match arrived {
            Ok(all) => all.expect("the receiver lives").clone(),
            Err(_) => panic!("waited in vain for {what}; {}", self.summary()),
        }
    }

    /// Watches for a moment that no request beyond `n` comes. Being slow can hide a fault from this, never make one up.
    pub async fn stays_at(&self, n: usize) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(self.count(), n, "{}", self.summary());
    }

    fn summary(&self) -> String {
        let received = self.received();
        let mut text = format!("{} arrived", received.len());
        for request in received.iter().rev().take(10).rev() {
            let body: String = String::from_utf8_lossy(&request.body)
                .chars()
                .take(200)
                .collect();
            let _ = write!(
                text,
                "\n  {} {} {} {body}",
                request.number, request.method, request.path
            );
        }
        text
    }
}

async fn listen(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, peer)) = accepted {
                connections.spawn(serve(stream, peer, Arc::clone(&state)));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection; errors are the peer's way of hanging up.
async fn serve(stream: TcpStream, peer: SocketAddr, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let mut stream = BufReader::new(stream);
    while let Ok(Some(mut request)) = read_request(&mut stream, peer).await {
        // The script is asked before the request shows, so that whoever waited for it may change the script safely.
        let mut answer = None;
        state.received.send_modify(|all| {
            request.number = all.len() + 1;
            answer = Some((state
                .script
                .lock()
                .unwrap_or_else(PoisonError::into_inner))(
                &request
            ));
            all.push(request);
        });
        let Some(answer) = answer else { return };
        tokio::time::sleep(answer.delay).await;
        if respond(&mut stream, &answer).await.is_err() {
            return;
        }
    }
}

async fn respond(stream: &mut BufReader<TcpStream>, answer: &Answer) -> std::io::Result<()> {
    match answer.manner {
        Manner::Reset => {
            stream.get_ref().set_zero_linger()?;
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
        Manner::Hang => return until_closed(stream).await,
        Manner::Whole | Manner::HangBeforeBody => {}
    }
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", answer.status);
    for (name, value) in &answer.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let body: &[u8] = if answer.status == 204 {
        &[]
    } else {
        &answer.body
    };
    if answer.status != 204 {
        let _ = write!(head, "content-length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    if answer.manner == Manner::HangBeforeBody {
        return until_closed(stream).await;
    }
    stream.write_all(body).await?;
    stream.flush().await
}

/// Holds the connection until the peer closes it.
async fn until_closed(stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Err(std::io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends raw text and gives all that comes back before the connection ends or falls silent.
    async fn exchange(receiver: &Receiver, request: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(receiver.addr).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        let silence = Duration::from_millis(200);
        while let Ok(read) = tokio::time::timeout(silence, stream.read_buf(&mut answer)).await {
            if read? == 0 {
                break;
            }
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    #[tokio::test]
    async fn requests_are_kept_as_sent() {
        let receiver = Receiver::in_turn(&[500, 204]).await;
        let request =
            "POST /p?q=1 HTTP/1.1\r\nX-Case: One\r\nx-case: two\r\ncontent-length: 3\r\n\r\n{ }";
        let answers = exchange(&receiver, &format!("{request}{request}"))
            .await
            .unwrap();
        assert!(
            answers.starts_with("HTTP/1.1 500 ") && answers.contains("OKHTTP/1.1 204 "),
            "{answers}"
        );
        let received = receiver.wait_for(2).await;
        let names: Vec<_> = received[0]
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["X-Case", "x-case", "content-length"]);
        assert_eq!(
            received[0].all("X-CASE").collect::<Vec<_>>(),
            ["One", "two"]
        );
        assert_eq!(
            (received[1].number, received[1].text(), &*received[1].path),
            (2, "{ }", "/p?q=1")
        );
        assert_eq!(received[0].peer, received[1].peer);
    }

    #[tokio::test]
    async fn receivers_misbehave_by_script() {
        let receiver = Receiver::start(|request| match request.path.as_str() {
            "/reset" => Answer::reset(),
            "/half" => Answer::status(200).without_its_body(),
            _ => Answer::hang(),
        })
        .await;
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\n\r\n");
        assert!(exchange(&receiver, &get("/reset")).await.is_err());
        assert_eq!(exchange(&receiver, &get("/hang")).await.unwrap(), "");
        let half = exchange(&receiver, &get("/half")).await.unwrap();
        assert!(half.ends_with("content-length: 2\r\n\r\n"), "{half}");
        assert_eq!(receiver.count(), 3);
    }
}
