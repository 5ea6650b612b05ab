//! What is refused, and with which error.

use aws_sdk_sqs::{
    operation::{
        change_message_visibility::ChangeMessageVisibilityError,
        delete_message::DeleteMessageError, send_message::SendMessageError,
        send_message_batch::SendMessageBatchError,
    },
    types::{DeleteMessageBatchRequestEntry, MessageAttributeValue},
};

use super::*;

async fn sent(client: &Client, body: &str) -> Result<(), String> {
    let send = client.send_message().queue_url(jobs()).message_body(body);
    send.send().await.map(drop).map_err(|error| code(&error))
}

async fn batch_sent(
    client: &Client,
    entries: Vec<SendMessageBatchRequestEntry>,
) -> Result<(), SendMessageBatchError> {
    let send = client.send_message_batch().queue_url(jobs());
    let sent = send.set_entries(Some(entries)).send().await;
    sent.map(drop).map_err(SdkError::into_service_error)
}

#[tokio::test]
async fn an_unknown_queue_is_told_in_the_types_of_the_sdk() {
    let client = in_memory();
    let url = queue_url("nowhere");
    let send = client.send_message().queue_url(&url).message_body("x");
    let error = send.send().await.unwrap_err().into_service_error();
    assert!(matches!(error, SendMessageError::QueueDoesNotExist(_)));
    let receive = client.receive_message().queue_url(url);
    let error = receive.send().await.unwrap_err().into_service_error();
    assert!(error.is_queue_does_not_exist());
}

#[tokio::test]
async fn a_delay_reaches_to_900_seconds() {
    let client = in_memory();
    for (delay_s, is_taken) in [(0, true), (900, true), (901, false), (-1, false)] {
        let send = client.send_message().queue_url(jobs()).message_body("x");
        let sent = send.delay_seconds(delay_s).send().await;
        let refused = sent.err().map(|error| code(&error));
        let expected = (!is_taken).then(|| "InvalidParameterValue".to_owned());
        assert_eq!(refused, expected, "{delay_s}");
    }
}

#[tokio::test]
async fn a_body_has_up_to_a_mebibyte_of_xml_characters() {
    let client = in_memory();
    let mebibyte = "a".repeat(1 << 20);
    assert_eq!(sent(&client, &mebibyte).await, Ok(()));
    let refused = sent(&client, &format!("{mebibyte}b")).await;
    assert_eq!(refused, Err("InvalidParameterValue".to_owned()));
    assert_eq!(sent(&client, "").await, Err("MissingParameter".to_owned()));

    assert_eq!(
        sent(&client, "\t\n\r ~\u{d7ff}\u{fffd}\u{1f600}").await,
        Ok(())
    );
    for bad in ["\u{0}", "\u{1f}", "\u{fffe}", "\u{ffff}"] {
        let refused = sent(&client, &format!("a{bad}b")).await;
        assert_eq!(refused, Err("InvalidMessageContents".to_owned()), "{bad:?}");
    }
}

#[tokio::test]
async fn attributes_and_deduplication_are_refused_rather_than_lost() {
    let client = in_memory();
    let value = MessageAttributeValue::builder().data_type("String");
    let value = value.string_value("x").build().unwrap();
    let send = client.send_message().queue_url(jobs()).message_body("x");
    let refused = send.message_attributes("a", value).send().await;
    let error = refused.unwrap_err().into_service_error();
    assert!(matches!(error, SendMessageError::UnsupportedOperation(_)));
    let send = client.send_message().queue_url(jobs()).message_body("x");
    let refused = send.message_deduplication_id("1").send().await;
    assert_eq!(code(&refused.unwrap_err()), "InvalidParameterValue");
    let send = client.send_message().queue_url(jobs()).message_body("x");
    let refused = send.message_group_id("not allowed").send().await;
    assert_eq!(code(&refused.unwrap_err()), "InvalidParameterValue");
}

#[tokio::test]
async fn a_batch_is_refused_as_a_whole_for_its_shape() {
    use SendMessageBatchError as E;
    let client = in_memory();
    let error = batch_sent(&client, vec![]).await.unwrap_err();
    assert!(matches!(error, E::EmptyBatchRequest(_)), "{error:?}");

    let eleven = (0..11).map(|n| entry(&format!("m{n}"), "x")).collect();
    let error = batch_sent(&client, eleven).await.unwrap_err();
    assert!(
        matches!(error, E::TooManyEntriesInBatchRequest(_)),
        "{error:?}"
    );

    let twice = vec![entry("a", "x"), entry("b", "x"), entry("a", "y")];
    let error = batch_sent(&client, twice).await.unwrap_err();
    assert!(matches!(error, E::BatchEntryIdsNotDistinct(_)), "{error:?}");

    for id in ["", "a b", "ä", &"a".repeat(81)] {
        let error = batch_sent(&client, vec![entry(id, "x")]).await.unwrap_err();
        assert!(matches!(error, E::InvalidBatchEntryId(_)), "{error:?}");
    }

    let half = "a".repeat((1 << 19) + 1);
    let long = vec![entry("a", &half), entry("b", &half)];
    let error = batch_sent(&client, long).await.unwrap_err();
    assert!(matches!(error, E::BatchRequestTooLong(_)), "{error:?}");

    assert_eq!(counts(&client, "jobs").await, ["0", "0", "0"]);
}

#[tokio::test]
async fn one_bad_entry_of_a_batch_fails_alone() {
    let client = in_memory();
    let late = SendMessageBatchRequestEntry::builder().id("late");
    let late = late.message_body("x").delay_seconds(901).build().unwrap();
    let send = client.send_message_batch().queue_url(jobs());
    let entries = vec![
        entry("good", "1"),
        late,
        entry("bad", "\u{0}"),
        entry("fine", "2"),
    ];
    let answer = send.set_entries(Some(entries)).send().await.unwrap();

    let successful: Vec<_> = answer.successful().iter().map(|e| e.id()).collect();
    assert_eq!(successful, ["good", "fine"]);
    let failed: Vec<_> = answer.failed().iter().map(|e| (e.id(), e.code())).collect();
    let expected = [
        ("late", "InvalidParameterValue"),
        ("bad", "InvalidMessageContents"),
    ];
    assert_eq!(failed, expected);
    assert!(answer.failed().iter().all(|entry| entry.sender_fault()));
    assert_eq!(bodies(receive(&client, 10)).await, ["1", "2"]);
}

#[tokio::test]
async fn a_receive_is_checked() {
    let client = in_memory();
    let refused = [
        receive(&client, 0),
        receive(&client, 11),
        receive(&client, 1).wait_time_seconds(21),
        receive(&client, 1).visibility_timeout(43_201),
    ];
    for receive in refused {
        let error = receive.send().await.unwrap_err();
        assert_eq!(code(&error), "InvalidParameterValue");
    }
}

#[tokio::test]
async fn handles_of_nothing_or_of_another_queue_are_invalid() {
    let client = in_memory();
    send(&client, "x").await;
    let message = messages(receive(&client, 1)).await.remove(0);
    let handle = message.receipt_handle().unwrap();

    let delete = client.delete_message().queue_url(jobs());
    let error = delete.receipt_handle("made up").send().await.unwrap_err();
    let error = error.into_service_error();
    assert!(matches!(
        error,
        DeleteMessageError::ReceiptHandleIsInvalid(_)
    ));

    let delete = client.delete_message().queue_url(queue_url("dead"));
    let error = delete.receipt_handle(handle).send().await.unwrap_err();
    let error = error.into_service_error();
    assert!(matches!(
        error,
        DeleteMessageError::ReceiptHandleIsInvalid(_)
    ));

    let deletion = |id: &str, handle: &str| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(id);
        entry.receipt_handle(handle).build().unwrap()
    };
    let batch = client.delete_message_batch().queue_url(jobs());
    let batch = batch.entries(deletion("bad", "made up"));
    let answer = batch
        .entries(deletion("good", handle))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.successful()[0].id(), "good");
    assert_eq!(answer.failed()[0].code(), "ReceiptHandleIsInvalid");
    assert_eq!(counts(&client, "jobs").await, ["0", "0", "0"]);
}

#[tokio::test(start_paused = true)]
async fn visibility_changes_only_of_what_is_in_flight() {
    let client = in_memory();
    send(&client, "x").await;
    let message = messages(receive(&client, 1)).await.remove(0);
    let refused = change_visibility(&client, &message, 43_201).await;
    assert_eq!(refused, Err("InvalidParameterValue".to_owned()));

    pass(31).await;
    let change = client.change_message_visibility().queue_url(jobs());
    let change = change.receipt_handle(message.receipt_handle().unwrap());
    let error = change.visibility_timeout(1).send().await.unwrap_err();
    let error = error.into_service_error();
    assert!(matches!(
        error,
        ChangeMessageVisibilityError::MessageNotInflight(_)
    ));

    let again = messages(receive(&client, 1)).await.remove(0);
    let stale = change_visibility(&client, &message, 1).await;
    assert_eq!(stale, Err("InvalidParameterValue".to_owned()));
    delete(&client, &again).await;
    let gone = change_visibility(&client, &again, 1).await;
    assert_eq!(gone, Err("InvalidParameterValue".to_owned()));
}

#[tokio::test]
async fn attributes_are_answered_as_asked() {
    let client = in_memory();
    let get = client.get_queue_attributes().queue_url(jobs());
    let all = get.attribute_names(QueueAttributeName::All).send().await;
    let all = all.unwrap().attributes.unwrap();
    let arn = "arn:aws:sqs:local:000000000000:jobs";
    assert_eq!(all[&QueueAttributeName::QueueArn], arn);
    assert_eq!(all[&QueueAttributeName::VisibilityTimeout], "30");
    let redrive = &all[&QueueAttributeName::RedrivePolicy];
    let dead = "arn:aws:sqs:local:000000000000:dead";
    let expected = format!(r#"{{"deadLetterTargetArn":"{dead}","maxReceiveCount":3}}"#);
    assert_eq!(redrive, &expected);

    let get = client.get_queue_attributes().queue_url(jobs());
    let error = get.attribute_names("Colour".into()).send().await;
    let error = error.unwrap_err().into_service_error();
    assert!(error.is_invalid_attribute_name());
}

#[tokio::test]
async fn what_is_no_request_is_answered_not_panicked_at() {
    let sqs = Sqs::memory(&specs(), clock()).unwrap();
    for body in [&b""[..], b"{", b"[]", b"\xff", br#"{"QueueUrl": 1}"#] {
        assert_eq!(sqs.call("SendMessage", body).await.status, 400);
    }
    assert_eq!(sqs.call("CreateQueue", b"{}").await.status, 400);
}

#[test]
fn specs_that_contradict_themselves_are_refused() {
    let [jobs, dead] = specs();
    let alone = Sqs::memory(std::slice::from_ref(&jobs), clock())
        .err()
        .unwrap();
    assert!(alone.to_string().contains("dead"), "{alone}");
    let twice = Sqs::memory(&[jobs.clone(), dead, jobs], clock())
        .err()
        .unwrap();
    assert!(twice.to_string().contains("jobs"), "{twice}");
}
