/** What the main branch of the specification has and version 1.1.1 has not. */
const additions = (are: boolean) => ({
  apis: {
    ping: true,
    pull: true,
    push: true,
    blobs: {
      atomic: true,
      delete: true,
      digestHeader: are,
      mountAnonymous: true,
      uploadCancel: are,
    },
    manifests: { atomic: true, delete: true, digestHeader: are, tagParam: are },
    tags: { atomic: true, delete: true, list: true },
    referrer: true,
  },
});

/** Every kind of content that the program knows; `sparse` alone has to be asked for. */
const data = {
  image: true,
  index: true,
  indexList: true,
  sparse: true,
  artifact: true,
  subject: true,
  subjectMissing: true,
  artifactList: true,
  subjectList: true,
  dataField: true,
  nondistributable: true,
  customFields: true,
  noLayers: true,
  emptyBlob: true,
  sha512: true,
};

const common = { data, roData: { tags: [], manifests: [], blobs: [], referrers: [] } };

/** The `config` that the program writes into results.yaml when no switch was touched. */
export const DEFAULTS = {
  '1.1': { ...common, ...additions(false) },
  dev: { ...common, ...additions(true) },
} as const;
