//! Patterns, compiled whole into tables: whatever the pattern, a text costs one step for each of its bytes.
//!
//! The tables are made before anything is matched, within a given room. A pattern that needs more (`a{1000}{250}`, or
//! `[ab]*a[ab]{30}`, which has to remember 30 characters) is refused then, and no text can make a pattern take longer later.
//! As in ECMA-262, `\d`, `\w`, `\s` and `\b` are about ASCII; `.` and classes are about characters, not bytes.

use regex_automata::{
    Input,
    dfa::{Automaton, StartKind, dense},
    nfa::thompson::{self, NFA, WhichCaptures},
};
use regex_syntax::{
    ast::{
        Assertion, AssertionKind, Ast, ClassAscii, ClassAsciiKind, ClassBracketed, ClassPerl,
        ClassPerlKind, ClassSet, ClassSetItem, ClassSetUnion, Flag, Flags, FlagsItem,
        FlagsItemKind, Group, GroupKind, parse::ParserBuilder,
    },
    hir::translate::TranslatorBuilder,
};

use crate::limits::{SCHEMA_PATTERN_CHARS, SCHEMA_PATTERN_DEPTH};

const NO_UNICODE: &str = "there are no classes of Unicode's, such as `\\p{L}`";

/// A regular expression that is looked for anywhere in a text.
#[derive(Debug)]
pub(super) struct Pattern {
    source: Box<str>,
    table: dense::DFA<Vec<u32>>,
}

impl Pattern {
    /// Reads a pattern whose table takes at most `room` bytes.
    pub(super) fn compile(source: &str, room: usize) -> Result<Self, String> {
        if source.chars().count() > SCHEMA_PATTERN_CHARS {
            return Err(format!(
                "must have at most {SCHEMA_PATTERN_CHARS} characters"
            ));
        }
        let unreadable = |fault: String| {
            format!(
                "must be a regular expression (without look-around and back-references): {fault}"
            )
        };
        let mut ast = ParserBuilder::new()
            .nest_limit(SCHEMA_PATTERN_DEPTH)
            .build()
            .parse(source)
            .map_err(|fault| unreadable(fault.kind().to_string()))?;
        make_ascii(&mut ast).map_err(|reason| unreadable(reason.to_owned()))?;
        let hir = TranslatorBuilder::new()
            .utf8(false)
            .build()
            .translate(source, &ast)
            .map_err(|fault| unreadable(fault.kind().to_string()))?;
        let too_large = "is too large: repetitions such as `{1000}` count as often as they repeat, and a part that is looked for \
             anywhere behind a repetition is remembered for all of it; all patterns of a schema share one room";
        let nfa = thompson::Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(room));
        let nfa = NFA::compiler().configure(nfa).build_from_hir(&hir);
        let table = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .accelerate(false)
            .dfa_size_limit(Some(room))
            .determinize_size_limit(Some(room));
        let table = dense::Builder::new()
            .configure(table)
            .build_from_nfa(&nfa.map_err(|_| too_large)?)
            .map_err(|_| too_large)?;
        Ok(Self {
            source: source.into(),
            table,
        })
    }

    /// Bytes that its table takes.
    pub(super) fn size(&self) -> usize {
        self.table.memory_usage()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.source
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        let found = self.table.try_search_fwd(&Input::new(text).earliest(true));
        matches!(found, Ok(Some(_)))
    }
}

/// Turns what depends on tables of Unicode's into what ECMA-262 means by it. Its depth is bounded by the parser.
fn make_ascii(ast: &mut Ast) -> Result<(), &'static str> {
    match ast {
        Ast::ClassPerl(class) => {
            let set = ClassSet::Item(ClassSetItem::Ascii(ascii(class)));
            *ast = Ast::class_bracketed(ClassBracketed {
                span: class.span,
                negated: false,
                kind: set,
            });
        }
        Ast::ClassBracketed(class) => make_set_ascii(&mut class.kind)?,
        Ast::ClassUnicode(_) => return Err(NO_UNICODE),
        Ast::Assertion(assertion) if is_about_words(assertion) => {
            let span = assertion.span;
            let items = [FlagsItemKind::Negation, FlagsItemKind::Flag(Flag::Unicode)];
            let items = items.map(|kind| FlagsItem { span, kind }).into();
            let inner = std::mem::replace(ast, Ast::empty(span));
            *ast = Ast::group(Group {
                span,
                kind: GroupKind::NonCapturing(Flags { span, items }),
                ast: Box::new(inner),
            });
        }
        Ast::Repetition(repetition) => make_ascii(&mut repetition.ast)?,
        Ast::Group(group) => make_ascii(&mut group.ast)?,
        Ast::Alternation(alternation) => alternation.asts.iter_mut().try_for_each(make_ascii)?,
        Ast::Concat(concat) => concat.asts.iter_mut().try_for_each(make_ascii)?,
        Ast::Empty(_) | Ast::Flags(_) | Ast::Literal(_) | Ast::Dot(_) | Ast::Assertion(_) => {}
    }
    Ok(())
}

fn make_set_ascii(set: &mut ClassSet) -> Result<(), &'static str> {
    match set {
        ClassSet::Item(item) => make_item_ascii(item),
        ClassSet::BinaryOp(operation) => {
            make_set_ascii(&mut operation.lhs)?;
            make_set_ascii(&mut operation.rhs)
        }
    }
}

fn make_item_ascii(item: &mut ClassSetItem) -> Result<(), &'static str> {
    match item {
        ClassSetItem::Unicode(_) => return Err(NO_UNICODE),
        ClassSetItem::Perl(class) => *item = ClassSetItem::Ascii(ascii(class)),
        ClassSetItem::Bracketed(class) => make_set_ascii(&mut class.kind)?,
        ClassSetItem::Union(ClassSetUnion { items, .. }) => {
            items.iter_mut().try_for_each(make_item_ascii)?;
        }
        _ => {}
    }
    Ok(())
}

fn ascii(class: &ClassPerl) -> ClassAscii {
    ClassAscii {
        span: class.span,
        kind: match class.kind {
            ClassPerlKind::Digit => ClassAsciiKind::Digit,
            ClassPerlKind::Space => ClassAsciiKind::Space,
            ClassPerlKind::Word => ClassAsciiKind::Word,
        },
        negated: class.negated,
    }
}

fn is_about_words(assertion: &Assertion) -> bool {
    !matches!(
        assertion.kind,
        AssertionKind::StartLine
            | AssertionKind::EndLine
            | AssertionKind::StartText
            | AssertionKind::EndText
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 256 * 1024;

    #[test]
    fn patterns_are_about_characters_and_their_classes_about_ascii() {
        for (pattern, text, expected) in [
            ("b", "abc", true),
            ("^b", "abc", false),
            ("^...$", "aüc", true),
            ("^[^x]$", "ü", true),
            (r"^\d+$", "42", true),
            (r"^\d+$", "٤", false),
            (r"^\w$", "ü", false),
            (r"^\W$", "ü", true),
            (r"^[\w-]+$", "a-b_1", true),
            (r"^[^\s]+$", "a b", false),
            (r"^\S+$", "ü", true),
            (r"\bfoo\b", "a foo.", true),
            (r"\bfoo\b", "afoo", false),
            (r"\Boo", "foo", true),
            ("(?i)^abc$", "aBC", true),
            ("a|b$", "xb", true),
            ("^$", "", true),
            ("", "x", true),
            (
                r"^[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}$",
                "a.b@example.com",
                true,
            ),
            (
                r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$",
                "2026-01-02T03:04:05.678Z",
                true,
            ),
        ] {
            let compiled = Pattern::compile(pattern, ROOM).unwrap();
            assert_eq!(compiled.is_match(text), expected, "{pattern} of {text}");
        }
    }

    #[test]
    fn what_would_take_more_than_its_room_is_refused() {
        for pattern in [
            "a{1000}{250}b",
            "((a{100}){100}){100}",
            "[ab]*a[ab]{30}",
            "(.{0,100}x){50}",
        ] {
            let fault = Pattern::compile(pattern, ROOM).err().unwrap();
            assert!(fault.starts_with("is too large"), "{pattern}: {fault}");
        }
        for pattern in [
            "^.{1,200}$",
            "^[a-z]{1,255}$",
            "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        ] {
            let size = Pattern::compile(pattern, ROOM).unwrap().size();
            assert!(size <= ROOM, "{pattern}: {size}");
        }
        let nested = format!("{}a{}", "(".repeat(100), ")".repeat(100));
        for pattern in ["(", "(?=a)", r"(a)\1", r"\p{L}", r"[a\p{L}]", &nested] {
            let fault = Pattern::compile(pattern, ROOM).err().unwrap();
            assert!(
                fault.starts_with("must be a regular expression"),
                "{pattern}: {fault}"
            );
        }
        assert!(Pattern::compile(&"a".repeat(SCHEMA_PATTERN_CHARS), ROOM).is_ok());
        let long = Pattern::compile(&"ü".repeat(SCHEMA_PATTERN_CHARS + 1), ROOM);
        assert_eq!(long.err().unwrap(), "must have at most 256 characters");
    }
}
