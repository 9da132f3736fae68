import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const REPOSITORY = fileURLToPath(new URL("../../../../", import.meta.url));

/** Kill the gateway as a crash would; the launcher starts it again. */
export function killGateway(): void {
  process.kill(findGateway().pid, "SIGKILL");
}

/** Kill the worker of the same launcher, with all that it has started. */
export function killWorker(): void {
  const { parent } = findGateway();
  const worker = listProcesses().find((known) => known.parent === parent && known.command.includes("workers.main worker"));
  if (!worker) throw new Error("no worker runs");
  process.kill(-worker.pid, "SIGKILL");
}

/** What a module of this project's tests prints. */
export function runPython(...command: string[]): string {
  const python = process.env["MAQUETTE_PYTHON"] ?? join(REPOSITORY, ".venv/bin/python");
  return execFileSync(python, ["-m", ...command], { cwd: REPOSITORY, encoding: "utf8" });
}

function findGateway(): Process {
  const { port } = new URL(process.env["MAQUETTE_TEST_URL"] ?? "");
  const gateway = listProcesses().find(({ command }) => command.includes("service.server") && command.includes(`--port ${port}`));
  if (!gateway) throw new Error("no gateway runs");
  return gateway;
}

interface Process {
  pid: number;
  parent: number;
  command: string;
}

function listProcesses(): Process[] {
  const lines = execFileSync("ps", ["-eo", "pid=,ppid=,args="], { encoding: "utf8" }).split("\n");
  return lines.map((line) => {
    const [, pid, parent, command] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return { pid: Number(pid), parent: Number(parent), command: command ?? "" };
  });
}
