/** Who copies between a registry far away and one here: this repository's node, and the two that its users come from. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import got from 'got';
import { stringify } from 'yaml';
import { z } from 'zod';
import { clientEnvironment, must } from '../../interop/support/processes.ts';
import { AUTHORIZATION, portolan, stockRegistry } from './contestants.ts';

/** Repositories that are copied with all of their tags. */
export interface Work {
  readonly name: string;
  readonly repositories: readonly string[];
}

/** The hosts of two registries far away: what is copied is in one of them, and nothing is in the other. */
export interface Ends {
  readonly from: string;
  readonly to: string;
}

export interface Copier extends AsyncDisposable {
  /** Of who copies, where it is a server. */
  readonly pid?: number;
  /** From far away to here. */
  into(work: Work): Promise<void>;
  /** What `into` brought, to the other one. */
  out(work: Work): Promise<void>;
}

const PATIENCE_MS = 60 * 60_000;
const Execution = z.object({ status: z.string() });

/** By two policies for each piece of work. */
export async function portolanCopier(
  folder: string,
  { from, to }: Ends,
  works: readonly Work[],
): Promise<Copier> {
  const names = works.flatMap(({ name }) => [`into-${name}`, `out-${name}`]);
  const policies = works.flatMap(({ name, repositories }) => [
    [
      `into-${name}`,
      { source: 'from', destinations: [{ endpoint: 'local', namespace: 'bench' }], repositories },
    ],
    [
      `out-${name}`,
      {
        source: 'local',
        destinations: [{ endpoint: 'to', namespace: 'portolan' }],
        repositories: repositories.map((repository) => `bench/${repository}`),
      },
    ],
  ]);
  const node = await portolan(folder, undefined, {
    endpoints: { from: endpointAt(from), to: endpointAt(to) },
    policies: { replication: Object.fromEntries(policies) },
  });
  const run = async (policy: string): Promise<void> => {
    const headers = { authorization: AUTHORIZATION };
    const executions = `${node.url}/api/v2.0/replication/executions`;
    const started = await got.post(executions, {
      headers,
      json: { policy_id: names.indexOf(policy) + 1 },
    });
    const url = new URL(started.headers.location ?? '', node.url);
    for (let status = 'InProgress'; status !== 'Succeed'; ) {
      await wait(100);
      status = Execution.parse(await got(url, { headers }).json()).status;
      if (status === 'Failed') throw new Error(`${policy} failed\n${node.log()}`);
    }
  };
  return {
    into: ({ name }) => run(`into-${name}`),
    pid: node.pid,
    out: ({ name }) => run(`out-${name}`),
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  };
}

const endpointAt = (host: string) => ({
  adapter: 'distribution',
  url: `http://${host}`,
  allowPrivateAddress: true,
});

/** A program that copies between two registries, with a stock registry here. */
async function copierBy(
  folder: string,
  copy: (work: Work, from: Side, to: Side) => Promise<void>,
  { from, to, namespace }: Ends & Pick<Side, 'namespace'>,
): Promise<Copier> {
  const near = await stockRegistry(join(folder, 'registry'));
  const { host } = new URL(near.url);
  const here = { host, namespace: 'bench/' };
  return {
    into: (work) => copy(work, { host: from, namespace: '' }, here),
    out: (work) => copy(work, here, { host: to, namespace }),
    [Symbol.asyncDispose]: () => near[Symbol.asyncDispose](),
  };
}

interface Side {
  readonly host: string;
  /** Before the names of repositories. */
  readonly namespace: string;
}

/** `regsync once`, as many at once as it is told: more than it does by itself. */
const REGSYNC_PARALLEL = 16;

export async function regsyncCopier(folder: string, ends: Ends): Promise<Copier> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'regsync.yml');
  const copy = async ({ repositories }: Work, from: Side, to: Side): Promise<void> => {
    const config = {
      version: 1,
      creds: [from, to].map(({ host }) => ({
        registry: host,
        tls: 'disabled',
        reqConcurrent: REGSYNC_PARALLEL,
      })),
      defaults: { parallel: REGSYNC_PARALLEL },
      sync: repositories.map((repository) => ({
        source: `${from.host}/${from.namespace}${repository}`,
        target: `${to.host}/${to.namespace}${repository}`,
        type: 'repository',
      })),
    };
    await writeFile(file, stringify(config));
    await onServerCore(folder, 'regsync', ['-c', file, 'once']);
  };
  return copierBy(folder, copy, { ...ends, namespace: 'regsync/' });
}

/** `skopeo sync`, which takes one image after the other. */
export async function skopeoCopier(folder: string, ends: Ends): Promise<Copier> {
  const copy = async ({ repositories }: Work, from: Side, to: Side): Promise<void> => {
    for (const repository of repositories) {
      const at = (side: Side): string => `${side.host}/${side.namespace}${repository}`;
      const parent = at(to).slice(0, at(to).lastIndexOf('/'));
      const plain = ['--src-tls-verify=false', '--dest-tls-verify=false'];
      const sync = ['--insecure-policy', 'sync', ...plain, '--src', 'docker', '--dest', 'docker'];
      await onServerCore(folder, 'skopeo', [...sync, at(from), parent]);
    }
  };
  return copierBy(folder, copy, { ...ends, namespace: 'skopeo/' });
}

function onServerCore(folder: string, program: string, args: readonly string[]): Promise<string> {
  return must('taskset', ['-c', '0', program, ...args], {
    env: clientEnvironment(folder),
    timeoutMs: PATIENCE_MS,
  });
}
