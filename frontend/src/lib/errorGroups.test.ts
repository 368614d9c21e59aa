import { describe, expect, it } from "vitest";
import { asked, bars, causeText, changeText, hitText, narrowed, pastedId, trendText } from "./errorGroups";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const NOW = Date.parse("2026-11-25T10:30:00Z");

describe("what somebody pasted", () => {
  it.each([
    [TRACE, TRACE],
    [`  ${TRACE.toUpperCase()} `, TRACE],
    [`traceparent: 00-${TRACE}-00f067aa0ba902b7-01`, TRACE],
    [`An unexpected error occurred (ID: ${TRACE}).`, TRACE],
    [`{"trace_id":"${TRACE}","code":"SYSTEM_ERROR"}`, TRACE],
    ["4bf92f35-77b3-4da6-a3ce-929d0e0e4736", TRACE],
    ["v1:7223b09cb012bb06", "v1:7223b09cb012bb06"],
    ["fingerprint e1:0123456789abcdef", "e1:0123456789abcdef"],
  ])("has its id found in %j", (words, id) => expect(pastedId(words)).toBe(id));

  it.each(["cuda memory", "J-12", `${TRACE}0`, "epoch: 12345678", "at 10:12345678", "digest f00dfeed", ""])(
    "is words where it is %j",
    (words) => expect(pastedId(words)).toBeNull(),
  );
});

describe("a search", () => {
  it("asks for the states behind a chip, and for an id alone where one was pasted", () => {
    expect(asked({ state: "unresolved", q: `ID: ${TRACE}`, job: "J-1", sort: "count" }, NOW)).toEqual({
      state: ["open", "regressed"],
      q: TRACE,
      job_id: "J-1",
      sort: "count",
      since: undefined,
      until: undefined,
    });
  });

  it("counts back from the moment in which it is asked, or takes the times it was given", () => {
    expect(asked({ seen: "24h" }, NOW).since).toBe("2026-11-24T10:30:00.000Z");
    const between = { from: "2026-11-01T00:00:00.000Z", until: "2026-11-02T00:00:00.000Z" };
    expect(asked(between, NOW)).toMatchObject({ since: between.from, until: between.until });
  });

  it("leaves something out by anything but its order", () => {
    expect(narrowed({ sort: "count" })).toBe(false);
    expect(narrowed({ state: "ignored" })).toBe(true);
  });
});

describe("counts", () => {
  it("stand for every day up to today, those without a failure too", () => {
    const found = bars([{ at: "2026-11-23T00:00:00.000Z", count: 4 }], "day", 3, NOW);
    expect(found.map(({ at, count }) => [at.slice(0, 10), count])).toEqual([
      ["2026-11-23", 4],
      ["2026-11-24", 0],
      ["2026-11-25", 0],
    ]);
  });

  it("stand for every hour up to this one", () => {
    const found = bars([{ at: "2026-11-25T10:00:00.000Z", count: 2 }], "hour", 2, NOW);
    expect(found.map((bar) => bar.count)).toEqual([0, 2]);
  });

  it("are told beside those of the week before", () => {
    expect(changeText(15, 10)).toBe("50 % more than the week before");
    expect(changeText(5, 10)).toBe("50 % fewer than the week before");
    expect(changeText(1000, 1001)).toBe("as many as the week before");
    expect(changeText(5, 0)).toBeNull();
  });

  it("have words for those who do not see the bars", () => {
    const trend = { days: [], this_week: 3, last_week: 9, direction: "falling" as const };
    expect(trendText(trend)).toBe("Last 14 days: 3 in the last 7, 9 in the 7 before, falling");
  });

  it("of what users gave are told by what it was given to", () => {
    expect(["job", "api", undefined].map((source) => causeText("user", source))).toEqual([
      "the configuration",
      "the request",
      "the input",
    ]);
    expect(causeText("nobody")).toBe("unknown");
  });

  it("of jobs and users are told to those alone who may know them", () => {
    expect(hitText({ source: "job", jobs: 1, users: 2 })).toBe("1 job, 2 users");
    expect(hitText({ source: "page", jobs: 0, users: 1 })).toBe("1 user");
    expect(hitText({ source: "job", jobs: null, users: null })).toBeNull();
  });
});
