/** A user name and its password, personal access token or API key. */
export interface Credential {
  readonly username: string;
  readonly password: string;
}

/** A configured registry, as an operator names it under `endpoints:`. */
export interface Endpoint<Options = unknown> {
  readonly name: string;
  /** Ends with a slash; `v2/` follows. */
  readonly url: URL;
  readonly options: Options;
  readonly credential: Credential | undefined;
  /** Certificates (PEM) to trust besides the system's. */
  readonly ca: string | undefined;
  /** Whether it, and where it sends us, may be in a private network or on this machine. */
  readonly allowPrivateAddress: boolean;
  /** Of what the registry lets us pull, so much is left to clients; nothing where it is left out. */
  readonly reservedPulls?: number | undefined;
}
