import { readFileSync } from "node:fs";
import type { Plugin } from "vite";

const NAME = "virtual:job-defaults";
const DOCUMENT = new URL("../../docs/openapi.json", import.meta.url);

interface Schema {
  properties?: Record<string, { const?: string; default?: unknown }>;
}

/** A module with the defaults of every kind of job, from the OpenAPI document. */
export function jobDefaults(): Plugin {
  return {
    name: "job-defaults",
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    load: (id) => (id === `\0${NAME}` ? `export default ${JSON.stringify(readDefaults())}` : undefined),
  };
}

function readDefaults(): Record<string, Record<string, unknown>> {
  const document = JSON.parse(readFileSync(DOCUMENT, "utf8")) as { components: { schemas: Record<string, Schema> } };
  const defaults: Record<string, Record<string, unknown>> = {};
  for (const [name, { properties = {} }] of Object.entries(document.components.schemas)) {
    const kind = properties["kind"]?.const;
    if (!kind || !name.endsWith("Job")) continue;
    const known = Object.entries(properties).filter(([, field]) => "default" in field);
    defaults[kind] ??= Object.fromEntries(known.map(([field, { default: value }]) => [field, value]));
  }
  return defaults;
}
