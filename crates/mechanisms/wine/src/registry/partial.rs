//! The parts of two texts that differ, as trees.
//!
//! A registry has some ten thousand keys, of which a container changes a few. So the texts are
//! compared key by key as bytes, and only what differs is parsed.

use std::collections::{HashMap, HashSet};

use memchr::memmem;
use porthole_registry::Key;
use porthole_registry::text::{self, MAX_DEPTH, TextError, TextErrorKind};

/// How a registry file begins, for one that is put together of sections.
const HEADER: &[u8] = b"WINE REGISTRY Version 2\n";

/// What separates two names of a path in a section's first line.
const SEPARATOR: &[u8] = br"\\";

/// The most keys that a text may have, and the most keys and values of what differs: each takes some
/// hundred bytes, several times over, whereas its text may be as short as seven.
const MOST: usize = 1_000_000;

/// Two trees that differ as the texts do.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// Of the old text.
    pub(super) old: Key,
    /// Of the new text.
    pub(super) new: Key,
}

/// Leaves out what is the same in both. Keys that lead to a difference are there if and only if the
/// text has them. Nothing when nothing differs.
///
/// # Errors
/// What differs is not Wine's registry text, or a text has too many keys, or too deep ones. Lines are
/// those of the part that was parsed.
pub(super) fn partial(old: &[u8], new: &[u8]) -> Result<Option<Partial>, TextError> {
    partial_of(old, new, MOST)
}

fn partial_of(old: &[u8], new: &[u8], most: usize) -> Result<Option<Partial>, TextError> {
    let (old, new) = (sections(old, most)?, sections(new, most)?);
    let mut changed = changed(&old, &new);
    if changed.is_empty() {
        return Ok(None);
    }
    let below = below_links(&old, &new, &changed);
    changed.extend(below);
    let wanted = with_ancestors(&changed, most)?;
    let common = common_ancestors(&old, &changed, &wanted);
    let tree = |sections: &[Section<'_>]| {
        let mut text = HEADER.to_vec();
        for ancestor in &common {
            text.extend([b"[", *ancestor, b"]\n"].concat());
        }
        let mut count = wanted.len();
        for section in sections {
            if wanted.contains(section.path) {
                count += values(section.text);
                if count > most {
                    return Err(too_many());
                }
                text.extend(section.text);
                text.push(b'\n');
            }
        }
        text::read(&text).map(|document| document.tree)
    };
    Ok(Some(Partial {
        old: tree(&old)?,
        new: tree(&new)?,
    }))
}

const fn too_many() -> TextError {
    let kind = TextErrorKind::Count;
    TextError { line: 1, kind }
}

/// A key with what the text says of it.
struct Section<'a> {
    /// Its path as it is written, escapes included.
    path: &'a [u8],
    /// All its lines, without the empty ones behind.
    text: &'a [u8],
}

/// Takes a text apart. What stands before the first key is left out, and a line that only looks
/// like a key's beginning stays part of the section before it.
fn sections(text: &[u8], most: usize) -> Result<Vec<Section<'_>>, TextError> {
    let at_first = text.starts_with(b"[").then_some(0);
    let further = memmem::find_iter(text, b"\n[").map(|newline| newline + 1);
    let mut starts = Vec::new();
    for at in at_first.into_iter().chain(further) {
        let Some(length) = path_length(&text[at + 1..]) else {
            continue;
        };
        let refused = if ancestors(&text[at + 1..][..length])
            .nth(MAX_DEPTH - 1)
            .is_some()
        {
            Some(TextErrorKind::Depth)
        } else if starts.len() == most {
            Some(TextErrorKind::Count)
        } else {
            None
        };
        if let Some(kind) = refused {
            let line = 1 + memchr::memchr_iter(b'\n', &text[..at]).count();
            return Err(TextError { line, kind });
        }
        starts.push((at, length));
    }
    let ends = starts
        .iter()
        .skip(1)
        .map(|(start, _)| *start)
        .chain([text.len()]);
    let section = |((start, length), end): (&(usize, usize), usize)| Section {
        path: &text[start + 1..start + 1 + length],
        text: text[*start..end].trim_ascii_end(),
    };
    Ok(starts.iter().zip(ends).map(section).collect())
}

/// How long the path is that a bracket has opened; nothing when the line ends before it is closed.
fn path_length(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b']' => return Some(at),
            b'\n' => return None,
            b'\\' if text.get(at + 1) == Some(&b'\n') => return None,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// How many values a section has: of each the first line begins with its name.
fn values(section: &[u8]) -> usize {
    let named = memmem::find_iter(section, b"\n\"").count();
    named + memmem::find_iter(section, b"\n@").count()
}

/// These paths and those of all keys above them.
fn with_ancestors<'a>(
    paths: &HashSet<&'a [u8]>,
    most: usize,
) -> Result<HashSet<&'a [u8]>, TextError> {
    let mut wanted = paths.clone();
    let mut seen = HashSet::new();
    for path in paths {
        let above: Vec<_> = ancestors(path).collect();
        // From below: what is above a key that was seen was seen with it.
        let new = above
            .into_iter()
            .rev()
            .take_while(|path| seen.insert(*path));
        wanted.extend(new);
        if wanted.len() > most {
            return Err(too_many());
        }
    }
    Ok(wanted)
}

/// The paths of all sections that are not the same, or not once, in both.
fn changed<'a>(old: &[Section<'a>], new: &[Section<'a>]) -> HashSet<&'a [u8]> {
    let (old, new) = unmatched(old, new);
    let mut changed = HashSet::new();
    let mut known = HashMap::with_capacity(old.len());
    for section in old {
        if known.insert(section.path, section.text).is_some() {
            changed.insert(section.path);
        }
    }
    for section in new {
        if known.remove(section.path) != Some(section.text) {
            changed.insert(section.path);
        }
    }
    changed.extend(known.into_keys());
    changed
}

/// What is left when sections that follow each other in both are taken out: wineserver writes keys
/// in one order, so that is little more than what differs.
fn unmatched<'s, 'a>(
    mut old: &'s [Section<'a>],
    mut new: &'s [Section<'a>],
) -> (Vec<&'s Section<'a>>, Vec<&'s Section<'a>>) {
    /// How many keys that came or went one after another are looked past.
    const LOOKAHEAD: usize = 64;
    let (mut only_old, mut only_new) = (Vec::new(), Vec::new());
    while let ([first_old, rest_old @ ..], [first_new, rest_new @ ..]) = (old, new) {
        if first_old.text == first_new.text {
            (old, new) = (rest_old, rest_new);
            continue;
        }
        let look = |among: &[Section<'_>], path: &[u8]| {
            let mut near = among.iter().take(LOOKAHEAD);
            near.position(|section| section.path == path)
        };
        let (gone, came) = match (look(old, first_new.path), look(new, first_old.path)) {
            (Some(0), _) | (None, None) => (1, 1),
            (Some(gone), None) => (gone, 0),
            (None, Some(came)) => (0, came),
            (Some(gone), Some(came)) if gone <= came => (gone, 0),
            (Some(_), Some(came)) => (0, came),
        };
        only_old.extend(&old[..gone]);
        only_new.extend(&new[..came]);
        (old, new) = (&old[gone..], &new[came..]);
    }
    only_old.extend(old);
    only_new.extend(new);
    (only_old, only_new)
}

/// The paths of keys below those that are links and are not the same in both: one that has become a
/// link, or has ceased to be one, is another with all that is below it.
fn below_links<'a>(
    old: &[Section<'a>],
    new: &[Section<'a>],
    changed: &HashSet<&'a [u8]>,
) -> Vec<&'a [u8]> {
    let all = || old.iter().chain(new);
    let is_link = |section: &&Section<'_>| {
        changed.contains(section.path) && memmem::find(section.text, b"\n#link").is_some()
    };
    let links: HashSet<&[u8]> = all().filter(is_link).map(|section| section.path).collect();
    if links.is_empty() {
        return Vec::new();
    }
    let is_below = |path: &[u8]| ancestors(path).any(|above| links.contains(above));
    let paths = all().map(|section| section.path);
    paths.filter(|path| is_below(path)).collect()
}

/// Of the `wanted` keys, those of the `changed` sections and all above them, the ones that both texts
/// have because of sections that are the same: as few as make all of them.
fn common_ancestors<'a>(
    old: &[Section<'a>],
    changed: &HashSet<&'a [u8]>,
    wanted: &HashSet<&'a [u8]>,
) -> HashSet<&'a [u8]> {
    let mut common = HashSet::new();
    for section in old.iter().filter(|section| !changed.contains(section.path)) {
        // With a key all above it are wanted.
        let way = ancestors(section.path).chain([section.path]);
        common.extend(way.take_while(|path| wanted.contains(path)).last());
    }
    common.remove(&b""[..]);
    common
}

/// The paths of all keys above the one at `path`, the shortest first, without the root's.
fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < path.len() {
            let here = at;
            at += if path[at] == b'\\' { 2 } else { 1 };
            if path[here..].starts_with(SEPARATOR) {
                return Some(&path[..here]);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use porthole_registry::layer::{difference, merge};
    use porthole_registry::text::Document;
    use porthole_registry::{Value, ValueKind};
    use proptest::prelude::*;

    use super::*;

    fn base() -> Key {
        let mut root = Key::default();
        root.create(r"A\Kept").set_value("v", Value::dword(1));
        root.create(r"A\Gone").set_value("v", Value::dword(1));
        root.create(r"A\Changed").set_value("v", Value::dword(1));
        root.create(r"B\Only").set_value("v", Value::dword(1));
        root.create(r"C\[x]\y]")
            .set_value("a]\n[b", Value::string("]\n[A\\\\Kept]\n"));
        root.create("Empty");
        root.set_value("at the root", Value::dword(1));
        root
    }

    fn text(tree: &Key) -> Vec<u8> {
        text::write(&Document::new(text::MACHINE, tree.clone()))
    }

    /// The difference by parts is that of the whole.
    fn check(old: &Key, new: &Key) {
        let partial = partial(&text(old), &text(new)).unwrap();
        let by_parts = partial.and_then(|partial| difference(&partial.old, &partial.new));
        assert_eq!(by_parts, difference(old, new));
        let mut merged = old.clone();
        by_parts
            .into_iter()
            .for_each(|delta| merge(&mut merged, delta));
        assert_eq!(&merged, new);
    }

    /// Trees of few names, so that two of them have much in common.
    fn tree() -> impl Strategy<Value = Key> {
        let name = || prop::sample::select(vec!["a", "A", "b", "[x]", "b\"", "é7", "_"]);
        let leaf = (
            prop::collection::vec((name(), 0u32..2), 0..2),
            any::<bool>(),
        )
            .prop_map(|(values, symlink)| {
                let mut key = Key::default();
                key.symlink = symlink && values.is_empty();
                for (name, value) in values {
                    key.set_value(name, Value::dword(value));
                }
                key
            });
        leaf.prop_recursive(4, 32, 4, move |inner| {
            (inner.clone(), prop::collection::vec((name(), inner), 0..4)).prop_map(
                |(mut key, subkeys)| {
                    for (name, subkey) in subkeys {
                        key.insert_subkey(name, subkey);
                    }
                    key
                },
            )
        })
    }

    proptest! {
        #[test]
        fn what_differs_by_parts_is_what_differs(old in tree(), new in tree()) {
            // Both have the same root, as registries have.
            let (mut old, mut new) = (old, new);
            (old.symlink, new.symlink) = (false, false);
            check(&old, &new);
        }
    }

    #[test]
    fn nothing_is_left_of_two_equal_texts() {
        assert!(partial(&text(&base()), &text(&base())).unwrap().is_none());
    }

    #[test]
    fn only_what_differs_is_left() {
        let mut new = base();
        new.create(r"A\Changed").set_value("v", Value::dword(2));
        let partial = partial(&text(&base()), &text(&new)).unwrap().unwrap();
        assert_eq!((partial.old.count(), partial.new.count()), (3, 3));
        check(&base(), &new);
    }

    #[test]
    fn keys_that_are_only_implied_are_not_taken_for_deleted_or_new() {
        let change = |work: fn(&mut Key)| {
            let mut new = base();
            work(&mut new);
            check(&base(), &new);
            check(&new, &base());
        };
        // The parent stays, by its other keys.
        change(|root| drop(root.delete(r"A\Gone")));
        // It stays without any, and has a section of its own from now on.
        change(|root| drop(root.delete(r"B\Only")));
        // It goes.
        change(|root| drop(root.delete("B")));
        // It had a section of its own, and has none any more.
        change(|root| {
            root.create(r"Empty\New\Deep");
        });
        change(|root| drop(root.create(r"C\[x]").set_value("", Value::link("x"))));
        change(|root| drop(root.delete(r"C\[x]\y]")));
        change(|root| drop(root.remove_value("at the root")));
        change(|root| {
            let key = root.delete("A").unwrap();
            root.insert_subkey("a", key);
        });
        change(|root| {
            let link = root.create(r"A\Link");
            link.symlink = true;
            link.class = Some("c".encode_utf16().collect());
            let kind = ValueKind(0x7777);
            link.set_value(
                "SymbolicLinkValue",
                Value {
                    kind,
                    data: vec![1],
                },
            );
        });
    }

    #[test]
    fn sections_that_stand_twice_count_together() {
        let old = text(&base());
        let new = [&old[..], b"\n[A\\\\Kept] 1\n\"w\"=dword:00000002\n"].concat();
        let partial = partial(&old, &new).unwrap().unwrap();
        let delta = difference(&partial.old, &partial.new).unwrap();
        assert_eq!(delta.open(r"A\Kept").unwrap().values().len(), 1);
        assert!(
            delta
                .open(r"A\Kept")
                .unwrap()
                .layering
                .value_tombstones
                .is_empty()
        );
    }

    #[test]
    fn a_path_without_end_is_refused_before_it_is_looked_at_closely() {
        let path = br"a\\".repeat(300_000);
        let endless = [&text(&base())[..], b"\n[", &path, b"a]\n"].concat();
        let refused = partial(&text(&base()), &endless).unwrap_err();
        assert_eq!(refused.kind, TextErrorKind::Depth);
        let deepest = vec![r"a"; MAX_DEPTH].join(r"\");
        let mut new = base();
        new.create(&deepest);
        check(&base(), &new);
        // Lines that seem to go on in the next are not looked at again for each of them.
        let lines = b"[\\\n".repeat(1_000_000);
        assert!(partial(&lines, &lines).unwrap().is_none());
    }

    #[test]
    fn more_keys_and_values_than_are_admitted_are_refused() {
        let old = text(&base());
        let kind = |new: &Key, most| partial_of(&old, &text(new), most).map_err(|error| error.kind);
        let mut new = base();
        let key = new.create("Many");
        for number in 0..20_u32 {
            key.set_value(number.to_string().as_str(), Value::dword(number));
        }
        assert_eq!(kind(&new, 20).unwrap_err(), TextErrorKind::Count);
        assert!(kind(&new, 21).is_ok());
        let mut new = base();
        new.create(&["a"; 20].join(r"\"));
        assert_eq!(kind(&new, 19).unwrap_err(), TextErrorKind::Count);
        assert!(kind(&new, 20).is_ok());
        assert_eq!(kind(&base(), 4).unwrap_err(), TextErrorKind::Count);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert!(partial(b"", b"[x]\nrubbish\n").is_err());
    }
}
