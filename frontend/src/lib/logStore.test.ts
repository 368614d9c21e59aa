import { describe, expect, it, vi } from "vitest";
import { atLeast, coloured, type LogLine, LogStore, level, locate, Scan } from "./logStore";

const piece = (seq: number, text: string, attempt = 1, dropped_bytes = 0) => ({
  seq,
  text,
  attempt,
  dropped_bytes,
});

function store(...pieces: ReturnType<typeof piece>[]) {
  const made = new LogStore();
  made.load(pieces);
  made.loaded();
  return made;
}

const texts = (made: LogStore, attempt = 1) => made.lines(attempt).map((line) => line.text);

describe("the log", () => {
  it("joins lines that were cut between pieces", () => {
    expect(texts(store(piece(1, "epoch 1\nepo"), piece(2, "ch 2"), piece(3, "\nepoch 3\n")))).toEqual([
      "epoch 1",
      "epoch 2",
      "epoch 3",
    ]);
  });

  it("shows of a progress bar what stood there last", () => {
    expect(texts(store(piece(1, "10%\r50%\r100%\ndone\r\n")))).toEqual(["100%", "done"]);
  });

  it("says where something is missing, and joins nothing across it", () => {
    const made = store(piece(1, "abc"), piece(2, "def\n", 1, 4096));
    expect(made.lines(1).map((line) => [line.kind, line.text])).toEqual([
      ["line", "abc"],
      ["gap", "4096"],
      ["line", "def"],
    ]);
  });

  it("puts live pieces behind those of the past, each once", () => {
    const made = new LogStore();
    made.live([piece(2, "two\n"), piece(3, "three\n")]);
    made.load([piece(1, "one\n"), piece(2, "two\n")]);
    made.loaded();
    made.live([piece(3, "three\n"), piece(4, "four\n")]);
    expect(texts(made)).toEqual(["one", "two", "three", "four"]);
  });

  it("keeps attempts apart", () => {
    const made = store(piece(1, "first\n"), piece(2, "second\n", 2));
    expect([texts(made, 1), texts(made, 2), texts(made, 3)]).toEqual([["first"], ["second"], []]);
  });

  it("tells those who look of every change", () => {
    const made = store();
    const told = vi.fn();
    const leave = made.subscribe(told);
    made.live([piece(1, "a\n")]);
    made.live([piece(1, "a\n")]);
    leave();
    made.live([piece(2, "b\n")]);
    expect(told).toHaveBeenCalledTimes(1);
  });

  it("takes in a hundred thousand lines in well under a second", () => {
    const made = store();
    const began = performance.now();
    for (let seq = 1; seq <= 1000; seq += 1)
      made.live([piece(seq, "epoch 1/100 loss 0.123 accuracy 0.456\n".repeat(100))]);
    expect(made.lines(1)).toHaveLength(100_000);
    expect(performance.now() - began).toBeLessThan(2000);
  });

  it("finds words regardless of case", () => {
    const scan = new Scan((item) => item.text.toLowerCase().includes("loss"));
    expect(scan.step(store(piece(1, "Loss nan\nok\nLOSS inf\n")).lines(1))).toBe(true);
    expect(scan.found).toEqual([0, 2]);
  });

  it("keeps up with lines that come, and with a last line that grows", () => {
    const made = store(piece(1, "ok\nan err"));
    const scan = new Scan(atLeast("errors") as (item: LogLine) => boolean);
    scan.step(made.lines(1));
    expect(scan.found).toEqual([]);
    made.live([piece(2, "or\nUserWarning: slow\nValueError: bad\n")]);
    scan.step(made.lines(1));
    expect(scan.found).toEqual([1, 3]);
  });

  it("goes through a hundred thousand lines in slices", () => {
    const made = store(piece(1, "UserWarning: epoch 1/100 loss 0.123 accuracy 0.456\n".repeat(100_000)));
    const scan = new Scan(atLeast("warnings") as (item: LogLine) => boolean);
    let slices = 1;
    while (!scan.step(made.lines(1), 1)) slices += 1;
    expect(scan.found).toHaveLength(100_000);
    expect(slices).toBeGreaterThan(3);
  });

  it("finds the line that an evidence line came from, the last one that fits", () => {
    const lines = store(piece(1, "RuntimeError: shapes differ\nother\nRuntimeError: shapes differ\n")).lines(
      1,
    );
    expect(locate(lines, "RuntimeError: shapes differ")).toBe(2);
    expect(locate(lines, "the trainer says MODEL_DATA_MISMATCH: shapes differ")).toBe(2);
    expect(locate(lines, "ended by SIGKILL")).toBeNull();
    expect(locate(lines, "")).toBeNull();
  });

  it.each([
    ["torch.OutOfMemoryError: CUDA out of memory", "error"],
    ["UserWarning: no gradient", "warning"],
    ["epoch 3/10 loss 0.2", null],
  ])("reads `%s` as %s", (text, wanted) => {
    expect(level(text)).toBe(wanted);
  });

  it("keeps colours for the eye and leaves them out of the text", () => {
    const raw = "\u001b[1;31mfailed\u001b[0m rest";
    const [line] = store(piece(1, `${raw}\n`)).lines(1);
    expect(line?.text).toBe("failed rest");
    expect(coloured(line?.raw ?? "")).toEqual([
      { text: "failed", colour: 31, bold: true },
      { text: " rest", colour: null, bold: false },
    ]);
  });
});
