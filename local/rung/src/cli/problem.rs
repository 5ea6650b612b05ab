//! How errors are told: what is wrong with a request in terms of the flags that it was made of, and what to do.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};

use super::{Error, api::client::CallError};

/// The exit status of what may succeed later.
const LATER: u8 = 3;

pub(super) fn exit_code(error: &Error) -> ExitCode {
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
        ..
    }) = error.downcast_ref::<CallError>()
    else {
        return error.to_string();
    };
    let command = invoked(definition, matches);
    let details = details.iter();
    let problems: Vec<_> = details
        .map(|(field, problem)| {
            (
                format!("{field}: {problem}"),
                format!("{}: {problem}", in_flags(field, command)),
            )
        })
        .collect();
    let mut told = match &*problems {
        // The message says it already, in terms of the API.
        [(as_field, in_flags)] if as_field == message => format!("{in_flags} ({status}, {code})"),
        problems => {
            let lines = problems
                .iter()
                .map(|(_, in_flags)| format!("\n  {in_flags}"));
            lines.fold(error.to_string(), |told, line| told + &line)
        }
    };
    if let Some(remedy) = remedy(code) {
        told.push_str(&format!("\n  {remedy}"));
    }
    told
}

/// What to do about an error that the same flags would meet again.
fn remedy(code: &str) -> Option<&'static str> {
    match code {
        "unauthorized" | "key_expired" | "token_expired" => {
            Some("use another key: RUNG_KEY, --profile, or `rung login`")
        }
        "forbidden" => Some("use a key with more scopes: RUNG_KEY or --profile"),
        "tenant_required" => Some("add --tenant ID"),
        _ => None,
    }
}

fn invoked<'a>(mut command: &'a Command, mut matches: &ArgMatches) -> &'a Command {
    while let Some((name, inner)) = matches.subcommand() {
        let Some(found) = command.find_subcommand(name) else {
            break;
        };
        (command, matches) = (found, inner);
    }
    command
}

/// A field of the API as the flag that gives it: flags have the names of their fields.
fn in_flags(field: &str, command: &Command) -> String {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let end = field.find(|c| !of_name(c)).unwrap_or(field.len());
    let name = match &field[..end] {
        "Rung-Tenant" => "tenant",
        name => name,
    };
    let of = |name: &str| {
        let mut arguments = command.get_arguments();
        arguments.find(|argument| argument.get_id() == name)
    };
    match (of(field), of(name)) {
        // A member that has a flag of its own.
        (Some(argument), _) => flag(argument),
        (None, Some(argument)) => format!("{}{}", flag(argument), &field[end..]),
        (None, None) => field.to_owned(),
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

    #[test]
    fn a_refusal_speaks_of_flags() {
        let mut definition = super::super::Cli::command();
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
             --scope[0]: is wrong\n  <NAME>: is wrong\n  other.field: is wrong"
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
    }
}
