import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const css = readFileSync(new URL("./app.css", import.meta.url), "utf8");
const blocks = {
  light: css.slice(css.indexOf(":root {"), css.indexOf("@media (prefers-color-scheme: dark)")),
  "dark by the system": css.slice(
    css.indexOf("@media (prefers-color-scheme: dark)"),
    css.indexOf(':root[data-theme="dark"]'),
  ),
  "dark by choice": css.slice(css.indexOf(':root[data-theme="dark"]'), css.indexOf("@layer base")),
};

const tokens = (block: string) =>
  new Map([...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map((found) => [found[1], found[2] ?? ""]));

function luminance(hex: string): number {
  const parts = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255);
  const [red = 0, green = 0, blue = 0] = parts.map((part) =>
    part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

const texts: [string, string][] = [
  ...["ground", "panel", "hover", "good-ground", "warn-ground", "bad-ground", "info-ground"].flatMap(
    (ground): [string, string][] => [
      ["ink", ground],
      ["soft", ground],
    ],
  ),
  ...["good", "warn", "bad", "info"].flatMap((tone): [string, string][] => [
    [tone, `${tone}-ground`],
    [tone, "panel"],
    [tone, "ground"],
  ]),
  ["accent", "panel"],
  ["accent", "ground"],
  ["accent", "hover"],
  ["on-accent", "accent"],
  ["on-mark", "mark"],
];

describe.each(Object.entries(blocks))("colours, %s", (_, block) => {
  const colours = tokens(block);
  it.each(texts)("text in %s on %s has a contrast of at least 4.5", (text, ground) => {
    expect(contrast(colours.get(text) ?? "", colours.get(ground) ?? "")).toBeGreaterThanOrEqual(4.5);
  });
  it.each([1, 2, 3, 4, 5, 6])("curve %i has a contrast of at least 3 on its ground", (number) => {
    expect(
      contrast(colours.get(`series-${number}`) ?? "", colours.get("panel") ?? ""),
    ).toBeGreaterThanOrEqual(3);
  });
});
