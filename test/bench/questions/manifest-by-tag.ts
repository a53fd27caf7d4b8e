import { join } from 'node:path';
import { dockerRegistry, portolan, pushManifest } from '../support/contestants.ts';
import { interleaved, load, median } from '../support/measure.ts';
import type { Question } from '../support/question.ts';

/** How many manifests a second does one core answer, asked by tag over 16 connections? */
export const manifestByTag: Question = async ({ folder, rounds }) => {
  await using node = await portolan(join(folder, 'portolan'));
  await using peer = await dockerRegistry(join(folder, 'docker-registry'));
  for (const { url } of [node, peer]) await pushManifest(url, 'bench/image', 'latest');
  await ask(node.url)(); // The compiler has seen the path once.

  const results = await interleaved(rounds, {
    portolan: ask(node.url),
    'docker-registry': ask(peer.url),
  });

  const figures = {
    portolan: median(results('portolan')),
    'docker-registry': median(results('docker-registry')),
  };
  const ratio = figures.portolan / figures['docker-registry'];
  return [
    {
      question: 'manifest by tag, one core, 16 connections',
      unit: 'requests/s',
      figures,
      promise: 'at least 15x docker-registry',
      ratio,
      isKept: ratio >= 15,
    },
  ];
};

function ask(url: string): () => Promise<number> {
  const path = `${url}/v2/bench/image/manifests/latest`;
  return async () => (await load(path, { connections: 16, seconds: 3 })).requestsASecond;
}
