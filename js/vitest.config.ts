// Tests run in plain node; a test of a view asks for a DOM on its first line.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { environment: "node", include: ["test/**/*.test.ts"], testTimeout: 20_000, restoreMocks: true },
});
