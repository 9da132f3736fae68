/** Paul Tol's "bright" and "muted" hues that stay apart for every kind of colour blindness, as red, green, blue. */
export const MASK_COLORS: readonly (readonly [number, number, number])[] = [
  [0, 119, 187],
  [238, 119, 51],
  [0, 153, 136],
  [204, 51, 17],
  [51, 187, 238],
  [238, 51, 119],
  [153, 153, 51],
  [170, 68, 153],
];

export function pickColor(number: number): readonly [number, number, number] {
  // numbers of objects start at 1
  return MASK_COLORS[(number + MASK_COLORS.length - 1) % MASK_COLORS.length] ?? [0, 119, 187];
}

export function toCss(color: readonly [number, number, number], alpha = 1): string {
  return `rgb(${color[0]} ${color[1]} ${color[2]} / ${alpha})`;
}
