import type { CameraRow, Observation } from "./tables";

/** Corners that differ along one axis: the edges of a box, as pairs of numbers of `projectBox`. */
export const EDGES: readonly (readonly [number, number])[] = Array.from({ length: 8 }, (_, corner) =>
  [1, 2, 4].filter((bit) => !(corner & bit)).map((bit): [number, number] => [corner, corner | bit]),
).flat();

/** The corners of an object's 3D box in pixels of the frame; null where it has none, or where it reaches behind the camera. */
export function projectBox(seen: Observation, camera: CameraRow): [number, number][] | null {
  const { center_cam: centre, rotation_cam: rotation, size } = seen;
  if (!centre || !rotation || !size) return null;
  const corners: [number, number][] = [];
  for (let corner = 0; corner < 8; corner += 1) {
    const half = size.map((length, axis) => (corner & (1 << axis) ? length / 2 : -length / 2));
    const [x, y, z] = rotate(rotation, half).map((value, axis) => value + (centre[axis] ?? 0)) as [number, number, number];
    if (z <= 0) return null;
    corners.push([(camera.fx * x) / z + camera.cx, (camera.fy * y) / z + camera.cy]);
  }
  return corners;
}

// v + 2w (u × v) + 2u × (u × v), for the unit quaternion (w, u)
function rotate(quaternion: readonly number[], vector: readonly number[]): number[] {
  const [w = 1, ...u] = quaternion;
  const once = cross(u, vector);
  const twice = cross(u, once);
  return vector.map((value, axis) => value + 2 * w * (once[axis] ?? 0) + 2 * (twice[axis] ?? 0));
}

function cross(a: readonly number[], b: readonly number[]): number[] {
  const [ax = 0, ay = 0, az = 0] = a;
  const [bx = 0, by = 0, bz = 0] = b;
  return [ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx];
}
