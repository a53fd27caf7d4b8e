/** Which host names mean one registry. */

// Docker Hub's other names (docs/wire-notes.md 4); clients configured by hand use any of them.
const DOCKER_HUB_NAMES = new Set(['index.docker.io', 'registry-1.docker.io']);

/** As registries are told apart: lower case, the port only where it is not that of https, Docker Hub by one name. */
export function canonicalHost(host: string): string {
  const plain = host.toLowerCase().replace(/:443$/, '');
  return DOCKER_HUB_NAMES.has(plain) ? 'docker.io' : plain;
}
