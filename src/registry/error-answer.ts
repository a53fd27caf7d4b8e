import { z } from 'zod';

/** How much of an error's page is read. */
export const MOST_ERROR_BYTES = 64 * 1024;

/** What a registry said in an error's body. */
export interface ErrorAnswer {
  readonly code: string | undefined;
  /** For people: printable, and not long. */
  readonly words: string;
}

// distribution-spec v1.1.1 "Error Codes".
const Listed = z.object({
  errors: z
    .array(
      z.object({ code: z.string(), message: z.string().nullish(), detail: z.unknown().optional() }),
    )
    .min(1),
});
/** As the APIs of Docker Hub, GitHub, GitLab and Quay say it. */
const Plain = z
  .object({ message: z.string(), error: z.string(), detail: z.string(), error_message: z.string() })
  .partial();
const MOST_CHARACTERS = 300;

/** Its first error; undefined where it says nothing that can be read. */
export function errorIn(bytes: Uint8Array): ErrorAnswer | undefined {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return undefined;
  }
  const [first] = Listed.safeParse(json).data?.errors ?? [];
  if (first === undefined) return plainIn(json);
  const { code, message, detail } = first;
  const more = typeof detail === 'string' && detail !== message ? ` (${detail})` : '';
  return { code: printable(code), words: printable(`${message ?? ''}${more}`) };
}

function plainIn(json: unknown): ErrorAnswer | undefined {
  const { message, error_message, detail, error } = Plain.safeParse(json).data ?? {};
  const words = message ?? error_message ?? detail ?? error;
  return words === undefined ? undefined : { code: undefined, words: printable(words) };
}

function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, MOST_CHARACTERS);
}
