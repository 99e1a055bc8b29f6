//! The client: registries that it knows by now, and requests to them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use porthole_oci::Reference;

use crate::answer::Answer;
use crate::endpoint::{Call, DOCKER_HUB, Endpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::recent::Recent;
use crate::retry::Attempts;
use crate::settings::Settings;
use crate::token::Tokens;
use crate::transport::Transport;

/// How long a mirror that could not be reached is not asked: there is one question for each layer.
const MIRROR_PAUSE: Duration = Duration::from_secs(60);

/// A client for image registries. Clones share connections, and what registries said of how they
/// want to be asked.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    transport: Transport,
    tokens: Tokens,
    /// By the domain of names, or a mirror's address.
    endpoints: Recent<Arc<Endpoint>>,
    /// When mirrors could not be reached, by address.
    failed_mirrors: Recent<Instant>,
}

impl Client {
    /// A client with these settings. What of them is wrong is told when it is needed first.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let shared = Shared {
            transport: Transport::new(settings),
            tokens: Tokens::default(),
            endpoints: Recent::default(),
            failed_mirrors: Recent::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.shared.transport.settings()
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.shared.transport
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.shared.tokens
    }

    /// The registry of the images whose names begin with `domain`.
    pub(crate) async fn registry(&self, domain: &str) -> Result<Arc<Endpoint>> {
        if let Some(known) = self.shared.endpoints.get(domain) {
            return Ok(known);
        }
        let endpoint = Endpoint::of_domain(&self.shared.transport, domain).await?;
        Ok(self.remember(domain, endpoint))
    }

    async fn mirror(&self, address: &str) -> Result<Arc<Endpoint>> {
        if let Some(known) = self.shared.endpoints.get(address) {
            return Ok(known);
        }
        let endpoint = Endpoint::of_mirror(&self.shared.transport, address).await?;
        Ok(self.remember(address, endpoint))
    }

    /// The mirrors of a repository's registry that can be reached.
    pub(crate) async fn mirrors(&self, repository: &Reference) -> Result<Vec<Arc<Endpoint>>> {
        let mut mirrors = Vec::new();
        if repository.domain() != DOCKER_HUB {
            return Ok(mirrors);
        }
        let failed = &self.shared.failed_mirrors;
        for address in &self.settings().mirrors {
            let since = failed.get(address);
            if since.is_some_and(|since| since.elapsed() < MIRROR_PAUSE) {
                continue;
            }
            match self.mirror(address).await {
                Ok(mirror) => mirrors.push(mirror),
                Err(error) if error.kind() == ErrorKind::Configuration => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, address, "mirror of Docker Hub");
                    failed.insert(address, Instant::now());
                }
            }
        }
        Ok(mirrors)
    }

    /// Asks once.
    pub(crate) async fn call(&self, endpoint: &Endpoint, call: Call<'_>) -> Result<Answer> {
        let shared = &self.shared;
        let answer = endpoint.call(&shared.transport, &shared.tokens, call).await;
        answer.inspect_err(|error| self.forget_unless_there(endpoint, error))
    }

    /// Asks until it is answered other than by a failure that may pass.
    pub(crate) async fn persist(&self, endpoint: &Endpoint, call: Call<'_>) -> Result<Answer> {
        let mut attempts = Attempts::new(self.settings());
        loop {
            let error = match self.call(endpoint, call.clone()).await {
                Ok(answer) if answer.status().is_server_error() => answer.refusal().await,
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let may_pass = error.is_transient();
            attempts.wait(error, may_pass, &()).await?;
        }
    }

    /// A registry that went away may come back in another manner: without TLS, say.
    fn forget_unless_there(&self, endpoint: &Endpoint, error: &Error) {
        if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Tls) {
            let is_meant = |known: &Arc<Endpoint>| std::ptr::eq(known.as_ref(), endpoint);
            self.shared.endpoints.forget(|_, known| is_meant(known));
        }
    }

    fn remember(&self, name: &str, endpoint: Endpoint) -> Arc<Endpoint> {
        let endpoint = Arc::new(endpoint);
        self.shared.endpoints.insert(name, Arc::clone(&endpoint));
        endpoint
    }
}

/// What pulling from a repository takes.
pub(crate) fn pull_scope(repository: &Reference) -> Vec<String> {
    vec![format!("repository:{}:pull", repository.path())]
}

/// What pushing to a repository takes.
pub(crate) fn push_scope(repository: &Reference) -> Vec<String> {
    vec![format!("repository:{}:pull,push", repository.path())]
}
