//! The body of `POST /containers/{id}/update`: the resources and the restart policy of `HostConfig`.

use porthole_engine::container::update::UpdateContainer;
use serde_json::{Map, Value};

use super::{Host, fields, resources, restart_policy};
use crate::body;
use crate::error::ApiError;

/// Reads a request to update a container.
pub(crate) fn parse(object: Map<String, Value>) -> Result<UpdateContainer, ApiError> {
    let host: Host = body::decode(object, &fields::update())?;
    let policy = restart_policy(&host.restart_policy)?;
    // Without a name the policy stays.
    let restart = (!host.restart_policy.name.is_empty()).then_some(policy);
    Ok(UpdateContainer {
        resources: resources(&host),
        restart,
    })
}

#[cfg(test)]
mod tests {
    use porthole_engine::container::config::RestartPolicy;
    use serde_json::json;

    use super::*;

    fn parse_value(value: &Value) -> Result<UpdateContainer, ApiError> {
        parse(value.as_object().expect("an object").clone())
    }

    #[test]
    fn what_the_docker_cli_sends_passes() {
        let update = parse_value(&json!({
            "Memory": 67_108_864,
            "CpusetCpus": "",
            "PidsLimit": null,
            "BlkioWeight": 0,
            "RestartPolicy": {"Name": "", "MaximumRetryCount": 0}
        }))
        .expect("a request");
        assert_eq!((update.resources.memory, update.restart), (64 << 20, None));
        let update = parse_value(&json!({"RestartPolicy": {"Name": "no"}})).expect("a request");
        assert_eq!(update.restart, Some(RestartPolicy::No));
    }

    #[test]
    fn other_fields_are_refused_by_name() {
        for (body, sentence) in [
            (
                json!({"CpuQuota": 5}),
                "invalid option: Windows does not support CPUQuota",
            ),
            (
                json!({"Binds": ["/a:C:\\a"]}),
                "invalid option: Porthole does not know the option Binds",
            ),
        ] {
            assert_eq!(
                parse_value(&body).expect_err("a refusal").message(),
                sentence
            );
        }
    }
}
