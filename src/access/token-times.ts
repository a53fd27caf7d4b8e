/** A client asks again when its token ends; an upload goes on with the token that it began with. */
export const LIFETIME_SECONDS = 300;
/**
 * Clocks of one site differ by seconds, and docker gives up where a token that is good by its own clock is refused
 * (docs/wire-notes.md 2: distribution takes them for as long).
 */
export const LEEWAY_SECONDS = 60;
