import { type RefObject, useLayoutEffect } from "react";
import { bytes } from "../../lib/format";
import { coloured, type Level, type LogLine, level } from "../../lib/logStore";

const COLOURS: Record<number, string> = {
  31: "text-bad",
  32: "text-good",
  33: "text-warn",
  34: "text-info",
  35: "text-info",
  36: "text-info",
};
const tones: Record<Exclude<Level, null>, string> = { error: "text-bad", warning: "text-warn" };

/** Text with every place of `words` marked. */
function Marked({ text, words }: { text: string; words: string }) {
  const at = words ? text.toLowerCase().indexOf(words.toLowerCase()) : -1;
  if (at < 0) return text;
  const end = at + words.length;
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at, end)}</mark>
      <Marked text={text.slice(end)} words={words} />
    </>
  );
}

function Content({ line, words }: { line: LogLine; words: string }) {
  if (!line.raw || words) return <Marked text={line.text} words={words} />;
  return coloured(line.raw).map((part, index) => (
    <span
      // biome-ignore lint/suspicious/noArrayIndexKey: parts of one line never move
      key={index}
      className={`${part.colour ? (COLOURS[part.colour] ?? "") : ""} ${part.bold ? "font-bold" : ""}`}
    >
      {part.text}
    </span>
  ));
}

interface LineProps {
  line: LogLine;
  number: number;
  words: string;
  chosen: boolean;
  evidence: boolean;
  wrap: boolean;
  href: string;
  onChoose: () => void;
}

export function Line({ line, number, words, chosen, evidence, wrap, href, onChoose }: LineProps) {
  if (line.kind === "gap") {
    return (
      <p data-gap className="bg-warn-ground px-3 text-warn italic">
        {bytes(Number(line.text))} of output are missing here: the training wrote faster than it is kept
      </p>
    );
  }
  const tone = level(line.text);
  return (
    <div
      className={`flex border-l-4 ${evidence ? "border-bad bg-bad-ground" : "border-transparent"} ${chosen ? "bg-info-ground" : ""}`}
      data-line={number}
      data-evidence={evidence || undefined}
    >
      <a
        href={href}
        aria-label={`Line ${number}`}
        onClick={(event) => {
          event.preventDefault();
          onChoose();
        }}
        className="w-14 shrink-0 pr-3 text-right text-soft no-underline select-none hover:underline"
      >
        {number}
      </a>
      <span
        className={`${wrap ? "min-w-0 break-words whitespace-pre-wrap" : "whitespace-pre"} pr-4 ${tone ? tones[tone] : ""}`}
      >
        {evidence && <span className="sr-only">evidence: </span>}
        {tone && <span className="sr-only">{tone}: </span>}
        <Content line={line} words={words} />
      </span>
    </div>
  );
}

/** Keeps the end in sight while `following`; scrolling up stops it, scrolling to the end starts it again. */
export function useFollow(
  box: RefObject<HTMLDivElement | null>,
  following: boolean,
  setFollowing: (follow: boolean) => void,
  version: number,
) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: every new version of the log moves the end
  useLayoutEffect(() => {
    const place = box.current;
    if (following && place) place.scrollTop = place.scrollHeight;
  }, [following, version, box]);
  useLayoutEffect(() => {
    const place = box.current;
    if (!place) return;
    let top = place.scrollTop;
    const scrolled = () => {
      const atEnd = place.scrollHeight - place.scrollTop - place.clientHeight < 24;
      if (atEnd) setFollowing(true);
      else if (place.scrollTop < top) setFollowing(false);
      top = place.scrollTop;
    };
    place.addEventListener("scroll", scrolled, { passive: true });
    return () => place.removeEventListener("scroll", scrolled);
  }, [box, setFollowing]);
}
