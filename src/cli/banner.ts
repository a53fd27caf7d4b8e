/** What a start has to tell the person who started it. */
export interface StartFacts {
  readonly version: string;
  readonly addresses: readonly {
    readonly host: string;
    readonly port: number;
    /** The upstream that the address stands in for. */
    readonly mirror: string | undefined;
  }[];
  readonly externalUrl: string | undefined;
  readonly isTls: boolean;
  /** Absolute. */
  readonly dataFolder: string;
  readonly projects: readonly {
    readonly name: string;
    readonly kind: 'hosted' | 'proxy';
    readonly isPublic: boolean;
    readonly isDefault: boolean;
    readonly endpoints: readonly string[];
  }[];
  /** By endpoint. */
  readonly urls: ReadonlyMap<string, string>;
  /** Told only here, only once. */
  readonly generatedPassword: string | undefined;
}

/** Where it listens, where data is, what is cached from where, how to pull through it; and a password that was made. */
export function banner(facts: StartFacts): string {
  const sections = [
    ['listening', listening(facts)],
    ['data', [facts.dataFolder]],
    ['caching', caching(facts)],
    ['try', commands(facts)],
    ['admin', admin(facts)],
  ] as const;
  const lines = sections.flatMap(([title, texts]) =>
    texts.map((text, index) => `  ${(index === 0 ? title : '').padEnd(11)}${text}`),
  );
  return `Portolan ${facts.version} is ready.\n\n${lines.join('\n')}\n\n`;
}

function listening({ addresses, isTls, externalUrl }: StartFacts): readonly string[] {
  const scheme = isTls ? 'https' : 'http';
  const served = addresses.map(({ host, port, mirror }) => {
    const role = mirror === undefined ? '' : `  as a mirror of ${mirror}`;
    return `${scheme}://${hostText(host)}:${port}${role}`;
  });
  return externalUrl === undefined ? served : [...served, `as ${externalUrl}`];
}

function caching({ projects, urls }: StartFacts): readonly string[] {
  const proxies = projects.filter((project) => project.kind === 'proxy');
  const width = Math.max(0, ...proxies.map(({ name }) => name.length));
  return proxies.map(({ name, endpoints, isDefault }) => {
    const sources = endpoints.map((endpoint) => hostOf(urls.get(endpoint)) ?? endpoint).join(', ');
    const also = isDefault ? ', also for names without a project' : '';
    return `${name.padEnd(width)}  from ${sources}${also}`;
  });
}

function commands(facts: StartFacts): readonly string[] {
  const name = clientName(facts);
  const proxies = facts.projects.filter(({ kind, isPublic }) => kind === 'proxy' && isPublic);
  const proxy = proxies.find(({ isDefault }) => isDefault) ?? proxies[0];
  const image = proxy?.name === 'docker.io' ? 'library/alpine' : 'OWNER/IMAGE';
  const hosted = facts.projects.find(({ kind }) => kind === 'hosted');
  return [
    ...(proxy === undefined ? [] : [`docker pull ${name}/${proxy.name}/${image}`]),
    ...(hosted === undefined
      ? []
      : [`docker login ${name} -u admin`, `docker push ${name}/${hosted.name}/IMAGE`]),
  ];
}

function admin({ generatedPassword }: StartFacts): readonly string[] {
  if (generatedPassword === undefined) return [];
  return [`password ${generatedPassword}  (made at this first start; it is not shown again)`];
}

/** What goes in front of an image's name. */
function clientName({ addresses, externalUrl }: StartFacts): string {
  if (externalUrl !== undefined) return new URL(externalUrl).host;
  const own = addresses.find(({ mirror }) => mirror === undefined);
  const isAny = own?.host === '0.0.0.0' || own?.host === '::';
  return `${isAny ? 'localhost' : hostText(own?.host ?? 'localhost')}:${own?.port ?? 5000}`;
}

function hostText(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function hostOf(url: string | undefined): string | undefined {
  return url === undefined ? undefined : new URL(url).host;
}
