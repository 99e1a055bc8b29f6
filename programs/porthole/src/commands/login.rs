//! `porthole login`, `porthole logout` and `porthole search`.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use hyper::Method;
use porthole_oci::SearchTerm;
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::each::filters;
use crate::arguments::{Login, Logout, Search};
use crate::credentials::{self, Configuration, Credentials, server};
use crate::output::{print_json, remark, say};
use crate::request::{self, query};
use crate::shown;
use crate::table::Table;
use crate::terminal::raw::ChangedMode;
use crate::terminal::signals;

/// Characters of a description in a table.
const WIDTH: usize = 45;

/// `porthole login`.
pub(crate) async fn login(host: &str, login: &Login) -> Result<ExitCode> {
    let server = server(login.server.as_deref().unwrap_or_default());
    let mut configuration = Configuration::read()?;
    let known = configuration.of(&server)?;
    let mut credentials = match (&login.username, known) {
        (None, Some(known)) if login.password.is_none() && !login.password_stdin => known,
        (username, _) => ask(login, username.as_deref(), &server).await?,
    };
    let body = serde_json::to_value(&credentials)?;
    let answer = request::json(host, Method::POST, "/auth", Some(&body)).await?;
    if let Some(token) = answer["IdentityToken"]
        .as_str()
        .filter(|token| !token.is_empty())
    {
        token.clone_into(&mut credentials.identity_token);
        credentials.password.clear();
    }
    configuration.keep(&credentials)?;
    say!("{}", answer["Status"].as_str().unwrap_or("Login Succeeded"))?;
    Ok(ExitCode::SUCCESS)
}

async fn ask(login: &Login, username: Option<&str>, server: &str) -> Result<Credentials> {
    ensure!(
        login.password.is_none() || !login.password_stdin,
        "--password and --password-stdin are mutually exclusive"
    );
    let username = match username {
        Some(username) => username.to_owned(),
        None if login.password_stdin => bail!("Must provide --username with --password-stdin"),
        None => prompt("Username: ")?.trim().to_owned(),
    };
    ensure!(!username.is_empty(), "username required");
    let password = if login.password_stdin {
        let mut password = String::new();
        io::stdin()
            .lock()
            .take(64 * 1024)
            .read_to_string(&mut password)?;
        line_of(&password).to_owned()
    } else if let Some(password) = &login.password {
        remark!(
            "warning: a password on the command line is seen by everybody here; use --password-stdin"
        );
        password.clone()
    } else {
        hidden("Password: ").await?
    };
    ensure!(!password.is_empty(), "password required");
    Ok(Credentials {
        username,
        password,
        server: server.to_owned(),
        ..Credentials::default()
    })
}

/// Asks on the terminal; what is typed, without the line's end.
fn prompt(words: &str) -> Result<String> {
    ensure!(
        io::stdin().is_terminal(),
        "cannot ask for a name and a password without a terminal: use --username and --password-stdin"
    );
    let mut out = io::stderr().lock();
    write!(out, "{words}")?;
    out.flush()?;
    drop(out);
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line_of(&line).to_owned())
}

/// A line without its end. Blanks at either end of a password are part of it.
fn line_of(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

/// Asks for what nobody shall see on the screen. Who gives up by Ctrl-C gets the terminal back as it
/// was.
async fn hidden(words: &'static str) -> Result<String> {
    let end = signals::end()?;
    let silent = ChangedMode::silent()
        .context("cannot ask for a password without a terminal: use --password-stdin")?;
    let answer = tokio::select! {
        answer = spawn_blocking(move || prompt(words)) => answer?,
        end = end => Err(end),
    };
    drop(silent);
    remark!("");
    answer
}

/// `porthole logout`.
pub(crate) fn logout(logout: &Logout) -> Result<ExitCode> {
    let server = server(logout.server.as_deref().unwrap_or_default());
    if Configuration::read()?.forget(&server)? {
        say!("Removing login credentials for {server}")?;
    } else {
        say!("Not logged in to {server}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `porthole search`.
pub(crate) async fn search(host: &str, search: &Search, json: bool) -> Result<ExitCode> {
    let limit = search.limit.map(|limit| limit.to_string());
    let filters = serde_json::to_string(&filters(search.filter.clone()))?;
    let mut pairs = vec![("term", search.term.as_str()), ("filters", &filters)];
    pairs.extend(limit.as_deref().map(|limit| ("limit", limit)));
    let mut request = request::to(Method::GET, &format!("/images/search?{}", query(&pairs)));
    // Docker Hub is searched by everybody alike.
    if let Some(registry) = SearchTerm::of(&search.term).registry
        && let Some(credentials) = credentials::or_nobody(&server(registry))
    {
        request = request.header("X-Registry-Auth", credentials.header()?);
    }
    let answer = request::exchange(host, request.body(request::nothing())?).await?;
    let found: Vec<Value> = serde_json::from_slice(&request::collect(answer).await?)?;
    if json {
        print_json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["NAME", "DESCRIPTION", "STARS", "OFFICIAL"]);
    for result in &found {
        let text = |name: &str| result[name].as_str().unwrap_or_default();
        let mut description = text("description").replace('\n', " ");
        if !search.no_trunc && description.chars().count() > WIDTH {
            description = description.chars().take(WIDTH - 1).chain(['…']).collect();
        }
        let official = if result["is_official"].as_bool() == Some(true) {
            "[OK]"
        } else {
            ""
        };
        table.row([
            shown::escaped(text("name")),
            shown::escaped(&description),
            result["star_count"].to_string(),
            official.to_owned(),
        ]);
    }
    table.print()?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_part_of_a_password() {
        for (line, password) in [(" a b \r\n", " a b "), ("x\n", "x"), ("", "")] {
            assert_eq!(line_of(line), password);
        }
    }
}
