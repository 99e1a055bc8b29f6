//! The header `X-Registry-Auth`: what a client knows to show a registry.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use porthole_engine::image::registry::Credentials;
use serde::Deserialize;

use crate::error::ApiError;
use crate::go_json;

const HEADER: &str = "x-registry-auth";

/// The largest header that is read, in bytes.
const LIMIT: usize = 64 * 1024;

/// Clients differ in whether they pad.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Docker's document.
#[derive(Default, Deserialize)]
#[serde(default)]
struct AuthConfig {
    username: String,
    password: String,
    auth: String,
    email: String,
    serveraddress: String,
    identitytoken: String,
    registrytoken: String,
}

/// The credentials of a request; none when it has no header, or one that says nothing.
pub(crate) fn credentials(headers: &HeaderMap) -> Result<Option<Credentials>, ApiError> {
    let Some(header) = headers.get(HEADER).filter(|header| !header.is_empty()) else {
        return Ok(None);
    };
    let invalid = || ApiError::bad_parameter("invalid X-Registry-Auth header");
    if header.len() > LIMIT {
        return Err(invalid());
    }
    // Standard base64 has two letters that the other has not.
    let text = header.to_str().map_err(|_| invalid())?;
    let text = text.trim().replace('+', "-").replace('/', "_");
    let json = BASE64.decode(text).map_err(|_| invalid())?;
    let value = serde_json::from_slice(&json).map_err(|_| invalid())?;
    let config: AuthConfig = go_json::decode(value).map_err(|_| invalid())?;
    let credentials = config.into_credentials();
    Ok(Some(credentials).filter(|credentials| !credentials.is_anonymous()))
}

/// The same for who only reads: a header that is none is no error, as nobody may read a lot too.
pub(crate) fn credentials_to_read(headers: &HeaderMap) -> Option<Credentials> {
    credentials(headers).unwrap_or_else(|error| {
        tracing::debug!(error = error.message(), "X-Registry-Auth is not used");
        None
    })
}

/// The server and the credentials in a body.
pub(crate) fn of_body(
    object: serde_json::Map<String, serde_json::Value>,
) -> Result<(String, Credentials), ApiError> {
    let config: AuthConfig = go_json::decode(object.into())
        .map_err(|error| ApiError::bad_parameter(format!("invalid JSON: {error}")))?;
    Ok((config.serveraddress.clone(), config.into_credentials()))
}

impl AuthConfig {
    /// Which server it is for, the request says otherwise; `email` means nothing any more.
    fn into_credentials(self) -> Credentials {
        let Self {
            username,
            password,
            auth,
            email: _,
            serveraddress: _,
            identitytoken,
            registrytoken,
        } = self;
        let mut credentials = Credentials {
            username,
            password,
            identity_token: identitytoken,
            registry_token: registrytoken,
        };
        if credentials.username.is_empty()
            && let Ok(pair) = BASE64.decode(auth.replace('+', "-").replace('/', "_"))
            && let Ok(pair) = String::from_utf8(pair)
            && let Some((name, password)) = pair.split_once(':')
        {
            name.clone_into(&mut credentials.username);
            password.clone_into(&mut credentials.password);
        }
        credentials
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    fn read(value: &str) -> Result<Option<Credentials>, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(value).expect("a value"));
        credentials(&headers)
    }

    #[test]
    fn credentials_come_in_any_base64() {
        let json = r#"{"username":"me","password":"a?>~","serveraddress":"r.example"}"#;
        for value in [STANDARD.encode(json), URL_SAFE_NO_PAD.encode(json)] {
            let read = read(&value).expect("credentials").expect("some");
            assert_eq!(
                (read.username.as_str(), read.password.as_str()),
                ("me", "a?>~")
            );
        }
        let pair = format!(r#"{{"auth":"{}"}}"#, STANDARD.encode("me:a:b"));
        let read = read(&STANDARD.encode(pair))
            .expect("credentials")
            .expect("some");
        assert_eq!(
            (read.username.as_str(), read.password.as_str()),
            ("me", "a:b")
        );
    }

    #[test]
    fn what_says_nothing_is_none() {
        assert!(credentials(&HeaderMap::new()).expect("none").is_none());
        for nothing in ["", "e30=", "e30", "bnVsbA=="] {
            assert!(read(nothing).expect(nothing).is_none(), "{nothing}");
        }
        for wrong in ["!", "e30x", "Ingi"] {
            assert!(read(wrong).is_err(), "{wrong}");
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_str(wrong).expect("a value"));
            assert!(credentials_to_read(&headers).is_none(), "{wrong}");
        }
    }
}
