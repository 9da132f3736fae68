import type { Job } from "maquette";
import { service } from "../../lib/service";

export interface Clip {
  clip: string;
  source: string;
  split: string | null;
  frames: bigint;
  start_seconds: number;
  end_seconds: number;
  frame_rate: number | null;
  width: bigint;
  height: bigint;
  kept: boolean;
  flags: string[];
}

export interface TrackRow {
  clip: string;
  track: bigint;
  label: string;
  mean_score: number | null;
  kept: boolean;
  failed: string[];
  flags: string[];
}

export interface Decision {
  clip: string;
  track: bigint | null;
  gate: string;
  score: number | null;
  low: number | null;
  high: number | null;
  passed: boolean;
  reason: string | null;
  reviewer: string | null;
  reviewed_at: string | null;
}

export interface Caption {
  clip: string;
  track: bigint | null;
  text: string;
  kind: string;
}

export interface FrameRow {
  frame: bigint;
  jpeg: Uint8Array;
}

export interface Observation {
  frame: bigint;
  track: bigint;
  x0: number;
  y0: number;
  x1: number;
  y1: number;
  center_cam: number[] | null;
  rotation_cam: number[] | null;
  size: number[] | null;
  box3d_source: string | null;
}

export interface CameraRow {
  frame: bigint;
  fx: number;
  fy: number;
  cx: number;
  cy: number;
}

/** The rows of a table of a dataset; none where the version has no such table. */
export async function readTable<T>(job: Job, name: string): Promise<T[]> {
  const file = job.result?.artefacts.find((artefact) => artefact.name === name);
  if (!file) return [];
  const [{ parquetReadObjects }, { decompressLz4Raw, decompressZstd }] = await Promise.all([
    import("hyparquet"),
    import("hyparquet-compressors"),
  ]);
  const bytes = await (await service.artefact(file.sha256)).arrayBuffer();
  const compressors = {
    LZ4_RAW: decompressLz4Raw,
    ZSTD: (input: Uint8Array, length: number) => decompressZstd(input, new Uint8Array(length)),
  };
  // pictures are bytes, and not text
  const rows = await parquetReadObjects({ file: bytes, compressors, utf8: false });
  return rows as T[];
}
