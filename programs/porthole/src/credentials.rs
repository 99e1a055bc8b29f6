//! What is known of registries' passwords: docker's `config.json`, and the helpers that it names.

use std::fs::{self, DirBuilder};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::output::remark;
use crate::whole_file::WholeFile;

/// The name under which docker keeps what Docker Hub is shown.
pub(crate) const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// The user name by which helpers say that the secret is a token.
const TOKEN_USER: &str = "<token>";

/// What a registry is shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: String,
    #[serde(rename = "identitytoken", skip_serializing_if = "String::is_empty")]
    pub(crate) identity_token: String,
    #[serde(rename = "serveraddress")]
    pub(crate) server: String,
}

impl Credentials {
    /// The value of the header `X-Registry-Auth`.
    pub(crate) fn header(&self) -> Result<String> {
        Ok(URL_SAFE.encode(serde_json::to_vec(self)?))
    }
}

/// What a server is shown, for what may be asked without too. Where a helper or the configuration
/// fails it is asked without: that is no reason to be refused what everybody gets.
pub(crate) fn or_nobody(server: &str) -> Option<Credentials> {
    unless_broken(Configuration::read().and_then(|known| known.of(server)))
}

fn unless_broken(found: Result<Option<Credentials>>) -> Option<Credentials> {
    found.unwrap_or_else(|error| {
        remark!("warning: going on without credentials: {error:#}");
        None
    })
}

/// docker's configuration; what is in it beside credentials stays.
#[derive(Debug)]
pub(crate) struct Configuration {
    path: PathBuf,
    value: Map<String, Value>,
}

impl Configuration {
    /// Reads that of the user: `config.json` below `$DOCKER_CONFIG`, else below `~/.docker`.
    pub(crate) fn read() -> Result<Self> {
        let directory = match std::env::var_os("DOCKER_CONFIG").filter(|path| !path.is_empty()) {
            Some(directory) => PathBuf::from(directory),
            None => std::env::home_dir()
                .context("this user has no home directory; set DOCKER_CONFIG")?
                .join(".docker"),
        };
        Self::at(&directory.join("config.json"))
    }

    fn at(path: &Path) -> Result<Self> {
        let value = match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Map::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is no configuration of docker's", path.display()))?,
        };
        Ok(Self {
            path: path.to_owned(),
            value,
        })
    }

    /// What the registry of an image's name is shown; nothing where nobody has logged in.
    pub(crate) fn of_image(&self, name: &str) -> Result<Option<Credentials>> {
        let reference: porthole_store::Reference = name.parse()?;
        self.of(&server(reference.domain()))
    }

    /// What a server is shown.
    pub(crate) fn of(&self, server: &str) -> Result<Option<Credentials>> {
        if let Some(helper) = self.helper(server) {
            return ask(&helper, server);
        }
        let Some(auths) = self.value.get("auths").and_then(Value::as_object) else {
            return Ok(None);
        };
        let fits = |name: &&String| host(name) == host(server);
        let exact = auths.keys().find(|name| name.as_str() == server);
        let Some(entry) = exact.or_else(|| auths.keys().find(fits)) else {
            return Ok(None);
        };
        decode(server, &auths[entry])
            .with_context(|| format!("{} has no sound entry for {server}", self.path.display()))
    }

    /// Keeps what a server is shown.
    pub(crate) fn keep(&mut self, credentials: &Credentials) -> Result<()> {
        let server = &credentials.server;
        if let Some(helper) = self.helper(server) {
            let is_token = !credentials.identity_token.is_empty();
            let (name, secret) = if is_token {
                (TOKEN_USER, &credentials.identity_token)
            } else {
                (credentials.username.as_str(), &credentials.password)
            };
            let entry = json!({ "ServerURL": server, "Username": name, "Secret": secret });
            run(&helper, "store", &entry.to_string())?;
            // As docker does, which tells by it where somebody is logged in.
            return self.enter(server, json!({}));
        }
        let pair = format!("{}:{}", credentials.username, credentials.password);
        let mut entry = json!({ "auth": STANDARD.encode(pair) });
        if !credentials.identity_token.is_empty() {
            let pair = format!("{}:", credentials.username);
            entry["auth"] = STANDARD.encode(pair).into();
            entry["identitytoken"] = credentials.identity_token.clone().into();
        }
        self.enter(server, entry)
    }

    fn enter(&mut self, server: &str, entry: Value) -> Result<()> {
        let auths = self.value.entry("auths").or_insert_with(|| json!({}));
        let auths = auths
            .as_object_mut()
            .with_context(|| format!("auths in {} is no object", self.path.display()))?;
        auths.insert(server.to_owned(), entry);
        self.write()
    }

    /// Forgets what a server is shown; whether there was something.
    pub(crate) fn forget(&mut self, server: &str) -> Result<bool> {
        if let Some(helper) = self.helper(server) {
            let was_there = ask(&helper, server)?.is_some();
            run(&helper, "erase", server)?;
            return Ok(self.strike(server)? || was_there);
        }
        self.strike(server)
    }

    /// Takes a server's entry out; whether there was one.
    fn strike(&mut self, server: &str) -> Result<bool> {
        let Some(auths) = self.value.get_mut("auths").and_then(Value::as_object_mut) else {
            return Ok(false);
        };
        let before = auths.len();
        auths.retain(|name, _| name != server && host(name) != host(server));
        if auths.len() == before {
            return Ok(false);
        }
        self.write()?;
        Ok(true)
    }

    /// The helper that keeps a server's credentials, if one does.
    fn helper(&self, server: &str) -> Option<String> {
        let own = self.value.get("credHelpers");
        let own = own.and_then(|helpers| helpers.get(server).or_else(|| helpers.get(host(server))));
        let name = own.or_else(|| self.value.get("credsStore"))?.as_str()?;
        (!name.is_empty()).then(|| format!("docker-credential-{name}"))
    }

    /// Passwords are nobody else's to read.
    fn write(&self) -> Result<()> {
        let failed = || format!("cannot write {}", self.path.display());
        if let Some(directory) = self.path.parent() {
            let mut private = DirBuilder::new();
            private.recursive(true).mode(0o700);
            private.create(directory).with_context(failed)?;
        }
        let text = serde_json::to_vec_pretty(&self.value)?;
        let mut file = WholeFile::begin(&self.path).with_context(failed)?;
        file.file().write_all(&text).with_context(failed)?;
        file.finish().with_context(failed)
    }
}

/// The server of a registry, as docker names it.
pub(crate) fn server(domain: &str) -> String {
    match domain {
        "" | "docker.io" | "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB.to_owned(),
        domain => host(domain).to_owned(),
    }
}

/// The host, of a name that may be an address.
fn host(name: &str) -> &str {
    let name = name.split_once("://").map_or(name, |(_, rest)| rest);
    name.split('/').next().unwrap_or(name)
}

fn decode(server: &str, entry: &Value) -> Result<Option<Credentials>> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Entry {
        auth: String,
        username: String,
        password: String,
        identitytoken: String,
    }
    let entry: Entry = serde_json::from_value(entry.clone())?;
    let (mut username, mut password) = (entry.username, entry.password);
    if !entry.auth.is_empty() {
        let pair = String::from_utf8(STANDARD.decode(entry.auth.trim())?)?;
        let (name, secret) = pair.split_once(':').context("auth holds no name")?;
        (username, password) = (name.to_owned(), secret.trim_end_matches('\0').to_owned());
    }
    let credentials = Credentials {
        username,
        password,
        identity_token: entry.identitytoken,
        server: server.to_owned(),
    };
    // Where a helper took over, docker leaves an empty entry.
    let says_something = !credentials.username.is_empty() || !credentials.identity_token.is_empty();
    Ok(says_something.then_some(credentials))
}

fn ask(helper: &str, server: &str) -> Result<Option<Credentials>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    let answer = match run(helper, "get", server) {
        Err(error) if error.to_string().contains("credentials not found") => return Ok(None),
        answer => answer?,
    };
    let Answer { username, secret } = serde_json::from_str(&answer)
        .with_context(|| format!("{helper} answers something else than credentials"))?;
    let mut credentials = Credentials {
        server: server.to_owned(),
        ..Credentials::default()
    };
    if username == TOKEN_USER {
        credentials.identity_token = secret;
    } else {
        (credentials.username, credentials.password) = (username, secret);
    }
    Ok(Some(credentials))
}

fn run(helper: &str, action: &str, input: &str) -> Result<String> {
    let mut child = Command::new(helper)
        .arg(action)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {helper}, which docker's configuration names"))?;
    let mut stdin = child.stdin.take().context("no input")?;
    stdin.write_all(input.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        bail!("{helper} {action}: {text}");
    }
    ensure!(text.len() < 1 << 20, "{helper} answers too much");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_and_forgotten() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("docker/config.json");
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, r#"{"detachKeys":"ctrl-x","auths":{}}"#).expect("a file");
        let mut configuration = Configuration::at(&path).expect("a configuration");
        let credentials = Credentials {
            username: "me".to_owned(),
            password: "a:b".to_owned(),
            server: "r.example:5000".to_owned(),
            ..Credentials::default()
        };
        configuration.keep(&credentials).expect("kept");
        let again = Configuration::at(&path).expect("a configuration");
        assert_eq!(again.value["detachKeys"], "ctrl-x");
        let found = again.of_image("r.example:5000/app:1").expect("sound");
        assert!(found == Some(credentials));
        assert!(again.of_image("app").expect("sound").is_none());
        let mode = fs::metadata(&path).expect("there");
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
            0o600
        );
        assert!(configuration.forget("r.example:5000").expect("forgotten"));
        assert!(!configuration.forget("r.example:5000").expect("nothing"));
    }

    #[test]
    fn the_directory_is_private_and_a_link_in_it_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let (home, kept) = (
            directory.path().join("home"),
            directory.path().join("dotfiles.json"),
        );
        let path = home.join("config.json");
        let credentials = Credentials {
            username: "me".to_owned(),
            server: "r.example".to_owned(),
            ..Credentials::default()
        };
        let keep = || {
            let mut configuration = Configuration::at(&path).expect("a configuration");
            configuration.keep(&credentials).expect("kept");
        };
        keep();
        let mode = fs::metadata(&home).expect("there").permissions();
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
            0o700
        );
        fs::rename(&path, &kept).expect("moved");
        fs::write(&kept, "{}").expect("written");
        std::os::unix::fs::symlink(&kept, &path).expect("a link");
        keep();
        assert!(fs::symlink_metadata(&path).expect("there").is_symlink());
        let text = fs::read_to_string(&kept).expect("there");
        assert!(text.contains("r.example"), "{text}");
    }

    #[test]
    fn a_helper_that_is_not_there_makes_a_nobody() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("config.json");
        fs::write(&path, r#"{"credsStore":"porthole-has-none-such"}"#).expect("a file");
        let known = Configuration::at(&path).expect("a configuration");
        let found = known.of("r.example");
        assert!(format!("{:#}", found.as_ref().err().expect("no helper")).contains("cannot run"));
        assert!(unless_broken(found).is_none());
        let found = Configuration::at(directory.path()).and_then(|known| known.of("r.example"));
        assert!(unless_broken(found).is_none());
    }

    #[test]
    fn servers_are_named_as_docker_names_them() {
        assert_eq!(server("docker.io"), DOCKER_HUB);
        assert_eq!(server("https://r.example:5000/v2/"), "r.example:5000");
        let value =
            json!({ "auths": { "https://r.example/v1/": { "auth": STANDARD.encode("a:b") } } });
        let configuration = Configuration {
            path: PathBuf::from("/x"),
            value: value.as_object().expect("an object").clone(),
        };
        let found = configuration
            .of("r.example")
            .expect("sound")
            .expect("there");
        assert_eq!(
            (found.username.as_str(), found.password.as_str()),
            ("a", "b")
        );
    }
}
