//! Examples in the help: those of a group are, one by one, those of its commands as well.

use clap::Command;

/// What the examples stand behind.
const TITLE: &str = "Examples:\n";

/// A group, each command of which shows those of the group's examples that are about it.
pub(super) fn shared(group: Command) -> Command {
    let help = group.get_after_help().map(ToString::to_string);
    let help = help.unwrap_or_default();
    let name = group.get_name().to_owned();
    group.mut_subcommands(|command| {
        let start = format!("rung {name} {} ", command.get_name());
        let about_it = of(&help).into_iter().filter(|example| {
            let mut lines = example.lines();
            lines.any(|line| format!("{} ", line.trim_start()).starts_with(&start))
        });
        let about_it: Vec<_> = about_it.collect();
        command.after_help(format!("{TITLE}{}", about_it.join("\n")))
    })
}

/// The examples of a help. A line that ends with a pipe or a backslash goes on in the next one.
fn of(help: &str) -> Vec<String> {
    let Some((_, lines)) = help.split_once(TITLE) else {
        return Vec::new();
    };
    let mut examples: Vec<String> = Vec::new();
    for line in lines.lines().take_while(|line| line.starts_with("  ")) {
        match examples.last_mut() {
            Some(last) if last.ends_with(['|', '\\']) => {
                last.push('\n');
                last.push_str(line);
            }
            _ => examples.push(line.to_owned()),
        }
    }
    examples
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::error::ErrorKind;

    use super::{
        super::{COLUMNS, definition},
        *,
    };

    /// Lists a command and all below it, by the words that name them.
    fn commands(command: &Command, path: &str, found: &mut Vec<(String, Command)>) {
        found.push((path.to_owned(), command.clone()));
        for next in command.get_subcommands() {
            commands(next, &format!("{path} {}", next.get_name()), found);
        }
    }

    /// The words of a line, as a shell has them.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut quote = None;
        for c in line.chars() {
            match c {
                '\'' | '"' if quote.is_none() => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                _ if quote == Some(c) => quote = None,
                '#' if word.is_none() => break,
                ' ' | '\n' if quote.is_none() => words.extend(word.take()),
                _ => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        words
    }

    /// The words of each `rung` that is run in an example.
    fn runs(example: &str) -> Vec<Vec<String>> {
        let words = words(&example.replace("\\\n", " "));
        let runs = words.split(|word| word == "|").map(|run| {
            let run = run.iter().skip_while(|word| *word != "rung");
            let run = run.take_while(|word| !["<", ">"].contains(&word.as_str()));
            run.cloned().collect::<Vec<_>>()
        });
        runs.filter(|run| !run.is_empty()).collect()
    }

    #[test]
    fn every_command_has_examples_of_its_own_that_can_be_run() {
        let definition = definition();
        let mut found = Vec::new();
        commands(&definition, "rung", &mut found);
        assert!(found.len() > 50, "{}", found.len());
        for (path, command) in found {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let examples = of(&help);
            // Wrapped lines cannot be copied.
            for line in examples.iter().flat_map(|one| one.lines()) {
                assert!(line.chars().count() <= COLUMNS, "{line}");
            }
            let runs: Vec<_> = examples.iter().flat_map(|one| runs(one)).collect();
            let its_own =
                |run: &Vec<String>| format!("{} ", run.join(" ")).starts_with(&format!("{path} "));
            assert!(runs.iter().any(its_own), "{path}: {help}");
            for run in runs {
                let parsed = definition.clone().try_get_matches_from(&run);
                // A few flags read their file at once, and there is none.
                let reads = ["secret", "client.pem", "client.key"];
                let has_no_file = |error: &clap::Error| {
                    error.kind() == ErrorKind::ValueValidation
                        && run.iter().any(|word| reads.contains(&word.as_str()))
                };
                if let Err(error) = parsed
                    && !has_no_file(&error)
                {
                    panic!("{run:?}: {error}");
                }
            }
        }
    }

    #[test]
    fn a_commands_examples_are_those_of_its_group_that_name_it() {
        let webhooks = definition();
        let webhooks = webhooks.find_subcommand("webhooks").unwrap();
        let help = |name| {
            let command = webhooks.find_subcommand(name).unwrap();
            command.get_after_help().unwrap().to_string()
        };
        assert_eq!(
            help("rotate-secret"),
            "Examples:\n  rung webhooks rotate-secret webhook_5kq2m8x1r7 --tenant acme --overlap-seconds 86400"
        );
        let update = help("update");
        assert_eq!(of(&update).len(), 3, "{update}");
        assert!(update.contains("|\n    rung webhooks update"), "{update}");
    }
}
