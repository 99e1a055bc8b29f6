//! Names of keys and values: any UTF-16, compared without regard to case, kept as written.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A name of a key or value.
///
/// Equality and order ignore case the way Windows does, unit by unit in upper case. The case
/// mapping is Unicode's simple one where it can be undone (so `ß`, `ı` and `ſ` stand for
/// themselves); it needs no locale. Lone surrogates are kept.
#[derive(Clone, Default)]
pub struct Name(Box<[u16]>);

impl Name {
    /// A name of these UTF-16 units.
    #[must_use]
    pub fn from_units(units: impl Into<Box<[u16]>>) -> Self {
        Self(units.into())
    }

    /// The UTF-16 units as written.
    #[must_use]
    pub fn units(&self) -> &[u16] {
        &self.0
    }

    /// Whether the name is empty, as that of a key's default value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key may be called this: not empty, no backslash.
    #[must_use]
    pub fn is_key_name(&self) -> bool {
        !self.0.is_empty() && !self.0.contains(&u16::from(b'\\'))
    }

    /// Whether both are written the same, case included.
    #[must_use]
    pub fn is_same_spelling(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// Order by lower case, in which wineserver keeps and writes keys and values. It differs from
    /// Windows' order for `[ \ ] ^ _` and the backtick, which stand between the two cases.
    #[must_use]
    pub fn cmp_lower_case(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0, lower_case)
    }
}

/// Compares unit by unit after folding. Names beside each other mostly begin alike, so folding is
/// left to where they differ.
fn compare(left: &[u16], right: &[u16], fold: fn(u16) -> u16) -> Ordering {
    let pairs = left.iter().zip(right).filter(|(left, right)| left != right);
    pairs
        .map(|(&left, &right)| fold(left).cmp(&fold(right)))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| left.len().cmp(&right.len()))
}

/// One UTF-16 unit in upper case, as `RtlUpcaseUnicodeChar` gives it.
#[must_use]
pub fn upper_case(unit: u16) -> u16 {
    match unit {
        0x61..=0x7a => unit - 0x20,
        0..0x80 => unit,
        _ => reversible(unit, char::to_uppercase, char::to_lowercase),
    }
}

/// One UTF-16 unit in lower case, as `RtlDowncaseUnicodeChar` gives it.
#[must_use]
pub fn lower_case(unit: u16) -> u16 {
    match unit {
        0x41..=0x5a => unit + 0x20,
        0..0x80 => unit,
        _ => reversible(unit, char::to_lowercase, char::to_uppercase),
    }
}

fn reversible<A, B>(unit: u16, there: fn(char) -> A, back: fn(char) -> B) -> u16
where
    A: Iterator<Item = char> + ExactSizeIterator,
    B: Iterator<Item = char> + ExactSizeIterator,
{
    let mapped = || {
        let from = char::from_u32(u32::from(unit))?;
        let to = single(there(from))?;
        (single(back(to))? == from).then_some(to)
    };
    mapped()
        .and_then(|to| u16::try_from(u32::from(to)).ok())
        .unwrap_or(unit)
}

fn single(mut mapped: impl ExactSizeIterator<Item = char>) -> Option<char> {
    if mapped.len() == 1 {
        mapped.next()
    } else {
        None
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0, upper_case)
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for &unit in &self.0 {
            upper_case(unit).hash(state);
        }
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self(name.encode_utf16().collect())
    }
}

impl From<&Name> for Name {
    fn from(name: &Name) -> Self {
        name.clone()
    }
}

/// Lone surrogates appear as U+FFFD.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf16_lossy(&self.0))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf16_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, lower_case, upper_case};

    #[test]
    fn case_is_ignored_and_kept() {
        assert_eq!(Name::from("CurrentVersion"), Name::from("CURRENTVERSION"));
        assert_eq!(Name::from("Größe"), Name::from("GRÖßE"));
        assert!(!Name::from("a").is_same_spelling(&Name::from("A")));
        assert_eq!(Name::from("Ab").to_string(), "Ab");
    }

    #[test]
    fn underscore_stands_after_letters_on_windows_and_before_them_in_wine() {
        let (underscore, letter) = (Name::from("A_"), Name::from("AB"));
        assert!(underscore > letter);
        assert!(underscore.cmp_lower_case(&letter).is_lt());
    }

    #[test]
    fn mappings_that_cannot_be_undone_are_not_made() {
        for unit in ['ß', 'ı', 'ſ', 'µ'] {
            let unit = u16::try_from(u32::from(unit)).expect("in the basic plane");
            assert_eq!(upper_case(unit), unit);
        }
        assert_eq!(lower_case(0xd800), 0xd800);
        assert_eq!(upper_case(0x00ff), 0x0178);
    }
}
