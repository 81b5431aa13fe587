// Tests run in plain node; a test of a view asks for a DOM on its first line.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const given = fileURLToPath(new URL("test/support/jupyterlab.ts", import.meta.url));

export default defineConfig({
  // The page gives us these at run time: nothing of them is installed.
  resolve: { alias: { "@jupyterlab/application": given, "@jupyterlab/apputils": given } },
  test: { environment: "node", include: ["test/**/*.test.ts"], testTimeout: 20_000, restoreMocks: true },
});
