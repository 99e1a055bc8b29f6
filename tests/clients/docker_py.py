"""Drives a server with docker-py, as a user's script would. The first argument names the container."""

import io
import sys
import tarfile
import threading

import docker
from docker.errors import APIError, ContainerError, NotFound

IMAGE = "porthole/nanoserver"
NAME = sys.argv[1]


def main():
    client = docker.from_env()
    assert client.ping()
    assert client.info()["OSType"] == "windows"
    assert client.version()["Os"] == "windows"
    assert any(IMAGE + ":latest" in image.tags for image in client.images.list())
    assert client.images.get(IMAGE).attrs["Os"] == "windows"

    output = client.containers.run(IMAGE, ["cmd", "/c", "echo hi"], remove=True)
    assert output == b"hi\r\n", output
    try:
        client.containers.run(IMAGE, ["cmd", "/c", "exit 5"], remove=True)
        raise AssertionError("exit 5 is no failure")
    except ContainerError as error:
        assert error.exit_status == 5, error
    try:
        client.containers.get(NAME + "-missing")
        raise AssertionError("what is not there was found")
    except NotFound as error:
        assert "No such container" in str(error), error

    seen = []
    events = client.events(decode=True, filters={"container": [NAME]})
    listener = threading.Thread(target=listen, args=(events, seen), daemon=True)
    listener.start()
    container = client.containers.create(
        IMAGE,
        ["cmd"],
        name=NAME,
        environment={"GREETING": "grüß"},
        labels={"client": "docker-py"},
        hostname="pyhost",
        stdin_open=True,
    )
    try:
        life(client, container)
    finally:
        container.remove(force=True)
    listener.join(20)
    events.close()
    for action in ["create", "start", "pause", "unpause", "die", "destroy"]:
        assert action in seen, (action, seen)


def listen(events, seen):
    for event in events:
        seen.append(event["Action"])
        if event["Action"] == "destroy":
            return


def life(client, container):
    stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    container.start()
    getattr(stream, "_sock", stream).sendall(b"echo %GREETING% from %COMPUTERNAME%\r\n")
    code, output = container.exec_run(["cmd", "/c", "echo %GREETING%& exit 3"])
    assert (code, output) == (3, "grüß\r\n".encode()), (code, output)
    code, (out, err) = container.exec_run("cmd /c echo o& echo e>&2", demux=True)
    assert (out, err) == (b"o\r\n", b"e\r\n"), (out, err)
    assert container.top()["Titles"][0] == "Name"
    stats = container.stats(stream=False)
    assert stats["memory_stats"]["privateworkingset"] > 1 << 20, stats
    assert client.containers.list(filters={"label": "client=docker-py"}) == [container]
    container.pause()
    container.reload()
    assert container.status == "paused"
    container.unpause()
    for line in container.logs(stream=True, follow=True):
        if b"from PYHOST" in line:
            assert "grüß".encode() in line, line
            break
    copies(container)
    container.rename(NAME + "2")
    container.rename(NAME)
    container.stop(timeout=0)
    container.start()
    container.restart(timeout=0)
    container.kill()
    assert container.wait()["StatusCode"] != 0
    copies(container)
    try:
        container.kill()
        raise AssertionError("what does not run was killed")
    except APIError as error:
        assert error.response.status_code == 409 and "is not running" in str(error), error


def copies(container):
    content = "grüß\r\n".encode()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("Copied/Grüße.txt")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    home = "C:/Users/ContainerUser"
    assert container.put_archive(home, archive.getvalue())
    pieces, stat = container.get_archive(home + "/copied/grüße.TXT")
    assert (stat["name"], stat["size"], stat["linkTarget"]) == ("grüße.TXT", len(content), ""), stat
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        assert tar.extractfile("grüße.TXT").read() == content
    pieces, stat = container.get_archive(home + "\\Copied")
    assert stat["mode"] & 1 << 31, stat
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        assert tar.getnames() == ["Copied", "Copied/Grüße.txt"], tar.getnames()
    try:
        container.get_archive(home + "/missing")
        raise AssertionError("what is not there was copied")
    except NotFound as error:
        assert "Could not find the file" in str(error), error


main()
