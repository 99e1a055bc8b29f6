//! Tree to text, byte for byte as wineserver writes it.

use std::io::{self, Write};

use super::Document;
use super::escape::escape;
use crate::key::Key;
use crate::name::Name;
use crate::value::{Value, ValueKind};

/// The longest line of hexadecimal data before it is continued.
const LINE_WIDTH: usize = 76;

/// The file's bytes.
#[must_use]
pub fn write(document: &Document) -> Vec<u8> {
    let mut out = b"WINE REGISTRY Version 2\n;; All keys relative to ".to_vec();
    out.extend(document.root.replace('\\', r"\\").bytes());
    out.push(b'\n');
    if let Some(architecture) = document.architecture {
        out.extend(format!("\n#arch={}\n", architecture.name()).bytes());
    }
    write_key(&mut out, &mut Vec::new(), &document.tree);
    out
}

/// Writes the file.
///
/// # Errors
/// Those of `output`.
pub fn write_to(output: &mut impl Write, document: &Document) -> io::Result<()> {
    output.write_all(&write(document))
}

/// Writes a key and those below it; `path` is the escaped path of the key.
fn write_key(out: &mut Vec<u8>, path: &mut Vec<u8>, key: &Key) {
    let has_subkeys = key.subkeys().len() > 0;
    let is_implied = has_subkeys && key.values().len() == 0 && key.class.is_none() && !key.symlink;
    if !is_implied {
        write_entry(out, path, key);
    }
    for (name, subkey) in in_wine_order(key.subkeys().collect()) {
        let length = path.len();
        if length > 0 {
            path.extend(br"\\");
        }
        escape(path, name.units(), *b"[]");
        write_key(out, path, subkey);
        path.truncate(length);
    }
}

fn write_entry(out: &mut Vec<u8>, path: &[u8], key: &Key) {
    let time = key.last_write.0;
    // wineserver prints the low 32 bits, also of times before 1970.
    let seconds = key.last_write.unix_seconds() & 0xffff_ffff;
    out.extend(b"\n[");
    out.extend(path);
    out.extend(
        format!(
            "] {seconds}\n#time={:x}{:08x}\n",
            time >> 32,
            time & 0xffff_ffff
        )
        .bytes(),
    );
    if let Some(class) = &key.class {
        out.extend(b"#class=\"");
        escape(out, class, *b"\"\"");
        out.extend(b"\"\n");
    }
    if key.symlink {
        out.extend(b"#link\n");
    }
    for (name, value) in in_wine_order(key.values().collect()) {
        write_value(out, name, value);
    }
}

fn in_wine_order<T>(mut entries: Vec<(&Name, T)>) -> Vec<(&Name, T)> {
    entries.sort_by(|(left, _), (right, _)| left.cmp_lower_case(right));
    entries
}

fn write_value(out: &mut Vec<u8>, name: &Name, value: &Value) {
    let start = out.len();
    if name.is_empty() {
        out.extend(b"@=");
    } else {
        out.push(b'"');
        escape(out, name.units(), *b"\"\"");
        out.extend(b"\"=");
    }
    if let Some(units) = terminated_units(value) {
        if value.kind != ValueKind::STRING {
            out.extend(format!("str({:x}):", value.kind.0).bytes());
        }
        out.push(b'"');
        escape(out, &units, *b"\"\"");
        out.extend(b"\"\n");
    } else if let Some(number) = value.as_dword() {
        out.extend(format!("dword:{number:08x}\n").bytes());
    } else {
        if value.kind == ValueKind::BINARY {
            out.extend(b"hex:");
        } else {
            out.extend(format!("hex({:x}):", value.kind.0).bytes());
        }
        write_bytes(out, start, &value.data);
    }
}

/// The units of a properly terminated string, without its last NUL; others are written as bytes.
fn terminated_units(value: &Value) -> Option<Vec<u16>> {
    let is_text = matches!(
        value.kind,
        ValueKind::STRING | ValueKind::EXPAND_STRING | ValueKind::MULTI_STRING
    );
    let terminated = value.data.len().is_multiple_of(2) && value.data.ends_with(&[0, 0]);
    (is_text && terminated).then(|| {
        let text = &value.data[..value.data.len() - 2];
        text.chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect()
    })
}

/// Writes data whose line begins at `start`, continued where wineserver continues it.
fn write_bytes(out: &mut Vec<u8>, start: usize, data: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut width = out.len() - start;
    for (index, byte) in data.iter().enumerate() {
        out.extend([
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]);
        width += 2;
        if index + 1 < data.len() {
            out.push(b',');
            width += 1;
            if width > LINE_WIDTH {
                out.extend(b"\\\n  ");
                width = 2;
            }
        }
    }
    out.push(b'\n');
}
