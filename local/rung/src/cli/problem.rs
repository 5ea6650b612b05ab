//! How errors are told: what is wrong with a request in terms of the flags that it was made of, and what to do.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};

use super::{Error, api::client::CallError};

/// The exit status of wrong flags, which clap has too.
const WRONG_FLAGS: u8 = 2;
/// The exit status of what may succeed later.
const LATER: u8 = 3;

/// Calls that messages of the API name, and the commands that make them.
const COMMANDS: [(&str, &str); 3] = [
    ("GET /v1/event-types", "`rung event-types list`"),
    (
        "POST /v1/webhooks/{id}/rotate-secret",
        "`rung webhooks rotate-secret`",
    ),
    ("POST /v1/webhooks/{id}/verify", "`rung webhooks verify`"),
];

/// What stands before the first name in backticks where that is a value: what a field takes, or what it was given.
const BEFORE_VALUES: [&str; 6] = [
    "",
    "must be ",
    "must be one of ",
    "must be one or more of ",
    "must be a list of ",
    "must be a list of one or more of ",
];

/// Fields whose flags take a span before now in the place of a time.
const SPANS: [&str; 2] = ["since", "until"];
/// How the API begins to say that something is no time.
const NO_TIME: &str = "must be an RFC 3339 time";

/// Flags that do not go together, or that something lacks.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);

pub(super) fn exit_code(error: &Error) -> ExitCode {
    if error.is::<Usage>() {
        return WRONG_FLAGS.into();
    }
    match error.downcast_ref::<CallError>() {
        Some(error) if error.may_pass() => LATER.into(),
        _ => ExitCode::FAILURE,
    }
}

/// The error of a command that was given these arguments.
pub(super) fn told(error: &Error, definition: &Command, matches: &ArgMatches) -> String {
    let Some(CallError::Refused {
        status,
        code,
        message,
        details,
        base,
        retry_after_s,
        ..
    }) = error.downcast_ref::<CallError>()
    else {
        return error.to_string();
    };
    let invoked = Invoked::of(definition, matches);
    let problems: Vec<_> = details
        .iter()
        .map(|(field, problem)| invoked.told(field, problem))
        .collect();
    // A message that is the first problem, in terms of the API, is told in terms of flags alone.
    let is_problem =
        |(field, problem): &(String, String)| *message == format!("{field}: {problem}");
    let (first, others) = match &*problems {
        [first, others @ ..] if details.first().is_some_and(is_problem) => (first.clone(), others),
        problems => match &**code {
            "unauthorized" => (format!("{base} does not accept the key"), problems),
            _ => (in_commands(message), problems),
        },
    };
    let lines = others.iter().map(|problem| format!("\n  {problem}"));
    let told = lines.fold(format!("{first} ({status}, {code})"), |told, line| {
        told + &line
    });
    let remedy = match &**code {
        "unauthorized" | "key_expired" if invoked.command.get_name() == "login" => {
            "check the key and --url".to_owned()
        }
        "unauthorized" | "key_expired" | "token_expired" => {
            "use another key: RUNG_KEY, --profile, or `rung login`".to_owned()
        }
        "forbidden" => format!("use another key of {base}: RUNG_KEY, --profile, or `rung login`"),
        "tenant_required" => "add --tenant ID".to_owned(),
        _ => match retry_after_s {
            Some(seconds) => format!("try again in {seconds} s"),
            None => return told,
        },
    };
    format!("{told}\n  {remedy}")
}

/// A text of the API with commands in place of calls.
fn in_commands(text: &str) -> String {
    let text = text.to_owned();
    let say = |text: String, (call, command): &(&str, &str)| text.replace(call, command);
    COMMANDS.iter().fold(text, say)
}

/// The command that was run, and its arguments.
struct Invoked<'a> {
    command: &'a Command,
    matches: &'a ArgMatches,
}

impl<'a> Invoked<'a> {
    fn of(mut command: &'a Command, mut matches: &'a ArgMatches) -> Self {
        while let Some((name, inner)) = matches.subcommand() {
            let Some(found) = command.find_subcommand(name) else {
                break;
            };
            (command, matches) = (found, inner);
        }
        Self { command, matches }
    }

    /// What is wrong with a field of the API. Other fields that the problem names stand in backticks, and so do values.
    fn told(&self, field: &str, problem: &str) -> String {
        let mut parts: Vec<_> = problem.split('`').map(str::to_owned).collect();
        let has_values = parts.len() > 1 && BEFORE_VALUES.contains(&&*parts[0]);
        for name in parts.iter_mut().skip(1).step_by(2) {
            *name = match self.argument(name).filter(|_| !has_values) {
                Some(argument) => flag(argument),
                None => format!("`{name}`"),
            };
        }
        let mut problem = in_commands(&parts.concat());
        if SPANS.contains(&field) && problem.starts_with(NO_TIME) {
            problem.push_str(", or a span before now, such as 2h");
        }
        match field {
            // It says what the key is, and nobody has given a header.
            "Authorization" => format!("this {problem}"),
            field => format!("{}: {problem}", self.in_flags(field)),
        }
    }

    fn argument(&self, id: &str) -> Option<&'a Arg> {
        let mut arguments = self.command.get_arguments();
        arguments.find(|argument| argument.get_id() == id)
    }

    /// A field of the API as the flag that gives it, with the value that is meant of several: flags have the names of their fields.
    fn in_flags(&self, field: &str) -> String {
        // A member may have a flag of its own.
        if let Some(argument) = self.argument(field) {
            return flag(argument);
        }
        let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let end = field.find(|c| !of_name(c)).unwrap_or(field.len());
        let (name, rest) = field.split_at(end);
        let name = match name {
            "Rung-Tenant" => "tenant",
            name => name,
        };
        let Some(argument) = self.argument(name) else {
            return field.to_owned();
        };
        match self.value(name, rest) {
            Some(value) => format!("{} {value}", flag(argument)),
            None => format!("{}{rest}", flag(argument)),
        }
    }

    /// The value of an argument at `[INDEX]`.
    fn value(&self, id: &str, index: &str) -> Option<String> {
        let index = index.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
        let mut values = self.matches.try_get_raw(id).ok()??;
        Some(values.nth(index)?.to_string_lossy().into_owned())
    }
}

fn flag(argument: &Arg) -> String {
    match argument.get_long() {
        Some(long) => format!("--{long}"),
        None => format!("<{}>", argument.get_id().as_str().to_uppercase()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// What is told of one problem.
    fn of_problem(line: &str, field: &str, problem: &str) -> String {
        let mut definition = super::super::Cli::command();
        let matches = definition.try_get_matches_from_mut(line.split(' '));
        let matches = matches.unwrap();
        Invoked::of(&definition, &matches).told(field, problem)
    }

    #[test]
    fn values_stay_what_they_are_and_fields_become_flags() {
        for (line, field, problem, told) in [
            (
                "rung logs --error-code foo",
                "error_code",
                "must be one or more of `status`, `timeout`, separated by commas",
                "--error-code: must be one or more of `status`, `timeout`, separated by commas",
            ),
            (
                "rung logs --event-type until",
                "event_type",
                "`until` is not an event type, group or prefix; known: `*`",
                "--event-type: `until` is not an event type, group or prefix; known: `*`",
            ),
            (
                "rung logs --until 1h",
                "until",
                "is before `since`",
                "--until: is before --since",
            ),
        ] {
            assert_eq!(of_problem(line, field, problem), told);
        }
    }

    #[test]
    fn where_a_span_will_do_it_is_named() {
        let problem = "must be an RFC 3339 time from 1970 to 9999-12-30 with an offset, such as 2026-01-31T12:00:00Z";
        assert_eq!(
            of_problem("rung logs --since foo", "since", problem),
            format!("--since: {problem}, or a span before now, such as 2h")
        );
        assert_eq!(
            of_problem(
                "rung keys create a --scope x --expires-at foo",
                "expires_at",
                problem
            ),
            format!("--expires-at: {problem}")
        );
    }

    #[test]
    fn a_refusal_speaks_of_flags() {
        let mut definition = super::super::definition();
        let mut of = |line: &str, message: &str, fields: &[&str], code: &str| {
            let matches = definition
                .try_get_matches_from_mut(line.split(' '))
                .unwrap();
            let details = fields
                .iter()
                .map(|field| ((*field).to_owned(), "is wrong".to_owned()));
            let error: Error = CallError::Refused {
                status: 422,
                code: code.to_owned(),
                message: message.to_owned(),
                details: details.collect(),
                data: serde_json::Value::Null,
                base: "http://a".to_owned(),
                retry_after_s: None,
            }
            .into();
            told(&error, &definition, &matches)
        };
        assert_eq!(
            of(
                "rung keys create Name --scope x",
                "the request is wrong",
                &["scopes[0]", "name", "other.field"],
                "validation_failed"
            ),
            "the request is wrong (422, validation_failed)\n  \
             --scope x: is wrong\n  <NAME>: is wrong\n  other.field: is wrong"
        );
        assert_eq!(
            of(
                "rung webhooks create http://a --tenant acme",
                "the request is wrong",
                &["url", "events", "Rung-Tenant"],
                "tenant_required"
            ),
            "the request is wrong (422, tenant_required)\n  \
             <URL>: is wrong\n  --events: is wrong\n  --tenant: is wrong\n  add --tenant ID"
        );
        assert_eq!(
            of(
                "rung keys create Name --scope x",
                "scopes: is wrong",
                &["scopes"],
                "invalid_request"
            ),
            "--scope: is wrong (422, invalid_request)"
        );
        assert_eq!(
            of(
                "rung webhooks create http://a --tenant acme",
                "url: is wrong",
                &["url", "events"],
                "invalid_request"
            ),
            "<URL>: is wrong (422, invalid_request)\n  --events: is wrong"
        );
        assert_eq!(
            of(
                "rung webhooks create http://a",
                "client_certificate.certificate: is wrong",
                &["client_certificate.certificate"],
                "invalid_request"
            ),
            "--client-certificate: is wrong (422, invalid_request)"
        );
    }
}
