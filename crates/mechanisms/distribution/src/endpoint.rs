//! One registry: how it is reached, and how it is told who asks.

use std::sync::{LazyLock, Mutex, PoisonError};

use porthole_oci::Reference;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};

use crate::answer::Answer;
use crate::challenge::Challenge;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, Result};
use crate::failure;
use crate::token::{self, Purpose, Tokens};
use crate::transport::{Request, Transport};

/// What Docker Hub is called in names of images.
pub(crate) const DOCKER_HUB: &str = "docker.io";

/// Where Docker Hub's registry is.
const DOCKER_HUB_REGISTRY: &str = "registry-1.docker.io";

/// One registry.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Its host, as directories of certificates name it.
    pub(crate) authority: String,
    /// `https://host[:port]/`.
    pub(crate) base: Url,
    /// Whether it is not told who asks.
    is_mirror: bool,
    /// How it wanted to be told who asks, the last time.
    challenge: Mutex<Option<Challenge>>,
}

/// A request to a registry.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// How many times the patience an answer may take to begin.
    pub(crate) patience: u32,
    /// What has to be allowed.
    pub(crate) scopes: &'a [String],
    pub(crate) credentials: &'a Credentials,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        method: Method,
        url: Url,
        scopes: &'a [String],
        credentials: &'a Credentials,
    ) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Vec::new(),
            patience: 1,
            scopes,
            credentials,
        }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}

/// The address of a mirror, which has a host and perhaps a port.
pub(crate) fn mirror_base(address: &str) -> Result<Url> {
    let base = Url::parse(address).ok();
    let is_bare = |base: &Url| {
        matches!(base.scheme(), "http" | "https")
            && base.path() == "/"
            && (base.query(), base.fragment()) == (None, None)
            && base.username().is_empty()
    };
    base.filter(is_bare).ok_or_else(|| {
        let sentence = format!("invalid mirror {address:?}: not of the form https://host[:port]");
        Error::new(ErrorKind::Configuration, sentence)
    })
}

impl Endpoint {
    /// The registry of the images whose names begin with `domain`.
    pub(crate) async fn of_domain(transport: &Transport, domain: &str) -> Result<Self> {
        let authority = if domain == DOCKER_HUB {
            DOCKER_HUB_REGISTRY
        } else {
            domain
        };
        let secure = Self::try_at(transport, "https", authority).await;
        match secure {
            Err(error) if may_be_plain(&error) && transport.is_insecure(authority).await => {
                tracing::debug!(%error, authority, "insecure registry without TLS");
                Self::try_at(transport, "http", authority).await
            }
            other => other,
        }
    }

    async fn try_at(transport: &Transport, scheme: &str, authority: &str) -> Result<Self> {
        let base = Url::parse(&format!("{scheme}://{authority}/")).map_err(|error| {
            let sentence = format!("invalid registry name {authority:?}");
            Error::new(ErrorKind::Invalid, sentence).with_source(error)
        })?;
        Self::reached(transport, base, authority, false).await
    }

    /// A mirror of Docker Hub.
    pub(crate) async fn of_mirror(transport: &Transport, address: &str) -> Result<Self> {
        let base = mirror_base(address)?;
        let authority = failure::authority(&base);
        Self::reached(transport, base, &authority, true).await
    }

    /// Asks the registry for nothing: whether it can be reached, and how it wants to be told who asks.
    async fn reached(
        transport: &Transport,
        base: Url,
        authority: &str,
        is_mirror: bool,
    ) -> Result<Self> {
        let ping = Request::new(Method::GET, at(&base, "v2/"));
        let answer = transport.send(ping, authority).await?;
        Ok(Self {
            authority: authority.to_owned(),
            base,
            is_mirror,
            challenge: Mutex::new(Challenge::of(answer.headers())),
        })
    }

    /// The address of something in a repository, such as `manifests/latest`.
    pub(crate) fn address(&self, repository: &Reference, what: &str) -> Url {
        at(&self.base, &format!("v2/{}/{what}", repository.path()))
    }

    /// The host of an address that the registry named, as directories of certificates name it.
    pub(crate) fn authority_of(&self, url: &Url) -> String {
        if url.origin() == self.base.origin() {
            self.authority.clone()
        } else {
            failure::authority(url)
        }
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// Asks the registry, telling it who asks if it wants to know.
    pub(crate) async fn call(
        &self,
        transport: &Transport,
        tokens: &Tokens,
        call: Call<'_>,
    ) -> Result<Answer> {
        let mut is_first = true;
        loop {
            let who = self.who(transport, tokens, &call).await?;
            let request = Request {
                method: call.method.clone(),
                url: call.url.clone(),
                headers: call.headers.clone(),
                authorization: who.clone(),
                body: call.body.clone(),
                patience: call.patience,
            };
            let authority = self.authority_of(&call.url);
            let answer = transport.send(request, &authority).await?;
            let is_asked = answer.status() == StatusCode::UNAUTHORIZED;
            if !is_asked || !self.learn(tokens, &answer, &call) || !is_first {
                return Ok(answer);
            }
            is_first = false;
        }
    }

    /// What is shown of who asks: to mirrors nothing.
    fn shown<'a>(&self, call: &Call<'a>) -> &'a Credentials {
        static NOBODY: LazyLock<Credentials> = LazyLock::new(Credentials::anonymous);
        if self.is_mirror {
            &NOBODY
        } else {
            call.credentials
        }
    }

    /// What tells the registry who asks; nothing where it did not ask.
    pub(crate) async fn who(
        &self,
        transport: &Transport,
        tokens: &Tokens,
        call: &Call<'_>,
    ) -> Result<Option<HeaderValue>> {
        // Uploads may go on elsewhere.
        if call.url.origin() != self.base.origin() {
            return Ok(None);
        }
        let credentials = self.shown(call);
        let challenge = self.lock().clone();
        let told = match challenge {
            None => return Ok(None),
            Some(_) if !credentials.registry_token.is_empty() => {
                token::bearer(&credentials.registry_token)
            }
            Some(Challenge::Basic) => token::basic(credentials),
            Some(challenge @ Challenge::Bearer { .. }) => {
                let purpose = purpose(challenge, call.scopes, credentials);
                let token = tokens.get(transport, &purpose, self.is_secure()).await;
                return token.map(Some).map_err(|error| within(call, error));
            }
        };
        told.map(Some).ok_or_else(|| {
            let sentence = "no basic auth credentials";
            within(call, Error::new(ErrorKind::Unauthorized, sentence))
        })
    }

    /// Learns from a refusal how the registry wants to be told who asks; whether asking again may help.
    pub(crate) fn learn(&self, tokens: &Tokens, answer: &Answer, call: &Call<'_>) -> bool {
        if answer.url.origin() != self.base.origin() {
            return false;
        }
        let Some(challenge) = Challenge::of(answer.headers()) else {
            return false;
        };
        let known = self.lock().replace(challenge.clone());
        match (&challenge, &known) {
            (Challenge::Basic, Some(Challenge::Basic)) => false,
            (Challenge::Bearer { .. }, _) => {
                tokens.forget(&purpose(challenge, call.scopes, self.shown(call)));
                true
            }
            _ => true,
        }
    }

    pub(crate) fn challenge(&self) -> Option<Challenge> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Challenge>> {
        self.challenge
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The purpose of a token that `challenge` asks for: what the caller is about to do.
pub(crate) fn purpose(
    challenge: Challenge,
    scopes: &[String],
    credentials: &Credentials,
) -> Purpose {
    let (realm, service) = match challenge {
        Challenge::Bearer { realm, service, .. } => (realm, service),
        Challenge::Basic => (String::new(), None),
    };
    Purpose {
        realm,
        service,
        scopes: scopes.to_vec(),
        credentials: credentials.clone(),
    }
}

/// Whether a registry that failed so over TLS may be one without.
fn may_be_plain(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unreachable | ErrorKind::Tls | ErrorKind::Hang
    )
}

/// The failure behind the request that was to be sent.
fn within(call: &Call<'_>, error: Error) -> Error {
    let verb = failure::verb(&call.method);
    error.within(&format!("{verb} {:?}", failure::shown(&call.url)))
}

/// The address of `path` at a registry.
fn at(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(path);
    url
}
