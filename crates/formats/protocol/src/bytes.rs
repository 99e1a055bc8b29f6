//! Bytes that are taken as they are: a list of them would be gone through one by one, which shows
//! where there are millions. On the wire both are the same.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    deserializer.deserialize_byte_buf(Whole)
}

struct Whole;

impl Visitor<'_> for Whole {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use crate::frame;
    use crate::supervisor::Response;

    #[test]
    fn bytes_are_on_the_wire_what_a_list_of_them_is() {
        let bytes: Vec<u8> = (0..=255).collect();
        let written = frame::encode(&Response::Registry(bytes.clone())).unwrap();
        assert!(written.ends_with(&frame::encode(&bytes).unwrap()[frame::PREFIX..]));
        let read: Response = frame::decode(&written[frame::PREFIX..]).unwrap();
        assert_eq!(read, Response::Registry(bytes));
        // A length that lies allocates nothing.
        let mut lying = written[frame::PREFIX..frame::PREFIX + 1].to_vec();
        lying.extend([0xff; 4]);
        assert!(frame::decode::<Response>(&lying).is_err());
    }
}
