//! `portholed` is killed in the middle of pull, commit, load and rmi: the store stays whole, and
//! what was asked for succeeds when it is asked for again.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use porthole_e2e::server::Server;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::made_images::{LayerArchive, MadeImage, MadeLayer, config_of, text};
use crate::registries::plain;
use crate::{Fixture, Test};

pub(crate) const ALONE: &[(&str, Test)] = &[("images_survive_50_kills_of_the_daemon", killed)];

const KILLS: usize = 50;
const LOADED: &str = "e2e/kills-loaded:1";
const COMMITTED: &str = "e2e/kills-committed:1";
const CONTAINER: &str = "e2e-kills";

/// The verbs, in the order in which a round can do them.
const VERBS: [&str; 4] = ["pull", "load", "commit", "rmi"];

/// A layer that takes a moment: some megabytes that do not compress, in many files.
fn layer(seed: u64) -> Vec<u8> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut archive = LayerArchive::new();
    for number in 0..400 {
        let mut content = vec![0; 16 << 10];
        random.fill(&mut content[..]);
        archive = archive.file(&format!("Files/file-{number}"), &content);
    }
    archive.finish()
}

struct Ground<'a> {
    fixture: &'a Fixture,
    pulled: String,
    archive: std::path::PathBuf,
}

impl Ground<'_> {
    /// The command line of a verb. What rmi removes is there; what the others make is not.
    fn command(&self, verb: &str) -> Result<Vec<&str>> {
        Ok(match verb {
            "pull" => vec!["pull", &self.pulled],
            "load" => vec!["load", "-i", text(&self.archive)?],
            "commit" => vec!["commit", CONTAINER, COMMITTED],
            _ => vec!["rmi", &self.pulled],
        })
    }

    fn prepare(&self, verb: &str) -> Result<()> {
        let docker = &self.fixture.docker;
        match verb {
            "rmi" => docker.ok(["pull", &self.pulled]).map(drop),
            verb => docker.run(["rmi", "-f", self.made_by(verb)]).map(drop),
        }
    }

    fn made_by(&self, verb: &str) -> &str {
        match verb {
            "load" => LOADED,
            "commit" => COMMITTED,
            _ => &self.pulled,
        }
    }

    /// Asks once more, which must succeed: the effect may be there already.
    fn repeat(&self, verb: &str) -> Result<()> {
        let docker = &self.fixture.docker;
        let name = self.made_by(verb);
        let is_there = || {
            docker
                .run(["image", "inspect", name])
                .map(|seen| seen.code == 0)
        };
        if verb == "rmi" {
            if is_there()? {
                docker.ok(self.command(verb)?)?;
            }
            ensure!(!is_there()?, "{name} is still there");
            return Ok(());
        }
        docker.ok(self.command(verb)?)?;
        ensure!(is_there()?, "{name} is not there");
        Ok(())
    }
}

fn killed(fixture: &Fixture) -> Result<()> {
    let seed = std::env::var("PORTHOLE_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(rand::random);
    println!("PORTHOLE_SEED={seed}");
    let (registry, directory) = plain()?;
    let image = MadeImage::new(
        "10.0.20348.1",
        &["COPY"],
        vec![MadeLayer::new(&layer(seed))?],
    );
    image.put(&registry, "kills", "1")?;
    let loaded = layer(seed.wrapping_add(1));
    let archive = directory.path().join("load.tar");
    std::fs::write(
        &archive,
        MadeImage::archived(LOADED, &config_of(&[&loaded]), &[&loaded]),
    )?;
    let ground = Ground {
        fixture,
        pulled: registry.image("kills:1"),
        archive,
    };
    let mut server = Server::start(&fixture.programs, fixture.place.clone())?;
    let survived = survive(&ground, &mut server, seed);
    server.stop()?;
    survived
}

fn survive(ground: &Ground<'_>, server: &mut Server, seed: u64) -> Result<()> {
    let docker = &ground.fixture.docker;
    docker.ok(["image", "prune", "-f"])?;
    let before = ground.fixture.entries(&["blobs/sha256", "layers", "tmp"])?;
    let fill = r"for /l %i in (1,1,300) do @echo %i>C:\file-%i";
    let user = ["-u", "ContainerAdministrator", "porthole/nanoserver"];
    docker.ok(["run", "--name", CONTAINER]
        .iter()
        .chain(&user)
        .chain(&["cmd", "/c", fill]))?;
    let mut random = StdRng::seed_from_u64(seed);
    let mut broken_off = 0;
    for kill in 0..KILLS {
        let verb = VERBS[random.random_range(0..VERBS.len())];
        let moment = Duration::from_millis(random.random_range(0..350));
        let succeeded = once(ground, server, verb, moment)
            .with_context(|| format!("kill {kill}, {moment:?} into {verb}"))?;
        broken_off += usize::from(!succeeded);
    }
    println!("{KILLS} kills, {broken_off} of them before the client had its answer");
    for name in [LOADED, COMMITTED, &ground.pulled] {
        docker.run(["rmi", "-f", name])?;
    }
    docker.ok(["rm", CONTAINER])?;
    // A commit that had been carried out when the daemon was killed has lost its name to the next.
    docker.ok(["image", "prune", "-f"])?;
    let after = ground.fixture.entries(&["blobs/sha256", "layers", "tmp"])?;
    ensure!(
        before == after,
        "left behind: {after:?}, before: {before:?}"
    );
    ground.fixture.check_store_whole()
}

/// Kills once and asks again; gives whether the client had had its answer.
fn once(ground: &Ground<'_>, server: &mut Server, verb: &str, moment: Duration) -> Result<bool> {
    ground.prepare(verb)?;
    let mut client = ground
        .fixture
        .docker
        .command(ground.command(verb)?)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    std::thread::sleep(moment);
    server.kill_and_restart()?;
    let succeeded = client.wait()?.success();
    ground.fixture.check_store()?;
    ground.repeat(verb)?;
    ground.fixture.check_store()?;
    Ok(succeeded)
}
