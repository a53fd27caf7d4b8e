import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import type { Answer } from '../../http/support/client.ts';
import type { FuzzNode } from './node.ts';

/** An upload session as its client knows it. */
export interface Session {
  readonly repository: string;
  readonly location: string;
  /** Every byte that was acknowledged. */
  content: Buffer;
}

/** What must be true of the node's uploads. */
export interface UploadModel {
  /** Two, for mounts from one into the other. */
  readonly repositories: readonly [string, string];
  readonly sessions: Session[];
  /** Locations of sessions that are over. */
  readonly over: string[];
  /** By repository and digest. */
  readonly blobs: Map<string, Buffer>;
}

let models = 0;

/** Over repositories that nothing was pushed to yet. */
export function newModel(): UploadModel {
  models += 1;
  const repositories = [`local/u${models}/a`, `local/u${models}/b`] as const;
  return { repositories, sessions: [], over: [], blobs: new Map() };
}

/** Content that is told from every other of another seed, byte by byte. */
export function contentOf(seed: number, size: number): Buffer {
  // An extendable output of no bytes is refused.
  if (size === 0) return Buffer.alloc(0);
  return createHash('shake256', { outputLength: size }).update(String(seed)).digest();
}

/** As several chunks. */
export function streamOf(bytes: Buffer): Readable {
  const pieces: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += 7_000) {
    pieces.push(bytes.subarray(start, start + 7_000));
  }
  return Readable.from(pieces);
}

/** Adds what was acknowledged. */
export function appended(session: Session, bytes: Buffer): void {
  session.content = Buffer.concat([session.content, bytes]);
}

/** No request of the session works any more. */
export function ended(model: UploadModel, session: Session): void {
  model.sessions.splice(model.sessions.indexOf(session), 1);
  model.over.push(session.location);
}

/** The session became a blob. */
export function finished(model: UploadModel, session: Session, digest: Digest): void {
  ended(model, session);
  model.blobs.set(`${session.repository}@${digest}`, session.content);
}

/** The answer says that the session is where the model has it. */
export function assertAt({ location, content }: Session, { headers }: Answer): void {
  assert.equal(headers.location, location);
  assert.equal(headers.range, `0-${Math.max(0, content.length - 1)}`);
}

export function assertError({ status, code, body }: Answer, expected: [number, string]): void {
  assert.deepEqual([status, code], expected, body.toString());
}

export function assertUnknown(answer: Answer): void {
  assertError(answer, [404, 'BLOB_UPLOAD_UNKNOWN']);
}

/** The blob is served whole if the model has it, and else not at all. */
export async function assertBlob(
  node: FuzzNode,
  { blobs }: UploadModel,
  blob: { readonly repository: string; readonly digest: Digest },
): Promise<void> {
  const { repository, digest } = blob;
  const expected = blobs.get(`${repository}@${digest}`);
  const answer = await node.send({ path: `/v2/${repository}/blobs/${digest}` });
  assert.equal(answer.status, expected === undefined ? 404 : 200);
  assert.ok(expected === undefined || answer.body.equals(expected), `${digest} has other bytes`);
}

/** Takes over how much the node has kept of what it never acknowledged: a beginning of `offered`. */
export async function adoptKept(node: FuzzNode, session: Session, offered: Buffer): Promise<void> {
  const { status, headers } = await node.send({ path: session.location });
  assert.equal(status, 204);
  const end = Number(/^0-([0-9]+)$/.exec(String(headers.range))?.[1]) + 1;
  // `0-0` says one byte, or none.
  const isEmpty = end === 1 && session.content.length === 0 && (await isStillEmpty(node, session));
  const kept = isEmpty ? 0 : end - session.content.length;
  assert.ok(kept >= 0 && kept <= offered.length, `${kept} of ${offered.length} kept`);
  appended(session, offered.subarray(0, kept));
}

/** Every session goes on to its end, every blob is served, and nothing else is left. */
export async function assertAll(node: FuzzNode, model: UploadModel): Promise<void> {
  for (const session of model.sessions.slice()) {
    assertAt(session, await node.send({ path: session.location }));
    const digest = digestOf(session.content);
    const path = `${session.location}?digest=${digest}`;
    const { status, body } = await node.send({ method: 'PUT', path, body: '' });
    assert.equal(status, 201, body.toString());
    finished(model, session, digest);
  }
  for (const key of model.blobs.keys()) {
    const [repository = '', digest = ''] = key.split('@');
    const answer = await node.send({ path: `/v2/${repository}/blobs/${digest}` });
    assert.equal(answer.status, 200);
    assert.ok(model.blobs.get(key)?.equals(answer.body), `${key} has other bytes`);
  }
  for (const location of model.over) assertUnknown(await node.send({ path: location }));
}

/** Asks with a chunk that is shorter than it says: refused for that at the first byte, and with 416 behind it. */
async function isStillEmpty(node: FuzzNode, { location }: Session): Promise<boolean> {
  const headers = { 'Content-Range': '0-1' };
  const body = streamOf(Buffer.from('x'));
  const answer = await node.send({ method: 'PATCH', path: location, headers, body });
  assert.ok([400, 416].includes(answer.status));
  return answer.status === 400;
}
