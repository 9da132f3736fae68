import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";
import { jobDefaults } from "./job_defaults.ts";

const resolve = (path: string) => fileURLToPath(new URL(path, import.meta.url));
// `npm run dev` shows the page of the sources, with the API of a running stack
const GATEWAY = "http://127.0.0.1:8700";
const proxied = Object.fromEntries(["/v1", "/login", "/docs", "/openapi.json"].map((path) => [path, GATEWAY]));

export default defineConfig({
  plugins: [svelte(), jobDefaults()],
  resolve: { alias: { maquette: resolve("../typescript/src/index.ts") } },
  build: {
    outDir: resolve("../../service/page"),
    emptyOutDir: true,
    target: "es2022",
    // files of their own: the policy of the page allows no inline scripts
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Spark carries its WebAssembly; it is loaded when a splat is shown
    chunkSizeWarningLimit: 3000,
    // how long plug-ins take is of no interest to who installs this
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  server: { proxy: proxied },
});
