/** Monolithic pushes, mounts, clients that break off or come at once, and restarts. */
import assert from 'node:assert/strict';
import { type Arbitrary, array, constant, constantFrom, nat, option, record } from 'fast-check';
import { digestOf } from '../../../src/oci/digest.ts';
import type { Answer } from '../../http/support/client.ts';
import { breakOff, sendHalf } from './half-request.ts';
import { BYTES, command, INDEX, onSession, type UploadCommand } from './upload-commands.ts';
import {
  adoptKept,
  appended,
  assertAt,
  assertBlob,
  assertError,
  ended,
  finished,
  type Session,
  streamOf,
  type UploadModel,
} from './upload-model.ts';

const monolithic: Arbitrary<UploadCommand> = record({
  bytes: BYTES,
  digestKind: constantFrom('sha256', 'sha512', 'wrong', 'md5:x'),
  isChunked: constantFrom(true, false),
}).map(({ bytes, digestKind, isChunked }) =>
  command(`push ${bytes.length} by ${digestKind}`, async (model, node) => {
    const [repository] = model.repositories;
    const digest =
      digestKind === 'wrong'
        ? digestOf(Buffer.concat([bytes, bytes, Buffer.from('!')]))
        : digestOf(bytes, digestKind === 'sha512' ? 'sha512' : 'sha256');
    const path = `/v2/${repository}/blobs/uploads/?digest=${digestKind === 'md5:x' ? 'md5:x' : digest}`;
    const body = isChunked ? streamOf(bytes) : bytes;
    const answer = await node.send({ method: 'POST', path, body });
    if (digestKind === 'sha256' || digestKind === 'sha512') {
      assert.equal(answer.status, 201, answer.body.toString());
      model.blobs.set(`${repository}@${digest}`, bytes);
    } else {
      assertError(answer, [400, 'DIGEST_INVALID']);
    }
    await assertBlob(node, model, { repository, digest });
  }),
);

const mount: Arbitrary<UploadCommand> = record({
  index: INDEX,
  from: constantFrom('there', 'anywhere', 'elsewhere', 'no name'),
}).map(({ index, from }) => ({
  check: ({ blobs }) => blobs.size > 0,
  async run(model, node) {
    const key = [...model.blobs.keys()][index % model.blobs.size] ?? '';
    const source = key.split('@', 1)[0] ?? '';
    const digest = digestOf(
      model.blobs.get(key) ?? Buffer.alloc(0),
      key.includes('@sha512') ? 'sha512' : 'sha256',
    );
    const [one, other] = model.repositories;
    const repository = source === one ? other : one;
    const names = { there: source, anywhere: '', elsewhere: 'local/unknown', 'no name': 'NO NAME' };
    const query = new URLSearchParams({ mount: digest, from: names[from] });
    const path = `/v2/${repository}/blobs/uploads/?${query.toString()}`;
    const answer = await node.send({ method: 'POST', path });
    if (from === 'there' || from === 'anywhere') {
      assert.equal(answer.status, 201);
      model.blobs.set(`${repository}@${digest}`, model.blobs.get(key) ?? Buffer.alloc(0));
    } else {
      assert.equal(answer.status, 202);
      const location = String(answer.headers.location);
      model.sessions.push({ repository, location, content: Buffer.alloc(0) });
    }
    await assertBlob(node, model, { repository, digest });
  },
  toString: () => `mount ${index} from ${from}`,
}));

/** The client of an append, or of the last one, goes away before all of it is sent. */
const breakOffAppend: Arbitrary<UploadCommand> = record({
  index: INDEX,
  bytes: BYTES,
  missing: option(nat(100_000), { nil: undefined }),
  isLast: constantFrom(true, false),
}).map(({ index, bytes, missing, isLast }) =>
  onSession(`break off after ${bytes.length}`, index, async (session, node) => {
    const path = session.location;
    const half = { sent: bytes, missing: missing === undefined ? undefined : missing + 1 };
    const digest = digestOf(Buffer.concat([session.content, bytes]));
    await breakOff(
      node,
      isLast
        ? { ...half, method: 'PUT', path: `${path}?digest=${digest}` }
        : { ...half, method: 'PATCH', path },
    );
    await adoptKept(node, session, bytes);
  }),
);

const breakOffMonolithic: Arbitrary<UploadCommand> = BYTES.map((sent) =>
  command(`break off a push after ${sent.length}`, async (model, node) => {
    const [repository] = model.repositories;
    const digest = digestOf(sent);
    const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
    await breakOff(node, { method: 'POST', path, sent, missing: 1 });
    await assertBlob(node, model, { repository, digest });
  }),
);

const restart: Arbitrary<UploadCommand> = constant(command('restart', (_, node) => node.restart()));

const restartWhileReceiving: Arbitrary<UploadCommand> = record({
  index: INDEX,
  bytes: BYTES,
  method: constantFrom('PATCH', 'PUT'),
}).map(({ index, bytes, method }) =>
  onSession(`restart after ${bytes.length}`, index, async (session, node) => {
    const path = `${session.location}?digest=${digestOf(session.content)}`;
    using _ = await sendHalf(node, { method, path, sent: bytes, missing: 1 });
    // By the time of its answer the node has read what was sent before.
    await node.send({ path: '/v2/' });
    await node.restart();
    await adoptKept(node, session, bytes);
  }),
);

const cancelWhileReceiving: Arbitrary<UploadCommand> = record({ index: INDEX, bytes: BYTES }).map(
  ({ index, bytes }) =>
    onSession(`cancel after ${bytes.length}`, index, async (session, node, model) => {
      const path = session.location;
      using _ = await sendHalf(node, { method: 'PATCH', path, sent: bytes, missing: 1 });
      const answer = await node.send({ method: 'DELETE', path });
      assert.equal(answer.status, 204);
      ended(model, session);
    }),
);

/** One at a time gets in; the others are told so, or that the session is further by now. */
const appendAtOnce: Arbitrary<UploadCommand> = record({
  index: INDEX,
  bodies: array(BYTES, { minLength: 2, maxLength: 4 }),
  isRanged: constantFrom(true, false),
}).map(({ index, bodies, isRanged }) =>
  onSession(`append ${bodies.length} at once`, index, async (session, node) => {
    const at = session.content.length;
    const answers = await Promise.all(
      bodies.map(async (body) => {
        const range = `${at}-${at + body.length - 1}`;
        const headers = isRanged && body.length > 0 ? { 'Content-Range': range } : {};
        const answer = await node.send({ method: 'PATCH', path: session.location, headers, body });
        return { body, answer };
      }),
    );
    const accepted = answers.filter(({ answer }) => answer.status === 202);
    assert.notEqual(accepted.length, 0);
    for (const { body, answer } of accepted.toSorted(
      (one, other) => lengthIn(one) - lengthIn(other),
    )) {
      appended(session, body);
      assertAt(session, answer);
    }
    for (const { answer } of answers) if (answer.status !== 202) assertBusy(answer);
  }),
);

const finishWhileAppending: Arbitrary<UploadCommand> = record({ index: INDEX, bytes: BYTES }).map(
  ({ index, bytes }) =>
    onSession(`finish and append ${bytes.length} at once`, index, async (session, node, model) => {
      const path = session.location;
      const digest = digestOf(session.content);
      const [put, patch] = await Promise.all([
        node.send({ method: 'PUT', path: `${path}?digest=${digest}`, body: '' }),
        node.send({ method: 'PATCH', path, body: streamOf(bytes) }),
      ]);
      if (patch.status === 202) appended(session, bytes);
      else assertBusy(patch);
      if (put.status === 201) finished(model, session, digest);
      else if (put.code === 'DIGEST_INVALID') ended(model, session);
      else assertBusy(put);
      // A digest that is right for what there was, or nobody got in the way of the append.
      assert.ok(put.status === 201 || patch.status === 202);
      await assertBlob(node, model, { repository: session.repository, digest });
    }),
);

const finishTwice: Arbitrary<UploadCommand> = record({
  index: INDEX,
  bytes: BYTES,
  second: constantFrom('PUT', 'DELETE'),
}).map(({ index, bytes, second }) =>
  onSession(`finish and ${second} at once`, index, async (session, node, model) => {
    const digest = digestOf(Buffer.concat([session.content, bytes]));
    const path = `${session.location}?digest=${digest}`;
    const answers = await Promise.all([
      node.send({ method: 'PUT', path, body: bytes }),
      node.send({ method: second, path, body: second === 'PUT' ? bytes : '' }),
    ]);
    const successes = answers.filter(({ status }) => status < 300);
    assert.equal(successes.length, 1, answers.map(({ status }) => status).join());
    for (const answer of answers) if (answer.status >= 300) assertBusy(answer);
    settle(model, session, { bytes, isKept: successes[0]?.status === 201 });
    await assertBlob(node, model, { repository: session.repository, digest });
  }),
);

function settle(
  model: UploadModel,
  session: Session,
  { bytes, isKept }: { bytes: Buffer; isKept: boolean },
): void {
  if (!isKept) return ended(model, session);
  appended(session, bytes);
  finished(model, session, digestOf(session.content));
}

function lengthIn({ answer, body }: { answer: Answer; body: Buffer }): number {
  // Nothing comes before the one byte that looks the same.
  return Number(String(answer.headers.range).slice(2)) + (body.length === 0 ? 0 : 0.5);
}

/** Somebody else is sending, has sent, or has ended it. */
function assertBusy({ status, code, body }: Answer): void {
  const expected = [
    '400 BLOB_UPLOAD_INVALID',
    '416 BLOB_UPLOAD_INVALID',
    '404 BLOB_UPLOAD_UNKNOWN',
  ];
  assert.ok(expected.includes(`${status} ${code}`), body.toString());
}

export const AT_ONCE: readonly Arbitrary<UploadCommand>[] = [
  monolithic,
  mount,
  breakOffAppend,
  breakOffMonolithic,
  restart,
  restartWhileReceiving,
  cancelWhileReceiving,
  appendAtOnce,
  finishWhileAppending,
  finishTwice,
];
