import type { IconName } from "../../parts/Icon.svelte";

export type Tool = "click" | "exclude" | "box" | "exemplar" | "brush" | "pan";

export interface ToolInfo {
  name: Tool;
  key: string;
  icon: IconName;
  title: string;
  hint: string;
}

export const TOOLS: readonly ToolInfo[] = [
  { name: "click", key: "p", icon: "plus", title: "Click an object", hint: "Click what belongs to the object; Shift takes away. Enter starts the next one." },
  { name: "exclude", key: "n", icon: "minus", title: "Click what does not belong", hint: "Click what does not belong to the selected object." },
  { name: "box", key: "b", icon: "box", title: "Draw a box", hint: "Drag a box around one object." },
  { name: "exemplar", key: "e", icon: "target", title: "Find what looks like this", hint: "Drag a box around an example; Shift marks what is not meant." },
  { name: "brush", key: "r", icon: "brush", title: "Correct with a brush", hint: "Paint on the selected object; Shift erases." },
  { name: "pan", key: "h", icon: "hand", title: "Move the image", hint: "Drag to move, turn the wheel to zoom." },
];
