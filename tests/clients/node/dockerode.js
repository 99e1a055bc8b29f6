// Drives a server with dockerode, as a user's script would. The first argument names the container.
import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import { once } from 'node:events';
import Docker from 'dockerode';

const IMAGE = 'porthole/nanoserver';
const name = process.argv[2];
const docker = new Docker();

function collect(stream) {
  const pieces = [];
  stream.on('data', (piece) => pieces.push(piece));
  return () => Buffer.concat(pieces).toString();
}

// An archive of one small file.
function tarOf(file, content) {
  const header = Buffer.alloc(512);
  const octal = (number, length) => `${number.toString(8).padStart(length - 1, '0')}\0`;
  header.write(file, 0);
  header.write(octal(0o644, 8), 100);
  header.write(octal(Buffer.byteLength(content), 12), 124);
  header.write(octal(0, 12), 136);
  header.write('        0', 148);
  header.write('ustar\u000000', 257);
  header.write(octal(header.reduce((sum, byte) => sum + byte, 0), 7), 148);
  const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
  body.write(content);
  return Buffer.concat([header, body, Buffer.alloc(1024)]);
}

assert.equal((await docker.info()).OSType, 'windows');
const images = await docker.listImages();
assert(images.some((image) => image.RepoTags.includes(`${IMAGE}:latest`)));

const out = new PassThrough();
const printed = collect(out);
const command = ['cmd', '/c', 'echo hi& exit 7'];
const [ended, once_only] = await docker.run(IMAGE, command, [out, new PassThrough()], { Tty: false });
assert.equal(ended.StatusCode, 7);
assert.equal(printed(), 'hi\r\n');
await once_only.remove();
await assert.rejects(docker.getContainer(`${name}-missing`).inspect(), { statusCode: 404 });

const seen = [];
const events = await docker.getEvents({ filters: { container: [name] } });
let told;
const destroyed = new Promise((resolve) => { told = resolve; });
events.on('data', (piece) => {
  for (const line of piece.toString().trim().split('\n')) {
    seen.push(JSON.parse(line).Action);
  }
  if (seen.includes('destroy')) {
    told();
  }
});
const container = await docker.createContainer({
  name,
  Image: IMAGE,
  Cmd: ['cmd'],
  OpenStdin: true,
  AttachStdin: true,
  Env: ['GREETING=grüß'],
});
try {
  const streams = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const shown = collect(stdout);
  container.modem.demuxStream(streams, stdout, stderr);
  await container.start();
  const exec = await container.exec({ Cmd: ['cmd', '/c', 'echo %GREETING%& exit 3'], AttachStdout: true, AttachStderr: true });
  const execOut = new PassThrough();
  const execShown = collect(execOut);
  const execStream = await exec.start({ hijack: true });
  container.modem.demuxStream(execStream, execOut, execOut);
  await once(execStream, 'end');
  assert.equal(execShown(), 'grüß\r\n');
  assert.equal((await exec.inspect()).ExitCode, 3);
  const source = Readable.from([tarOf('hello.txt', 'hello\r\n')]);
  await container.putArchive(source, { path: 'C:/Users/ContainerUser' });
  const got = await container.getArchive({ path: 'C:/Users/ContainerUser/HELLO.txt' });
  const archive = collect(got);
  await once(got, 'end');
  assert(archive().startsWith('HELLO.txt\0') && archive().includes('hello\r\n'), archive());
  const info = await container.infoArchive({ path: 'C:/Users' });
  assert(info.headers['x-docker-container-path-stat']);
  // An answer that nobody reads keeps the program from ending.
  info.resume();
  await assert.rejects(container.getArchive({ path: 'C:/missing' }), { statusCode: 404 });
  const stats = await container.stats({ stream: false });
  assert(stats.memory_stats.privateworkingset > 1 << 20, JSON.stringify(stats));
  assert.equal((await container.top()).Titles[0], 'Name');
  const waiting = container.wait();
  streams.write('echo %GREETING%& exit 9\r\n');
  assert.equal((await waiting).StatusCode, 9);
  assert(shown().includes('grüß'), shown());
  const logs = await container.logs({ stdout: true, stderr: true });
  assert(logs.toString().includes('grüß'));
  await container.start();
  await container.stop({ t: 0 });
  await assert.rejects(container.kill(), { statusCode: 409 });
} finally {
  await container.remove({ force: true });
}
await destroyed;
events.destroy();
for (const action of ['create', 'attach', 'start', 'die']) {
  assert(seen.includes(action), `${action}: ${seen}`);
}
