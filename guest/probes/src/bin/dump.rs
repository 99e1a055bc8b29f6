//! `dump …`: prints arguments, environment and working directory in UTF-8.

fn main() {
    for (place, argument) in std::env::args_os().enumerate() {
        println!("arg {place} {}", argument.to_string_lossy());
    }
    for (name, value) in std::env::vars_os() {
        println!("env {}={}", name.to_string_lossy(), value.to_string_lossy());
    }
    match std::env::current_dir() {
        Ok(directory) => println!("cwd {}", directory.display()),
        Err(error) => println!("cwd unknown: {error}"),
    }
}
