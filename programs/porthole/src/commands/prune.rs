//! `porthole prune`.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use bollard::Docker;
use bollard::query_parameters::PruneContainersOptionsBuilder;

use super::each::filters;
use super::print_json;
use crate::arguments::Prune;
use crate::table::size;

/// Carries it out.
pub(crate) async fn carry_out(client: &Docker, prune: Prune, json: bool) -> Result<ExitCode> {
    if !prune.force && !confirmed()? {
        return Ok(ExitCode::FAILURE);
    }
    let options = PruneContainersOptionsBuilder::default().filters(&filters(prune.filter));
    let pruned = client.prune_containers(Some(options.build())).await?;
    if json {
        print_json(&pruned)?;
        return Ok(ExitCode::SUCCESS);
    }
    for id in pruned.containers_deleted.unwrap_or_default() {
        println!("{id}");
    }
    let reclaimed = u64::try_from(pruned.space_reclaimed.unwrap_or_default()).unwrap_or_default();
    eprintln!("{} are free again", size(reclaimed));
    Ok(ExitCode::SUCCESS)
}

/// Asks whoever sits there.
fn confirmed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!(
            "prune removes all containers that do not run: pass --force where nobody can be asked"
        );
    }
    eprint!("All containers that do not run are removed, with their files. Go on? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
