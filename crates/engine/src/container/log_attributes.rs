//! What log options add to every record: labels, variables and a tag of the container.

use std::collections::BTreeMap;

use regex_lite::Regex;

use crate::container::record::Container;
use crate::error::{Error, Result};

/// Bytes of all attributes together at most: each record carries them, and a log's reader takes no
/// record of more than 1 MiB.
const LIMIT: usize = 64 * 1024;

/// The name of dockerd as templates see it.
const DAEMON: &str = "docker";

/// Characters of an ID's short form.
const SHORT: usize = 12;

/// The attributes that a container's log options ask for.
pub(crate) fn attributes(container: &Container) -> Result<BTreeMap<String, String>> {
    let option = |name| {
        let value = container.host.log.options.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    };
    let variable = |variable: &String| {
        let (name, value) = variable.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    let variables: BTreeMap<_, _> = container.config.env.iter().filter_map(variable).collect();
    let mut attributes = BTreeMap::new();
    for (kind, by_pattern, values) in [
        ("labels", "labels-regex", &container.config.labels),
        ("env", "env-regex", &variables),
    ] {
        if let Some(names) = option(kind) {
            let named = |name: &str| Some((name.to_owned(), values.get(name)?.clone()));
            attributes.extend(names.split(',').filter_map(named));
        }
        if let Some(pattern) = option(by_pattern) {
            let pattern = Regex::new(pattern).map_err(|error| {
                Error::invalid(format!("invalid value for {by_pattern}: {error}"))
            })?;
            let matching = values.iter().filter(|(name, _)| pattern.is_match(name));
            attributes.extend(matching.map(|(name, value)| (name.clone(), value.clone())));
        }
    }
    if let Some(template) = option("tag") {
        attributes.insert("tag".to_owned(), tag(template, container)?);
    }
    let length: usize = attributes
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if length > LIMIT {
        return Err(Error::invalid(format!(
            "the labels, variables and tag of each log record have {length} bytes: {LIMIT} are allowed"
        )));
    }
    Ok(attributes)
}

/// The tag of what is sent away: the container's ID, unless the options say otherwise.
pub(crate) fn tag_or_id(container: &Container) -> Result<String> {
    let template = container.host.log.options.get("tag").map(String::as_str);
    tag(
        template.filter(|tag| !tag.is_empty()).unwrap_or("{{.ID}}"),
        container,
    )
}

/// Fills a tag's template: text with fields of Docker's `logger.Info`, such as `{{.Name}}`.
fn tag(template: &str, container: &Container) -> Result<String> {
    let mut tag = String::new();
    let mut rest = template;
    while let Some((text, action)) = rest.split_once("{{") {
        let (field, after) = action.split_once("}}").ok_or_else(|| {
            Error::invalid(format!(
                "invalid value for tag: {template:?} has an action without end"
            ))
        })?;
        tag += text;
        tag += match field.trim() {
            ".ID" => short(&container.id),
            ".FullID" => &container.id,
            ".Name" => &container.name,
            // With its algorithm, as dockerd cuts it.
            ".ImageID" => short(&container.image_id),
            ".ImageFullID" => &container.image_id,
            ".ImageName" => &container.config.image,
            ".DaemonName" => DAEMON,
            other => {
                return Err(Error::unsupported(format_args!(
                    "{{{{{other}}}}} in a log's tag"
                )));
            }
        };
        rest = after;
    }
    Ok(tag + rest)
}

fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}
