//! `--mount type=bind,source=…,target=…`.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::body::Body;

/// A mount as the API wants it.
pub(super) fn parse(text: &str) -> Result<Value> {
    mount(text).with_context(|| format!("--mount {text}"))
}

fn mount(text: &str) -> Result<Value> {
    let mut mount = Body::default();
    let mut bind = Body::default();
    let mut volume = Body::default();
    let mut driver = Body::default();
    let mut tmpfs = Body::default();
    let mut labels = Map::new();
    let mut options = Map::new();
    mount.set("Type", "volume");
    for field in fields(text) {
        let (name, value) = field.split_once('=').unwrap_or((&field, "true"));
        let switch = || match value {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(anyhow::anyhow!("{name} is true or false, not {value}")),
        };
        let pair = |map: &mut Map<String, Value>| {
            let (name, value) = value.split_once('=').unwrap_or((value, ""));
            map.insert(name.to_owned(), value.into());
        };
        match name.to_ascii_lowercase().as_str() {
            "type" => mount.set("Type", value.to_ascii_lowercase()),
            "source" | "src" => mount.set("Source", value),
            "target" | "dst" | "destination" => mount.set("Target", value),
            "readonly" | "ro" => mount.set("ReadOnly", switch()?),
            "consistency" => mount.set("Consistency", value),
            "bind-propagation" => bind.set("Propagation", value),
            "bind-nonrecursive" => bind.set("NonRecursive", switch()?),
            "bind-create-src" => bind.set("CreateMountpoint", switch()?),
            "volume-nocopy" => volume.set("NoCopy", switch()?),
            "volume-subpath" => volume.set("Subpath", value),
            "volume-label" => pair(&mut labels),
            "volume-driver" => driver.set("Name", value),
            "volume-opt" => pair(&mut options),
            "tmpfs-size" => {
                let size = crate::arguments::units::bytes(value).map_err(anyhow::Error::msg)?;
                tmpfs.set("SizeBytes", size);
            }
            "tmpfs-mode" => tmpfs.set("Mode", i64::from_str_radix(value, 8)?),
            _ => bail!(
                "there is no field {name}: there are type, source, target, readonly and others"
            ),
        }
    }
    if !mount.0.contains_key("Target") {
        bail!("it does not say where: add target=C:\\…");
    }
    driver.set("Options", options);
    volume.set("Labels", labels);
    volume.set("DriverConfig", driver.0);
    mount.set("BindOptions", bind.0);
    mount.set("VolumeOptions", volume.0);
    mount.set("TmpfsOptions", tmpfs.0);
    Ok(json!(mount.0))
}

/// Fields between commas; quotes keep a comma, as in CSV.
fn fields(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => {
                if let Some(last) = fields.last_mut() {
                    last.push(other);
                }
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_dockers() {
        let parsed = parse("type=bind,src=/a,\"dst=C:\\b,c\",ro").expect("a mount");
        assert_eq!(
            parsed,
            json!({ "Type": "bind", "Source": "/a", "Target": "C:\\b,c", "ReadOnly": true })
        );
        let parsed = parse("target=C:\\d,volume-driver=x,volume-opt=a=b,volume-nocopy=false");
        assert_eq!(
            parsed.expect("a mount"),
            json!({ "Type": "volume", "Target": "C:\\d",
                "VolumeOptions": { "DriverConfig": { "Name": "x", "Options": { "a": "b" } } } })
        );
        for text in [
            "",
            "type=bind",
            "target=x,ro=perhaps",
            "target=x,colour=red",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
