// Which build of the page's core this is: pages and workers of one build understand each other. Set by scripts/build.mjs.

declare const __BUILD__: string | undefined;

export const BUILD: string = typeof __BUILD__ === "string" ? __BUILD__ : "unbuilt";
