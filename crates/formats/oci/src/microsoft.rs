//! Which of an image's layers are Microsoft's base, and which base it is.
//!
//! Their licence binds those layers to Windows hosts, so that Porthole neither fetches nor runs
//! them: its own base takes their place. What is a base has to be told from the image's documents
//! alone, before anything is fetched.
//!
//! **Which layers.** Microsoft's bases have one history entry for each of their one or two layers:
//! `Apply image V`, then perhaps `Install update V`, where V is a version (`10.0.20348.2700`) or,
//! from 2019 to 2022, a release (`1809-RTM-amd64`, `ltsc2022-amd64`). Images made `FROM` them keep
//! these entries. Media types say less: until 2023 bases were foreign layers, since then they are
//! ordinary ones, and tools convert one to the other. So the history counts when it has one entry
//! for each layer. Only an image whose history was lost or does not match its layers is judged by
//! its leading foreign layers, for nobody else ever had foreign layers in images of Windows; and
//! when it has none of those, by what history there is.
//!
//! **Which base.** Nothing in the configuration names it. In this order: the addresses of foreign
//! layers, which Microsoft's registry names by repository; the label for the name of the base; the
//! name that the image itself has; the size of the base's layers, since every nanoserver is below
//! 450 MB compressed (2016's with updates; since 2017 about 100 to 200) and every servercore above
//! 1.2 GB; the account, which only nanoserver sets. What is still unknown is taken for servercore,
//! which has everything that nanoserver has.

use crate::config::{HistoryEntry, ImageConfig};
use crate::descriptor::Descriptor;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::WindowsVersion;
use crate::reference::Reference;

/// Between the largest nanoserver and the smallest servercore.
const SIZE_BETWEEN: u64 = 700_000_000;

/// The label of OCI for the image that an image was made from.
const BASE_NAME_LABEL: &str = "org.opencontainers.image.base.name";

/// The kind of a base of Microsoft's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MicrosoftKind {
    /// Nano Server.
    Nanoserver,
    /// Windows Server Core; also what has more than that, such as `windows/server`.
    Servercore,
}

/// The base of Microsoft's that an image stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MicrosoftBase {
    /// Which one.
    pub kind: MicrosoftKind,
    /// How many of the image's layers, from the lowest, it is: at least one.
    pub layers: usize,
}

impl MicrosoftBase {
    /// The base of an image with this configuration. `layers` are those of its manifest, base first,
    /// and may be empty when there is no manifest; `names` are the names that it is known by.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the history speaks of more layers of a base than the image has.
    pub fn of(
        config: &ImageConfig,
        layers: &[Descriptor],
        names: &[Reference],
    ) -> Result<Option<Self>> {
        if !config.os.eq_ignore_ascii_case("windows") {
            return Ok(None);
        }
        let steps = layer_steps(config);
        let total = config.rootfs.diff_ids.len();
        let told = leading_steps(&steps);
        let foreign = layers
            .iter()
            .take_while(|layer| layer.is_foreign_layer())
            .count();
        let count = if told > 0 && steps.len() == total {
            told
        } else if foreign > 0 {
            foreign.min(total)
        } else {
            told
        };
        if count > total {
            return Err(Error::new(
                ErrorKind::Invalid,
                "find Microsoft's base",
                names.first().map(Reference::to_string).unwrap_or_default(),
                format!(
                    "its history speaks of {count} layers of a base, and it has {total} layers"
                ),
            ));
        }
        if count == 0 {
            return Ok(None);
        }
        let base_layers = &layers[..count.min(layers.len())];
        Ok(Some(Self {
            kind: kind(config, base_layers, names),
            layers: count,
        }))
    }

    /// The version of Windows that programs in an image with this configuration expect: that of
    /// `os.version`, else the one that Microsoft's base names in the history.
    #[must_use]
    pub fn version(config: &ImageConfig) -> Option<WindowsVersion> {
        let steps = layer_steps(config);
        let told = leading_steps(&steps);
        version(config, &steps[..told])
    }
}

/// The history's entries that made a layer.
fn layer_steps(config: &ImageConfig) -> Vec<&HistoryEntry> {
    let made_a_layer = |step: &&HistoryEntry| !step.empty_layer;
    config.history.iter().filter(made_a_layer).collect()
}

/// How many entries at the beginning are of a base of Microsoft's.
fn leading_steps(steps: &[&HistoryEntry]) -> usize {
    let begins = |step: &HistoryEntry, with| applied(step, with).is_some();
    match steps.split_first() {
        Some((first, rest)) if begins(first, "Apply image ") => {
            let updates = rest
                .iter()
                .take_while(|step| begins(step, "Install update "));
            1 + updates.count()
        }
        _ => 0,
    }
}

/// The version or release that an entry of the given beginning names.
fn applied<'a>(step: &'a HistoryEntry, beginning: &str) -> Option<&'a str> {
    let named = step.created_by.as_deref()?.trim().strip_prefix(beginning)?;
    let is_release = ["-amd64", "-arm64", "-arm"]
        .iter()
        .any(|end| named.ends_with(end));
    (named.starts_with("10.0.") || is_release).then_some(named)
}

fn version(config: &ImageConfig, base_steps: &[&HistoryEntry]) -> Option<WindowsVersion> {
    let said = config.os_version.as_deref();
    let newest_first = base_steps.iter().rev();
    let told = newest_first.filter_map(|step| {
        applied(step, "Install update ").or_else(|| applied(step, "Apply image "))
    });
    said.into_iter()
        .chain(told)
        .find_map(|text| text.parse().ok())
}

fn kind(config: &ImageConfig, base_layers: &[Descriptor], names: &[Reference]) -> MicrosoftKind {
    let addresses = base_layers
        .iter()
        .flat_map(|layer| &layer.urls)
        .map(String::as_str);
    let label = config.config.labels.get(BASE_NAME_LABEL);
    let own = names
        .iter()
        .filter(|name| {
            name.domain().ends_with("microsoft.com") || name.path().starts_with("microsoft/")
        })
        .map(Reference::path);
    addresses
        .chain(label.map(String::as_str))
        .chain(own)
        .find_map(named)
        .or_else(|| sized(base_layers))
        .unwrap_or_else(|| {
            if config.config.user.eq_ignore_ascii_case("ContainerUser") {
                MicrosoftKind::Nanoserver
            } else {
                MicrosoftKind::Servercore
            }
        })
}

/// The base whose repository an address or a name has in it.
fn named(text: &str) -> Option<MicrosoftKind> {
    let lower = text.to_ascii_lowercase();
    if lower.contains("nanoserver") {
        Some(MicrosoftKind::Nanoserver)
    } else if lower.contains("servercore") || lower.contains("windows/server") {
        Some(MicrosoftKind::Servercore)
    } else {
        None
    }
}

fn sized(base_layers: &[Descriptor]) -> Option<MicrosoftKind> {
    let total = base_layers
        .iter()
        .fold(0_u64, |total, layer| total.saturating_add(layer.size));
    match total {
        0 => None,
        small if small < SIZE_BETWEEN => Some(MicrosoftKind::Nanoserver),
        _ => Some(MicrosoftKind::Servercore),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::media_type::{DOCKER_FOREIGN_LAYER_GZIP, DOCKER_LAYER_GZIP, OCI_LAYER_GZIP};

    const NANO_SIZES: [u64; 2] = [103_066_088, 260_000];
    const CORE_SIZES: [u64; 2] = [1_251_699_055, 380_000_000];

    /// A configuration with `layers` layers and the steps in order; those that begin with `#` made no
    /// layer.
    fn config(layers: usize, steps: &[&str]) -> ImageConfig {
        let history = steps.iter().map(|step| HistoryEntry {
            created_by: Some(step.trim_start_matches('#').to_owned()),
            empty_layer: step.starts_with('#'),
            ..HistoryEntry::default()
        });
        let diff_ids = (0..layers).map(|layer| Digest::of(&layer.to_be_bytes()));
        let mut config = ImageConfig {
            os: "windows".to_owned(),
            architecture: "amd64".to_owned(),
            os_version: Some("10.0.17763.2928".to_owned()),
            history: history.collect(),
            ..ImageConfig::default()
        };
        config.rootfs.diff_ids = diff_ids.collect();
        config
    }

    fn layers(media_type: &str, sizes: &[u64]) -> Vec<Descriptor> {
        let layer =
            |size: &u64| Descriptor::new(media_type, Digest::of(&size.to_be_bytes()), *size);
        sizes.iter().map(layer).collect()
    }

    fn base(config: &ImageConfig, layers: &[Descriptor]) -> Option<(MicrosoftKind, usize)> {
        let base = MicrosoftBase::of(config, layers, &[]).unwrap();
        base.map(|base| (base.kind, base.layers))
    }

    const HISTORY: [&str; 4] = [
        "Apply image 10.0.17763.1",
        "Install update 10.0.17763.2928",
        "#cmd /S /C #(nop)  ENV NATS_DOCKERIZED=1",
        "cmd /S /C #(nop) COPY file:49c1 in C:\\nats-streaming-server.exe ",
    ];

    #[test]
    fn foreign_ordinary_and_oci_layers_are_told_by_history() {
        let config = config(3, &HISTORY);
        for media_type in [DOCKER_FOREIGN_LAYER_GZIP, DOCKER_LAYER_GZIP, OCI_LAYER_GZIP] {
            let nano = layers(media_type, &[NANO_SIZES[0], NANO_SIZES[1], 7_000_000_000]);
            assert_eq!(base(&config, &nano), Some((MicrosoftKind::Nanoserver, 2)));
            let core = layers(media_type, &[CORE_SIZES[0], CORE_SIZES[1], 7]);
            assert_eq!(base(&config, &core), Some((MicrosoftKind::Servercore, 2)));
        }
    }

    #[test]
    fn releases_and_single_layers_are_bases_too() {
        let old = config(
            3,
            &[
                "Apply image 1607-RTM-amd64",
                "Install update ltsc2016-amd64",
                "x",
            ],
        );
        assert_eq!(
            base(&old, &layers(DOCKER_LAYER_GZIP, &[1, 2, 3])),
            Some((MicrosoftKind::Nanoserver, 2))
        );
        let new = config(2, &["Apply image 10.0.26100.32690", "x"]);
        let base = MicrosoftBase::of(&new, &layers(DOCKER_LAYER_GZIP, &CORE_SIZES), &[]);
        let base = base.unwrap().unwrap();
        assert_eq!((base.kind, base.layers), (MicrosoftKind::Servercore, 1));
    }

    #[test]
    fn without_history_leading_foreign_layers_are_the_base() {
        let mut all = layers(DOCKER_FOREIGN_LAYER_GZIP, &NANO_SIZES);
        all.extend(layers(DOCKER_LAYER_GZIP, &[5]));
        let bare = config(3, &[]);
        assert_eq!(base(&bare, &all), Some((MicrosoftKind::Nanoserver, 2)));
        let nothing_made = config(3, &["#a", "#b"]);
        assert_eq!(
            base(&nothing_made, &all),
            Some((MicrosoftKind::Nanoserver, 2))
        );
        assert_eq!(base(&bare, &layers(DOCKER_LAYER_GZIP, &[1, 2, 5])), None);
    }

    #[test]
    fn a_history_that_does_not_match_gives_way_to_foreign_layers() {
        // As after a tool that appends layers and says nothing of them.
        let short = config(4, &HISTORY[..1]);
        let mut all = layers(DOCKER_FOREIGN_LAYER_GZIP, &NANO_SIZES);
        all.extend(layers(DOCKER_LAYER_GZIP, &[5, 6]));
        assert_eq!(base(&short, &all), Some((MicrosoftKind::Nanoserver, 2)));
        let ordinary = layers(DOCKER_LAYER_GZIP, &[NANO_SIZES[0], NANO_SIZES[1], 5, 6]);
        assert_eq!(
            base(&short, &ordinary),
            Some((MicrosoftKind::Nanoserver, 1))
        );
        let rewritten = config(4, &["a", "b", "c", "d"]);
        assert_eq!(base(&rewritten, &all), Some((MicrosoftKind::Nanoserver, 2)));
        let too_long = config(1, &HISTORY);
        let error =
            MicrosoftBase::of(&too_long, &layers(DOCKER_LAYER_GZIP, &[5]), &[]).unwrap_err();
        assert!(error.message().contains("2 layers of a base"), "{error}");
    }

    #[test]
    fn foreign_layers_that_the_history_calls_others_are_not_the_base() {
        let all = layers(
            DOCKER_FOREIGN_LAYER_GZIP,
            &[NANO_SIZES[0], NANO_SIZES[1], 7],
        );
        let config = config(3, &HISTORY);
        assert_eq!(base(&config, &all), Some((MicrosoftKind::Nanoserver, 2)));
    }

    #[test]
    fn other_images_have_no_base_of_microsofts() {
        let own = config(
            2,
            &[
                "porthole base build nanoserver",
                "cmd /c Apply image 10.0.1",
            ],
        );
        assert_eq!(base(&own, &layers(DOCKER_LAYER_GZIP, &[1, 2])), None);
        let words = config(1, &["Apply image of mine"]);
        assert_eq!(base(&words, &layers(DOCKER_LAYER_GZIP, &[1])), None);
        let mut linux = config(3, &HISTORY);
        linux.os = "linux".to_owned();
        assert_eq!(base(&linux, &layers(DOCKER_LAYER_GZIP, &[1, 2, 3])), None);
    }

    #[test]
    fn the_build_comes_from_the_configuration_or_the_last_update() {
        let version = |config: &ImageConfig| {
            MicrosoftBase::version(config).map(|version| version.to_string())
        };
        let mut config = config(3, &HISTORY);
        assert_eq!(version(&config).as_deref(), Some("10.0.17763.2928"));
        config.os_version = None;
        config.history[1].created_by = Some("Install update 10.0.17763.5000".to_owned());
        assert_eq!(version(&config).as_deref(), Some("10.0.17763.5000"));
        config.history[0].created_by = Some("Apply image 1809-RTM-amd64".to_owned());
        config.history[1].created_by = Some("Install update 1809-amd64".to_owned());
        assert_eq!(version(&config), None);
    }

    #[test]
    fn the_kind_is_told_by_address_then_label_then_name_then_size_then_account() {
        let mut config = config(3, &HISTORY);
        let kind = |config: &ImageConfig, layers: &[Descriptor], names: &[&str]| {
            let names: Vec<Reference> = names.iter().map(|name| name.parse().unwrap()).collect();
            let base = MicrosoftBase::of(config, layers, &names).unwrap();
            base.unwrap().kind
        };
        assert_eq!(kind(&config, &[], &[]), MicrosoftKind::Servercore);
        config.config.user = "ContainerUser".to_owned();
        assert_eq!(kind(&config, &[], &[]), MicrosoftKind::Nanoserver);
        let mut layers = layers(
            DOCKER_FOREIGN_LAYER_GZIP,
            &[CORE_SIZES[0], CORE_SIZES[1], 9],
        );
        assert_eq!(kind(&config, &layers, &[]), MicrosoftKind::Servercore);
        let own = ["mcr.microsoft.com/windows/nanoserver:1809"];
        assert_eq!(kind(&config, &layers, &own), MicrosoftKind::Nanoserver);
        let others = ["example.com/nanoserver-tools"];
        assert_eq!(kind(&config, &layers, &others), MicrosoftKind::Servercore);
        let label = "mcr.microsoft.com/windows/servercore:ltsc2019".to_owned();
        let labels = &mut config.config.labels;
        labels.insert(BASE_NAME_LABEL.to_owned(), label);
        assert_eq!(kind(&config, &layers, &own), MicrosoftKind::Servercore);
        let address = "https://mcr.microsoft.com/v2/windows/nanoserver/blobs/sha256:00";
        layers[0].urls = vec![address.to_owned()];
        assert_eq!(kind(&config, &layers, &own), MicrosoftKind::Nanoserver);
    }
}
