//! Passwords and certificates at Debian's registry.

use std::path::PathBuf;

use porthole_distribution::{Client, Credentials, ErrorKind, Settings};

use crate::debian::{HOST, Registry, Setup, account};
use crate::support::{Image, client, nobody, push, reference, wanted};

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_asked_for_and_checked() {
    let setup = Setup {
        has_passwords: true,
        ..Setup::default()
    };
    let registry = Registry::start(setup).await;
    let client = client();
    let name = reference(format!("{}/image:1", registry.host));
    let image = Image::new(4, 2000);
    let error = push(&client, &name, &image, nobody()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(
        error
            .to_string()
            .ends_with("/v2/image/blobs/uploads/\": no basic auth credentials"),
        "{error}"
    );
    let wrong = Credentials::basic("porthole", "wrong");
    let error = push(&client, &name, &image, &wrong).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (
            ErrorKind::Unauthorized,
            "unauthorized: authentication required"
        )
    );
    push(&client, &name, &image, &account()).await.unwrap();
    let resolved = client.resolve(&name, &account(), &wanted()).await.unwrap();
    assert_eq!(resolved.bytes, image.bytes);

    let login = client.login(&registry.host, &account()).await.unwrap();
    assert_eq!(
        (login.status.as_str(), login.identity_token.as_str()),
        ("Login Succeeded", "")
    );
    let address = format!("http://{}", registry.host);
    assert!(client.login(&address, &account()).await.is_ok());
    let error = client.login(&registry.host, &wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(
        error.to_string(),
        format!("login attempt to {address}/v2/ failed with status: 401 Unauthorized")
    );
    assert!(!format!("{:?}", account()).contains("horse"));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_checked_against_what_was_placed_for_the_registry() {
    let setup = Setup {
        has_tls: true,
        has_passwords: true,
        ..Setup::default()
    };
    let registry = Registry::start(setup).await;
    let (named, proxy) = registry.named().await;
    let name = reference(format!("{HOST}/image:1"));
    let image = Image::new(5, 2000);
    let client = Client::new(Settings {
        certificates: vec![registry.path("missing"), registry.path("certs.d")],
        ..named.clone()
    });
    let error = push(&client, &name, &image, &account()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    let sentence = format!(
        "Get \"https://{HOST}/v2/\": tls: failed to verify certificate: x509: certificate signed by \
         unknown authority (place the registry's CA certificate at \
         /etc/porthole/certs.d/{HOST}/ca.crt)"
    );
    assert_eq!(error.to_string(), sentence);

    // What is placed then is read without a restart.
    registry.certificates("certs.d", &[("ca.crt", "ca.crt")]);
    push(&client, &name, &image, &account()).await.unwrap();
    let resolved = client.resolve(&name, &account(), &wanted()).await.unwrap();
    assert_eq!(resolved.bytes, image.bytes);
    assert!(
        proxy
            .hosts()
            .iter()
            .all(|host| host == &format!("{HOST}:443"))
    );

    let mut direct = named.clone();
    direct.proxies.none_for = Some(format!("other.example,{HOST}"));
    let error = Client::new(direct)
        .resolve(&name, &account(), &wanted())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(error.to_string().ends_with("no such host"), "{error}");

    let insecure = Client::new(Settings {
        insecure_registries: vec![HOST.to_owned()],
        ..named
    });
    assert!(insecure.resolve(&name, &account(), &wanted()).await.is_ok());
    // This host's own addresses need no certificate.
    let here = reference(format!("{}/image:1", registry.host));
    let resolved = crate::support::client()
        .resolve(&here, &account(), &wanted())
        .await;
    assert_eq!(resolved.unwrap().bytes, image.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_shown_to_who_asks_for_it() {
    let setup = Setup {
        has_tls: true,
        wants_client_certificate: true,
        ..Setup::default()
    };
    let registry = Registry::start(setup).await;
    let (named, _proxy) = registry.named().await;
    let name = reference(format!("{HOST}/image:1"));
    let with = |directory: PathBuf| {
        let certificates = vec![directory];
        Client::new(Settings {
            certificates,
            ..named.clone()
        })
    };
    let without = with(registry.certificates("without", &[("ca.crt", "ca.crt")]));
    let error = push(&without, &name, &Image::new(6, 10), nobody())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    assert!(
        error.to_string().contains("client.cert and client.key"),
        "{error}"
    );
    let files = [
        ("ca.crt", "ca.crt"),
        ("client.crt", "me.cert"),
        ("client.key", "me.key"),
    ];
    let client = with(registry.certificates("complete", &files));
    push(&client, &name, &Image::new(6, 10), nobody())
        .await
        .unwrap();
    let broken = with(registry.certificates("broken", &[("client.crt", "me.cert")]));
    let error = push(&broken, &name, &Image::new(6, 10), nobody())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
}
