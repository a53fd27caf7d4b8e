/** Registries that list their repositories one namespace at a time. */
import { isRepositoryName } from '../oci/reference.ts';
import type { ApiAnswer } from './vendor-api.ts';

export interface NamespacedRegistry {
  /** Those that we are in: asked only where the prefix names none. */
  namespaces(): Promise<readonly string[]>;
  /** What one of them has, page after page; 404 where there is no such namespace. */
  pages(namespace: string): AsyncIterable<ApiAnswer>;
  /** Of one page, without the namespace. */
  names(page: ApiAnswer): readonly string[];
}

/**
 * The repositories whose names start so: of the namespace that the prefix names whole, else of all that we are in.
 *
 * @throws OciError UNSUPPORTED, and the errors of `errors.ts`
 */
export async function* repositoriesOf(
  registry: NamespacedRegistry,
  prefix: string,
): AsyncGenerator<string> {
  const [first = '', ...more] = prefix.split('/');
  const isWhole = more.length > 0;
  const namespaces = isWhole ? [first] : await registry.namespaces();
  for (const namespace of namespaces) {
    if (!isWhole && !namespace.startsWith(prefix)) continue;
    for await (const page of registry.pages(namespace)) {
      if (page.status === 404) break;
      if (page.status !== 200) throw page.refusal('UNSUPPORTED');
      for (const name of registry.names(page)) {
        const repository = `${namespace}/${name}`;
        if (repository.startsWith(prefix) && isRepositoryName(repository)) yield repository;
      }
    }
  }
}
