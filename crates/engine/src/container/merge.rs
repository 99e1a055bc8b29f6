//! A request over its image's settings.

use crate::container::command;
use crate::container::config::ContainerConfig;
use crate::error::Result;

/// What the container runs: the request's settings, and the image's where the request says nothing.
pub(crate) fn merge(
    mut request: ContainerConfig,
    image: ContainerConfig,
) -> Result<ContainerConfig> {
    fill(&mut request.user, image.user);
    fill(&mut request.working_dir, image.working_dir);
    request.env = command::environment(&image.env, &request.env)?.to_entries();
    request.exposed_ports.extend(image.exposed_ports);
    for (label, value) in image.labels {
        request.labels.entry(label).or_insert(value);
    }
    request.stop_signal = request
        .stop_signal
        .filter(|signal| !signal.is_empty())
        .or(image.stop_signal);
    request.stop_timeout = request.stop_timeout.or(image.stop_timeout);
    request.healthcheck = match (request.healthcheck, image.healthcheck) {
        (Some(own), Some(images)) => Some(own.over(images)),
        (own, images) => own.or(images),
    };
    if request.shell.is_empty() {
        request.shell = image.shell;
    }
    merge_command(
        &mut request,
        image.entrypoint,
        image.cmd,
        image.args_escaped,
    );
    Ok(request)
}

/// An entry point of the request's own, even a reset one, makes the image's command meaningless.
/// That the words are a finished command line is said of the image's own command only: words of the
/// request are quoted, unless it says otherwise.
fn merge_command(
    request: &mut ContainerConfig,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    args_escaped: bool,
) {
    let empty = |words: &Option<Vec<String>>| words.as_ref().is_none_or(Vec::is_empty);
    if !empty(&request.entrypoint) {
        // Docker's CLI resets an entry point with one empty word.
        if request
            .entrypoint
            .as_deref()
            .is_some_and(|words| words == [""])
        {
            request.entrypoint = None;
            if empty(&request.cmd) {
                request.cmd = None;
            }
        }
        return;
    }
    if empty(&request.cmd) {
        request.cmd = cmd;
        request.args_escaped = args_escaped;
    }
    if request.entrypoint.is_none() {
        request.entrypoint = entrypoint;
    }
}

fn fill(value: &mut String, default: String) {
    if value.is_empty() {
        *value = default;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Option<Vec<String>> {
        Some(words.iter().map(|word| (*word).to_owned()).collect())
    }

    fn merged(
        entrypoint: Option<Vec<String>>,
        cmd: Option<Vec<String>>,
    ) -> (Option<Vec<String>>, Option<Vec<String>>) {
        let image = ContainerConfig {
            entrypoint: words(&["run.exe"]),
            cmd: words(&["serve"]),
            ..ContainerConfig::default()
        };
        let result = merge(
            ContainerConfig {
                entrypoint,
                cmd,
                ..ContainerConfig::default()
            },
            image,
        )
        .unwrap();
        (result.entrypoint, result.cmd)
    }

    #[test]
    fn command_and_entry_point_follow_docker() {
        assert_eq!(merged(None, None), (words(&["run.exe"]), words(&["serve"])));
        assert_eq!(
            merged(None, words(&["test"])),
            (words(&["run.exe"]), words(&["test"]))
        );
        assert_eq!(merged(words(&["cmd"]), None), (words(&["cmd"]), None));
        assert_eq!(
            merged(words(&[""]), words(&["ver"])),
            (None, words(&["ver"]))
        );
        assert_eq!(merged(words(&[]), None), (words(&[]), words(&["serve"])));
    }

    #[test]
    fn only_the_images_own_command_is_a_finished_command_line() {
        let escaped = |entrypoint, cmd, own| {
            let image = ContainerConfig {
                cmd: words(&["cmd /S /C serve"]),
                args_escaped: true,
                ..ContainerConfig::default()
            };
            let request = ContainerConfig {
                entrypoint,
                cmd,
                args_escaped: own,
                ..ContainerConfig::default()
            };
            merge(request, image).unwrap().args_escaped
        };
        assert!(escaped(None, None, false));
        assert!(!escaped(None, words(&["app.exe", "a b"]), false));
        assert!(!escaped(words(&["app.exe"]), None, false));
        assert!(!escaped(words(&[""]), words(&["ver"]), false));
        assert!(escaped(None, words(&["app.exe \"a b\""]), true));
    }

    #[test]
    fn the_request_wins_over_the_image() {
        let image = ContainerConfig {
            user: "ContainerUser".to_owned(),
            env: vec!["Path=C:\\a".to_owned(), "A=1".to_owned()],
            labels: [
                ("x".to_owned(), "image".to_owned()),
                ("y".to_owned(), "image".to_owned()),
            ]
            .into(),
            ..ContainerConfig::default()
        };
        let request = ContainerConfig {
            env: vec!["PATH=C:\\b".to_owned()],
            labels: [("x".to_owned(), "own".to_owned())].into(),
            ..ContainerConfig::default()
        };
        let result = merge(request, image).unwrap();
        assert_eq!(result.user, "ContainerUser");
        assert_eq!(result.labels["x"], "own");
        assert_eq!(result.labels["y"], "image");
        let path: Vec<_> = result
            .env
            .iter()
            .filter(|variable| variable.to_ascii_uppercase().starts_with("PATH="))
            .collect();
        assert_eq!(path.len(), 1);
        assert!(path[0].ends_with("C:\\b"));
    }
}
