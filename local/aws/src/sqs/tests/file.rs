//! What outlives the process.

use std::path::Path;

use futures_util::future::join_all;

use super::*;

fn open(path: &Path) -> Sqs {
    open_later(path, 0)
}

fn later(after_s: u64) -> Arc<dyn Clock> {
    Arc::new(VirtualClock::starting_at(EPOCH_MS + 1_000 * after_s))
}

fn open_later(path: &Path, after_s: u64) -> Sqs {
    Sqs::open(path, &specs(), later(after_s)).unwrap()
}

/// What a `kill -9` would leave: the files as they are while the queues are open.
fn killed(path: &Path, copy: &Path) {
    for suffix in ["", "-wal"] {
        let name = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(name(path), name(copy)).unwrap();
    }
}

#[tokio::test]
async fn what_was_answered_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("q"), folder.path().join("copy"));
    let sqs = open(&path);
    let client = client_of(sqs.clone());
    join_all((0..50).map(|n| send_to_group_owned(&client, n))).await;
    let taken = messages(receive(&client, 10)).await;
    join_all(taken.iter().take(4).map(|message| delete(&client, message))).await;
    assert!(sqs.commits() <= 54, "{}", sqs.commits());
    killed(&path, &copy);

    let client = client_of(open_later(&copy, 30));
    // The six that were in flight are visible again.
    assert_eq!(counts(&client, "jobs").await, ["46", "0", "0"]);
    let mut found = Vec::new();
    loop {
        let messages = messages(receive(&client, 10)).await;
        if messages.is_empty() {
            break;
        }
        for message in messages {
            let count = attribute(
                &message,
                MessageSystemAttributeName::ApproximateReceiveCount,
            );
            // It may have been received before.
            assert_eq!(count, "2");
            let group = attribute(&message, MessageSystemAttributeName::MessageGroupId);
            assert_eq!(Some(group), message.body());
            found.push(message.body.unwrap());
        }
    }
    found.extend(taken.into_iter().take(4).map(|m| m.body.unwrap()));
    found.sort_by_key(|body| body.parse::<u32>().unwrap());
    assert_eq!(found, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
}

async fn send_to_group_owned(client: &Client, n: u32) {
    let n = n.to_string();
    send_to_group(client, &n, &n).await;
}

#[tokio::test]
async fn a_delay_goes_on_and_ids_are_not_given_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q");
    let client = client_of(open(&path));
    send_delayed(&client, "later", 60).await;
    send(&client, "now").await;
    let first = messages(receive(&client, 1)).await.remove(0);
    drop(client);

    let client = client_of(open_later(&path, 30));
    assert_eq!(counts(&client, "jobs").await, ["1", "0", "1"]);
    send(&client, "new").await;
    let received = messages(receive(&client, 10)).await;
    assert_eq!(received[0].message_id(), first.message_id());
    assert_eq!(received[1].body(), Some("new"));
    drop(client);

    let client = client_of(open_later(&path, 90));
    assert_eq!(counts(&client, "jobs").await, ["3", "0", "0"]);
}

#[tokio::test]
async fn dead_letters_and_expiry_reach_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q");
    let client = client_of(open(&path));
    send(&client, "poison").await;
    for _ in 0..3 {
        let again = receive(&client, 1).visibility_timeout(0);
        assert_eq!(bodies(again).await, ["poison"]);
    }
    assert!(bodies(receive(&client, 1)).await.is_empty());
    send(&client, "old").await;
    drop(client);

    let client = client_of(open_later(&path, 30));
    assert_eq!(counts(&client, "jobs").await, ["1", "0", "0"]);
    assert_eq!(counts(&client, "dead").await, ["1", "0", "0"]);
    drop(client);

    let client = client_of(open_later(&path, 3_630));
    assert_eq!(counts(&client, "jobs").await, ["0", "0", "0"]);
    drop(client);

    // Even for a clock that would still keep it, "old" is gone from the file.
    let client = client_of(open_later(&path, 60));
    assert_eq!(counts(&client, "jobs").await, ["0", "0", "0"]);
    assert_eq!(counts(&client, "dead").await, ["1", "0", "0"]);
}

#[tokio::test]
async fn bodies_beyond_the_budget_come_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q");
    let specs = [specs().map(|spec| QueueSpec {
        redrive: None,
        ..spec
    })]
    .concat();
    for is_reopened in [false, true] {
        let clock = later(if is_reopened { 30 } else { 0 });
        let sqs = Sqs::open_with(&path, &specs, clock, 25, None).unwrap();
        let client = client_of(sqs.clone());
        if !is_reopened {
            for n in 0..10 {
                send(&client, &format!("0123456-{n}\u{e9}")).await;
            }
        }
        let resident = sqs.inner.queues.state().resident_bytes();
        assert_eq!(resident, 22, "two bodies of eleven bytes");
        let received = messages(receive(&client, 10).visibility_timeout(0)).await;
        let expected: Vec<_> = (0..10).map(|n| format!("0123456-{n}\u{e9}")).collect();
        let received_bodies: Vec<_> = received.iter().map(|m| m.body().unwrap()).collect();
        assert_eq!(received_bodies, expected);
        if is_reopened {
            join_all(received.iter().map(|message| delete(&client, message))).await;
            assert_eq!(sqs.inner.queues.state().resident_bytes(), 0);
        }
    }
}

#[tokio::test]
async fn a_clock_set_back_by_years_hides_a_message_for_minutes_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q");
    let client = client_of(open_later(&path, 100_000_000));
    send(&client, "x").await;
    drop(client);
    let sqs = open(&path);
    let next_ms = sqs.inner.queues.state().queue(0).next_visible_ms().unwrap();
    assert!(next_ms <= EPOCH_MS + 901_000, "{next_ms}");
}

#[tokio::test]
async fn a_queue_that_is_not_declared_for_a_while_keeps_its_messages() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q");
    let client = client_of(open(&path));
    send(&client, "kept").await;
    drop(client);
    let [jobs, dead] = specs();
    drop(Sqs::open(&path, std::slice::from_ref(&dead), clock()).unwrap());
    let reordered = Sqs::open(&path, &[dead, jobs], later(30)).unwrap();
    assert_eq!(bodies(receive(&client_of(reordered), 1)).await, ["kept"]);
}
