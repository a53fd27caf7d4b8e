import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CreateRepositoryCommand, ECRClient, PutImageCommand } from '@aws-sdk/client-ecr';
import type { PeerSettings } from '../../support/registry-peer.ts';
import { clientEnvironment, freePort, must, startDaemon } from './processes.ts';
import { pythonWith } from './python.ts';
import { answers, type Registry, startStockRegistry } from './registries.ts';

/** Whoever asks moto is this account. */
const ACCOUNT = '123456789012';
const REGION = 'eu-central-1';
const KEY = { username: 'AKIAIOSFODNN7EXAMPLE', password: 'any' };
/** What moto gives for the key, and the registry behind it takes. */
const LOGIN = { username: 'AWS', password: `${ACCOUNT}-auth-token` };

export interface AmazonApi extends AsyncDisposable {
  readonly url: string;
}

/** moto, which is Amazon's API and no registry. */
export async function startAmazonApi(folder: string): Promise<AmazonApi> {
  const python = await pythonWith('moto[server,ecr]==5.2.5');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const daemon = await startDaemon(
    join(dirname(python), 'moto_server'),
    ['-H', '127.0.0.1', '-p', `${port}`],
    {
      env: clientEnvironment(folder),
      logFile: join(folder, 'moto.log'),
      isReady: () => answers(url),
    },
  );
  return { ...daemon, url };
}

/** An image as the API is told of it. */
export interface Told {
  readonly digest: string;
  readonly manifest: string;
  readonly mediaType: string;
}

/** A registry of Amazon's: that API, and stock distribution for the bytes, which wants the password that the API gives. */
export interface EcrRegistry extends Registry {
  /** As a configuration has it. */
  readonly endpoint: PeerSettings;
  /** `name:password` for clients. */
  readonly login: string;
  createRepository(name: string): Promise<void>;
  /** What is pushed goes past the API, which has to be told of it. */
  tell(repository: string, tag: string, image: Told): Promise<void>;
}

export async function startEcr(folder: string, api: AmazonApi): Promise<EcrRegistry> {
  const passwords = `${folder}-htpasswd`;
  const { username, password } = LOGIN;
  const env = clientEnvironment(dirname(folder));
  await writeFile(passwords, await must('htpasswd', ['-Bbn', username, password], { env }));
  const stock = await startStockRegistry(folder, {
    more: { auth: { htpasswd: { realm: 'ecr', path: passwords } } },
  });
  const credentials = { accessKeyId: KEY.username, secretAccessKey: KEY.password };
  const client = new ECRClient({ region: REGION, endpoint: api.url, credentials });
  return {
    ...stock,
    endpoint: {
      adapter: 'aws-ecr',
      url: stock.url,
      credential: KEY,
      options: { region: REGION, apiUrl: api.url },
    },
    login: `${username}:${password}`,
    async createRepository(repositoryName) {
      await client.send(new CreateRepositoryCommand({ repositoryName }));
    },
    async tell(repositoryName, imageTag, { digest, manifest, mediaType }) {
      await client.send(
        new PutImageCommand({
          repositoryName,
          imageTag,
          imageDigest: digest,
          imageManifest: manifest,
          imageManifestMediaType: mediaType,
        }),
      );
    },
  };
}
