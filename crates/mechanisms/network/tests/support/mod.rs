//! A host of its own for each test: fresh network and mount namespaces, and what is needed to look
//! at them from inside and outside.
#![allow(unsafe_code)] // `unshare`, which makes the throw-away host.
#![allow(dead_code)] // Each test program uses a part.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

/// Runs `test` on a host of its own with an empty run-time root; says so when that cannot be had.
pub(crate) fn on_own_host<F, T>(test: F)
where
    F: FnOnce(std::path::PathBuf) -> T + Send,
    T: Future<Output = Result<()>>,
{
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root for network namespaces");
        return;
    }
    let work = || -> Result<()> {
        // SAFETY: only this thread, which ends with the test, and threads that it starts are in
        // the new namespaces.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS) }?;
        mount_change(
            "/",
            MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
        )?;
        sh("ip link set lo up")?;
        let directory = tempfile::tempdir()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let result = runtime.block_on(test(directory.path().join("run")));
        drop(runtime);
        result
    };
    let outcome = std::thread::scope(|scope| scope.spawn(work).join());
    if let Err(error) = outcome.expect("the test does not panic") {
        panic!("{error:?}");
    }
}

/// Runs a shell command and returns what it printed.
pub(crate) fn sh(command: &str) -> Result<String> {
    let output = Command::new("sh").args(["-c", command]).output()?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success(),
        "{command}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(text)
}

/// Runs a shell command in a network namespace.
pub(crate) fn sh_in(namespace: &Path, command: &str) -> Result<String> {
    sh(&format!(
        "nsenter --net={} sh -c '{command}'",
        namespace.display()
    ))
}

/// What `ip -j` or `nft -j` prints.
pub(crate) fn json(command: &str) -> Result<serde_json::Value> {
    serde_json::from_str(&sh(command)?).with_context(|| command.to_owned())
}

/// Runs `work` in a network namespace, in a thread of its own.
pub(crate) fn inside<T: Send>(
    namespace: &Path,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let file = std::fs::File::open(namespace)?;
    let enter = || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
        work()
    };
    std::thread::scope(|scope| scope.spawn(enter).join()).expect("the work does not panic")
}

/// Serves HTTP in a namespace for as long as the process lives: each answer names the peer.
pub(crate) fn serve(namespace: &Path, port: u16) -> Result<()> {
    let listener = inside(namespace, || Ok(TcpListener::bind(("0.0.0.0", port))?))?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream);
        }
    });
    Ok(())
}

/// Sends every datagram back, with the server's name before it, for as long as the process lives.
pub(crate) fn echo(namespace: &Path, port: u16, name: &'static str) -> Result<()> {
    let socket = inside(namespace, || Ok(UdpSocket::bind(("0.0.0.0", port))?))?;
    std::thread::spawn(move || {
        let mut datagram = [0; 1024];
        while let Ok((count, peer)) = socket.recv_from(&mut datagram) {
            let _ = socket.send_to(&[name.as_bytes(), &datagram[..count]].concat(), peer);
        }
    });
    Ok(())
}

/// Sends a datagram and returns the answer, which may be long in coming the first time.
pub(crate) fn ask(socket: &UdpSocket, address: &str) -> Result<String> {
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut answer = [0; 1024];
    for _ in 0..3 {
        socket.send_to(b"?", address)?;
        if let Ok((count, _)) = socket.recv_from(&mut answer) {
            return Ok(String::from_utf8_lossy(&answer[..count]).into_owned());
        }
    }
    anyhow::bail!("{address} does not answer")
}

fn answer(mut stream: TcpStream) -> Result<()> {
    let peer = stream.peer_addr()?.ip().to_string();
    let mut request = [0; 1024];
    let _ = stream.read(&mut request)?;
    let length = peer.len();
    write!(
        stream,
        "HTTP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n{peer}"
    )?;
    Ok(())
}

/// Gets `/` by HTTP from the calling thread's namespace; returns the body.
pub(crate) fn get(address: &str) -> Result<String> {
    let address: SocketAddr = address.parse()?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))
        .with_context(|| format!("connect to {address}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    Ok(body.to_owned())
}

/// The same from another namespace.
pub(crate) fn get_in(namespace: &Path, address: &str) -> Result<String> {
    inside(namespace, || get(address))
}
