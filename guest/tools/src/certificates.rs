//! Certificates in files: DER, or PEM with any number of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The DER of each certificate of a file.
///
/// # Errors
/// When a part of it is no base64, or there is no certificate in it.
pub fn read(content: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    // A sequence, which each certificate in DER is.
    if content.first() == Some(&0x30) {
        return Ok(vec![content.to_owned()]);
    }
    let text = String::from_utf8_lossy(content);
    let found = text
        .split(BEGIN)
        .skip(1)
        .map(|part| {
            let (body, _) = part
                .split_once(END)
                .ok_or_else(|| "a certificate has no end".to_owned())?;
            let body: String = body.split_whitespace().collect();
            STANDARD.decode(body).map_err(|error| error.to_string())
        })
        .collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_der_as_it_is() {
        assert_eq!(read(&[0x30, 1, 2]), Ok(vec![vec![0x30, 1, 2]]));
    }

    #[test]
    fn reads_each_certificate_of_pem() {
        let text = format!("# two\r\n{BEGIN}\r\nMAEC\r\n{END}\r\n{BEGIN}\nMA\nID\n{END}\n");
        let expected = vec![vec![0x30, 1, 2], vec![0x30, 2, 3]];
        assert_eq!(read(text.as_bytes()), Ok(expected));
    }

    #[test]
    fn refuses_what_is_none() {
        assert!(read(b"hello").is_err());
        assert!(read(b"").is_err());
        assert!(read(format!("{BEGIN}\nMAEC").as_bytes()).is_err());
        assert!(read(format!("{BEGIN}\n*\n{END}").as_bytes()).is_err());
    }
}
