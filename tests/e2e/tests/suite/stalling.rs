//! A way to a server that lets so many bytes through and then no more.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;

/// Bytes that are passed on at once.
const PIECE: usize = 16 << 10;

/// Listens in the place of a server.
pub(crate) struct Stalling {
    host: String,
    state: Arc<State>,
}

struct State {
    server: String,
    /// How many bytes of the server's still pass.
    left: AtomicU64,
    is_stalled: AtomicBool,
    is_released: AtomicBool,
}

impl Stalling {
    /// One before `server` that lets `bytes` of what the server says through.
    pub(crate) fn before(server: &str, bytes: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let host = listener.local_addr()?.to_string();
        let state = Arc::new(State {
            server: server.to_owned(),
            left: AtomicU64::new(bytes),
            is_stalled: AtomicBool::new(false),
            is_released: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&accepting);
                std::thread::spawn(move || drop(state.serve(client)));
            }
        });
        Ok(Self { host, state })
    }

    /// `ADDRESS:PORT`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn wait_until_it_stalls(&self) -> Result<()> {
        crate::eventually("the server has said enough", || {
            Ok(self.state.is_stalled.load(Ordering::SeqCst))
        })
    }

    /// Lets everything through from now on.
    pub(crate) fn release(&self) {
        self.state.is_released.store(true, Ordering::SeqCst);
    }
}

impl State {
    fn serve(&self, client: TcpStream) -> std::io::Result<()> {
        let server = TcpStream::connect(&self.server)?;
        let (mut asks, mut asked) = (client.try_clone()?, server.try_clone()?);
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut asks, &mut asked);
            let _ = asked.shutdown(std::net::Shutdown::Write);
        });
        self.pass_on(server, client)
    }

    fn pass_on(&self, mut server: TcpStream, mut client: TcpStream) -> std::io::Result<()> {
        let mut buffer = vec![0; PIECE];
        loop {
            let read = server.read(&mut buffer)?;
            if read == 0 {
                return client.shutdown(std::net::Shutdown::Write);
            }
            let taken = self
                .left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(read as u64)
                });
            if taken.is_err() {
                self.is_stalled.store(true, Ordering::SeqCst);
                while !self.is_released.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            client.write_all(&buffer[..read])?;
        }
    }
}
