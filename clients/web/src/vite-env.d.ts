/// <reference types="svelte" />
/// <reference types="vite/client" />

declare module "virtual:job-defaults" {
  /** By kind of job, the default of each field that has one. */
  const defaults: Record<string, Record<string, unknown>>;
  export default defaults;
}
