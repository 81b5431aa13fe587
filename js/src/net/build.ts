// The build id: a page and a shared worker exchange messages only if theirs are equal. Set by scripts/build.mjs.

declare const __BUILD__: string | undefined;

export const BUILD: string = typeof __BUILD__ === "string" ? __BUILD__ : "unbuilt";
