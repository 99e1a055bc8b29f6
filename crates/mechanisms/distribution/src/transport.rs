//! Connections to hosts: certificates, proxies, redirects.

use std::time::Duration;

use ipnet::IpNet;
use porthole_tls::Trust;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Body, Method, NoProxy, Proxy, StatusCode, Url};

use crate::answer::Answer;
use crate::certificates;
use crate::error::{Error, ErrorKind, Result};
use crate::failure;
use crate::recent::Recent;
use crate::settings::Settings;

/// The most redirects that are followed.
const MAX_REDIRECTS: usize = 10;

/// How long setting up a connection may take at most.
const CONNECT_PATIENCE: Duration = Duration::from_secs(30);

/// Connections to hosts.
#[derive(Debug)]
pub(crate) struct Transport {
    settings: Settings,
    /// By host, as directories of certificates name it.
    clients: Recent<reqwest::Client>,
}

/// A request without a body, or with a small one.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    /// Sent to this host alone.
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) body: Vec<u8>,
    /// How many times the patience an answer may take to begin.
    pub(crate) patience: u32,
}

impl Request {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            authorization: None,
            body: Vec::new(),
            patience: 1,
        }
    }
}

impl Transport {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            clients: Recent::default(),
        }
    }

    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether a registry may be had without TLS or with any certificate.
    pub(crate) async fn is_insecure(&self, authority: &str) -> bool {
        let host = host(authority);
        if is_loopback(host) {
            return true;
        }
        let mut networks: Vec<IpNet> = Vec::new();
        for known in &self.settings.insecure_registries {
            if known == authority || known == host {
                return true;
            }
            networks.extend(known.parse::<IpNet>());
        }
        if networks.is_empty() {
            return false;
        }
        let addresses = tokio::net::lookup_host((host, 443)).await;
        let mut addresses = addresses.into_iter().flatten();
        addresses.any(|address| {
            let contains = |network: &IpNet| network.contains(&address.ip());
            networks.iter().any(contains)
        })
    }

    /// Connections to `authority`.
    async fn client(&self, authority: &str) -> Result<reqwest::Client> {
        if let Some(client) = self.clients.get(authority) {
            return Ok(client);
        }
        let client = self.connect(authority).await?;
        self.clients.insert(authority, client.clone());
        Ok(client)
    }

    async fn connect(&self, authority: &str) -> Result<reqwest::Client> {
        let settings = &self.settings;
        let directories = settings.certificates.clone();
        let mut tls = certificates::placed(directories, authority.to_owned()).await?;
        if self.is_insecure(authority).await {
            tls.trust = Trust::Anybody;
        }
        let configuration = tls.load().await.map_err(|error| {
            let sentence = format!("{error}: {}", error.source);
            Error::new(ErrorKind::Configuration, sentence).with_source(error)
        })?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured((*configuration).clone())
            .redirect(Policy::none())
            .connect_timeout(settings.patience.min(CONNECT_PATIENCE))
            .user_agent(&settings.user_agent)
            .no_proxy();
        if !is_loopback(host(authority)) {
            for proxy in self.proxies()? {
                builder = builder.proxy(proxy);
            }
        }
        builder.build().map_err(|error| {
            let sentence = "cannot set up connections to registries";
            Error::new(ErrorKind::Configuration, sentence).with_source(error)
        })
    }

    fn proxies(&self) -> Result<Vec<Proxy>> {
        let proxies = &self.settings.proxies;
        let none_for = proxies.none_for.as_deref();
        let wrong = |address: &str, error: reqwest::Error| {
            let sentence = format!("not the address of a proxy: {address:?}");
            Error::new(ErrorKind::Configuration, sentence).with_source(error)
        };
        let made = |address: &Option<String>, make: fn(&str) -> reqwest::Result<Proxy>| {
            let address = address.as_deref()?;
            let proxy = make(address).map_err(|error| wrong(address, error));
            Some(proxy.map(|proxy| proxy.no_proxy(none_for.and_then(NoProxy::from_string))))
        };
        let http = made(&proxies.http, |address| Proxy::http(address));
        let https = made(&proxies.https, |address| Proxy::https(address));
        http.into_iter().chain(https).collect()
    }

    /// Sends a request; of one that only reads, follows where the answer points. What tells who asks
    /// is not sent along to another host, nor back from there.
    pub(crate) async fn send(&self, mut request: Request, authority: &str) -> Result<Answer> {
        let mut authority = authority.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.send_once(request.clone(), &authority).await?;
            let is_read = matches!(request.method, Method::GET | Method::HEAD);
            let Some(target) = redirect(&answer).filter(|_| is_read) else {
                return Ok(answer);
            };
            let target = target?;
            if target.origin() != request.url.origin() {
                request.authorization = None;
                authority = failure::authority(&target);
            }
            request.url = target;
        }
        let shown = failure::shown(&request.url);
        let sentence = format!(
            "{} {shown:?}: stopped after {MAX_REDIRECTS} redirects",
            failure::verb(&request.method)
        );
        Err(Error::new(ErrorKind::Malformed, sentence))
    }

    async fn send_once(&self, request: Request, authority: &str) -> Result<Answer> {
        let body = Body::from(request.body.clone());
        let patience = self.settings.patience * request.patience;
        let (method, url) = (request.method.clone(), request.url.clone());
        let sent = self.stream(request, body, authority);
        match tokio::time::timeout(patience, sent).await {
            Ok(answer) => answer,
            Err(_) => Err(failure::of_silence(&method, &url)),
        }
    }

    /// Sends a request with a body of any length, and follows nothing. Who calls sees to it that it
    /// ends.
    pub(crate) async fn stream(
        &self,
        request: Request,
        body: Body,
        authority: &str,
    ) -> Result<Answer> {
        let Request {
            method,
            url,
            headers,
            authorization,
            body: small,
            patience: _,
        } = request;
        let client = self.client(authority).await?;
        let mut builder = client.request(method.clone(), url.clone()).headers(headers);
        if let Some(authorization) = authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        let has_body = !small.is_empty() || !matches!(method, Method::GET | Method::HEAD);
        if has_body {
            builder = builder.body(body);
        }
        match builder.send().await {
            Ok(response) => Ok(Answer {
                method,
                url,
                response,
                patience: self.settings.patience,
            }),
            Err(error) => {
                let error = failure::of_network(&method, &url, error);
                if error.kind() == ErrorKind::Tls {
                    // What is missing may be placed, and is to be read then.
                    self.clients.forget(|name, _| name == authority);
                }
                Err(error)
            }
        }
    }
}

/// Where an answer points.
fn redirect(answer: &Answer) -> Option<Result<Url>> {
    let is_redirect = matches!(
        answer.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = answer.header(LOCATION).filter(|_| is_redirect)?;
    Some(join(&answer.url, location))
}

/// The address that `location` means in an answer of `base`.
pub(crate) fn join(base: &Url, location: &str) -> Result<Url> {
    let target = base.join(location).ok();
    target
        .filter(|target| matches!(target.scheme(), "http" | "https") && target.has_host())
        .ok_or_else(|| {
            let sentence = format!("{} points to no web address", failure::shown(base));
            Error::new(ErrorKind::Malformed, sentence)
        })
}

/// A registry's host without its port or brackets.
fn host(authority: &str) -> &str {
    let bracketed = authority
        .strip_prefix('[')
        .and_then(|rest| rest.split(']').next());
    let bare = || authority.split(':').next().unwrap_or(authority);
    bracketed.unwrap_or_else(bare)
}

pub(crate) fn is_loopback(host: &str) -> bool {
    let address: Option<std::net::IpAddr> = host.parse().ok();
    host.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn registries_here_and_those_named_are_insecure() {
        let insecure = ["registry.example:5000", "plain.example", "10.1.0.0/16"];
        let transport = Transport::new(Settings {
            insecure_registries: insecure.map(str::to_owned).to_vec(),
            ..Settings::default()
        });
        let table = [
            ("localhost:5000", true),
            ("127.3.2.1:5000", true),
            ("[::1]:5000", true),
            ("registry.example:5000", true),
            ("plain.example:81", true),
            ("10.1.2.3:5000", true),
            ("10.2.2.3:5000", false),
        ];
        for (authority, expected) in table {
            let is_insecure = transport.is_insecure(authority).await;
            assert_eq!(is_insecure, expected, "{authority}");
        }
    }

    #[test]
    fn redirects_lead_to_web_addresses_only() {
        let base = Url::parse("https://registry.example/v2/a/blobs/x").unwrap();
        let to = |location| join(&base, location).map(String::from);
        assert_eq!(to("/y?z=1").unwrap(), "https://registry.example/y?z=1");
        assert_eq!(to("http://cdn.example/y").unwrap(), "http://cdn.example/y");
        for location in ["file:///etc/passwd", "data:,x", "https://"] {
            let error = join(&base, location).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{location}");
        }
    }
}
