//! The processes of a container.

use porthole_hcs as hcs;

use crate::container::handle::Handle;
use crate::error::{Error, Result};
use crate::text;

/// A table of processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessTable {
    /// The columns' names.
    pub titles: Vec<String>,
    /// One row a process.
    pub rows: Vec<Vec<String>>,
}

/// The columns of `docker top` on Windows.
const TITLES: [&str; 4] = ["Name", "PID", "CPU", "Private Working Set"];

/// The processes of a running container.
pub(crate) async fn top(handle: &Handle) -> Result<ProcessTable> {
    let live = handle.awake("top")?;
    let query = hcs::SystemPropertyQuery {
        property_types: vec![hcs::PropertyType::ProcessList],
    };
    let properties = live.system.properties(&query).await.map_err(|error| {
        Error::system(format!(
            "cannot list the processes of container {}: {error}",
            handle.id
        ))
        .with_source(error)
    })?;
    Ok(ProcessTable {
        titles: TITLES.map(str::to_owned).to_vec(),
        rows: properties
            .process_list
            .unwrap_or_default()
            .iter()
            .map(row)
            .collect(),
    })
}

fn row(process: &hcs::ProcessDetails) -> Vec<String> {
    vec![
        process.image_name.clone(),
        process.process_id.to_string(),
        text::processor_time(process.kernel_time_100ns + process.user_time_100ns),
        text::size(process.memory_working_set_private_bytes),
    ]
}
