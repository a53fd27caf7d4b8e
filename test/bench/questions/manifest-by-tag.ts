import { join } from 'node:path';
import { type Contestant, dockerRegistry, portolan, pushManifest } from '../support/contestants.ts';
import { cpuSecondsOf, interleaved, load, median } from '../support/measure.ts';
import type { Question } from '../support/question.ts';

/**
 * How many manifests does a second of one core answer, asked by tag over 16 connections? By the processor time that the
 * server used, so that another program on the core is not billed to it.
 */
export const manifestByTag: Question = async ({ folder, rounds }) => {
  await using node = await portolan(join(folder, 'portolan'));
  await using peer = await dockerRegistry(join(folder, 'docker-registry'));
  for (const { url } of [node, peer]) await pushManifest(url, 'bench/image', 'latest');
  await ask(node)(); // The compiler has seen the path once.

  const resultsOf = await interleaved(rounds, {
    portolan: ask(node),
    'docker-registry': ask(peer),
  });

  const figures = {
    portolan: median(resultsOf('portolan')),
    'docker-registry': median(resultsOf('docker-registry')),
  };
  const ratio = figures.portolan / figures['docker-registry'];
  return [
    {
      question: 'manifest by tag, 16 connections',
      unit: 'requests a CPU second',
      figures,
      promise: 'at least 15x docker-registry',
      ratio,
      isKept: ratio >= 15,
    },
  ];
};

const SECONDS = 3;

function ask(server: Contestant): () => Promise<number> {
  const path = `${server.url}/v2/bench/image/manifests/latest`;
  return async () => {
    const before = cpuSecondsOf(server.pid);
    const { requestsASecond } = await load(path, { connections: 16, seconds: SECONDS });
    return (requestsASecond * SECONDS) / (cpuSecondsOf(server.pid) - before);
  };
}
