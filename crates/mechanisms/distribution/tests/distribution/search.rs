//! Search, where there is an index and where there is none.

use porthole_distribution::{Credentials, ErrorKind};

use crate::server::{Reply, Server};
use crate::support::{client, nobody};

#[tokio::test]
async fn an_index_is_asked_and_answers() {
    let server = Server::start(|_| {
        Reply::new(
            200,
            r#"{"num_results":2,"results":[
                {"name":"a/tool","description":"d","star_count":3,"is_official":true,"is_automated":true},
                {"name":"b"}]}"#,
        )
    })
    .await;
    let term = format!("{}/a tool", server.address);
    let me = Credentials::basic("me", "secret");
    let found = client().search(&term, Some(7), &me).await.unwrap();
    assert_eq!(
        (found.len(), found[0].name.as_str(), found[0].star_count),
        (2, "a/tool", 3)
    );
    assert!(found[0].is_official && !found[0].is_automated);
    assert_eq!(server.lines(), ["GET /v1/search?q=a+tool&n=7"]);
}

#[tokio::test]
async fn who_asks_is_told_to_a_registry_that_wants_to_know() {
    for wants_to_know in [false, true] {
        let server = Server::start(move |request| {
            if wants_to_know && request.header("authorization").is_none() {
                return Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"r\"");
            }
            Reply::new(200, r#"{"results":[{"name":"b"}]}"#)
        })
        .await;
        let term = format!("{}/tool", server.address);
        let me = Credentials::basic("me", "secret");
        let found = client().search(&term, None, &me).await.unwrap();
        assert_eq!(found[0].name, "b");
        let requests = server.requests();
        let told = requests
            .iter()
            .any(|request| request.header("authorization").is_some());
        assert_eq!(told, wants_to_know);
    }
}

#[tokio::test]
async fn where_there_is_none_it_is_told_as_docker_tells_it() {
    let server = Server::start(|_| Reply::new(404, "404 page not found")).await;
    let term = format!("{}/tool", server.address);
    let error = client().search(&term, None, nobody()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert_eq!(error.to_string(), "unexpected status code 404");
    let error = client()
        .search("https://x/y", None, nobody())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let error = client().search("x", Some(101), nobody()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "limit 101 is outside the range of [1, 100]"
    );
}
