//! Paths: image and plug-in names hold slashes, which a router would take for separators.
//!
//! `/images/porthole/nanoserver/json` becomes `/images/porthole%2Fnanoserver/json`, so that one
//! segment of the path holds the whole name, as the routes `/images/{name}/json` expect.

/// Collections whose names may hold slashes, with the verbs that may follow a name.
const NAMED: [(&str, &[&str]); 3] = [
    ("/images/", &["json", "history", "push", "tag", "get"]),
    ("/distribution/", &["json"]),
    (
        "/plugins/",
        &["json", "enable", "disable", "upgrade", "push", "set"],
    ),
];

/// The path with the slashes of a name percent-encoded; `deletes` says whether the whole rest is
/// the name (`DELETE /images/a/b`).
#[must_use]
pub(crate) fn fold_name(path: &str, deletes: bool) -> Option<String> {
    let (prefix, verbs) = NAMED.iter().find(|(prefix, _)| path.starts_with(prefix))?;
    let rest = &path[prefix.len()..];
    let (name, verb) = match rest.rsplit_once('/') {
        _ if deletes => (rest, None),
        Some((name, verb)) if verbs.contains(&verb) => (name, Some(verb)),
        _ => return None,
    };
    if !name.contains('/') {
        return None;
    }
    let name = name.replace('/', "%2F");
    Some(match verb {
        Some(verb) => format!("{prefix}{name}/{verb}"),
        None => format!("{prefix}{name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::fold_name;

    #[test]
    fn slashes_of_a_name_become_one_segment() {
        assert_eq!(
            fold_name("/images/porthole/nanoserver:latest/json", false).as_deref(),
            Some("/images/porthole%2Fnanoserver:latest/json")
        );
        assert_eq!(
            fold_name("/images/a/b/json", true).as_deref(),
            Some("/images/a%2Fb%2Fjson")
        );
    }

    #[test]
    fn everything_else_stays() {
        assert_eq!(fold_name("/images/json", false), None);
        assert_eq!(fold_name("/images/x/json", false), None);
        assert_eq!(fold_name("/images/a/b/nonsense", false), None);
        assert_eq!(fold_name("/containers/a/b/json", false), None);
    }
}
