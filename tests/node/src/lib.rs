//! What Node.js says: the oracle for what a receiver in JavaScript reads, writes and computes.

#![allow(clippy::missing_panics_doc, clippy::unwrap_used)]

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

/// What Node.js makes of each of `lines`: the value of the expression `answer`, in which `line` is the line.
#[must_use]
pub fn in_node(answer: &str, lines: &[String]) -> Vec<String> {
    let script = format!(
        "for (const line of require('fs').readFileSync(0, 'utf8').split('\\n').slice(0, -1)) console.log({answer})"
    );
    let mut node = Command::new("node")
        .args(["-e", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test compares with Node.js: install it");
    let mut stdin = node.stdin.take().unwrap();
    let input = lines.join("\n") + "\n";
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = node.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<String> = answers.split_terminator('\n').map(str::to_owned).collect();
    assert_eq!(answers.len(), lines.len());
    answers
}
