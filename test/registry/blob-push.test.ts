import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import type { OpenBlob } from '../../src/registry/peer.ts';
import { upstreamSent } from '../../src/telemetry/channels.ts';
import { opening } from '../adapters/conformance-pushes.ts';
import { BLOB, BYTES, LIMITS, MIB, PATCH, PUT, signal, world } from './support/pushes.ts';

describe('a push that breaks off', () => {
  for (const { name, how } of [
    { name: 'is reset', how: { resetBodyAfter: 3 * MIB } },
    { name: 'stalls', how: { ignoreBodyAfter: 3 * MIB } },
  ]) {
    it(`goes on in chunks from where the registry is when its connection ${name}`, async () => {
      await using push = await world();
      push.upstream.behave({ ...PUT, times: 1 }, how);

      await push.run();

      assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
      const [first, second = 0, ...more] = push.opened;
      assert.equal(first, 0);
      assert.ok(second >= 3 * MIB, `opened again at ${second}`);
      assert.deepEqual(more, []);
      const taken = push.upstream.requests.reduce(
        (sum, { receivedBytes }) => sum + receivedBytes,
        0,
      );
      assert.equal(taken, BYTES.length);
      const ranges = push.upstream.seen(PATCH).map(({ headers }) => headers['content-range']);
      assert.equal(ranges.length, 3);
      assert.equal(ranges.at(-1)?.split('-')[1], String(BYTES.length - 1));
    });
  }

  it('goes on after a chunk that broke off, too', async () => {
    await using push = await world();
    push.upstream.behave({ ...PUT, times: 1 }, { resetBodyAfter: MIB });
    push.upstream.behave({ ...PATCH, times: 1 }, { resetBodyAfter: MIB });

    await push.run();

    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
    const taken = push.upstream.requests.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
    assert.equal(taken, BYTES.length);
  });

  it('starts again where the registry forgot the upload', async () => {
    await using push = await world({ keepsParts: false });
    push.upstream.behave({ ...PUT, times: 1 }, { resetBodyAfter: 3 * MIB });

    await push.run();

    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
    assert.deepEqual(push.opened, [0, 0]);
  });

  it('is over when only the answer was lost', async () => {
    await using push = await world();
    push.upstream.behave({ ...PUT, times: 1 }, { resetBeforeAnswer: true });

    await push.run();

    assert.deepEqual(push.opened, [0]);
    assert.equal(push.upstream.count({ method: 'POST' }), 1);
  });

  it('goes on after a 500 to the whole of it', async () => {
    await using push = await world();
    push.upstream.behave({ ...PUT, times: 1 }, { status: 500 });

    await push.run();

    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
  });

  it('is given up after three times without a byte kept, with what was wrong', async () => {
    await using push = await world({ keepsParts: false });
    push.upstream.behave(PUT, { resetBodyAfter: MIB });
    push.upstream.behave(PATCH, { resetBodyAfter: MIB });

    await assert.rejects(push.run(), { name: 'UpstreamUnavailable', reason: 'unreachable' });

    assert.equal(push.opened.length, 3);
  });

  it('is not given up while each attempt gets further', async () => {
    await using push = await world();
    push.upstream.behave({ ...PUT, times: 1 }, { resetBodyAfter: MIB });
    push.upstream.behave({ ...PATCH, times: 5 }, { resetBodyAfter: MIB });

    await push.run();

    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
  });

  it('makes chunks as small as something on the way wants them, and no smaller than the registry does', async () => {
    await using push = await world(
      { leastChunkBytes: 3 * MIB },
      { limits: { ...LIMITS, chunkBytes: 4 * MIB } },
    );
    push.upstream.behave({ ...PUT, times: 1 }, { status: 413 });
    push.upstream.behave({ ...PATCH, times: 1 }, { status: 413 });

    await push.run();

    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
    const sizes = push.upstream.seen(PATCH).map(({ headers }) => Number(headers['content-length']));
    assert.deepEqual(sizes, [4 * MIB, 3 * MIB, 3 * MIB, 2 * MIB]);
  });

  it('makes chunks that are smaller than the blob', async () => {
    await using push = await world({}, { limits: { ...LIMITS, chunkBytes: 32 * MIB } });
    push.upstream.behave({ ...PUT, times: 1 }, { status: 413 });

    await push.run();

    const sizes = push.upstream.seen(PATCH).map(({ headers }) => Number(headers['content-length']));
    assert.deepEqual(sizes, [2 * MIB, 2 * MIB, 2 * MIB, 2 * MIB]);
  });

  it('says that it is too large where no chunk is small enough', async () => {
    await using push = await world();
    push.upstream.behave(PUT, { status: 413 });
    push.upstream.behave(PATCH, { status: 413 });

    await assert.rejects(push.run(), { name: 'UpstreamRefused', status: 413 });
  });

  it('fails with the source’s own error, which says nothing against the registry', async () => {
    await using push = await world();
    const lost = new Error('the source is gone');
    const half = async function* () {
      yield BYTES.subarray(0, MIB);
      throw lost;
    };
    for (let i = 0; i < 6; i++) {
      await assert.rejects(
        push.run(async () => Readable.from(half())),
        lost,
      );
    }
    await assert.rejects(
      push.run(async () => {
        throw lost;
      }),
      lost,
    );

    await push.run();

    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
  });

  it('starts again where bytes of the broken request came after all, once the registry had said how far it was', async () => {
    await using push = await world();
    push.upstream.behave({ ...PUT, times: 1 }, { resetBodyAfter: 3 * MIB });
    const late: OpenBlob = async (start, options) => {
      const isResuming = push.opened.length === 2;
      const content = await opening(BYTES)(start, options);
      if (!isResuming) return content;
      return Readable.from(
        (async function* () {
          yield* content;
          push.upstream.uploads.addLate(Buffer.from('late'));
        })(),
      );
    };

    await push.run(late);

    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
    assert.equal(push.opened.at(-1), 0);
  });

  it('does not start again where the content itself is another one', async () => {
    await using push = await world();

    await assert.rejects(push.run(opening(Buffer.alloc(BLOB.size))), { code: 'DIGEST_INVALID' });

    assert.deepEqual(push.opened, [0]);
  });

  it('fails when there is less of the content than was said, and takes no more of it', async () => {
    await using push = await world();

    await assert.rejects(push.run(opening(BYTES.subarray(0, MIB))), { name: 'ContentCutShort' });
    assert.equal(push.upstream.blobIn('team/app', BLOB.digest), undefined);

    await push.run(opening(Buffer.concat([BYTES, BYTES])));
    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
  });

  it('waits for a slow source as long as it takes', async () => {
    await using push = await world();
    await push.run(async () => Readable.from(slowly()));

    assert.equal(push.upstream.count({ method: 'POST' }), 1);
  });

  it('tells how many bytes left', async () => {
    await using push = await world();
    let bytes = 0;
    using _ = upstreamSent.subscribe((fact) => {
      bytes += fact.bytes;
    });

    await push.run();

    assert.equal(bytes, BYTES.length);
  });
});

describe('a push in chunks', () => {
  it('takes more than one request’s worth from one opening', async () => {
    await using push = await world();
    push.upstream.behave({ ...PUT, times: 1 }, { status: 413 });

    await push.run();

    assert.deepEqual(push.opened, [0, 0]);
    assert.equal(push.upstream.count(PATCH), 4);
  });

  it('is no longer possible once the upload is gone, and starts again', async () => {
    await using push = await world();
    push.upstream.behave({ ...PUT, times: 1 }, { status: 413 });
    let chunks = 0;
    const forgetting: OpenBlob = async (start) =>
      Readable.from(
        (function* () {
          for (let at = start; at < BYTES.length; at += MIB) {
            if (++chunks === 5) push.upstream.uploads.forgetAll();
            yield BYTES.subarray(at, at + MIB);
          }
        })(),
      );

    await push.run(forgetting);

    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
  });
});

describe('a mount', () => {
  it('is not believed where the registry says that it is of another blob', async () => {
    await using push = await world();
    const headers = { 'docker-content-digest': digestOf(Buffer.from('another')) };
    push.upstream.behave({ method: 'POST', path: /mount=/ }, { status: 201, headers });

    await assert.rejects(push.peer.mountBlob('team/app', BLOB.digest, 'team/base', { signal }), {
      name: 'UpstreamInvalid',
    });
  });
});

describe('where an upload is', () => {
  const elsewhere = [
    { name: 'no URL', location: () => 'http://[' },
    { name: 'another scheme', location: () => 'ftp://x/' },
  ];
  for (const { name, location } of elsewhere) {
    it(`is refused when it is ${name}`, async () => {
      await using push = await world({ location });

      await assert.rejects(push.run(), { name: 'UpstreamInvalid' });
    });
  }

  it('follows a 307 with the content once more, and no other redirect', async () => {
    await using push = await world();
    push.upstream.behave(
      { ...PUT, times: 1 },
      { redirectTo: (path) => new URL(`${path}&again=1`, push.upstream.url) },
    );

    await push.run();

    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
    push.upstream.behave(PUT, { status: 302, redirectTo: new URL('x', push.upstream.url) });
    await assert.rejects(push.run(), { name: 'UpstreamInvalid', message: /302/ });
  });
});

async function* slowly(): AsyncGenerator<Buffer> {
  yield BYTES.subarray(0, MIB);
  await new Promise((go) => setTimeout(go, 2 * LIMITS.silenceMs));
  yield BYTES.subarray(MIB);
}
