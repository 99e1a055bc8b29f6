//! Arguments to a command line and back.
//!
//! Windows starts a program with one string. Nearly all programs take it apart by the rules of
//! Microsoft's C run-time: blanks and tabs separate, quotes keep them, a backslash counts only
//! before a quote. `cmd.exe` has rules of its own, which is why a raw command line must be
//! possible too.

/// The longest command line, in UTF-16 units without the terminating NUL.
pub const MAX_UNITS: usize = 32_766;

/// Arguments that make no command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandLineError {
    /// There is not even a program.
    #[error("empty command line")]
    Empty,
    /// NUL ends a command line.
    #[error("argument {0} contains a NUL character")]
    Nul(usize),
    /// Windows takes no more than 32,766 UTF-16 units.
    #[error("command line of {0} characters is longer than the 32766 that Windows takes")]
    TooLong(usize),
}

/// Makes a command line that a C program takes apart to exactly `arguments`. A quote in the first,
/// which no file's name can hold, is escaped like the others.
///
/// # Errors
/// See [`CommandLineError`].
pub fn join<S: AsRef<str>>(arguments: &[S]) -> Result<String, CommandLineError> {
    let quoted: Vec<String> = arguments
        .iter()
        .map(|argument| quote(argument.as_ref()))
        .collect();
    check(&quoted.join(" "), arguments)
}

/// Joins arguments that are already escaped, as an image with `ArgsEscaped` has them.
///
/// # Errors
/// See [`CommandLineError`].
pub fn join_escaped<S: AsRef<str>>(arguments: &[S]) -> Result<String, CommandLineError> {
    let parts: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    check(&parts.join(" "), arguments)
}

fn check<S: AsRef<str>>(line: &str, arguments: &[S]) -> Result<String, CommandLineError> {
    if arguments.is_empty() || line.is_empty() {
        return Err(CommandLineError::Empty);
    }
    if let Some(index) = arguments
        .iter()
        .position(|argument| argument.as_ref().contains('\0'))
    {
        return Err(CommandLineError::Nul(index));
    }
    match line.encode_utf16().count() {
        units if units > MAX_UNITS => Err(CommandLineError::TooLong(units)),
        _ => Ok(line.to_owned()),
    }
}

/// One argument as it must stand in a command line.
#[must_use]
pub fn quote(argument: &str) -> String {
    let needs_quotes = argument.is_empty() || argument.contains([' ', '\t']);
    if !needs_quotes && !argument.contains('"') {
        return argument.to_owned();
    }
    let mut quoted = String::with_capacity(argument.len() + 2);
    let mut backslashes = 0;
    if needs_quotes {
        quoted.push('"');
    }
    for character in argument.chars() {
        match character {
            '\\' => backslashes += 1,
            '"' => {
                // Those before a quote are doubled, and one more escapes the quote.
                quoted.extend(std::iter::repeat_n('\\', backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        quoted.push(character);
    }
    if needs_quotes {
        // The closing quote must not be escaped by what stands before it.
        quoted.extend(std::iter::repeat_n('\\', backslashes));
        quoted.push('"');
    }
    quoted
}

/// Takes a command line apart as Microsoft's C run-time does.
#[must_use]
pub fn split(line: &str) -> Vec<String> {
    let (program, mut rest) = split_program(line);
    let mut arguments = vec![program];
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return arguments;
        }
        let (argument, after) = split_argument(rest);
        arguments.push(argument);
        rest = after;
    }
}

/// The program's name: quotes keep blanks, and a backslash is never special, for it is a path's.
fn split_program(line: &str) -> (String, &str) {
    let mut program = String::new();
    let mut is_quoted = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' => is_quoted = !is_quoted,
            ' ' | '\t' if !is_quoted => return (program, &line[at..]),
            _ => program.push(character),
        }
    }
    (program, "")
}

fn split_argument(text: &str) -> (String, &str) {
    let mut argument = String::new();
    let mut is_quoted = false;
    let mut backslashes = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            backslashes += 1;
            continue;
        }
        let is_quote = character == '"';
        let kept = if is_quote {
            backslashes / 2
        } else {
            backslashes
        };
        argument.extend(std::iter::repeat_n('\\', kept));
        let is_escaped = is_quote && backslashes % 2 == 1;
        backslashes = 0;
        match character {
            '"' if is_escaped => argument.push('"'),
            '"' if is_quoted && characters.peek().is_some_and(|&(_, next)| next == '"') => {
                // Two quotes inside quotes are one that is kept.
                characters.next();
                argument.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ' ' | '\t' if !is_quoted => return (argument, &text[at..]),
            _ => argument.push(character),
        }
    }
    argument.extend(std::iter::repeat_n('\\', backslashes));
    (argument, "")
}

#[cfg(test)]
mod tests {
    use super::{CommandLineError, MAX_UNITS, join, join_escaped, quote, split};
    use proptest::prelude::*;

    #[test]
    fn arguments_are_quoted_only_where_needed() {
        for (argument, quoted) in [
            ("plain", "plain"),
            ("", r#""""#),
            ("two words", r#""two words""#),
            (r"C:\dir\", r"C:\dir\"),
            (r"C:\my dir\", r#""C:\my dir\\""#),
            (r#"say "hi""#, r#""say \"hi\"""#),
            (r#"a\"b"#, r#"a\\\"b"#),
            ("/c", "/c"),
            ("中文", "中文"),
        ] {
            assert_eq!(quote(argument), quoted);
        }
    }

    /// The examples of Microsoft's documentation, "Parsing C command-line arguments".
    #[test]
    fn splitting_follows_microsofts_examples() {
        for (line, expected) in [
            (r#""a b c" d e"#, &["a b c", "d", "e"][..]),
            (r#""ab\"c" "\\" d"#, &[r#"ab"c"#, r"\", "d"]),
            (r#"a\\\b d"e f"g h"#, &[r"a\\\b", "de fg", "h"]),
            (r#"a\\\"b c d"#, &[r#"a\"b"#, "c", "d"]),
            (r#"a\\\\"b c" d e"#, &[r"a\\b c", "d", "e"]),
            (r#"a"b"" c d"#, &[r#"ab" c d"#]),
        ] {
            assert_eq!(split(&format!("program {line}"))[1..], *expected, "{line}");
        }
        assert_eq!(
            split(r#""C:\Program Files\a\" b"#),
            [r"C:\Program Files\a\", "b"]
        );
        assert_eq!(split("  a"), ["", "a"]);
    }

    #[test]
    fn impossible_command_lines_are_refused() {
        assert_eq!(join::<&str>(&[]), Err(CommandLineError::Empty));
        assert_eq!(join_escaped(&[""]), Err(CommandLineError::Empty));
        assert_eq!(join(&["a", "b\0"]), Err(CommandLineError::Nul(1)));
        assert_eq!(
            join(&["x".repeat(MAX_UNITS)]).map(|line| line.len()),
            Ok(MAX_UNITS)
        );
        assert!(matches!(
            join(&["x".repeat(MAX_UNITS + 1)]),
            Err(CommandLineError::TooLong(_))
        ));
    }

    #[test]
    fn escaped_arguments_are_left_alone() {
        assert_eq!(
            join_escaped(&[r#"cmd /S /C "echo hi""#, "x"]).as_deref(),
            Ok(r#"cmd /S /C "echo hi" x"#)
        );
    }

    proptest! {
        #[test]
        fn splitting_undoes_joining(
            program in "[^\"\u{0}]{1,12}",
            arguments in prop::collection::vec("[ \t\"\\\\a-cé]{0,8}", 0..5),
        ) {
            let mut all = vec![program];
            all.extend(arguments);
            // A backslash at the end of a quoted program stays doubled: paths do not care.
            prop_assume!(!all[0].ends_with('\\'));
            let line = join(&all).expect("short, without NUL");
            prop_assert_eq!(split(&line), all);
        }

        #[test]
        fn any_line_is_split(line in "\\PC{0,40}") {
            prop_assert!(!split(&line).is_empty());
        }
    }
}
