use rung_api::Seal;

/// No text opens as a cursor but those that were closed for the same list.
pub fn cursor(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let own = Seal::new(&[1; 32], &["logs", "t", "w"]);
    let others = [
        Seal::new(&[1; 32], &["logs", "t", "v"]),
        Seal::new(&[2; 32], &["logs", "t", "w"]),
    ];
    if let Some(position) = own.open(text) {
        assert_eq!(own.close(&position), text, "two cursors of one position");
    }
    let cursor = own.close(text);
    assert_eq!(own.open(&cursor).as_deref(), Some(text));
    for other in others {
        assert_eq!(other.open(text), None);
        assert_eq!(other.open(&cursor), None);
    }
    assert!(
        cursor
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
        "a cursor stands in a query as it is"
    );
}
