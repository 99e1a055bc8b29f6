//! How a registry wants to be told who asks: `WWW-Authenticate`.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// The most challenges that an answer may have.
const MAX_CHALLENGES: usize = 8;

/// How a registry wants to be told who asks. The scope that it names is not read: who asks knows what
/// it is about to do, and asks for that.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Challenge {
    /// By account and password.
    Basic,
    /// By a token of the server at `realm`.
    Bearer {
        /// The token server's address.
        realm: String,
        /// Whom the token is for.
        service: Option<String>,
        /// What was wrong with the one that was sent, such as `insufficient_scope`.
        error: Option<String>,
    },
}

impl Challenge {
    /// The challenge of an answer that is easiest to meet without giving the password away: a token.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(WWW_AUTHENTICATE).iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        let challenges: Vec<Self> = texts.flat_map(parse).take(MAX_CHALLENGES).collect();
        let is_bearer = |challenge: &&Self| matches!(challenge, Self::Bearer { .. });
        let bearer = challenges.iter().find(is_bearer);
        bearer.or(challenges.first()).cloned()
    }
}

/// The challenges in one header that are of a known scheme.
fn parse(text: &str) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    let mut scanner = Scanner(text);
    while let Some(word) = scanner.word() {
        let parameters = scanner.parameters();
        let parameter = |name: &str| {
            let named = parameters
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.clone())
        };
        if word.eq_ignore_ascii_case("basic") {
            challenges.push(Challenge::Basic);
        } else if let (true, Some(realm)) =
            (word.eq_ignore_ascii_case("bearer"), parameter("realm"))
        {
            challenges.push(Challenge::Bearer {
                realm,
                service: parameter("service"),
                error: parameter("error"),
            });
        }
    }
    challenges
}

struct Scanner<'a>(&'a str);

impl<'a> Scanner<'a> {
    fn skip(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', ',']);
    }

    fn token(&mut self) -> Option<&'a str> {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c);
        let end = self.0.find(|c| !is_token(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    /// The next scheme; what is none is passed over.
    fn word(&mut self) -> Option<&'a str> {
        loop {
            self.skip();
            if let Some(token) = self.token() {
                return Some(token);
            }
            let mut rest = self.0.chars();
            rest.next()?;
            self.0 = rest.as_str();
        }
    }

    /// The parameters up to the next scheme.
    fn parameters(&mut self) -> Vec<(&'a str, String)> {
        let mut parameters = Vec::new();
        loop {
            let before = self.0;
            self.skip();
            let name = self.token();
            let value = self.0.trim_start().strip_prefix('=');
            let (Some(name), Some(value)) = (name, value) else {
                self.0 = before;
                return parameters;
            };
            self.0 = value.trim_start();
            parameters.push((name, self.value()));
        }
    }

    fn value(&mut self) -> String {
        let Some(quoted) = self.0.strip_prefix('"') else {
            let end = self.0.find([',', ' ', '\t']).unwrap_or(self.0.len());
            let (value, rest) = self.0.split_at(end);
            self.0 = rest;
            return value.to_owned();
        };
        let mut value = String::new();
        let mut characters = quoted.chars();
        while let Some(character) = characters.next() {
            match character {
                '"' => break,
                '\\' => value.extend(characters.next()),
                other => value.push(other),
            }
        }
        self.0 = characters.as_str();
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(texts: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for text in texts {
            headers.append(WWW_AUTHENTICATE, text.parse().unwrap());
        }
        Challenge::of(&headers)
    }

    #[test]
    fn tokens_are_preferred_to_passwords() {
        let bearer = Challenge::Bearer {
            realm: "https://auth.docker.io/token".to_owned(),
            service: Some("registry.docker.io".to_owned()),
            error: None,
        };
        let text = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/golang:pull,push""#;
        assert_eq!(challenge(&[text]), Some(bearer.clone()));
        assert_eq!(
            challenge(&["Basic realm=\"x\"", text]),
            Some(bearer.clone())
        );
        let both = format!(r#"basic realm="a, \"b\"" , {text}"#);
        assert_eq!(challenge(&[&both]), Some(bearer));
        assert_eq!(challenge(&["Basic"]), Some(Challenge::Basic));
    }

    #[test]
    fn what_is_no_challenge_is_none() {
        for text in [
            "",
            "Negotiate",
            "Bearer",
            "Bearer realm",
            "= , \"",
            "Digest realm=\"x\"",
        ] {
            assert_eq!(challenge(&[text]), None, "{text}");
        }
        assert_eq!(challenge(&[]), None);
        let open = challenge(&[r#"Bearer realm="https://x/\"#]);
        assert!(matches!(open, Some(Challenge::Bearer { .. })));
    }
}
