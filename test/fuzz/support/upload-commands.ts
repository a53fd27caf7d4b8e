/** What a client does with one session after the other. */
import assert from 'node:assert/strict';
import {
  type Arbitrary,
  type AsyncCommand,
  constant,
  constantFrom,
  nat,
  oneof,
  option,
  record,
} from 'fast-check';
import { type Digest, type DigestAlgorithm, digestOf } from '../../../src/oci/digest.ts';
import type { FuzzNode } from './node.ts';
import {
  appended,
  assertAt,
  assertBlob,
  assertError,
  assertUnknown,
  contentOf,
  ended,
  finished,
  type Session,
  streamOf,
  type UploadModel,
} from './upload-model.ts';

export type UploadCommand = AsyncCommand<UploadModel, FuzzNode>;

/** Where the session's writes go in 64 KiB, chunks of half of that are written as they come. */
const SIZES = oneof(
  { weight: 3, arbitrary: nat(30) },
  { weight: 1, arbitrary: constantFrom(0, 1, 2, 7_000, 32_767, 65_536, 65_537, 200_000) },
);
export const BYTES: Arbitrary<Buffer> = record({ seed: nat(), size: SIZES }).map(({ seed, size }) =>
  contentOf(seed, size),
);
/** Which of several, whatever their number. */
export const INDEX = nat(20);

/** Does something with a session that is open, and nothing while none is. */
export function onSession(
  name: string,
  index: number,
  run: (session: Session, node: FuzzNode, model: UploadModel) => Promise<void>,
): UploadCommand {
  return {
    check: ({ sessions }) => sessions.length > 0,
    async run(model, node) {
      const session = model.sessions[index % model.sessions.length];
      assert.ok(session);
      await run(session, node, model);
    },
    toString: () => `${name} on ${index}`,
  };
}

/** Does something that needs no session. */
export function command(
  name: string,
  run: (model: UploadModel, node: FuzzNode) => Promise<void>,
): UploadCommand {
  return { check: () => true, run, toString: () => name };
}

const start: Arbitrary<UploadCommand> = constantFrom(
  '',
  '?digest-algorithm=sha256',
  '?digest-algorithm=sha512',
  `?mount=${digestOf(Buffer.from('nobody has this'))}`,
).map((query) =>
  command(`start ${query}`, async (model, node) => {
    const [repository] = model.repositories;
    const path = `/v2/${repository}/blobs/uploads/${query}`;
    const answer = await node.send({ method: 'POST', path });
    assert.equal(answer.status, 202);
    const location = String(answer.headers.location);
    const session = { repository, location, content: Buffer.alloc(0) };
    model.sessions.push(session);
    assertAt(session, answer);
  }),
);

const startUnknown: Arbitrary<UploadCommand> = constant(
  command('start with md5', async ({ repositories }, node) => {
    const path = `/v2/${repositories[0]}/blobs/uploads/?digest-algorithm=md5`;
    assertError(await node.send({ method: 'POST', path }), [400, 'DIGEST_INVALID']);
  }),
);

/** How a client says where its bytes go. */
const PLACES = [
  'nowhere',
  'in order',
  'after a gap',
  'again',
  'longer',
  'shorter',
  'malformed',
] as const;
type Place = (typeof PLACES)[number];

/** The `Content-Range`, if any, and how a body that claims it is refused, if it is. */
interface Claim {
  readonly range?: string;
  readonly refusal?: [number, string];
}

function claimOf(place: Place, { content }: Session, { length }: Buffer): Claim {
  const at = content.length;
  // There is no range of nothing, and none that is shorter than one byte or starts before the first.
  if (length === 0) return {};
  const outOfOrder = [416, 'BLOB_UPLOAD_INVALID'] satisfies [number, string];
  const otherSize = [400, 'SIZE_INVALID'] satisfies [number, string];
  switch (place) {
    case 'nowhere':
      return {};
    case 'in order':
      return { range: rangeOf(at, length) };
    case 'after a gap':
      return { range: rangeOf(at + 1 + (length % 7), length), refusal: outOfOrder };
    case 'again':
      return at === 0 ? {} : { range: rangeOf(length % at, length), refusal: outOfOrder };
    case 'longer':
      return { range: rangeOf(at, length + 3), refusal: otherSize };
    case 'shorter':
      return length === 1 ? {} : { range: rangeOf(at, length - 1), refusal: otherSize };
    case 'malformed':
      return { range: `bytes=${rangeOf(at, length)}`, refusal: [400, 'BLOB_UPLOAD_INVALID'] };
    default:
      return assert.fail(place);
  }
}

interface Body {
  readonly bytes: Buffer;
  readonly place: Place;
  readonly isChunked: boolean;
}
const BODIES: Arbitrary<Body> = record({
  bytes: BYTES,
  place: oneof(constantFrom('nowhere', 'in order'), constantFrom(...PLACES)),
  isChunked: constantFrom(true, false),
});

function rangeOf(from: number, size: number): string {
  return `${from}-${from + size - 1}`;
}

function contentRange({ range }: Claim): Readonly<Record<string, string>> {
  return range === undefined ? {} : { 'Content-Range': range };
}

const append: Arbitrary<UploadCommand> = record({ index: INDEX, body: BODIES }).map(
  ({ index, body: { bytes, place, isChunked } }) =>
    onSession(`append ${bytes.length} ${place}`, index, async (session, node) => {
      const claim = claimOf(place, session, bytes);
      const answer = await node.send({
        method: 'PATCH',
        path: session.location,
        headers: contentRange(claim),
        body: isChunked ? streamOf(bytes) : bytes,
      });
      if (claim.refusal === undefined) {
        assert.equal(answer.status, 202, answer.body.toString());
        appended(session, bytes);
        assertAt(session, answer);
      } else {
        assertError(answer, claim.refusal);
        if (answer.status === 416) assertAt(session, answer);
      }
    }),
);

const status: Arbitrary<UploadCommand> = INDEX.map((index) =>
  onSession('status', index, async (session, node) => {
    const answer = await node.send({ path: session.location });
    assert.equal(answer.status, 204);
    assertAt(session, answer);
  }),
);

const DIGESTS = ['sha256', 'sha512', 'wrong', 'sha256:x', ''] as const;
type DigestKind = (typeof DIGESTS)[number];
const NOTHING: Body = { bytes: Buffer.alloc(0), place: 'nowhere', isChunked: false };

function digestFor(kind: DigestAlgorithm | 'wrong', content: Buffer): Digest {
  if (kind !== 'wrong') return digestOf(content, kind);
  return digestOf(Buffer.concat([content, Buffer.from('not this')]));
}

const finish: Arbitrary<UploadCommand> = record({
  index: INDEX,
  kind: oneof(constantFrom('sha256', 'sha512'), constantFrom<DigestKind>(...DIGESTS)),
  body: option(BODIES, { nil: NOTHING }),
}).map(({ index, kind, body }) =>
  onSession(
    `finish by ${kind} with ${body.bytes.length} ${body.place}`,
    index,
    (session, node, model) =>
      kind === '' || kind === 'sha256:x'
        ? finishByNone(kind, session, node)
        : finishBy({ kind, body }, session, node, model),
  ),
);

async function finishByNone(digest: string, session: Session, node: FuzzNode): Promise<void> {
  const path = `${session.location}${digest === '' ? '' : `?digest=${digest}`}`;
  assertError(await node.send({ method: 'PUT', path, body: '' }), [400, 'DIGEST_INVALID']);
}

async function finishBy(
  { kind, body }: { kind: DigestAlgorithm | 'wrong'; body: Body },
  session: Session,
  node: FuzzNode,
  model: UploadModel,
): Promise<void> {
  const { bytes, place, isChunked } = body;
  const claim = claimOf(place, session, bytes);
  const whole = Buffer.concat([session.content, bytes]);
  const digest = digestFor(kind, whole);
  const answer = await node.send({
    method: 'PUT',
    path: `${session.location}?digest=${digest}`,
    headers: contentRange(claim),
    body: isChunked ? streamOf(bytes) : bytes,
  });
  if (claim.refusal !== undefined) {
    assertError(answer, claim.refusal);
  } else if (kind === 'wrong') {
    assertError(answer, [400, 'DIGEST_INVALID']);
    ended(model, session);
  } else {
    assert.equal(answer.status, 201, answer.body.toString());
    assert.equal(answer.headers['docker-content-digest'], digest);
    session.content = whole;
    finished(model, session, digest);
  }
  await assertBlob(node, model, { repository: session.repository, digest });
}

const cancel: Arbitrary<UploadCommand> = INDEX.map((index) =>
  onSession('cancel', index, async (session, node, model) => {
    const answer = await node.send({ method: 'DELETE', path: session.location });
    assert.equal(answer.status, 204);
    ended(model, session);
  }),
);

const useEnded: Arbitrary<UploadCommand> = record({
  index: INDEX,
  method: constantFrom('GET', 'PATCH', 'PUT', 'DELETE'),
  bytes: BYTES,
}).map(({ index, method, bytes }) => ({
  check: ({ over }) => over.length > 0,
  async run({ over }, node) {
    const location = over[index % over.length] ?? '';
    const path = method === 'PUT' ? `${location}?digest=${digestOf(bytes)}` : location;
    const body = method === 'GET' || method === 'DELETE' ? '' : bytes;
    assertUnknown(await node.send({ method, path, body }));
  },
  toString: () => `${method} of an ended one`,
}));

export const SEQUENTIAL: readonly Arbitrary<UploadCommand>[] = [
  start,
  start,
  startUnknown,
  append,
  append,
  append,
  status,
  finish,
  finish,
  cancel,
  useEnded,
];
