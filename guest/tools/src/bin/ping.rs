//! `ping`. Wine's succeeds even when nothing answers, so that no script can rely on it.

use std::process::ExitCode;

const HELP: &str = "
Usage: ping [-t] [-n count] [-l size] [-i TTL] [-w timeout] [-4] target_name

Options:
    -t             Ping the specified host until stopped.
    -n count       Number of echo requests to send.
    -l size        Send buffer size.
    -i TTL         Time To Live.
    -w timeout     Timeout in milliseconds to wait for each reply.
    -4             Force using IPv4.
";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    /// Requests to send; `None` is without end.
    count: Option<u32>,
    size: u16,
    ttl: u8,
    timeout: u32,
    target: String,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(options) => run(&options),
        Err(message) => {
            println!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        count: Some(4),
        size: 32,
        ttl: 0,
        timeout: 4000,
        target: String::new(),
    };
    while let Some(argument) = arguments.next() {
        let lower = argument.to_lowercase().replace('/', "-");
        let mut value = || number(&lower, arguments.next());
        match lower.as_str() {
            "-t" => options.count = None,
            "-n" => options.count = Some(value()?),
            "-l" => options.size = narrow(value()?, "-l")?,
            "-i" => options.ttl = narrow(value()?, "-i")?,
            "-w" => options.timeout = value()?,
            "-4" => {}
            "-?" => return Err(HELP.to_owned()),
            switch if switch.starts_with('-') => {
                return Err(format!("Bad option {argument}.\n{HELP}"));
            }
            _ => options.target = argument,
        }
    }
    if options.target.is_empty() {
        return Err(format!("IP address must be specified.\n{HELP}"));
    }
    Ok(options)
}

fn number(option: &str, value: Option<String>) -> Result<u32, String> {
    let value = value.ok_or_else(|| format!("Value must be supplied for option {option}."))?;
    value
        .parse()
        .map_err(|_| format!("Bad value for option {option}."))
}

fn narrow<T: TryFrom<u32>>(value: u32, option: &str) -> Result<T, String> {
    T::try_from(value).map_err(|_| format!("Bad value for option {option}."))
}

#[cfg(windows)]
fn run(options: &Options) -> ExitCode {
    use std::net::{IpAddr, ToSocketAddrs as _};

    use porthole_tools::echo::Echo;

    let resolved = (options.target.as_str(), 0).to_socket_addrs();
    let address = resolved
        .into_iter()
        .flatten()
        .find_map(|address| match address.ip() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
    let Some(address) = address else {
        println!(
            "Ping request could not find host {}. Please check the name and try again.",
            options.target
        );
        return ExitCode::FAILURE;
    };
    match Echo::open() {
        Ok(echo) => ping(options, address, &echo),
        Err(error) => {
            println!("Unable to contact IP driver. {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(windows)]
fn ping(
    options: &Options,
    address: std::net::Ipv4Addr,
    echo: &porthole_tools::echo::Echo,
) -> ExitCode {
    use std::time::{Duration, Instant};

    let name = match options.target.parse::<std::net::Ipv4Addr>() {
        Ok(_) => address.to_string(),
        Err(_) => format!("{} [{address}]", options.target),
    };
    println!("\nPinging {name} with {} bytes of data:", options.size);
    let mut tally = Tally::default();
    while options.count.is_none_or(|count| tally.sent < count) {
        if tally.sent > 0 {
            let passed = tally.last.map_or(Duration::ZERO, |last| last.elapsed());
            std::thread::sleep(Duration::from_secs(1).saturating_sub(passed));
        }
        tally.last = Some(Instant::now());
        tally.sent += 1;
        tally.note(echo.send(address, options.size, options.ttl, options.timeout));
    }
    tally.report(address);
    ExitCode::from(u8::from(tally.received == 0))
}

/// What was sent and came back.
#[cfg(windows)]
#[derive(Debug, Default)]
struct Tally {
    sent: u32,
    received: u32,
    /// Milliseconds of each success.
    times: Vec<u32>,
    last: Option<std::time::Instant>,
}

#[cfg(windows)]
impl Tally {
    /// Prints one answer. As on Windows, an error that a router sent counts as received.
    fn note(&mut self, reply: Option<porthole_tools::echo::Reply>) {
        let Some(reply) = reply else {
            println!("Request timed out.");
            return;
        };
        let from = reply.from;
        let text = match reply.status {
            0 => {
                self.times.push(reply.time);
                let time = match reply.time {
                    0 => "time<1ms".to_owned(),
                    time => format!("time={time}ms"),
                };
                format!(
                    "Reply from {from}: bytes={} {time} TTL={}",
                    reply.size, reply.ttl
                )
            }
            11002 => format!("Reply from {from}: Destination net unreachable."),
            11003 => format!("Reply from {from}: Destination host unreachable."),
            11010 => "Request timed out.".to_owned(),
            11013 => format!("Reply from {from}: TTL expired in transit."),
            _ => "PING: transmit failed. General failure.".to_owned(),
        };
        if matches!(reply.status, 0 | 11002 | 11003 | 11013) {
            self.received += 1;
        }
        println!("{text}");
    }

    fn report(&self, address: std::net::Ipv4Addr) {
        let lost = self.sent - self.received;
        println!("\nPing statistics for {address}:");
        println!(
            "    Packets: Sent = {}, Received = {}, Lost = {lost} ({}% loss),",
            self.sent,
            self.received,
            (lost * 100).checked_div(self.sent).unwrap_or(0)
        );
        let (Some(least), Some(most)) = (self.times.iter().min(), self.times.iter().max()) else {
            return;
        };
        let sum: u64 = self.times.iter().copied().map(u64::from).sum();
        let average = sum / u64::try_from(self.times.len()).unwrap_or(1);
        println!("Approximate round trip times in milli-seconds:");
        println!("    Minimum = {least}ms, Maximum = {most}ms, Average = {average}ms");
    }
}

#[cfg(not(windows))]
fn run(_: &Options) -> ExitCode {
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<Options, String> {
        parse(words.split(' ').map(str::to_owned))
    }

    #[test]
    fn options_and_their_values_are_read() {
        let options = parsed("-n 2 /w 500 host -l 64").expect("valid");
        assert_eq!(
            (options.count, options.timeout, options.size),
            (Some(2), 500, 64)
        );
        assert_eq!(options.target, "host");
        assert_eq!(parsed("-t host").expect("valid").count, None);
    }

    #[test]
    fn bad_options_are_refused_by_name() {
        assert!(parsed("-l 70000 host").is_err_and(|text| text.contains("-l")));
        assert!(parsed("-n").is_err_and(|text| text.contains("-n")));
        assert!(parsed("-x host").is_err_and(|text| text.contains("-x")));
        assert!(parsed("-n 1").is_err_and(|text| text.contains("specified")));
    }
}
