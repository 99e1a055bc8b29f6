//! Attaching over a web socket, with a real client of such.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use porthole_api::Listener;
use porthole_compute_service::fake::Program;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{World, within};

/// Over TCP, as a page from `origin`; the status of the answer.
async fn connect_as_page(at: SocketAddr, path: &str, origin: &str) -> u16 {
    let mut request = format!("ws://{at}{path}").into_client_request().unwrap();
    let origin = origin.parse().unwrap();
    request.headers_mut().insert("origin", origin);
    let stream = TcpStream::connect(at).await.unwrap();
    match within(tokio_tungstenite::client_async(request, stream)).await {
        Ok((_, answer)) => answer.status().as_u16(),
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

async fn connect(world: &World, path: &str) -> Result<WebSocketStream<UnixStream>, Error> {
    let stream = UnixStream::connect(&world.socket).await.unwrap();
    let client = tokio_tungstenite::client_async(format!("ws://porthole{path}"), stream);
    within(client).await.map(|(socket, _)| socket)
}

/// All messages up to the server's close: those of binary data, and those of text.
async fn read_to_end(socket: &mut WebSocketStream<UnixStream>) -> (String, String) {
    let (mut binary, mut text) = (Vec::new(), String::new());
    loop {
        match within(socket.next()).await.unwrap().unwrap() {
            Message::Binary(data) => binary.extend(data),
            Message::Text(data) => text += data.as_str(),
            Message::Close(_) => return (String::from_utf8(binary).unwrap(), text),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn input_goes_in_as_messages_and_output_comes_out_unframed() {
    let world = World::new().await;
    world.script.program("cat.exe", Program::new().echo());
    let body = json!({ "Cmd": ["cat.exe"], "OpenStdin": true, "StdinOnce": true });
    world.start("cat", body).await;
    let path = "/v1.43/containers/cat/attach/ws?stream=1&stdin=1&stdout=1";
    let mut socket = connect(&world, path).await.unwrap();
    for message in [Message::binary(&b"one "[..]), Message::text("two")] {
        socket.send(message).await.unwrap();
    }
    let mut output = Vec::new();
    while output.len() < 7 {
        let message = within(socket.next()).await.unwrap().unwrap();
        assert!(message.is_binary(), "{message:?}");
        output.extend(message.into_data());
    }
    assert_eq!(output, b"one two");
    socket.close(None).await.unwrap();
    // The client's close is the end of the program's input.
    let end = within(world.post("/containers/cat/wait")).await;
    assert_eq!(end.json(), json!({ "StatusCode": 0 }));
}

#[tokio::test]
async fn the_end_of_the_output_closes_the_socket() {
    let world = World::new().await;
    let program = Program::new()
        .sleep(Duration::from_millis(50))
        .print("out\r\n")
        .print_error("err\r\n");
    world.script.program("two.exe", program);
    let path = "/containers/two/attach/ws?stream=1&stdout=1";
    world.create("two", json!({ "Cmd": ["two.exe"] })).await;
    let mut socket = connect(&world, path).await.unwrap();
    world.post("/containers/two/start").await;
    let (binary, text) = read_to_end(&mut socket).await;
    assert_eq!((binary.as_str(), text.as_str()), ("out\r\n", ""));
    // What was logged, as a client of long ago sees it: text, and both streams.
    let path = "/v1.24/containers/two/attach/ws?logs=1";
    let mut socket = connect(&world, path).await.unwrap();
    let (binary, text) = read_to_end(&mut socket).await;
    assert_eq!((binary.as_str(), text.as_str()), ("", "out\r\nerr\r\n"));
}

#[tokio::test]
async fn the_detach_keys_of_a_console_close_the_socket() {
    let world = World::new().await;
    world.script.program("cat.exe", Program::new().echo());
    let body = json!({ "Cmd": ["cat.exe"], "OpenStdin": true, "Tty": true });
    world.start("cat", body).await;
    let path = "/containers/cat/attach/ws?stream=1&stdin=1&stdout=1&detachKeys=ctrl-a,x";
    let mut socket = connect(&world, path).await.unwrap();
    let keys = Message::binary(&b"\x01x"[..]);
    socket.send(keys).await.unwrap();
    read_to_end(&mut socket).await;
    let running = world.get("/containers/cat/json").await;
    assert_eq!(running.json()["State"]["Running"], true);
}

#[tokio::test]
async fn what_is_no_web_socket_and_who_is_not_there_is_told() {
    let world = World::new().await;
    world.create("plain", json!({ "Cmd": ["x.exe"] })).await;
    let answer = world.get("/containers/plain/attach/ws?stream=1").await;
    assert_eq!(answer.status, 400);
    let message = answer.message();
    assert!(message.starts_with("not websocket protocol"), "{message}");
    let missing = connect(&world, "/containers/missing/attach/ws").await;
    let Err(Error::Http(answer)) = missing else {
        panic!("{missing:?}");
    };
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn pages_of_other_sites_get_no_socket_over_tcp() {
    let world = World::new().await;
    world.create("page", json!({ "Cmd": ["x.exe"] })).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    world.listen(Listener::insecure_tcp(listener));
    let path = "/containers/page/attach/ws?stream=1&stdout=1";
    let (own, other_port) = (format!("http://{at}"), format!("http://{}:1", at.ip()));
    for (origin, status) in [
        (own.as_str(), 101),
        (other_port.as_str(), 403),
        ("https://evil.example", 403),
        ("null", 403),
    ] {
        assert_eq!(connect_as_page(at, path, origin).await, status, "{origin}");
    }
}
