import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Parsed } from './cross-checks.ts';
import type { Problem } from './issues.ts';
import type { Path } from './yaml-source.ts';

/** Whether certificates and keys are there and can be used, which would show only later. */
export async function certificateProblems(parsed: Parsed): Promise<readonly Problem[]> {
  const { tls } = parsed.listen;
  const authorities = Object.entries(parsed.endpoints).map(([name, { caFile }]) =>
    caFile === undefined
      ? []
      : problemsWith({ ca: { path: ['endpoints', name, 'caFile'], file: caFile } }),
  );
  const own =
    tls === undefined
      ? []
      : problemsWith({
          cert: { path: ['listen', 'tls', 'certFile'], file: tls.certFile },
          key: { path: ['listen', 'tls', 'keyFile'], file: tls.keyFile },
        });
  return (await Promise.all([own, ...authorities])).flat();
}

interface PemFile {
  readonly path: Path;
  readonly file: string;
}

/** Of files that are used together. */
async function problemsWith(files: Readonly<Record<string, PemFile>>): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  const contents: Record<string, string> = {};
  for (const [use, { path, file }] of Object.entries(files)) {
    try {
      contents[use] = await readFile(file, 'utf8');
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? error.code : error;
      problems.push({ path, text: `found ${file}, which cannot be read (${String(reason)})` });
    }
  }
  if (problems.length > 0) return problems;
  try {
    createSecureContext(contents);
    // Authorities are not read before a connection needs them.
    if (contents['ca'] !== undefined) assertCertificate(contents['ca']);
    return [];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const [first] = Object.values(files);
    return [{ path: first?.path ?? [], text: `cannot be used: ${reason}` }];
  }
}

function assertCertificate(pem: string): X509Certificate {
  return new X509Certificate(pem);
}
