//! Delays, visibility, polls, redrive and retention, in virtual time.

use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_delayed_message_wakes_a_poll_when_it_becomes_visible() {
    let client = in_memory();
    send_delayed(&client, "later", 7).await;
    assert_eq!(counts(&client, "jobs").await, ["0", "0", "1"]);
    assert!(bodies(receive(&client, 1)).await.is_empty());

    let start = Instant::now();
    let received = bodies(receive(&client, 1).wait_time_seconds(20)).await;
    assert_eq!(received, ["later"]);
    assert_eq!(start.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_message_wakes_a_poll_at_once() {
    let client = in_memory();
    let polling = tokio::spawn(bodies(receive(&client, 1).wait_time_seconds(20)));
    pass(5).await;
    let start = Instant::now();
    send(&client, "now").await;
    assert_eq!(polling.await.unwrap(), ["now"]);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_poll_hears_of_a_delay_that_began_after_it() {
    let client = in_memory();
    let polling = tokio::spawn(bodies(receive(&client, 1).wait_time_seconds(20)));
    pass(5).await;
    send_delayed(&client, "later", 3).await;
    let start = Instant::now();
    assert_eq!(polling.await.unwrap(), ["later"]);
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_poll_in_vain_lasts_its_time() {
    let client = in_memory();
    send_delayed(&client, "later", 21).await;
    let start = Instant::now();
    let received = bodies(receive(&client, 1).wait_time_seconds(20)).await;
    assert!(received.is_empty());
    assert_eq!(start.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_deleted_comes_again_after_the_time_out() {
    let client = in_memory();
    send(&client, "x").await;
    let first = messages(receive(&client, 1)).await.remove(0);
    pass(29).await;
    assert!(bodies(receive(&client, 1)).await.is_empty());
    assert_eq!(counts(&client, "jobs").await, ["0", "1", "0"]);
    pass(1).await;
    let second = messages(receive(&client, 1)).await.remove(0);

    use MessageSystemAttributeName as Name;
    let epoch = EPOCH_MS.to_string();
    for (message, count) in [(&first, "1"), (&second, "2")] {
        assert_eq!(attribute(message, Name::ApproximateReceiveCount), count);
        assert_eq!(attribute(message, Name::SentTimestamp), epoch);
        let first_received = attribute(message, Name::ApproximateFirstReceiveTimestamp);
        assert_eq!(first_received, epoch);
    }
    assert_eq!(first.message_id(), second.message_id());

    // The first receipt is stale: SQS calls the deletion a success and keeps the message.
    delete(&client, &first).await;
    assert_eq!(counts(&client, "jobs").await, ["0", "1", "0"]);
    delete(&client, &second).await;
    delete(&client, &second).await;
    assert_eq!(counts(&client, "jobs").await, ["0", "0", "0"]);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_ran_out_still_deletes_what_nobody_else_received() {
    let client = in_memory();
    send(&client, "x").await;
    let message = messages(receive(&client, 1)).await.remove(0);
    pass(60).await;
    assert_eq!(counts(&client, "jobs").await, ["1", "0", "0"]);
    delete(&client, &message).await;
    assert!(bodies(receive(&client, 1)).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_changed_visibility_holds_and_wakes() {
    let client = in_memory();
    send(&client, "x").await;
    let message = messages(receive(&client, 1).visibility_timeout(5))
        .await
        .remove(0);
    change_visibility(&client, &message, 60).await.unwrap();
    pass(59).await;
    assert!(bodies(receive(&client, 1)).await.is_empty());

    let polling = tokio::spawn(bodies(receive(&client, 1).wait_time_seconds(20)));
    tokio::task::yield_now().await;
    let start = Instant::now();
    change_visibility(&client, &message, 0).await.unwrap();
    assert_eq!(polling.await.unwrap(), ["x"]);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_fourth_receive_finds_the_message_among_the_dead_letters() {
    let client = in_memory();
    send(&client, "poison").await;
    send_delayed(&client, "good", 91).await;
    for _ in 0..3 {
        assert_eq!(bodies(receive(&client, 1)).await, ["poison"]);
        pass(30).await;
    }
    let dead = client.receive_message().queue_url(queue_url("dead"));
    let dead = dead.message_system_attribute_names(MessageSystemAttributeName::All);
    let dead = tokio::spawn(messages(dead.wait_time_seconds(20)));
    pass(2).await;
    assert_eq!(bodies(receive(&client, 10)).await, ["good"]);
    let dead = dead.await.unwrap().remove(0);
    assert_eq!(dead.body(), Some("poison"));
    let sent = attribute(&dead, MessageSystemAttributeName::SentTimestamp);
    assert_eq!(sent, EPOCH_MS.to_string());
    assert_eq!(counts(&client, "jobs").await, ["0", "1", "0"]);
}

#[tokio::test(start_paused = true)]
async fn messages_are_kept_for_the_retention_and_no_longer() {
    let client = in_memory();
    send(&client, "in flight").await;
    messages(receive(&client, 1).visibility_timeout(43_200)).await;
    send(&client, "visible").await;
    pass(3_000).await;
    send_delayed(&client, "delayed", 900).await;
    pass(599).await;
    assert_eq!(counts(&client, "jobs").await, ["1", "1", "1"]);
    pass(1).await;
    assert_eq!(counts(&client, "jobs").await, ["0", "0", "1"]);
    pass(300).await;
    assert_eq!(bodies(receive(&client, 10)).await, ["delayed"]);
}
