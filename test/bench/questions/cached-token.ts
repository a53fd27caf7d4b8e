import { join } from 'node:path';
import got from 'got';
import { z } from 'zod';
import { AUTHORIZATION, portolan, pushManifest } from '../support/contestants.ts';
import { cpuSecondsOf, interleaved, load, median } from '../support/measure.ts';
import type { Question } from '../support/question.ts';

/**
 * What does access control cost a pull? The smallest one, a manifest by tag, where it weighs most: of a private project
 * with a token that is used again and again, beside a public one without.
 */
export const cachedToken: Question = async ({ folder, rounds }) => {
  await using node = await portolan(join(folder, 'portolan'));
  for (const project of ['bench', 'closed']) {
    await pushManifest(node.url, `${project}/image`, 'latest');
  }
  const manifest = (project: string) => `${node.url}/v2/${project}/image/manifests/latest`;
  const ask = (project: string, authorization?: string) => async () => {
    const before = cpuSecondsOf(node.pid);
    const options = { connections: 16, seconds: SECONDS, authorization };
    const { requestsASecond } = await load(manifest(project), options);
    return (requestsASecond * SECONDS) / (cpuSecondsOf(node.pid) - before);
  };
  const withToken = ask('closed', `Bearer ${await tokenOf(node.url)}`);
  const without = ask('bench');
  await Promise.all([withToken(), without()]); // The compiler has seen both paths once.

  const resultsOf = await interleaved(rounds, { without, 'with a token': withToken });

  const figures = {
    without: median(resultsOf('without')),
    'with a token': median(resultsOf('with a token')),
  };
  const ratio = figures.without / figures['with a token'];
  return [
    {
      question: 'manifest by tag, with and without a cached token, 16 connections',
      unit: 'requests a CPU second',
      figures,
      promise: 'at most a sixth more (1.17x) for access control',
      ratio,
      isKept: ratio <= 7 / 6,
    },
  ];
};

const SECONDS = 3;
const TokenAnswer = z.object({ token: z.string() });

async function tokenOf(url: string): Promise<string> {
  const headers = { authorization: AUTHORIZATION };
  const answer = await got(`${url}/service/token?scope=repository:closed/image:pull`, { headers });
  return TokenAnswer.parse(JSON.parse(answer.body)).token;
}
