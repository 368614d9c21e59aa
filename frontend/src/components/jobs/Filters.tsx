import type { RefObject } from "react";
import type { JobSummary } from "../../generated/api";
import { STATUSES } from "../../lib/job";
import type { JobSearch } from "../../router";
import { Chip, selectClass } from "../Chip";
import { SearchBox } from "../SearchBox";
import { statusWord } from "../Status";
import { Button } from "../ui";

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
      <SearchBox
        value={search.q}
        onChange={(q) => onChange({ q })}
        box={box}
        label="Search jobs"
        placeholder="Search id, name, model, data set, code ( / )"
      />
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
        <Chip
          label="Group by reason"
          on={search.group ?? false}
          onClick={() => onChange({ group: search.group ? undefined : true })}
          className="ml-auto"
        />
      </fieldset>
    </div>
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
      className={`${selectClass} max-w-64`}
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
