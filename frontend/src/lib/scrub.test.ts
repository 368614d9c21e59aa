import { describe, expect, it } from "vitest";
import { scrubbed } from "./scrub";

const secret = (...parts: string[]) => parts.join("");

describe("what leaves the page", () => {
  it.each([
    [secret("failed: pass", "word=hunter2 at once"), "hunter2"],
    [secret("GET /?tok", "en=abc123&a=1"), "abc123"],
    [secret("Author", "ization: Bearer abcdef0123456789"), "abcdef0123456789"],
    [secret("key sk", "-abcdefghijklmnopqrstuv"), "abcdefghijklmnopqrstuv"],
    [secret("postgres://u:p", "w@db/x"), "pw"],
    ["ada.lovelace@example.org did it", "ada.lovelace"],
    [secret("eyJ", "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def"), "hbGciOiJIUzI1NiJ9"],
  ])("loses the secret of %s", (text, gone) => {
    expect(scrubbed({ a: [text] }).a[0]).not.toContain(gone);
  });

  it("keeps ordinary texts, ids and hashes", () => {
    const text = "TypeError: a is undefined at /assets/index-3f2a.js:1:200, job J-7, sha256 3c9d2a";
    expect(scrubbed(text)).toBe(text);
  });

  it("hides values by their names and leaves numbers and nothing else alone", () => {
    expect(scrubbed({ api_key: "x", n: 3, nothing: null, deep: { Cookie: "a" } })).toEqual({
      api_key: "[redacted]",
      n: 3,
      nothing: null,
      deep: { Cookie: "[redacted]" },
    });
  });
});
