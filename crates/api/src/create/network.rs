//! `NetworkingConfig`: which network, and that nothing is asked of it that is not there.

use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::fields::{Field, inert, planned, supported};
use crate::go_json::is_zero;

/// Fields of an `EndpointSettings`. Those that only answers fill are inert in a request.
pub(crate) const ENDPOINT: &[Field] = &[
    planned("IPAMConfig"),
    planned("Links"),
    planned("MacAddress"),
    planned("Aliases"),
    planned("DriverOpts"),
    planned("GwPriority"),
    inert("NetworkID"),
    inert("EndpointID"),
    inert("Gateway"),
    inert("IPAddress"),
    inert("IPPrefixLen"),
    inert("IPv6Gateway"),
    inert("GlobalIPv6Address"),
    inert("GlobalIPv6PrefixLen"),
    inert("DNSNames"),
];

/// The network that the mode and the endpoints name together.
pub(crate) fn choose(mode: String, networking: Map<String, Value>) -> Result<String, ApiError> {
    let mut endpoints = endpoints(networking)?.into_iter();
    let Some((name, settings)) = endpoints.next() else {
        return Ok(mode);
    };
    if endpoints.next().is_some() {
        return Err(ApiError::bad_parameter(
            "invalid option: this version of Porthole does not support more than one entry of EndpointsConfig",
        ));
    }
    let settings = match settings {
        Value::Null => Map::new(),
        Value::Object(settings) => settings,
        _ => {
            return Err(ApiError::bad_parameter(format!(
                "invalid JSON: EndpointsConfig.{name} must be an object"
            )));
        }
    };
    supported(settings, ENDPOINT).map_err(ApiError::bad_parameter)?;
    match mode.as_str() {
        "" | "default" => Ok(name),
        mode if mode == name => Ok(name),
        mode => Err(ApiError::bad_parameter(format!(
            "conflicting options: the network mode is {mode} and EndpointsConfig names {name}"
        ))),
    }
}

/// The entries of `EndpointsConfig`, the one member that `NetworkingConfig` has.
fn endpoints(networking: Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    let mut endpoints = Map::new();
    for (name, value) in networking {
        match value {
            Value::Object(members) if name.eq_ignore_ascii_case("EndpointsConfig") => {
                endpoints = members;
            }
            value if is_zero(&value) => {}
            _ => {
                return Err(ApiError::bad_parameter(format!(
                    "invalid option: Porthole does not know the option {name}"
                )));
            }
        }
    }
    Ok(endpoints)
}
