//! `whoami`, with `/user`, `/groups`, `/priv` and `/all`, which Wine's ignores.

use std::process::ExitCode;

#[cfg(windows)]
fn main() -> ExitCode {
    windows_main()
}

#[cfg(not(windows))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}

#[cfg(windows)]
fn windows_main() -> ExitCode {
    use porthole_tools::arguments::Arguments;

    let arguments = Arguments::of_process();
    if arguments.asks_for_help() {
        println!(
            "WHOAMI [/USER | /GROUPS | /PRIV | /ALL]\n\n    Displays the user, its groups and its privileges."
        );
        return ExitCode::SUCCESS;
    }
    if let Some((unknown, _)) = arguments
        .switches
        .iter()
        .find(|(name, _)| !["user", "groups", "priv", "all"].contains(&name.as_str()))
    {
        eprintln!("ERROR: Invalid argument/option - '/{unknown}'.\nType \"WHOAMI /?\" for usage.");
        return ExitCode::FAILURE;
    }
    match report(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ERROR: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(windows)]
fn report(arguments: &porthole_tools::arguments::Arguments) -> std::io::Result<()> {
    use porthole_tools::windows;

    let name = account();
    let all = arguments.has("all");
    if arguments.switches.is_empty() {
        println!("{name}");
    }
    if all || arguments.has("user") {
        table(
            "USER INFORMATION",
            ["User Name", "SID"],
            &[[name, windows::user()?.sid]],
        );
    }
    if all || arguments.has("groups") {
        let rows: Vec<_> = windows::groups()?
            .into_iter()
            .map(|group| [group.name, group.sid])
            .collect();
        table("GROUP INFORMATION", ["Group Name", "SID"], &rows);
    }
    if all || arguments.has("priv") {
        let state = |enabled: bool| if enabled { "Enabled" } else { "Disabled" }.to_owned();
        let rows: Vec<_> = windows::privileges()?
            .into_iter()
            .map(|(name, enabled)| [name, state(enabled)])
            .collect();
        table("PRIVILEGES INFORMATION", ["Privilege Name", "State"], &rows);
    }
    Ok(())
}

/// As in a container on Windows, where the two accounts belong to the user manager.
#[cfg(windows)]
fn account() -> String {
    let user = std::env::var("USERNAME").unwrap_or_default().to_lowercase();
    if user.starts_with("container") {
        return format!("user manager\\{user}");
    }
    format!(
        "{}\\{user}",
        std::env::var("COMPUTERNAME")
            .unwrap_or_default()
            .to_lowercase()
    )
}

#[cfg(windows)]
fn table(title: &str, header: [&str; 2], rows: &[[String; 2]]) {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .chain([header[column].len()])
            .max()
            .unwrap_or(0)
    };
    let (first, second) = (width(0), width(1));
    println!("\n{title}\n{}\n", "-".repeat(title.len()));
    println!("{:<first$} {:<second$}", header[0], header[1]);
    println!("{} {}", "=".repeat(first), "=".repeat(second));
    for row in rows {
        println!("{:<first$} {:<second$}", row[0], row[1]);
    }
}
