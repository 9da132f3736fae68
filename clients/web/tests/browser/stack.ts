import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const REPOSITORY = fileURLToPath(new URL("../../../../", import.meta.url));
const START_SECONDS = 120;

/** Start the embedded stack for all tests: the real gateway, queue and worker; returns what stops it. */
export default async function start(): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), "maquette-page-"));
  const bucket = `file://${folder}/bucket`;
  const port = await findPort();
  const python = process.env["MAQUETTE_PYTHON"] ?? join(REPOSITORY, ".venv/bin/python");
  const stack = spawn(python, ["-m", "scripts.up", "--port", String(port), "--data", folder], {
    cwd: REPOSITORY,
    env: { ...process.env, MAQUETTE_BUCKET_READ: bucket },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const output = await waitUntilReady(stack);
  process.env["MAQUETTE_TEST_URL"] = `http://127.0.0.1:${port}`;
  process.env["MAQUETTE_TEST_KEY"] = /MAQUETTE_API_KEY=(\S+)/.exec(output)?.[1] ?? "";
  process.env["MAQUETTE_TEST_LINK"] = /http\S+#\/login\/\S+/.exec(output)?.[0] ?? "";
  process.env["MAQUETTE_TEST_FOLDER"] = folder;
  process.env["MAQUETTE_TEST_BUCKET"] = bucket;
  return async () => {
    stack.kill("SIGTERM");
    await new Promise((resolve) => stack.once("exit", resolve));
    rmSync(folder, { recursive: true, force: true });
  };
}

function waitUntilReady(stack: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    const timer = setTimeout(() => reject(new Error(`no stack after ${START_SECONDS} s: ${output}`)), START_SECONDS * 1000);
    stack.once("exit", (code) => reject(new Error(`the stack ended with status ${code}: ${output}`)));
    stack.stdout?.on("data", (data: Buffer) => {
      output += data.toString();
      if (!/#\/login\/\S+\s/.test(output)) return;
      clearTimeout(timer);
      resolve(output);
    });
  });
}

function findPort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
