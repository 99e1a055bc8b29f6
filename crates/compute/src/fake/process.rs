//! A fake program that runs.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use porthole_container_log::{
    Attributes, LogWriter, Rotation, Stream as LogStream, Timestamp, record,
};
use porthole_protocol::supervisor::{OpenStdio, ProcessSpec, StdioFrame, StreamKind, Streams};
use tokio::sync::{Notify, mpsc, watch};

use super::script::{Program, Script, Step};

/// `STATUS_CONTROL_C_EXIT`: what a control event ends a program with.
const CONTROL_C_EXIT: u32 = 0xC000_013A;

/// Frames that a client may lag behind before output waits for it.
const CLIENT_BACKLOG: usize = 16;

/// A process.
#[derive(Debug)]
pub(super) struct FakeProcess {
    pub(super) spec: ProcessSpec,
    pub(super) pid: u32,
    clients: Mutex<Vec<Client>>,
    attached: watch::Sender<bool>,
    signal: Notify,
    killed: watch::Sender<Option<u32>>,
    input: Mutex<Option<mpsc::UnboundedSender<Vec<u8>>>>,
    exited: watch::Sender<Option<u32>>,
    home: Home,
}

/// Where it runs.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) script: Script,
    pub(super) system: String,
}

#[derive(Debug)]
struct Client {
    open: OpenStdio,
    sender: mpsc::Sender<StdioFrame>,
}

impl FakeProcess {
    /// Starts `program`; it runs while `frozen` is false.
    pub(super) fn start(
        spec: ProcessSpec,
        pid: u32,
        program: Program,
        home: Home,
        frozen: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let (input, keyboard) = mpsc::unbounded_channel();
        let open = !matches!(spec.streams, Streams::Pipes { stdin: false, .. });
        let process = Arc::new(Self {
            attached: watch::Sender::new(!spec.wait_for_attach),
            spec,
            pid,
            clients: Mutex::default(),
            signal: Notify::new(),
            killed: watch::Sender::new(None),
            input: Mutex::new(open.then_some(input)),
            exited: watch::Sender::new(None),
            home,
        });
        tokio::spawn(run(process.clone(), program, keyboard, frozen));
        process
    }

    /// Its exit code, once it has ended and its output is recorded.
    pub(super) fn exit_code(&self) -> Option<u32> {
        *self.exited.borrow()
    }

    pub(super) async fn ended(&self) -> u32 {
        let mut exited = self.exited.subscribe();
        let ended = exited.wait_for(Option::is_some).await;
        ended.ok().and_then(|code| *code).unwrap_or_default()
    }

    fn has_console(&self) -> bool {
        matches!(self.spec.streams, Streams::Console(_))
    }

    pub(super) fn deliver(&self) {
        self.signal.notify_one();
    }

    pub(super) fn terminate(&self, exit_code: u32) {
        self.killed
            .send_if_modified(|killed| killed.replace(exit_code).is_none());
    }

    /// Connects a client; nothing when the process has ended.
    pub(super) fn open(&self, open: OpenStdio) -> Option<mpsc::Receiver<StdioFrame>> {
        let mut clients = lock(&self.clients);
        if self.exit_code().is_some() {
            return None;
        }
        let (sender, receiver) = mpsc::channel(CLIENT_BACKLOG);
        clients.push(Client { open, sender });
        self.attached.send_replace(true);
        Some(receiver)
    }

    /// Takes a client's input.
    pub(super) fn take_input(&self, frame: StdioFrame) {
        let mut input = lock(&self.input);
        match frame {
            StdioFrame::Data(StreamKind::Stdin, bytes) => {
                if let Some(input) = &*input {
                    let _ = input.send(bytes);
                }
            }
            StdioFrame::End(StreamKind::Stdin) => *input = None,
            StdioFrame::Data(..) | StdioFrame::End(_) => {}
        }
    }

    /// A client left.
    pub(super) fn client_left(&self, open: OpenStdio) {
        let once = matches!(
            self.spec.streams,
            Streams::Pipes {
                stdin_once: true,
                ..
            }
        );
        if once && open.stdin {
            *lock(&self.input) = None;
        }
    }

    async fn emit(&self, kind: StreamKind, bytes: &[u8]) {
        // The one stream of a console.
        let kind = if self.has_console() {
            StreamKind::Stdout
        } else {
            kind
        };
        self.log(kind, bytes);
        let mut attached = self.attached.subscribe();
        let grace =
            std::time::Duration::from_secs(porthole_protocol::supervisor::ATTACH_GRACE_SECONDS);
        let _ = tokio::time::timeout(grace, attached.wait_for(|attached| *attached)).await;
        for sender in self.listeners(kind) {
            // Fails when the client has gone.
            let _ = sender.send(StdioFrame::Data(kind, bytes.to_vec())).await;
        }
    }

    fn listeners(&self, kind: StreamKind) -> Vec<mpsc::Sender<StdioFrame>> {
        let wants = |open: &OpenStdio| match kind {
            StreamKind::Stdin => false,
            StreamKind::Stdout => open.stdout,
            StreamKind::Stderr => open.stderr,
        };
        let clients = lock(&self.clients);
        let wanting = clients.iter().filter(|client| wants(&client.open));
        wanting.map(|client| client.sender.clone()).collect()
    }

    /// Records output line by line.
    fn log(&self, kind: StreamKind, bytes: &[u8]) {
        let Some(log) = &self.spec.log else { return };
        let stream = match kind {
            StreamKind::Stderr => LogStream::Stderr,
            StreamKind::Stdin | StreamKind::Stdout => LogStream::Stdout,
        };
        let now = time::OffsetDateTime::now_utc().unix_timestamp_nanos();
        let now = Timestamp(i64::try_from(now).unwrap_or(i64::MAX));
        let attributes = Attributes::new(&log.attributes);
        let mut records = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            record::encode(&mut records, stream, now, &attributes, line);
        }
        let rotation = log.rotation.map(|rotation| Rotation {
            max_size: rotation.max_size,
            max_files: rotation.max_files,
            compress: rotation.compress,
        });
        let writer = LogWriter::open(Path::new(&log.path), rotation);
        // A container runs on when its log cannot be written.
        let _ = writer.map(|mut writer| writer.append(&records));
    }

    fn end(&self, exit_code: u32) {
        *lock(&self.input) = None;
        let mut clients = lock(&self.clients);
        self.exited.send_replace(Some(exit_code));
        // With the senders gone each client's stream ends.
        clients.clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run(
    process: Arc<FakeProcess>,
    program: Program,
    mut keyboard: mpsc::UnboundedReceiver<Vec<u8>>,
    mut frozen: watch::Receiver<bool>,
) {
    let mut killed = process.killed.subscribe();
    let steps = async {
        for step in &program.steps {
            let _ = frozen.wait_for(|frozen| !*frozen).await;
            match follow(&process, step, program.deaf, &mut keyboard).await {
                Some(exit_code) => return exit_code,
                None => tokio::task::yield_now().await,
            }
        }
        0
    };
    let exit_code = tokio::select! {
        biased;
        Ok(code) = async { killed.wait_for(Option::is_some).await.map(|code| *code) }, if !program.undying => {
            code.unwrap_or_default()
        }
        code = steps => code,
    };
    process.end(exit_code);
}

/// Does one step; the exit code if the program ends in it.
async fn follow(
    process: &FakeProcess,
    step: &Step,
    deaf: bool,
    keyboard: &mut mpsc::UnboundedReceiver<Vec<u8>>,
) -> Option<u32> {
    let work = async {
        match step {
            Step::Print(kind, bytes) => process.emit(*kind, bytes).await,
            Step::Echo => {
                while let Some(bytes) = keyboard.recv().await {
                    process.emit(StreamKind::Stdout, &bytes).await;
                }
            }
            Step::EditRegistry(edit) => match process.home.script.registry_of(&process.home.system)
            {
                Ok(registry) => edit.apply(&registry),
                Err(_) => return Some(1),
            },
            Step::Sleep(time) => tokio::time::sleep(*time).await,
            Step::AwaitSignal => std::future::pending().await,
            Step::Exit(code) => return Some(*code),
        }
        None
    };
    let signal = async {
        if deaf {
            std::future::pending::<()>().await;
        }
        process.signal.notified().await;
    };
    tokio::select! {
        ended = work => ended,
        () = signal => match step {
            Step::AwaitSignal => None,
            _ => Some(CONTROL_C_EXIT),
        },
    }
}
