import { expect, it } from "vitest";

const sources = import.meta.glob<string>("../**/*.tsx", { query: "?raw", import: "default", eager: true });

it("a toast is never the only place of an error: whoever tells of one shows it too", () => {
  const telling = Object.entries(sources).filter(([, text]) => /\bonError: tell\b|\btell\(error/.test(text));
  expect(telling.length).toBeGreaterThan(3);
  const silent = telling.filter(([, text]) => !text.includes("<ErrorAlert") && !text.includes("setRefused("));
  expect(silent.map(([file]) => file)).toEqual([]);
});
