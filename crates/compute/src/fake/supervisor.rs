//! The supervisor's side of the protocol, over a fake silo.

use std::io;
use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use porthole_protocol::Hello;
use porthole_protocol::supervisor::{
    self, Event, Failure, OpenStdio, Request, Response, StdioFrame,
};
use tokio::io::{ReadHalf, WriteHalf};
use tokio_util::codec::{FramedRead, FramedWrite};

use super::silo::FakeSilo;
use crate::wire::{Duplex, FrameCodec};

type Reader<T> = FramedRead<ReadHalf<Box<dyn Duplex>>, FrameCodec<T>>;
type Writer<T> = FramedWrite<WriteHalf<Box<dyn Duplex>>, FrameCodec<T>>;

/// Serves one client until it leaves, or the supervisor is killed.
pub(super) async fn serve(silo: Arc<FakeSilo>, stream: Box<dyn Duplex>) {
    let mut dead = silo.dead.subscribe();
    tokio::select! {
        _ = dead.wait_for(|dead| *dead) => {}
        // A client that breaks the protocol is left alone.
        _ = converse(silo, stream) => {}
    }
}

async fn converse(silo: Arc<FakeSilo>, stream: Box<dyn Duplex>) -> io::Result<()> {
    let (read, write) = tokio::io::split(stream);
    let mut hellos = FramedRead::new(read, FrameCodec::<Hello>::default());
    let mut greeter = FramedWrite::new(write, FrameCodec::<Hello>::default());
    greeter.send(Hello::new(supervisor::VERSION)).await?;
    hellos.next().await.ok_or(io::ErrorKind::UnexpectedEof)??;
    let mut requests: Reader<Request> = hellos.map_decoder(|_| FrameCodec::default());
    let mut responses: Writer<Response> = greeter.map_encoder(|_| FrameCodec::default());
    while let Some(request) = requests.next().await {
        match request? {
            Request::Watch => {
                responses.send(Response::Done).await?;
                return events(&silo, responses.map_encoder(|_| FrameCodec::default())).await;
            }
            Request::OpenStdio(open) => {
                return stdio(&silo, open, requests, responses).await;
            }
            request => {
                let response = answer(&silo, request)
                    .await
                    .unwrap_or_else(Response::Failed);
                responses.send(response).await?;
            }
        }
    }
    Ok(())
}

async fn answer(silo: &Arc<FakeSilo>, request: Request) -> Result<Response, Failure> {
    match request {
        Request::Start => {
            silo.start()?;
            return Ok(Response::Started { init_pid: 1 });
        }
        Request::CreateProcess(spec) => {
            return Ok(Response::Created {
                pid: silo.create(spec)?,
            });
        }
        Request::Statistics => return Ok(Response::Statistics(silo.statistics()?)),
        Request::ListProcesses => return Ok(Response::Processes(silo.list()?)),
        Request::Signal { process, .. } => silo.live(process)?.deliver(),
        Request::TerminateProcess { process, exit_code } => {
            silo.live(process)?.terminate(exit_code);
        }
        // Nobody looks at the fake's consoles.
        Request::Resize { process, .. } => drop(silo.live(process)?),
        Request::Shutdown => silo.shut_down()?,
        Request::Terminate => silo.terminate().await,
        Request::Pause => silo.freeze(true)?,
        Request::Resume => silo.freeze(false)?,
        Request::Update(limits) => silo.limit(limits)?,
        Request::Init => {
            return Err(Failure::State("without processes of Unix".to_owned()));
        }
        // The back end knows the fake's registry.
        Request::SaveRegistry | Request::ReadRegistry { .. } => {
            return Err(Failure::State("without a registry of Wine's".to_owned()));
        }
        // The streams are dealt with by the caller.
        Request::Watch | Request::OpenStdio(_) => {}
    }
    Ok(Response::Done)
}

async fn events(silo: &FakeSilo, mut sink: Writer<Event>) -> io::Result<()> {
    let mut happened = silo.events.subscribe();
    let mut told = 0;
    loop {
        let news = match happened.wait_for(|events| events.len() > told).await {
            Ok(events) => events[told..].to_vec(),
            Err(_) => return Ok(()),
        };
        told += news.len();
        for event in news {
            let last = matches!(event, Event::SystemExited(_));
            sink.send(event).await?;
            if last {
                return Ok(());
            }
        }
    }
}

async fn stdio(
    silo: &FakeSilo,
    open: OpenStdio,
    requests: Reader<Request>,
    mut responses: Writer<Response>,
) -> io::Result<()> {
    let opened = silo.process(open.process).and_then(|process| {
        let output = process.open(open).ok_or(Failure::NoSuchProcess)?;
        Ok((process, output))
    });
    let (process, mut output) = match opened {
        Ok(opened) => opened,
        Err(failure) => return responses.send(Response::Failed(failure)).await,
    };
    responses.send(Response::Done).await?;
    let mut sink: Writer<StdioFrame> = responses.map_encoder(|_| FrameCodec::default());
    let mut source: Reader<StdioFrame> = requests.map_decoder(|_| FrameCodec::default());
    let input = async {
        while let Some(Ok(frame)) = source.next().await {
            if open.stdin {
                process.take_input(frame);
            }
        }
        process.client_left(open);
        Err(io::ErrorKind::BrokenPipe.into())
    };
    let output = async {
        while let Some(frame) = output.recv().await {
            sink.send(frame).await?;
        }
        Ok(())
    };
    tokio::select! {
        ended = output => ended,
        left = input => left,
    }
}
