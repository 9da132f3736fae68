import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

const resolve = (path: string) => fileURLToPath(new URL(path, import.meta.url));
// `npm run dev` shows the page of the sources, with the API of a running stack
const GATEWAY = "http://127.0.0.1:8700";
const proxied = Object.fromEntries(["/v1", "/login", "/docs", "/openapi.json"].map((path) => [path, GATEWAY]));

export default defineConfig({
  plugins: [svelte()],
  resolve: { alias: { maquette: resolve("../typescript/src/index.ts") } },
  build: {
    outDir: resolve("../../service/page"),
    emptyOutDir: true,
    target: "es2022",
    // files of their own: the policy of the page allows no inline scripts
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
  },
  server: { proxy: proxied },
});
