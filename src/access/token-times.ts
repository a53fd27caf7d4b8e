/** Unless an operator says otherwise. A client asks again when its token ends; an upload goes on with the one it began with. */
export const USUAL_LIFETIME_SECONDS = 300;
/** What an operator may say at most. Harbor's clients send 30 minutes where nobody said anything. */
export const LONGEST_LIFETIME_SECONDS = 1800;
/**
 * Clocks of one site differ by seconds, and docker gives up where a token that is good by its own clock is refused
 * (docs/wire-notes.md 2: distribution takes them for as long).
 */
export const LEEWAY_SECONDS = 60;
