/** Replication: which images of an index are copied. */
import { z } from 'zod';

// As containerd writes platforms: `<os>[(<version>)]/<architecture>[/<variant>]`.
const PLATFORM = /^[a-z0-9*]+(?:\([\w.*-]+\))?\/[a-z0-9_*]+(?:\/[a-z0-9.*]+)?$/;

export const Platform = z
  .string()
  .max(100)
  .regex(
    PLATFORM,
    'a platform such as linux/amd64, linux/arm64/v8, linux/* or windows(10.0.*)/amd64',
  );
