import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import { jobDefaults } from "./job_defaults.ts";

export default defineConfig({
  plugins: [svelte(), jobDefaults()],
  resolve: {
    conditions: ["browser"],
    alias: { maquette: fileURLToPath(new URL("../typescript/src/index.ts", import.meta.url)) },
  },
  test: { include: ["tests/parts/**/*.test.ts"] },
});
