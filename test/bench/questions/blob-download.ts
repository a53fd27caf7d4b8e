import { join } from 'node:path';
import { type Contestant, dockerRegistry, portolan, pushBlob } from '../support/contestants.ts';
import { cpuSecondsOf, GIB, interleaved, load, MIB, median } from '../support/measure.ts';
import type { Question } from '../support/question.ts';

/** How much processor time does a GiB of stored blobs cost, over 8 connections? */
export const blobDownload: Question = async ({ folder, rounds }) => {
  await using node = await portolan(join(folder, 'portolan'));
  await using peer = await dockerRegistry(join(folder, 'docker-registry'));
  const answers = [];
  for (const { size, atMost } of [
    { size: MIB, atMost: 0.25 },
    { size: 100 * MIB, atMost: 0.7 },
  ]) {
    const results = await interleaved(rounds, {
      portolan: await costOf(node, size),
      'docker-registry': await costOf(peer, size),
    });
    const figures = {
      portolan: median(results('portolan')),
      'docker-registry': median(results('docker-registry')),
    };
    const ratio = figures.portolan / figures['docker-registry'];
    answers.push({
      question: `blob of ${size / MIB} MiB, 8 connections`,
      unit: 'CPU seconds a GiB',
      figures,
      promise: `at most ${atMost}x docker-registry`,
      ratio,
      isKept: ratio <= atMost,
    });
  }
  return answers;
};

async function costOf(server: Contestant, size: number): Promise<() => Promise<number>> {
  const digest = await pushBlob(server.url, 'bench/blobs', size);
  const url = `${server.url}/v2/bench/blobs/blobs/${digest}`;
  await load(url, { connections: 8, seconds: 1 });
  return async () => {
    const before = cpuSecondsOf(server.pid);
    const { bytes } = await load(url, { connections: 8, seconds: 4 });
    return (cpuSecondsOf(server.pid) - before) / (bytes / GIB);
  };
}
