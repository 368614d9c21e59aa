import { type KeyboardEvent, type RefObject, useEffect, useRef, useState } from "react";
import type { JobSummary } from "../../generated/api";
import { STATUSES } from "../../lib/job";
import type { JobSearch } from "../../router";
import { statusWord } from "../Status";
import { Button, inputClass } from "../ui";

const TYPING = 250;
const chip =
  "min-h-7 rounded-full border border-line bg-panel px-2.5 text-[13px] text-soft hover:bg-hover aria-pressed:border-accent aria-pressed:bg-accent aria-pressed:text-on-accent";

interface FiltersProps {
  search: JobSearch;
  summary: JobSummary | undefined;
  onChange: (change: JobSearch) => void;
  box: RefObject<HTMLInputElement | null>;
}

export function Filters({ search, summary, onChange, box }: FiltersProps) {
  const counts = summary?.by_status ?? {};
  const toggle = (status: string) => {
    const old = search.status ?? [];
    const next = old.includes(status) ? old.filter((item) => item !== status) : [...old, status];
    onChange({ status: next.length ? next : undefined, unresolved: undefined });
  };
  return (
    <div className="mb-3 flex flex-col gap-2">
      <SearchBox search={search} onChange={onChange} box={box} />
      <fieldset className="flex flex-wrap items-center gap-1.5">
        <legend className="sr-only">Show only jobs that are</legend>
        <Chip
          label="Unresolved"
          title="Failed, and not tried again yet"
          count={summary?.unresolved}
          on={search.unresolved ?? false}
          onClick={() => onChange({ unresolved: search.unresolved ? undefined : true, status: undefined })}
        />
        {STATUSES.filter((status) => counts[status] || search.status?.includes(status)).map((status) => (
          <Chip
            key={status}
            label={statusWord(status)}
            count={counts[status] ?? 0}
            on={search.status?.includes(status) ?? false}
            onClick={() => toggle(status)}
          />
        ))}
        <Codes search={search} summary={summary} onChange={onChange} />
        {search.dataset && (
          <Button
            small
            onClick={() => onChange({ dataset: undefined })}
            aria-label={`Data set ${search.dataset}: do not narrow by it any more`}
          >
            Data set {search.dataset} ×
          </Button>
        )}
        <button
          type="button"
          aria-pressed={search.group ?? false}
          onClick={() => onChange({ group: search.group ? undefined : true })}
          className={`${chip} ml-auto`}
        >
          Group by reason
        </button>
      </fieldset>
    </div>
  );
}

interface ChipProps {
  label: string;
  title?: string;
  count: number | undefined;
  on: boolean;
  onClick: () => void;
}

function Chip({ label, title, count, on, onClick }: ChipProps) {
  return (
    <button type="button" aria-pressed={on} title={title} onClick={onClick} className={chip}>
      {label} {count !== undefined && <span className="tabular-nums">{count.toLocaleString("en")}</span>}
    </button>
  );
}

/** Only reasons that there are, with how often; a chosen one stays, also where there is none left of it. */
function Codes({ search, summary, onChange }: Omit<FiltersProps, "box">) {
  const groups = summary?.by_code ?? [];
  const chosen = search.code;
  if (!groups.length && !chosen) return null;
  return (
    <select
      aria-label="Only jobs that failed with"
      className="min-h-7 max-w-64 rounded-full border border-line bg-panel px-2 text-[13px] text-soft"
      value={chosen ?? ""}
      onChange={(event) => onChange({ code: event.target.value || undefined })}
    >
      <option value="">Any reason</option>
      {chosen && !groups.some((group) => group.code === chosen) && <option value={chosen}>{chosen}</option>}
      {groups.map(({ code, count }) => (
        <option key={code} value={code}>
          {code} ({count})
        </option>
      ))}
    </select>
  );
}

function SearchBox({ search, onChange, box }: Omit<FiltersProps, "summary">) {
  const [words, setWords] = useState(search.q ?? "");
  const change = useRef(onChange);
  change.current = onChange;
  const sent = useRef(search.q ?? "");
  useEffect(() => {
    if (words === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = words;
      change.current({ q: words || undefined });
    }, TYPING);
    return () => clearTimeout(timer);
  }, [words]);
  // An address that changes by other ways than typing, such as "Show all jobs", is followed.
  useEffect(() => {
    if ((search.q ?? "") === sent.current) return;
    sent.current = search.q ?? "";
    setWords(sent.current);
  }, [search.q]);
  const leave = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key !== "Escape") return;
    // The browser would empty the field.
    event.preventDefault();
    event.currentTarget.blur();
  };
  return (
    <input
      ref={box}
      type="search"
      aria-label="Search jobs"
      placeholder="Search id, name, model, data set, code ( / )"
      className={inputClass}
      value={words}
      onChange={(event) => setWords(event.target.value)}
      onKeyDown={leave}
    />
  );
}
