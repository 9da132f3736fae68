import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

// Debian's browser: nothing is downloaded
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

function launch(...args: string[]) {
  return { ...(CHROMIUM ? { executablePath: CHROMIUM } : {}), args: ["--no-sandbox", ...args] };
}
const with3d = launch("--use-angle=swiftshader", "--enable-unsafe-swiftshader");

export default defineConfig({
  testDir: "tests/browser",
  outputDir: "test-results",
  globalSetup: "./tests/browser/stack.ts",
  // one stack with one worker: tests that run at once would wait for each other
  workers: 1,
  timeout: 90_000,
  expect: { timeout: 30_000 },
  reporter: "list",
  projects: [
    // nothing moves by itself: screenshots are compared
    { name: "tests", testMatch: "*.spec.ts", use: { launchOptions: with3d, contextOptions: { reducedMotion: "reduce" } } },
    // the images of docs/playground.md
    { name: "figures", testMatch: "figures.bench.ts", use: { launchOptions: with3d, contextOptions: { reducedMotion: "reduce" } } },
    // before the other bench: it finds a stack that has just started
    { name: "first visit", testMatch: "first_visit.bench.ts", use: { launchOptions: with3d } },
    // SwiftShader draws what a browser without a GPU draws faster by itself, and takes the engine's cores
    { name: "later clicks", testMatch: "later_clicks.bench.ts", use: { launchOptions: launch() } },
  ],
  use: { viewport: { width: 1280, height: 800 }, permissions: ["clipboard-read", "clipboard-write"] },
});
