/** Something that lists as Harbor does: one project with so many repositories of so many tags each. It has no blobs. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { z } from 'zod';

export interface SourceSize {
  readonly repositories: number;
  /** Of each repository; at most 100, one page of Harbor's. */
  readonly tags: number;
}

export interface HarborSource extends AsyncDisposable {
  readonly url: string;
  /** By now. */
  readonly requests: number;
}

export const PROJECT = 'lib';

export function repositoryAt(index: number): string {
  return `app-${String(index).padStart(4, '0')}`;
}

export function tagAt(index: number): string {
  return `v${index}`;
}

const descriptorOf = (text: string, kind: string) => ({
  mediaType: `application/vnd.oci.image.${kind}`,
  digest: digestOf(text),
  size: text.length,
});

/** Of each tag another one, with the same layer. */
export function manifestAt(repository: number, tag: number): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptorOf(CONFIG, 'config.v1+json'),
    layers: [descriptorOf(LAYER, 'layer.v1.tar')],
    annotations: { name: `${repository} ${tag}` },
  });
}

export const CONFIG = '{}';
export const LAYER = 'a layer';

export function digestOf(text: string): `sha256:${string}` {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

export async function startHarborSource({ repositories, tags }: SourceSize): Promise<HarborSource> {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://source');
    const page = Number(searchParams.get('page') ?? 1);
    const size = Number(searchParams.get('page_size') ?? 10);
    const answer = (items: readonly unknown[], total: number): void => {
      response.setHeader('X-Total-Count', String(total));
      if (page * size < total) {
        response.setHeader('Link', `<${pathname}?page=${page + 1}&page_size=${size}>; rel="next"`);
      }
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(items));
    };
    const on = (total: number): number[] =>
      Array.from({ length: total }, (_, index) => index).slice((page - 1) * size, page * size);
    const [, repository] = /repositories\/app-(\d+)\/artifacts$/.exec(pathname) ?? [];
    if (pathname === '/api/v2.0/projects') answer([{ name: PROJECT }], 1);
    else if (pathname === `/api/v2.0/projects/${PROJECT}/repositories`) {
      const names = on(repositories).map((index) => ({
        name: `${PROJECT}/${repositoryAt(index)}`,
      }));
      answer(names, repositories);
    } else if (repository !== undefined) {
      const artifacts = on(tags).map((tag) => ({
        digest: digestOf(manifestAt(Number(repository), tag)),
        tags: [{ name: tagAt(tag), push_time: '2026-11-21T00:00:00.000Z' }],
      }));
      answer(artifacts, tags);
    } else {
      response.statusCode = pathname === '/v2/' ? 200 : 404;
      response.end();
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.int() }).parse(server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    get requests() {
      return requests;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
