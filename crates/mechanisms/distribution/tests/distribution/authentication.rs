//! Token servers: what they are asked, and what they must not be told.

use std::sync::{Arc, Mutex};

use porthole_distribution::{Credentials, ErrorKind};

use crate::server::{Reply, Request, Server};
use crate::support::{Image, client, nobody, push, reference, wanted};

/// A registry that wants the token that its token server gives for the right scopes.
struct Guarded {
    registry: Server,
    tokens: Server,
}

async fn guarded(grant: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Guarded {
    let tokens = Server::start(grant).await;
    let realm = format!("http://{}/token", tokens.address);
    let image = Image::new(1, 100);
    let registry = Server::start(move |request| {
        let challenge = format!(r#"Bearer realm="{realm}",service="registry.test""#);
        match request.header("authorization") {
            Some("Bearer good") => match (request.method.as_str(), request.path.as_str()) {
                (_, "/v2/") => Reply::new(200, "{}"),
                ("GET", _) => Reply::new(200, image.bytes.clone()),
                ("POST", _) => Reply::new(202, "").with("Location", "/v2/session"),
                ("PATCH", _) => Reply::new(202, "").with("Location", "/v2/session"),
                _ => Reply::new(201, ""),
            },
            Some(_) => Reply::new(401, "").with(
                "WWW-Authenticate",
                format!(r#"{challenge},error="insufficient_scope""#),
            ),
            None => Reply::new(401, "").with("WWW-Authenticate", challenge),
        }
    })
    .await;
    Guarded { registry, tokens }
}

fn good() -> Reply {
    Reply::new(
        200,
        r#"{"token":"good","expires_in":300,"refresh_token":"identity"}"#,
    )
}

#[tokio::test]
async fn a_token_is_asked_for_once_with_what_it_is_for() {
    let guarded = guarded(|_| good()).await;
    let client = client();
    let name = reference(format!("{}/some/image:1", guarded.registry.address));
    for _ in 0..3 {
        client.resolve(&name, nobody(), &wanted()).await.unwrap();
    }
    let asked = guarded.tokens.requests();
    assert_eq!(asked.len(), 1);
    let expected = "/token?service=registry.test&scope=repository%3Asome%2Fimage%3Apull";
    assert_eq!(asked[0].path, expected);
    assert_eq!(asked[0].header("authorization"), None);

    let me = Credentials::basic("me", "secret");
    push(&client, &name, &Image::new(1, 100), &me)
        .await
        .unwrap();
    let asked = guarded.tokens.requests();
    assert_eq!(asked.len(), 2);
    let push_scope = "scope=repository%3Asome%2Fimage%3Apull%2Cpush&account=me";
    assert!(asked[1].path.ends_with(push_scope), "{}", asked[1].path);
    assert_eq!(asked[1].header("authorization"), Some("Basic bWU6c2VjcmV0"));
    let is_told = |request: &Request| {
        let told = request.header("authorization");
        told.is_some_and(|told| told.starts_with("Basic"))
    };
    assert!(!guarded.registry.requests().iter().any(is_told));
}

#[tokio::test]
async fn an_identity_token_takes_the_passwords_place() {
    let guarded = guarded(|_| good()).await;
    let name = reference(format!("{}/image:1", guarded.registry.address));
    let credentials = Credentials {
        username: "<token>".to_owned(),
        identity_token: "identity&".to_owned(),
        ..Credentials::default()
    };
    client()
        .resolve(&name, &credentials, &wanted())
        .await
        .unwrap();
    let asked = guarded.tokens.requests();
    assert_eq!((asked.len(), asked[0].line().as_str()), (1, "POST /token"));
    let form = String::from_utf8(asked[0].body.clone()).unwrap();
    assert!(
        form.starts_with("grant_type=refresh_token&refresh_token=identity%26&"),
        "{form}"
    );
    assert!(form.ends_with("scope=repository%3Aimage%3Apull"), "{form}");
    assert_eq!(asked[0].header("authorization"), None);
}

#[tokio::test]
async fn a_registrys_own_token_is_sent_as_it_is() {
    let guarded = guarded(|_| Reply::new(500, "")).await;
    let name = reference(format!("{}/image:1", guarded.registry.address));
    let credentials = Credentials {
        registry_token: "good".to_owned(),
        ..Credentials::default()
    };
    client()
        .resolve(&name, &credentials, &wanted())
        .await
        .unwrap();
    assert!(guarded.tokens.requests().is_empty());
}

#[tokio::test]
async fn a_login_gives_the_identity_token() {
    let guarded = guarded(|request| match request.header("authorization") {
        Some("Basic bWU6c2VjcmV0") => good(),
        _ => Reply::new(401, r#"{"details":"incorrect username or password"}"#),
    })
    .await;
    let server = guarded.registry.address.to_string();
    let me = Credentials::basic("me", "secret");
    let login = client().login(&server, &me).await.unwrap();
    assert_eq!(login.identity_token, "identity");
    let path = &guarded.tokens.requests()[0].path;
    assert!(
        path.contains("offline_token=true&client_id=docker"),
        "{path}"
    );
    let wrong = Credentials::basic("me", "wrong");
    let error = client().login(&server, &wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    let sentence =
        format!("Get \"http://{server}/v2/\": unauthorized: incorrect username or password");
    assert_eq!(error.to_string(), sentence);
}

#[tokio::test]
async fn what_a_token_does_not_allow_is_denied_in_dockers_words() {
    let guarded = guarded(|_| Reply::new(200, r#"{"access_token":"weak"}"#)).await;
    let name = reference(format!("{}/image:1", guarded.registry.address));
    let error = client()
        .resolve(&name, nobody(), &wanted())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let repository = name.repository();
    assert_eq!(
        error.to_string(),
        format!(
            "pull access denied for {repository}, repository does not exist or may require 'docker \
             login': denied: requested access to the resource is denied"
        )
    );
    let error = push(&client(), &name, &Image::new(1, 1), nobody())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (
            ErrorKind::Denied,
            "denied: requested access to the resource is denied"
        )
    );
}

#[tokio::test]
async fn a_token_that_the_registry_no_longer_takes_is_replaced() {
    let given: Arc<Mutex<u32>> = Arc::default();
    let count = Arc::clone(&given);
    let guarded = guarded(move |_| {
        let mut count = count.lock().unwrap();
        *count += 1;
        match *count {
            1 => Reply::new(200, r#"{"token":"old","expires_in":300}"#),
            _ => good(),
        }
    })
    .await;
    let name = reference(format!("{}/image:1", guarded.registry.address));
    client().resolve(&name, nobody(), &wanted()).await.unwrap();
    assert_eq!(*given.lock().unwrap(), 2);
}

#[tokio::test]
async fn answers_that_are_no_tokens_are_refused() {
    for answer in ["", "{}", r#"{"token":""}"#, r#"{"token":"a\nb"}"#, "[]"] {
        let guarded = guarded(move |_| Reply::new(200, answer)).await;
        let name = reference(format!("{}/image:1", guarded.registry.address));
        let error = client()
            .resolve(&name, nobody(), &wanted())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{answer}: {error}");
    }
    let wrong = Server::start(|_| {
        Reply::new(401, "").with("WWW-Authenticate", r#"Bearer realm="file:///etc/passwd""#)
    })
    .await;
    let name = reference(format!("{}/image:1", wrong.address));
    let error = client()
        .resolve(&name, nobody(), &wanted())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}
