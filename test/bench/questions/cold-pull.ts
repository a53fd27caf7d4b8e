import { join } from 'node:path';
import {
  type Contestant,
  dockerRegistryProxy,
  portolan,
  pushBlob,
  upstreamRegistry,
} from '../support/contestants.ts';
import {
  type Download,
  download,
  interleaved,
  linkBytes,
  MIB,
  median,
} from '../support/measure.ts';
import type { Answer, Question } from '../support/question.ts';

const BLOB_BYTES = 200 * MIB;
const HERD = 20;

/** What does a cold blob cost over a link of 1 Gbit/s: one client's time, and a herd's bytes? */
export const coldPull: Question = async ({ folder, rounds, upstreamNamespace }) => {
  await using upstream = await upstreamRegistry(join(folder, 'upstream'), upstreamNamespace);
  await using node = await portolan(join(folder, 'portolan'), upstream.url);
  await using peer = await dockerRegistryProxy(join(folder, 'docker-registry'), upstream.url);
  const freshBlob = async () => {
    const digest = await pushBlob(upstream.url, 'library/cold', BLOB_BYTES);
    return `/v2/library/cold/blobs/${digest}`;
  };
  const single = (server: Contestant) => async () => download(`${server.url}${await freshBlob()}`);
  const herd = (server: Contestant, clients: number) => async () =>
    linkBytesOf(server, await freshBlob(), clients);

  const alone = await interleaved(rounds, {
    direct: single(upstream),
    portolan: single(node),
    'docker-registry': single(peer),
  });
  const together = await interleaved(Math.min(rounds, 3), {
    direct: herd(upstream, 1),
    portolan: herd(node, HERD),
    'docker-registry': herd(peer, HERD),
  });

  return [...timesOf(alone), bytesOf(together)];
};

async function linkBytesOf(server: Contestant, path: string, clients: number): Promise<number> {
  const before = linkBytes();
  await Promise.all(Array.from({ length: clients }, () => download(`${server.url}${path}`)));
  return linkBytes() - before;
}

function timesOf(
  resultsOf: (name: 'direct' | 'portolan' | 'docker-registry') => readonly Download[],
) {
  const medians = (pick: (result: Download) => number) => ({
    direct: median(resultsOf('direct').map(pick)),
    portolan: median(resultsOf('portolan').map(pick)),
    'docker-registry': median(resultsOf('docker-registry').map(pick)),
  });
  const firstByte = medians(({ firstByteMs }) => firstByteMs);
  const total = medians(({ totalMs }) => totalMs);
  const slower = total.portolan / total.direct;
  return [
    {
      question: 'cold blob of 200 MiB over 1 Gbit/s, first byte',
      unit: 'ms',
      figures: firstByte,
      promise: 'told, not promised',
      ratio: firstByte.portolan / firstByte.direct,
      isKept: true,
    },
    {
      question: 'cold blob of 200 MiB over 1 Gbit/s, last byte',
      unit: 'ms',
      figures: total,
      promise: 'at most 1.1x direct',
      ratio: slower,
      isKept: slower <= 1.1,
    },
  ];
}

function bytesOf(
  resultsOf: (name: 'direct' | 'portolan' | 'docker-registry') => readonly number[],
): Answer {
  // What one download without anybody between brings over the link, frames included.
  const once = median(resultsOf('direct'));
  const figures = {
    portolan: median(resultsOf('portolan')) / once,
    'docker-registry': median(resultsOf('docker-registry')) / once,
  };
  return {
    question: `herd of ${HERD} for one cold blob of 200 MiB`,
    unit: 'times its bytes over the link',
    figures,
    promise: '1.00x: each byte once',
    ratio: figures.portolan,
    isKept: figures.portolan <= 1.02,
  };
}
