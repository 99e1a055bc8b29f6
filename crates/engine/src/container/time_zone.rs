//! The time zone of a container: that of its variable `TZ`, else the host's.

use porthole_compute_service::settings::TimeZone;
use porthole_winpath::Environment;
use windows_timezones::WindowsTimezone;

/// What programs inside take for local time; none for UTC, which is there by default.
pub(crate) fn zone(environment: &Environment, host: Option<&str>) -> Option<TimeZone> {
    let asked = environment.get("TZ").filter(|name| is_plain(name));
    let name = asked.or(host)?.trim_start_matches(':');
    let zone: Option<chrono_tz::Tz> = name.parse().ok();
    // A rule such as `CET-1CEST` has hours and no name.
    let windows = zone.and_then(|zone| WindowsTimezone::try_from(zone).ok());
    let is_utc = zone == Some(chrono_tz::UTC) || windows == Some(WindowsTimezone::Utc);
    (!is_utc).then(|| TimeZone {
        unix: name.to_owned(),
        windows: windows.map(|zone| zone.name().to_owned()),
    })
}

/// Whether it can be a zone or a rule, and no path to a file elsewhere.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-,.:<>".contains(&byte);
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(plain)
        && !name.trim_start_matches(':').starts_with('/')
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variable: Option<&str>, host: Option<&str>) -> Option<(String, Option<String>)> {
        let entries = variable.map(|value| format!("TZ={value}"));
        let environment = Environment::from_entries(entries.iter().map(String::as_str)).unwrap();
        zone(&environment, host).map(|zone| (zone.unix, zone.windows))
    }

    #[test]
    fn the_variable_goes_before_the_host() {
        let named = |unix: &str, windows: &str| Some((unix.to_owned(), Some(windows.to_owned())));
        let tokyo = named("Asia/Tokyo", "Tokyo Standard Time");
        assert_eq!(of(None, Some("Asia/Tokyo")), tokyo);
        assert_eq!(
            of(Some("Europe/Rome"), Some("Asia/Tokyo")),
            named("Europe/Rome", "W. Europe Standard Time")
        );
        assert_eq!(
            of(Some("CET-1CEST"), None),
            Some(("CET-1CEST".to_owned(), None))
        );
        assert_eq!(of(Some("../../etc/passwd"), Some("Asia/Tokyo")), tokyo);
        for utc in ["UTC", "Etc/UTC", ":Etc/UTC"] {
            assert_eq!(of(Some(utc), Some("Asia/Tokyo")), None, "{utc}");
        }
        assert_eq!(of(None, None), None);
    }
}
