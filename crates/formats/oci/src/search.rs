//! What a registry is searched for: `[registry/]words`, as Docker takes it apart.

/// Names of Docker Hub that a term may begin with.
const DOCKER_HUB: [&str; 2] = ["docker.io", "index.docker.io"];

/// What a registry is searched for. Who shows credentials and who asks the registry take it apart
/// alike, so that nobody is shown what is another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchTerm<'a> {
    /// The registry; `None` for Docker Hub.
    pub registry: Option<&'a str>,
    /// What to look for there.
    pub words: &'a str,
}

impl<'a> SearchTerm<'a> {
    /// Takes a term apart.
    #[must_use]
    pub fn of(term: &'a str) -> Self {
        let registry = match term.split_once('/') {
            Some((first, words)) if first.contains(['.', ':']) || first == "localhost" => {
                Some((first, words))
            }
            _ => None,
        };
        match registry {
            Some((hub, words)) if DOCKER_HUB.contains(&hub) => Self::on_docker_hub(words),
            Some((registry, words)) => Self {
                registry: Some(registry),
                words,
            },
            None => Self::on_docker_hub(term),
        }
    }

    /// Docker's own images are without a namespace there.
    fn on_docker_hub(words: &'a str) -> Self {
        Self {
            registry: None,
            words: words.strip_prefix("library/").unwrap_or(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_of_a_term_is_told_from_its_words() {
        let table = [
            ("golang", None, "golang"),
            ("library/golang", None, "golang"),
            ("some/golang", None, "some/golang"),
            ("docker.io/library/golang", None, "golang"),
            ("index.docker.io/golang", None, "golang"),
            ("r.example/golang", Some("r.example"), "golang"),
            ("r.example/library/x", Some("r.example"), "library/x"),
            ("localhost/golang", Some("localhost"), "golang"),
            ("registry:5000/golang", Some("registry:5000"), "golang"),
            ("golang.org", None, "golang.org"),
        ];
        for (term, registry, words) in table {
            assert_eq!(SearchTerm::of(term), SearchTerm { registry, words });
        }
    }
}
