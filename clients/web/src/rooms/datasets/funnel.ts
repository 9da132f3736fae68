import type { FunnelStep } from "maquette";

// what becomes what, from the first to the last
const UNITS = ["videos", "frames", "clips", "tracks", "captions"];

/** The steps in the order of their units: while a job runs, a step appears once a clip has reached it. */
export function sortSteps(steps: readonly FunnelStep[]): FunnelStep[] {
  return steps.toSorted((a, b) => UNITS.indexOf(a.unit) - UNITS.indexOf(b.unit));
}

/** Of each unit, how many there were and how many are left after the last of its steps. */
export function sumUnits(steps: readonly FunnelStep[]): { unit: string; given: number; kept: number }[] {
  return UNITS.flatMap((unit) => {
    const own = steps.filter((step) => step.unit === unit);
    const [first, last] = [own[0], own.at(-1)];
    return first && last ? [{ unit, given: first.given, kept: last.kept }] : [];
  });
}
