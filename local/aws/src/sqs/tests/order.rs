//! Who comes first.

use super::*;

#[tokio::test]
async fn messages_without_a_group_come_in_the_order_of_sending() {
    let client = in_memory();
    for n in 0..12 {
        send(&client, &n.to_string()).await;
    }
    let received = bodies(receive(&client, 10)).await;
    assert_eq!(received, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(bodies(receive(&client, 10)).await, ["10", "11"]);
}

#[tokio::test]
async fn one_groups_flood_does_not_hold_up_the_others() {
    let client = in_memory();
    for n in 0..100 {
        send_to_group(&client, "flood", &format!("flood {n}")).await;
    }
    send_to_group(&client, "calm", "calm 0").await;
    send(&client, "none").await;
    send_to_group(&client, "calm", "calm 1").await;
    let received = messages(receive(&client, 6)).await;
    let received_bodies: Vec<_> = received.iter().map(|m| m.body().unwrap()).collect();
    let expected = ["flood 0", "calm 0", "none", "flood 1", "calm 1", "flood 2"];
    assert_eq!(received_bodies, expected);

    let group = MessageSystemAttributeName::MessageGroupId;
    assert_eq!(attribute(&received[1], group.clone()), "calm");
    assert!(!received[2].attributes().unwrap().contains_key(&group));
}

#[tokio::test]
async fn deleted_messages_do_not_take_anybodys_turn() {
    let client = in_memory();
    for (group, bodies) in [("one", ["a", "b", "c"]), ("two", ["d", "e", "f"])] {
        for body in bodies {
            send_to_group(&client, group, body).await;
        }
    }
    // Visible again at once, so that they stand in line while they are deleted.
    let taken = messages(receive(&client, 6).visibility_timeout(0)).await;
    assert_eq!(counts(&client, "jobs").await, ["6", "0", "0"]);
    for message in taken
        .iter()
        .filter(|m| ["a", "b"].contains(&m.body().unwrap()))
    {
        delete(&client, message).await;
    }
    assert_eq!(counts(&client, "jobs").await, ["4", "0", "0"]);
    assert_eq!(bodies(receive(&client, 2)).await, ["c", "d"]);
    assert_eq!(bodies(receive(&client, 10)).await, ["e", "f"]);
}

/// One event to very many receivers is one group's, however many lines it has.
#[tokio::test]
async fn a_group_of_many_lines_takes_one_turn_at_a_time() {
    let client = in_memory();
    for n in 0..100 {
        send_to_group(&client, "wide", &format!("{n}/wide")).await;
    }
    send_to_group(&client, "calm", "0/calm").await;
    let received = bodies(receive(&client, 4)).await;
    assert_eq!(received, ["0/wide", "0/calm", "1/wide", "2/wide"]);
}

/// Receives until so many are in flight.
async fn take(client: &Client, number: usize) -> Vec<Message> {
    let mut taken = Vec::new();
    while taken.len() < number {
        taken.extend(messages(receive(client, 10)).await);
    }
    taken
}

#[tokio::test]
async fn a_group_that_nobody_gets_done_does_not_hold_up_the_others() {
    let client = in_memory();
    for n in 0..101 {
        send_to_group(&client, "stuck", &n.to_string()).await;
    }
    let stuck = take(&client, 100).await;
    send_to_group(&client, "calm", "calm").await;
    assert_eq!(bodies(receive(&client, 10)).await, ["calm"]);
    assert_eq!(bodies(receive(&client, 10)).await, [""; 0]);

    let waiting = tokio::spawn(bodies(receive(&client, 10).wait_time_seconds(20)));
    for stuck in &stuck[..2] {
        delete(&client, stuck).await;
    }
    assert_eq!(waiting.await.unwrap(), ["100"]);
}

/// However many of a group's lines are stuck, its other lines and other groups find room.
#[tokio::test]
async fn lines_that_nobody_gets_done_do_not_hold_up_their_own_group() {
    let client = in_memory();
    for line in 0..20 {
        for n in 0..100 {
            send_to_group(&client, "stuck", &format!("{line}/{n}")).await;
        }
    }
    while !bodies(receive(&client, 10)).await.is_empty() {}
    let [_, in_flight, _] = counts(&client, "jobs").await;
    assert_eq!(in_flight, "147");
    send_to_group(&client, "stuck", "healthy/0").await;
    send_to_group(&client, "calm", "calm/0").await;
    let mut received = bodies(receive(&client, 10)).await;
    received.sort();
    assert_eq!(received, ["calm/0", "healthy/0"]);
}
