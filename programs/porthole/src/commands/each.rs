//! What commands about several objects have in common.

use std::collections::HashMap;
use std::process::ExitCode;

use crate::failure;
use crate::output::say;

/// Does it with each, and prints its name; one with which it cannot be done does not stop that.
pub(crate) async fn each<'a, E: Into<anyhow::Error>>(
    names: &'a [String],
    mut work: impl AsyncFnMut(&'a str) -> Result<(), E>,
) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for name in names {
        match work(name).await {
            // A reader that is gone stops the work no more than a failure does.
            Ok(()) => drop(say!("{name}")),
            Err(error) => {
                failure::tell(&error.into());
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// Filters as the API has them: values by name.
pub(crate) fn filters(pairs: Vec<(String, String)>) -> HashMap<String, Vec<String>> {
    let mut filters: HashMap<String, Vec<String>> = HashMap::new();
    for (name, value) in pairs {
        filters.entry(name).or_default().push(value);
    }
    filters
}
