//! `listen PORT`: listens on a TCP port of every address, says so, and never answers.

use std::net::TcpListener;

fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let _listener = TcpListener::bind(("0.0.0.0", port.unwrap_or(0)))?;
    println!("listening");
    loop {
        std::thread::park();
    }
}
