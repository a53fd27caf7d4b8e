/** A newer version of this program wrote the data; this one would not understand it, and has changed nothing. */
export class DataTooNew extends Error {
  override readonly name = 'DataTooNew';

  constructor(found: number | string, supported: number) {
    super(
      `the data is of version ${found}, and this program knows versions up to ${supported}: run a newer one, or restore a copy of the data from before`,
    );
  }
}

/** Another process owns the data folder. */
export class DataFolderInUse extends Error {
  override readonly name = 'DataFolderInUse';

  constructor(folder: string, options?: { cause?: unknown }) {
    super(`another process is using the data in ${folder}`, options);
  }
}
