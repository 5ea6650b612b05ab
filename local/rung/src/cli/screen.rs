//! How things look on a screen.

use std::fmt;

use anstyle::{AnsiColor, Style};

pub(super) const TITLE: Style = Style::new().bold();
pub(super) const QUIET: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const WAITING: Style = AnsiColor::Yellow.on_default();
pub(super) const NAME: Style = AnsiColor::Cyan.on_default();

/// `value` in a style. A width given to it is the value's own, whatever the style takes.
pub(super) fn paint<T: fmt::Display>(style: Style, value: T) -> impl fmt::Display {
    Painted { style, value }
}

struct Painted<T> {
    style: Style,
    value: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.style)?;
        self.value.fmt(f)?;
        write!(f, "{:#}", self.style)
    }
}

/// A text from elsewhere, on one line and without power over the terminal: control characters are written out.
pub(super) fn tame(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() {
            tamed.extend(char.escape_default());
        } else {
            tamed.push(char);
        }
    }
    tamed
}

/// The beginning of a text, at most `chars` characters.
pub(super) fn elide(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some(_) => text.chars().take(chars - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// A span as people say it, to two units: `1 h 30 min`.
pub(super) fn span(ms: u64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1_000, "s"),
        (1, "ms"),
    ];
    let Some(first) = UNITS.iter().position(|(unit_ms, _)| ms >= *unit_ms) else {
        return "0 s".to_owned();
    };
    let (unit_ms, unit) = UNITS[first];
    let mut text = format!("{} {unit}", ms / unit_ms);
    if let Some((next_ms, next)) = UNITS.get(first + 1)
        && ms % unit_ms >= *next_ms
    {
        text.push_str(&format!(" {} {next}", ms % unit_ms / next_ms));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_two_units() {
        for (ms, said) in [
            (0, "0 s"),
            (7, "7 ms"),
            (5_000, "5 s"),
            (90_000, "1 min 30 s"),
            (5_400_000, "1 h 30 min"),
            (86_400_000, "1 d"),
            (90_061_001, "1 d 1 h"),
        ] {
            assert_eq!(span(ms), said);
        }
    }

    #[test]
    fn a_text_from_elsewhere_does_nothing_to_the_terminal() {
        assert_eq!(tame("a\u{1b}[2Jb\nc\u{9b}é"), "a\\u{1b}[2Jb\\nc\\u{9b}é");
    }

    #[test]
    fn what_is_too_long_is_cut_at_a_character() {
        assert_eq!(elide("äöü", 3), "äöü");
        assert_eq!(elide("äöüß", 3), "äö…");
    }

    #[test]
    fn paint_pads_the_value_not_its_colours() {
        assert_eq!(
            format!("{:<4}|", paint(GOOD, "ok")),
            "\u{1b}[32mok  \u{1b}[0m|"
        );
    }
}
