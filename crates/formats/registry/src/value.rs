//! Values: a type number and bytes.

use std::fmt;

/// A value's type number. Any number is possible; those with names are Windows' own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueKind(pub u32);

impl ValueKind {
    /// `REG_NONE`.
    pub const NONE: Self = Self(0);
    /// `REG_SZ`.
    pub const STRING: Self = Self(1);
    /// `REG_EXPAND_SZ`.
    pub const EXPAND_STRING: Self = Self(2);
    /// `REG_BINARY`.
    pub const BINARY: Self = Self(3);
    /// `REG_DWORD`.
    pub const DWORD: Self = Self(4);
    /// `REG_LINK`: the target of a symbolic link, not terminated.
    pub const LINK: Self = Self(6);
    /// `REG_MULTI_SZ`.
    pub const MULTI_STRING: Self = Self(7);
    /// `REG_QWORD`.
    pub const QWORD: Self = Self(11);
}

impl fmt::Debug for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::NONE => "REG_NONE",
            Self::STRING => "REG_SZ",
            Self::EXPAND_STRING => "REG_EXPAND_SZ",
            Self::BINARY => "REG_BINARY",
            Self::DWORD => "REG_DWORD",
            Self(5) => "REG_DWORD_BIG_ENDIAN",
            Self::LINK => "REG_LINK",
            Self::MULTI_STRING => "REG_MULTI_SZ",
            Self(8) => "REG_RESOURCE_LIST",
            Self(9) => "REG_FULL_RESOURCE_DESCRIPTOR",
            Self(10) => "REG_RESOURCE_REQUIREMENTS_LIST",
            Self::QWORD => "REG_QWORD",
            Self(number) => return write!(f, "REG_{number:#x}"),
        };
        f.write_str(name)
    }
}

/// A value. The bytes need not suit the type: programs can store what they like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The type number.
    pub kind: ValueKind,
    /// The bytes; numbers and UTF-16 units are little-endian.
    pub data: Vec<u8>,
}

impl Value {
    /// `REG_SZ`, terminated.
    #[must_use]
    pub fn string(text: &str) -> Self {
        Self {
            kind: ValueKind::STRING,
            data: terminated(text),
        }
    }

    /// `REG_EXPAND_SZ`, terminated.
    #[must_use]
    pub fn expand_string(text: &str) -> Self {
        Self {
            kind: ValueKind::EXPAND_STRING,
            data: terminated(text),
        }
    }

    /// `REG_MULTI_SZ`: each string terminated, and the list by an empty one.
    #[must_use]
    pub fn multi_string(texts: &[&str]) -> Self {
        let mut data: Vec<u8> = texts.iter().flat_map(|text| terminated(text)).collect();
        data.extend([0, 0]);
        Self {
            kind: ValueKind::MULTI_STRING,
            data,
        }
    }

    /// `REG_LINK`: the target of a symbolic link, for example `\Registry\Machine\System\ControlSet001`.
    #[must_use]
    pub fn link(target: &str) -> Self {
        Self {
            kind: ValueKind::LINK,
            data: units(target),
        }
    }

    /// `REG_BINARY`.
    #[must_use]
    pub fn binary(data: impl Into<Vec<u8>>) -> Self {
        Self {
            kind: ValueKind::BINARY,
            data: data.into(),
        }
    }

    /// `REG_DWORD`.
    #[must_use]
    pub fn dword(number: u32) -> Self {
        Self {
            kind: ValueKind::DWORD,
            data: number.to_le_bytes().to_vec(),
        }
    }

    /// `REG_QWORD`.
    #[must_use]
    pub fn qword(number: u64) -> Self {
        Self {
            kind: ValueKind::QWORD,
            data: number.to_le_bytes().to_vec(),
        }
    }

    /// The text of a string, expandable string or link, up to the first NUL; ill-formed UTF-16
    /// becomes U+FFFD.
    #[must_use]
    pub fn as_string(&self) -> Option<String> {
        let is_text = matches!(
            self.kind,
            ValueKind::STRING | ValueKind::EXPAND_STRING | ValueKind::LINK
        );
        is_text.then(|| {
            let units: Vec<u16> = self.units().take_while(|&unit| unit != 0).collect();
            String::from_utf16_lossy(&units)
        })
    }

    /// The strings of a `REG_MULTI_SZ`.
    #[must_use]
    pub fn as_multi_string(&self) -> Option<Vec<String>> {
        (self.kind == ValueKind::MULTI_STRING).then(|| {
            let units: Vec<u16> = self.units().collect();
            let texts = units
                .split(|&unit| unit == 0)
                .take_while(|text| !text.is_empty());
            texts.map(String::from_utf16_lossy).collect()
        })
    }

    /// The number of a `REG_DWORD` of four bytes.
    #[must_use]
    pub fn as_dword(&self) -> Option<u32> {
        let bytes = <[u8; 4]>::try_from(self.data.as_slice()).ok()?;
        (self.kind == ValueKind::DWORD).then_some(u32::from_le_bytes(bytes))
    }

    /// The bytes as UTF-16 units; an odd byte at the end is left out.
    fn units(&self) -> impl Iterator<Item = u16> + '_ {
        self.data
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
    }
}

fn units(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn terminated(text: &str) -> Vec<u8> {
    let mut data = units(text);
    data.extend([0, 0]);
    data
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn texts_and_numbers_come_back() {
        assert_eq!(Value::string("é").as_string().as_deref(), Some("é"));
        assert_eq!(
            Value::link(r"\Registry").as_string().as_deref(),
            Some(r"\Registry")
        );
        let list = Value::multi_string(&["a", "bc"]);
        assert_eq!(
            list.as_multi_string(),
            Some(vec!["a".to_owned(), "bc".to_owned()])
        );
        assert_eq!(Value::dword(7).as_dword(), Some(7));
        assert_eq!(Value::binary([1]).as_dword(), None);
    }
}
