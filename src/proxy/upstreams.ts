/** Which upstream is behind a repository, and asking it: its project's endpoints in their order. */
import { mayBePulledThrough, PullThroughSettings } from '../../policies/pull-through.ts';
import { failureToTell, movesOn, type SourceFailure } from '../../policies/source-order.ts';
import type { Project } from '../catalog/projects.ts';
import { OciError } from '../oci/error.ts';
import { UpstreamUnavailable } from '../registry/errors.ts';
import type { RegistryPeer } from '../registry/peer.ts';
import { failureOf } from './failures.ts';

/** A question to one peer about the repository, which it knows as `path`. */
export type Question<T> = (peer: RegistryPeer, path: string) => Promise<T>;

/** A repository of a proxy project. */
export interface Upstream {
  /** The canonical name. */
  readonly repository: string;
  /** What upstream says is remembered by this: a project that was removed, and another of its name, have other ones. */
  readonly key: string;
  readonly project: Pick<Project, 'id' | 'name' | 'isPublic' | 'createdAt'>;
  readonly settings: PullThroughSettings;
  /** As people call it. */
  readonly host: string;
  /**
   * Asks one endpoint after the other, as `policies/source-order.ts` says. `signal` is the one that the question obeys.
   *
   * @throws what the peer throws that decided; UpstreamUnavailable when `signal` was a deadline that passed
   */
  ask<T>(question: Question<T>, options: { readonly signal: AbortSignal }): Promise<T>;
}

export interface UpstreamsOptions {
  readonly projects: { get(name: string): Promise<Project | undefined> };
  /** By the endpoint's name; undefined where there is none of that name (any more). */
  readonly peers: (endpoint: string) => Promise<RegistryPeer | undefined>;
}

export interface Upstreams {
  /**
   * Undefined for a repository of a hosted project.
   *
   * @throws OciError NAME_UNKNOWN where there is no such project; DENIED where the project does not pull that through,
   *   which is no secret: its name alone decides, and `NAME_UNKNOWN` would send people looking for a typing error
   */
  of(repository: string): Promise<Upstream | undefined>;
}

export function createUpstreams({ projects, peers }: UpstreamsOptions): Upstreams {
  const settings = new WeakMap<Project, PullThroughSettings>();
  const settingsOf = (project: Project): PullThroughSettings => {
    const known = settings.get(project) ?? PullThroughSettings.parse(project.settings ?? {});
    settings.set(project, known);
    return known;
  };
  return {
    async of(repository) {
      const slash = repository.indexOf('/');
      const project = await projects.get(repository.slice(0, Math.max(slash, 0)));
      if (project === undefined) throw new OciError('NAME_UNKNOWN', { detail: repository });
      if (project.kind === 'hosted') return undefined;
      const path = repository.slice(slash + 1);
      const rules = settingsOf(project);
      if (!mayBePulledThrough(path, rules.repositories)) {
        const message = `project ${project.name} does not pull ${path} through`;
        throw new OciError('DENIED', { message });
      }
      const host = project.upstreamHost ?? project.name;
      return {
        repository,
        key: `${project.id}/${repository}`,
        project,
        settings: rules,
        host,
        async ask(question, { signal }) {
          const found = await Promise.all(project.endpoints.map(peers));
          const sources = found.filter((peer) => peer !== undefined);
          return askInOrder(sources, (peer) => question(peer, path), { host, signal });
        },
      };
    },
  };
}

async function askInOrder<T>(
  sources: readonly RegistryPeer[],
  question: (peer: RegistryPeer) => Promise<T>,
  { host, signal }: { readonly host: string; readonly signal: AbortSignal },
): Promise<T> {
  const errors: unknown[] = [];
  const failures: SourceFailure[] = [];
  for (const source of sources) {
    try {
      return await question(source);
    } catch (error) {
      if (signal.aborted) throw lateOr(error, host, signal);
      const failure = failureOf(error);
      if (failure === undefined) throw error;
      errors.push(error);
      failures.push(failure);
      if (!movesOn(failure)) break;
    }
  }
  if (errors.length > 0) throw errors[failureToTell(failures)];
  throw new UpstreamUnavailable(host, 'unreachable', { cause: new Error('it has no endpoint') });
}

/** A deadline of ours that passes is the upstream's silence; the reason of any other end is the caller's own. */
function lateOr(error: unknown, host: string, signal: AbortSignal): unknown {
  const { reason }: { reason: unknown } = signal;
  const isLate = reason instanceof DOMException && reason.name === 'TimeoutError';
  return isLate ? new UpstreamUnavailable(host, 'timeout', { cause: error }) : error;
}
