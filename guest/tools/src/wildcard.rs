//! `*` and `?` in file names, which Windows programs expand themselves.

use std::path::{Path, PathBuf};

/// Whether `name` matches `pattern`, without regard to case.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    matches_from(&pattern, &name)
}

/// Iterative with one point of return, so that `*` after `*` does not explode.
fn matches_from(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, n + 1));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match retry {
                Some((after_star, next)) => {
                    p = after_star;
                    n = next;
                    retry = Some((after_star, next + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// Files that `operand` names, sorted; also those in directories below when `deep`.
#[must_use]
pub fn expand(operand: &str, deep: bool) -> Vec<PathBuf> {
    if !deep && !operand.contains(['*', '?']) {
        return vec![PathBuf::from(operand)];
    }
    let path = Path::new(operand);
    let pattern = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let mut found = Vec::new();
    collect(
        parent.unwrap_or(Path::new(".")),
        &pattern,
        deep,
        parent.is_some(),
        &mut found,
    );
    found.sort();
    found
}

fn collect(directory: &Path, pattern: &str, deep: bool, named: bool, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = if named {
            entry.path()
        } else {
            PathBuf::from(entry.file_name())
        };
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            if deep {
                collect(&path, pattern, deep, true, found);
            }
        } else if matches(pattern, &entry.file_name().to_string_lossy()) {
            found.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match_without_case() {
        assert!(
            matches("*.TXT", "notes.txt") && matches("n?tes*", "Notes.txt") && matches("*", "")
        );
        assert!(!matches("*.txt", "notes.txt.bak") && !matches("?", ""));
        assert!(matches("a*b*c*d", "axxbxxcxxd") && !matches("*a*a*a*a*b", &"a".repeat(200)));
    }
}
