import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { clientEnvironment, freePort, startDaemon } from './processes.ts';
import { answers, type Registry } from './registries.ts';

/**
 * An nginx in front of a node, as an operator sets it up: no limit of a body's size unless one is given, nothing buffered, and blobs sent
 * from the node's data folder when it says `X-Accel-Redirect: /internal-blobs/…`.
 */
export async function startNginx(
  folder: string,
  { node, data, mostBody = '0' }: { node: string; data: string; mostBody?: string },
): Promise<Registry> {
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  await mkdir(folder, { recursive: true });
  const at = (name: string): string => join(folder, name);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${at(name)};`,
  );
  await writeFile(
    at('nginx.conf'),
    `daemon off;
user root;
worker_processes 1;
pid ${at('pid')};
error_log ${at('error.log')};
events {}
http {
  access_log ${at('access.log')};
  ${temporary.join('\n  ')}
  server {
    listen ${host};
    client_max_body_size ${mostBody};
    location / {
      proxy_pass ${node};
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
    location /internal-blobs/ {
      internal;
      alias ${data}/;
      # nginx keeps few headers of the answer that redirected it, and these are not among them.
      etag off;
      add_header Docker-Content-Digest $upstream_http_docker_content_digest;
      add_header ETag $upstream_http_etag;
      add_header X-Sent-By nginx;
    }
  }
}
`,
  );
  const daemon = await startDaemon('nginx', ['-c', at('nginx.conf'), '-e', at('start.log')], {
    env: clientEnvironment(folder),
    logFile: at('output.log'),
    isReady: () => answers(`http://${host}/v2/`),
  });
  return { ...daemon, host, url: `http://${host}` };
}
