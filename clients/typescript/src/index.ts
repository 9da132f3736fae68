export * from "./client.js";
export { type StreamEvent, parseEvent, readEvents } from "./events.js";
export { ConnectionLost, MaquetteError, readProblem } from "./problems.js";
export type * from "./schema.js";
export type { UploadOptions } from "./uploads.js";
