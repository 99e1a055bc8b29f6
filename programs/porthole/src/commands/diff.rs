//! `porthole diff`: what a container changed, in files or in the registry.

use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::arguments::Diff;
use crate::output::{print_json, say};
use crate::request::{self, query, segment};
use crate::shown;

/// Carries it out.
pub(crate) async fn carry_out(host: &str, diff: &Diff, json: bool) -> Result<ExitCode> {
    if diff.registry {
        return registry(host, diff, json).await;
    }
    if diff.over.is_some() {
        bail!("two images are compared by their registries: add --registry");
    }
    let path = format!("/containers/{}/changes", segment(&diff.name));
    let changes = request::get(host, &path).await?;
    if json {
        print_json(changes.as_array().unwrap_or(&Vec::new()))?;
        return Ok(ExitCode::SUCCESS);
    }
    for change in changes.as_array().into_iter().flatten() {
        let kind = match change["Kind"].as_u64() {
            Some(0) => "C",
            Some(1) => "A",
            _ => "D",
        };
        let path = change["Path"].as_str().unwrap_or_default();
        say!("{kind} {}", shown::name(path))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn registry(host: &str, diff: &Diff, json: bool) -> Result<ExitCode> {
    let mut pairs = vec![("name", diff.name.as_str())];
    pairs.extend(diff.over.as_deref().map(|over| ("over", over)));
    let changes = request::get(host, &format!("/porthole/registry?{}", query(&pairs))).await?;
    if json {
        print_json(&changes)?;
        return Ok(ExitCode::SUCCESS);
    }
    for change in changes.as_array().into_iter().flatten() {
        say!("{}", line(change))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What stands for the value without a name.
const DEFAULT: &str = "(default)";

/// One change: a key ends with a backslash, a value is named behind its key. Names that could be taken
/// for something else are in quotes.
fn line(change: &Value) -> String {
    let text = |name: &str| change[name].as_str().unwrap_or_default();
    let key = shown::name(text("Key"));
    let value = match text("Value") {
        "" => format!(r"{key}\{DEFAULT}"),
        name if name == DEFAULT || name.contains(['\\', '"', '=']) => {
            format!(r"{key}\{}", shown::quoted(name))
        }
        name => format!(r"{key}\{}", shown::name(name)),
    };
    match text("Change") {
        "KeyAdded" => format!(r"A {key}\"),
        "KeyChanged" => format!(r"C {key}\"),
        "KeyDeleted" => format!(r"D {key}\"),
        "ValueAdded" => format!("A {value} = {}", data(&change["New"])),
        "ValueDeleted" => format!("D {value} = {}", data(&change["Old"])),
        _ => format!(
            "C {value} = {} -> {}",
            data(&change["Old"]),
            data(&change["New"])
        ),
    }
}

fn data(value: &Value) -> String {
    let kind = value["Type"].as_str().unwrap_or_default();
    format!("{kind} {}", shown::escaped(&value["Data"].to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_and_values_are_told_apart() {
        let number = json!({ "Type": "REG_DWORD", "Data": 7 });
        let text = json!({ "Type": "REG_SZ", "Data": "a" });
        let hostile = json!({ "Type": "REG_SZ", "Data": "\u{9b}2J" });
        for (change, expected) in [
            (
                json!({ "Change": "KeyAdded", "Key": r"HKCU\A" }),
                r"A HKCU\A\",
            ),
            (
                json!({ "Change": "ValueAdded", "Key": r"HKCU\A", "Value": "X", "New": number }),
                r"A HKCU\A\X = REG_DWORD 7",
            ),
            (
                json!({ "Change": "ValueChanged", "Key": r"HKCU\A", "Value": "", "Old": text, "New": number }),
                r#"C HKCU\A\(default) = REG_SZ "a" -> REG_DWORD 7"#,
            ),
            (
                json!({ "Change": "ValueDeleted", "Key": "HKCU\\\u{1b}[2J", "Value": "(default)", "Old": number }),
                r#"D "HKCU\\\u001b[2J"\"(default)" = REG_DWORD 7"#,
            ),
            (
                json!({ "Change": "ValueAdded", "Key": r"HKCU\A", "Value": "x = REG_DWORD 1\nA B", "New": hostile }),
                r#"A HKCU\A\"x = REG_DWORD 1\nA B" = REG_SZ "\u009b2J""#,
            ),
        ] {
            assert_eq!(line(&change), expected);
        }
    }
}
