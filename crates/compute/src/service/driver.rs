//! The task that owns a system's phase. Handles send it orders; requests to the supervisor run
//! beside it, so that a slow one never keeps a terminate waiting; answers and the supervisor's
//! events come back as messages.

use std::collections::BTreeSet;
use std::sync::Arc;

use porthole_hcs as hcs;
use porthole_protocol::supervisor::{self, ExitRecord, Limits};
use tokio::sync::{broadcast, mpsc};

use crate::error::{Error, ErrorKind, Result};
use crate::limits::{self, Refusal};
use crate::phase::{Change, Phase};
use crate::policy::{self, Request, Verdict};
use crate::service::backend::Note;
use crate::service::call::{call, terminate};
use crate::service::failure::{denied, ended_meanwhile, failed, not_written, overtaken};
use crate::service::listener::listen;
use crate::service::order::{Message, Order, Reply, Sent};
use crate::service::snapshot::Shared;
use crate::system::Event;
use crate::timeout;
use crate::wire::WireError;

/// How many forgotten processes are worth writing the notes anew.
const FORGOTTEN_AT_ONCE: usize = 1024;

/// The task's state.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    limits: Limits,
    events: broadcast::Sender<Event>,
    /// Takes the system out of the service's table.
    forget: Option<Box<dyn FnOnce() + Send>>,
    inbox: mpsc::UnboundedReceiver<Message>,
    outbox: mpsc::UnboundedSender<Message>,
    /// Whether the supervisor was asked to terminate the silo.
    terminating: bool,
    /// Processes that are forgotten here and still stand in the notes.
    forgotten: BTreeSet<u32>,
    /// Who waits for the end, and what they are then told.
    at_end: Vec<(Reply, Result<()>)>,
    /// Who waits for the system to be closed once it has ended.
    closers: Vec<Reply>,
}

impl Driver {
    /// Starts the task, and the one that listens to the supervisor unless the system is over.
    pub(crate) fn spawn(
        shared: Arc<Shared>,
        limits: Limits,
        events: broadcast::Sender<Event>,
        forget: Box<dyn FnOnce() + Send>,
    ) -> mpsc::UnboundedSender<Message> {
        let (outbox, inbox) = mpsc::unbounded_channel();
        if !shared.phase().is_over() {
            tokio::spawn(listen(shared.clone(), outbox.clone()));
        }
        let driver = Self {
            shared,
            limits,
            events,
            forget: Some(forget),
            inbox,
            outbox: outbox.clone(),
            terminating: false,
            forgotten: BTreeSet::new(),
            at_end: Vec::new(),
            closers: Vec::new(),
        };
        tokio::spawn(driver.run());
        outbox
    }

    async fn run(mut self) {
        while let Some(message) = self.inbox.recv().await {
            match message {
                Message::Order(order, reply) => self.order(order, reply).await,
                Message::Answered(sent, result) => self.answered(sent, result).await,
                Message::Event(event) => self.event(event).await,
                Message::Lost => self.lost().await,
            }
            if self.shared.phase() == Phase::Closed {
                break;
            }
        }
    }

    async fn order(&mut self, order: Order, reply: Reply) {
        let request = order.request();
        let phase = self.shared.phase();
        match policy::decide(request, phase) {
            Verdict::Accept => self.carry_out(order, reply).await,
            Verdict::Ignore => answer(reply, Ok(())),
            Verdict::Deny(denial) => {
                answer(
                    reply,
                    Err(denied(&self.shared, request, denial.kind(), phase)),
                );
            }
        }
    }

    async fn carry_out(&mut self, order: Order, reply: Reply) {
        match order {
            Order::Start => {
                if let Some(reply) = self.noted(Request::Start, Note::Begin, reply) {
                    self.advance(Change::Begin);
                    self.send(supervisor::Request::Start, Sent::Start(reply));
                }
            }
            Order::ShutDown => self.send(supervisor::Request::Shutdown, Sent::ShutDown(reply)),
            Order::Terminate => {
                self.at_end.push((reply, Ok(())));
                self.terminate();
            }
            Order::Pause => {
                if let Some(reply) = self.noted(Request::Pause, Note::Freezing, reply) {
                    let sent = Sent::Change(Request::Pause, Change::Froze, Note::Frozen, reply);
                    self.send(supervisor::Request::Pause, sent);
                }
            }
            Order::Resume => {
                if let Some(reply) = self.noted(Request::Resume, Note::Freezing, reply) {
                    let sent = Sent::Change(Request::Resume, Change::Thawed, Note::Thawed, reply);
                    self.send(supervisor::Request::Resume, sent);
                }
            }
            Order::Modify(request) => self.modify(&request, reply),
            Order::Close => {
                self.closers.push(reply);
                if self.shared.phase() == Phase::Created {
                    self.terminate();
                } else {
                    self.close().await;
                }
            }
        }
    }

    fn modify(&mut self, request: &hcs::ModifySettingRequest, reply: Reply) {
        match limits::modified(&self.limits, request, self.shared.processors) {
            Ok(limits) => {
                self.send(
                    supervisor::Request::Update(limits.clone()),
                    Sent::Limits(limits, reply),
                );
            }
            Err(refusal) => {
                let (kind, message) = match refusal {
                    Refusal::NotSupported(message) => (ErrorKind::NotSupported, message),
                    Refusal::Invalid(message) => (ErrorKind::InvalidDocument, message),
                };
                answer(
                    reply,
                    Err(self.shared.error(kind, Request::Modify, message)),
                );
            }
        }
    }

    /// Notes what is about to be asked; gives the reply back unless that failed.
    fn noted(&self, request: Request, note: Note, reply: Reply) -> Option<Reply> {
        match self.shared.supervised.note(&note) {
            Ok(()) => Some(reply),
            Err(error) => {
                answer(reply, Err(not_written(&self.shared, request, error)));
                None
            }
        }
    }

    fn terminate(&mut self) {
        if !self.terminating {
            self.terminating = true;
            let (supervised, outbox) = (self.shared.supervised.clone(), self.outbox.clone());
            tokio::spawn(async move {
                let result = terminate(&*supervised).await;
                let _ = outbox.send(Message::Answered(Sent::Terminate, result));
            });
        }
    }

    fn send(&self, request: supervisor::Request, sent: Sent) {
        let supervised = self.shared.supervised.clone();
        let outbox = self.outbox.clone();
        tokio::spawn(async move {
            let result = call(&*supervised, &request).await.map(|_| ());
            let _ = outbox.send(Message::Answered(sent, result));
        });
    }

    async fn answered(&mut self, sent: Sent, result: Result<(), WireError>) {
        let shared = self.shared.clone();
        match (sent, result) {
            (Sent::Start(reply), Ok(())) => match self.advance(Change::Started) {
                true => answer(reply, Ok(())),
                false => answer(reply, Err(ended_meanwhile(&shared, Request::Start))),
            },
            (Sent::Start(reply), Err(error)) => {
                self.start_failed(reply, failed(&shared, Request::Start, error));
            }
            (Sent::Terminate, Ok(())) => {}
            // The supervisor may have gone the way of its silo before it could answer; then the
            // end of its events says so. One that hangs is dealt with here.
            (Sent::Terminate, Err(WireError::Connection(_))) => {}
            (Sent::Terminate, Err(error)) => self.abandon(&error.to_string()).await,
            (Sent::Change(request, change, note, reply), Ok(())) => {
                let _ = shared.supervised.note(&note);
                match self.advance(change) {
                    true => answer(reply, Ok(())),
                    false => answer(reply, Err(overtaken(&shared, request))),
                }
            }
            (Sent::Change(request, _, _, reply), Err(error)) => {
                answer(reply, Err(failed(&shared, request, error)));
            }
            (Sent::ShutDown(reply), result) => {
                answer(
                    reply,
                    result.map_err(|error| failed(&shared, Request::ShutDown, error)),
                );
            }
            (Sent::Limits(limits, reply), Ok(())) => self.limits_changed(limits, reply).await,
            (Sent::Limits(_, reply), Err(error)) => {
                answer(reply, Err(failed(&shared, Request::Modify, error)));
            }
        }
    }

    async fn limits_changed(&mut self, limits: Limits, reply: Reply) {
        let kept = self.shared.supervised.keep_limits(&limits).await;
        self.limits = limits;
        let kept = kept.map_err(|error| not_written(&self.shared, Request::Modify, error));
        answer(reply, kept);
    }

    /// A system whose start failed ends, and holds nothing when the caller learns of it.
    fn start_failed(&mut self, reply: Reply, error: Error) {
        if self.shared.phase().is_over() {
            answer(reply, Err(error));
        } else {
            self.at_end.push((reply, Err(error)));
            self.terminate();
        }
    }

    async fn event(&mut self, event: supervisor::Event) {
        let system = self.shared.id.clone();
        match event {
            supervisor::Event::ProcessExited { process, exit_code } => {
                self.process_exited(process.0, exit_code);
            }
            supervisor::Event::OutOfMemory => self.publish(Event::OutOfMemory { system }),
            supervisor::Event::SystemExited(record) => {
                if !self.shared.phase().is_over() {
                    self.end(record).await;
                }
            }
        }
    }

    fn process_exited(&mut self, process: u32, exit_code: u32) {
        let forgotten = &mut self.forgotten;
        let news = self.shared.state.send_if_modified(|state| {
            let news = state.exited(process, exit_code);
            forgotten.extend(state.forget_ended());
            news
        });
        if self.forgotten.len() >= FORGOTTEN_AT_ONCE {
            self.forget_notes();
        }
        if news {
            let system = self.shared.id.clone();
            self.publish(Event::ProcessExited {
                system,
                process,
                exit_code,
            });
        }
    }

    /// The notes are written anew without what is forgotten, beside the driver's other work.
    fn forget_notes(&mut self) {
        let (shared, keys) = (self.shared.clone(), std::mem::take(&mut self.forgotten));
        tokio::spawn(async move {
            // They only take room, and are forgotten by the next service process.
            if let Err(error) = shared.supervised.forget(keys).await {
                tracing::warn!(system = shared.id, %error, "cannot shorten the notes");
            }
        });
    }

    async fn lost(&mut self) {
        if self.shared.phase().is_over() {
            return;
        }
        match self.shared.supervised.exit_record().await {
            Ok(Some(record)) => self.end(record).await,
            Ok(None) => {
                self.abandon("the system's supervisor ended without leaving a record")
                    .await;
            }
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                self.abandon(&format!("the record of the system's end is none: {error}"))
                    .await;
            }
            // It is there, and is not overwritten because it could not be read just now.
            Err(error) => {
                tracing::warn!(system = self.shared.id, %error, "cannot read how the system ended");
                let outbox = self.outbox.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(timeout::LISTEN_AGAIN).await;
                    let _ = outbox.send(Message::Lost);
                });
            }
        }
    }

    async fn abandon(&mut self, reason: &str) {
        if self.shared.phase().is_over() {
            return;
        }
        tracing::warn!(
            system = self.shared.id,
            reason,
            "ending a system that nobody supervises"
        );
        let record = self
            .shared
            .state
            .borrow()
            .unsupervised_record(self.terminating, reason);
        self.shared.supervised.abandon(&record).await;
        self.end(record).await;
    }

    async fn end(&mut self, record: ExitRecord) {
        for (process, exit_code) in &record.processes {
            self.process_exited(process.0, *exit_code);
        }
        let kept = Arc::new(record.clone());
        self.shared
            .state
            .send_modify(|state| state.record = Some(kept));
        self.advance(Change::End);
        self.publish(Event::SystemExited {
            system: self.shared.id.clone(),
            record,
        });
        for (reply, result) in self.at_end.drain(..) {
            answer(reply, result);
        }
        if !self.closers.is_empty() {
            self.close().await;
        }
    }

    async fn close(&mut self) {
        let freed = self.shared.supervised.discard().await;
        let message = match freed {
            Ok(()) => {
                self.advance(Change::Close);
                if let Some(forget) = self.forget.take() {
                    forget();
                }
                None
            }
            Err(error) => Some(error.to_string()),
        };
        for reply in self.closers.drain(..) {
            let result = match &message {
                None => Ok(()),
                Some(message) => {
                    Err(self
                        .shared
                        .error(ErrorKind::Host, Request::Close, message.clone()))
                }
            };
            answer(reply, result);
        }
    }

    /// Moves to the phase that `change` leads to; whether it leads anywhere.
    fn advance(&self, change: Change) -> bool {
        self.shared
            .state
            .send_if_modified(|state| match state.phase.after(change) {
                Some(phase) => {
                    state.phase = phase;
                    true
                }
                None => false,
            })
    }

    fn publish(&self, event: Event) {
        // Fails only when nobody listens.
        let _ = self.events.send(event);
    }
}

/// Answers a request; a client that has gone is not an error.
fn answer(reply: Reply, result: Result<()>) {
    let _ = reply.send(result);
}
