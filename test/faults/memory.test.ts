import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { get, request } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import got from 'got';
import { startPortolan } from '../interop/support/registries.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { contentOf } from './support/content.ts';
import { rounds } from './support/form.ts';

const MIB = 1 << 20;
const MOST_RESIDENT_MIB = 400;
const PIECE = contentOf('piece', MIB);

describe('a busy node', { timeout: 1_800_000 }, () => {
  it(`stays below ${MOST_RESIDENT_MIB} MiB whatever is pulled and pushed`, async (test) => {
    await using directory = await temporaryDirectory();
    await using node = await startPortolan(join(directory.path, 'node'));
    const authorization = `Basic ${btoa(`admin:${node.adminPassword}`)}`;
    const pieces = rounds({ short: 256, long: 1024 });
    const digest = await push(node.url, { authorization, pieces, salt: 0 });
    const url = `${node.url}/v2/local/memory/blobs/${digest}`;

    await Promise.all([
      ...Array.from({ length: rounds({ short: 30, long: 100 }) }, () => drain(url)),
      ...Array.from({ length: rounds({ short: 5, long: 20 }) }, (_, index) =>
        push(node.url, { authorization, pieces, salt: index + 1 }),
      ),
    ]);

    const peak = peakResidentMib(node.pid);
    test.diagnostic(`peak resident size ${peak} MiB`);
    assert.ok(peak < MOST_RESIDENT_MIB, `${peak} MiB`);
  });
});

function peakResidentMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024);
}

/** Reads the blob away; rejects unless it comes whole. */
function drain(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      response.on('error', reject).on('end', resolve).resume();
    }).on('error', reject);
  });
}

/** Pushes so many MiB in one PUT without ever holding them; returns their digest. */
async function push(
  url: string,
  { authorization, pieces, salt }: { authorization: string; pieces: number; salt: number },
): Promise<string> {
  const first = contentOf(`salt ${salt}`, MIB);
  const hash = createHash('sha256').update(first);
  for (let piece = 1; piece < pieces; piece++) hash.update(PIECE);
  const digest = `sha256:${hash.digest('hex')}`;
  const headers = { authorization };
  const { headers: started } = await got.post(`${url}/v2/local/memory/blobs/uploads/`, { headers });
  const target = new URL(started.location ?? '', url);
  target.searchParams.set('digest', digest);
  await put(target, { authorization, 'content-length': pieces * MIB }, async (write) => {
    await write(first);
    for (let piece = 1; piece < pieces; piece++) await write(PIECE);
  });
  return digest;
}

function put(
  url: URL,
  headers: Record<string, string | number>,
  body: (write: (chunk: Buffer) => Promise<void>) => Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const out = request(url, { method: 'PUT', headers, agent: false }, (response) => {
      response.resume();
      if (response.statusCode === 201) resolve();
      else reject(new Error(`PUT answered ${response.statusCode}`));
    });
    out.on('error', reject);
    const write = (chunk: Buffer) =>
      new Promise<void>((done, fail) => {
        out.write(chunk, (error) => (error ? fail(error) : done()));
      });
    body(write).then(() => out.end(), reject);
  });
}
