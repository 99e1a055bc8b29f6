//! Which names a file can have.

/// The longest name, in UTF-16 units.
pub const MAX_UNITS: usize = 255;

/// A name that no file can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing, or a relative component.
    #[error("an empty name")]
    Empty,
    /// A control character, a separator or a wildcard.
    #[error("a name with the character {0:?}")]
    Character(char),
    /// Win32 takes dots and blanks off the end.
    #[error("a name that ends in a dot or blank")]
    TrailingDotOrBlank,
    /// A device, with whatever extension.
    #[error("the name of a device, such as CON or NUL")]
    Device,
    /// More than 255 UTF-16 units.
    #[error("a name longer than 255 characters")]
    TooLong,
}

/// Checks one component of a path.
///
/// # Errors
/// See [`NameError`].
pub fn check(name: &str) -> Result<(), NameError> {
    if matches!(name, "" | "." | "..") {
        return Err(NameError::Empty);
    }
    if let Some(character) = name.chars().find(|&character| is_illegal(character)) {
        return Err(NameError::Character(character));
    }
    if name.ends_with(['.', ' ']) {
        return Err(NameError::TrailingDotOrBlank);
    }
    if is_device(name) {
        return Err(NameError::Device);
    }
    if name.encode_utf16().count() > MAX_UNITS {
        Err(NameError::TooLong)
    } else {
        Ok(())
    }
}

/// Whether no name can hold this character.
#[must_use]
pub const fn is_illegal(character: char) -> bool {
    character < ' '
        || matches!(
            character,
            '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*'
        )
}

/// Whether this names a device in every directory: `CON`, `nul.txt`, `com1`.
#[must_use]
pub fn is_device(name: &str) -> bool {
    const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    const NUMBERS: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³"];
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ');
    let is_port = || {
        let (Some(kind), Some(number)) = (stem.get(..3), stem.get(3..)) else {
            return false;
        };
        ["COM", "LPT"]
            .iter()
            .any(|port| kind.eq_ignore_ascii_case(port))
            && NUMBERS.contains(&number)
    };
    DEVICES
        .iter()
        .any(|device| stem.eq_ignore_ascii_case(device))
        || is_port()
}

/// A name in which case makes no difference any more: upper case one character to one, as NTFS's
/// table has it; what becomes several stays as it is.
#[must_use]
pub fn folded(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_uppercase();
    }
    name.chars()
        .map(|character| {
            let mut upper = character.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(single), None) => single,
                _ => character,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{NameError, check, folded};

    #[test]
    fn case_makes_no_difference_and_lengths_stay() {
        assert_eq!(folded("a.Dll äß"), "A.DLL Äß");
        assert_eq!(folded("ÄPFEL"), folded("äpfel"));
    }

    #[test]
    fn names_are_those_of_windows() {
        for name in [
            "a",
            ".gitignore",
            "a b",
            "console",
            "com0",
            "com10",
            "中文.txt",
            "x.con",
            "a;b",
            "con1",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for (name, error) in [
            ("", NameError::Empty),
            ("..", NameError::Empty),
            ("a:b", NameError::Character(':')),
            ("a\u{1}", NameError::Character('\u{1}')),
            ("a*", NameError::Character('*')),
            ("a.", NameError::TrailingDotOrBlank),
            ("a ", NameError::TrailingDotOrBlank),
            ("con", NameError::Device),
            ("Nul.tar.gz", NameError::Device),
            ("AUX .txt", NameError::Device),
            ("com¹", NameError::Device),
        ] {
            assert_eq!(check(name), Err(error), "{name}");
        }
        assert_eq!(check(&"😀".repeat(128)), Err(NameError::TooLong));
    }
}
