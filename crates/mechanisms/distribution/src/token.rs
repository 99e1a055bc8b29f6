//! Tokens: what a registry's token server gives to who may do something.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::Serializer;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, Result};
use crate::failure;
use crate::transport::{Request, Transport};

/// What token servers know this client as: they know Docker's.
const CLIENT_ID: &str = "docker";

/// How long a token is good for that does not say so.
const DEFAULT_LIFE: Duration = Duration::from_secs(60);

/// The longest that a token is kept for.
const MAX_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The largest answer of a token server.
const MAX_ANSWER: usize = 1 << 20;

/// The most tokens that are kept.
const MAX_TOKENS: usize = 256;

/// What a token is for, and who asks for it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Purpose {
    /// The token server's address.
    pub(crate) realm: String,
    /// Whom the token is for.
    pub(crate) service: Option<String>,
    /// What it has to allow, each as `repository:NAME:pull,push`.
    pub(crate) scopes: Vec<String>,
    /// Who asks.
    pub(crate) credentials: Credentials,
}

/// Tokens by their purpose.
#[derive(Default)]
pub(crate) struct Tokens {
    known: Mutex<HashMap<Purpose, (HeaderValue, Instant)>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// What a token server answers.
#[derive(Deserialize)]
struct Granted {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
    #[serde(default)]
    refresh_token: Option<String>,
}

impl Tokens {
    /// A token for `purpose`. A registry with TLS may not have passwords sent without.
    pub(crate) async fn get(
        &self,
        transport: &Transport,
        purpose: &Purpose,
        is_secure: bool,
    ) -> Result<HeaderValue> {
        let now = Instant::now();
        let known = self.lock().get(purpose).cloned();
        if let Some((token, _)) = known.filter(|(_, end)| *end > now) {
            return Ok(token);
        }
        let (token, life, _) = request(transport, purpose, is_secure, false).await?;
        let mut known = self.lock();
        known.retain(|_, (_, end)| *end > now);
        if known.len() < MAX_TOKENS {
            known.insert(purpose.clone(), (token.clone(), now + life));
        }
        Ok(token)
    }

    /// Forgets a token that the registry does not take.
    pub(crate) fn forget(&self, purpose: &Purpose) {
        self.lock().remove(purpose);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Purpose, (HeaderValue, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token that stands for the account and password from now on, where the server gives such.
pub(crate) async fn identity(
    transport: &Transport,
    purpose: &Purpose,
    is_secure: bool,
) -> Result<(HeaderValue, Option<String>)> {
    let (token, _, identity) = request(transport, purpose, is_secure, true).await?;
    Ok((token, identity))
}

async fn request(
    transport: &Transport,
    purpose: &Purpose,
    is_secure: bool,
    is_login: bool,
) -> Result<(HeaderValue, Duration, Option<String>)> {
    let realm = realm(purpose)?;
    if is_secure && realm.scheme() == "http" && !purpose.credentials.is_anonymous() {
        let sentence = format!(
            "the registry asks for the password to be sent unencrypted to {}",
            failure::shown(&realm)
        );
        return Err(Error::new(ErrorKind::Tls, sentence));
    }
    let request = if purpose.credentials.identity_token.is_empty() {
        by_password(realm, purpose, is_login)
    } else {
        by_identity(realm, purpose)
    };
    let authority = failure::authority(&request.url);
    let answer = transport.send(request, &authority).await?;
    let answer = answer.expect(&[StatusCode::OK]).await?;
    granted(&answer.document(MAX_ANSWER).await?)
}

/// The token server's address.
fn realm(purpose: &Purpose) -> Result<Url> {
    let realm = Url::parse(&purpose.realm).ok();
    let is_web = |realm: &Url| matches!(realm.scheme(), "http" | "https") && realm.has_host();
    realm.filter(is_web).ok_or_else(|| {
        let sentence = "the registry names no token server that can be asked";
        Error::new(ErrorKind::Malformed, sentence)
    })
}

/// The token, how long it is good for, and one for the future, of a token server's answer.
fn granted(answer: &[u8]) -> Result<(HeaderValue, Duration, Option<String>)> {
    let malformed = || {
        let sentence = "authorization server did not include a token in the response";
        Error::new(ErrorKind::Malformed, sentence)
    };
    let granted: Granted =
        serde_json::from_slice(answer).map_err(|error| malformed().with_source(error))?;
    let tokens = [granted.token, granted.access_token];
    let token = tokens.into_iter().flatten().find(|token| !token.is_empty());
    let header = bearer(&token.ok_or_else(malformed)?).ok_or_else(malformed)?;
    let life = granted.expires_in.map(Duration::from_secs);
    let life = life.unwrap_or(DEFAULT_LIFE).min(MAX_LIFE);
    // A token that ends on the way is of no use.
    Ok((header, life.mul_f64(0.9), granted.refresh_token))
}

fn by_password(mut realm: Url, purpose: &Purpose, is_login: bool) -> Request {
    let credentials = &purpose.credentials;
    {
        let mut query = realm.query_pairs_mut();
        if let Some(service) = &purpose.service {
            query.append_pair("service", service);
        }
        for scope in &purpose.scopes {
            query.append_pair("scope", scope);
        }
        if is_login {
            query.append_pair("offline_token", "true");
            query.append_pair("client_id", CLIENT_ID);
        }
        if !credentials.username.is_empty() {
            query.append_pair("account", &credentials.username);
        }
    }
    let mut request = Request::new(Method::GET, realm);
    request.authorization = basic(credentials);
    request
}

fn by_identity(realm: Url, purpose: &Purpose) -> Request {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token")
        .append_pair("refresh_token", &purpose.credentials.identity_token)
        .append_pair("service", purpose.service.as_deref().unwrap_or_default())
        .append_pair("client_id", CLIENT_ID)
        .append_pair("scope", &purpose.scopes.join(" "));
    let mut request = Request::new(Method::POST, realm);
    let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers.insert(CONTENT_TYPE, form_type);
    request.body = form.finish().into_bytes();
    request
}

/// The header for an account and its password.
pub(crate) fn basic(credentials: &Credentials) -> Option<HeaderValue> {
    if credentials.username.is_empty() {
        return None;
    }
    let pair = format!("{}:{}", credentials.username, credentials.password);
    secret(&format!("Basic {}", STANDARD.encode(pair)))
}

/// The header for a token.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    secret(&format!("Bearer {token}"))
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[tokio::test]
    async fn a_registry_with_tls_gets_no_password_sent_without() {
        let purpose = |credentials| Purpose {
            realm: "http://127.0.0.1:1/token".to_owned(),
            service: None,
            scopes: Vec::new(),
            credentials,
        };
        let transport = Transport::new(Settings::default());
        let me = purpose(Credentials::basic("me", "secret"));
        let identity = purpose(Credentials {
            identity_token: "secret".to_owned(),
            ..Credentials::default()
        });
        for purpose in [&me, &identity] {
            let error = request(&transport, purpose, true, false).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
        }
        // Who is nobody has nothing to lose, and a registry without TLS has lost it already.
        let nobody = purpose(Credentials::anonymous());
        for (purpose, is_secure) in [(&nobody, true), (&me, false)] {
            let outcome = request(&transport, purpose, is_secure, false).await;
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unreachable);
        }
    }

    #[test]
    fn tokens_are_kept_for_less_than_they_are_good_for() {
        let (header, life, identity) =
            granted(br#"{"access_token":"x","expires_in":100,"refresh_token":"r"}"#).unwrap();
        assert_eq!(header.to_str().unwrap(), "Bearer x");
        assert!(header.is_sensitive());
        assert_eq!((life.as_secs(), identity.as_deref()), (90, Some("r")));
        let forever = format!(r#"{{"token":"x","expires_in":{}}}"#, u64::MAX);
        assert!(granted(forever.as_bytes()).unwrap().1 < MAX_LIFE);
    }
}
