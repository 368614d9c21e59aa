import type { RefObject } from "react";
import { errorCodes } from "../../generated/errorCodes";
import { CAUSERS, causeText, pastedId, SEEN, SOURCES, STATES } from "../../lib/errorGroups";
import type { FailureSearch } from "../../router";
import { Chip, selectClass } from "../Chip";
import { SearchBox } from "../SearchBox";
import { Button } from "../ui";
import { Between } from "./Between";

interface Props {
  search: FailureSearch;
  onChange: (change: FailureSearch) => void;
  /** Looks for this and nothing else. */
  onOnly: (search: FailureSearch) => void;
  box: RefObject<HTMLInputElement | null>;
}

const BETWEEN = "between";

export function Filters({ search, onChange, onOnly, box }: Props) {
  // An id is of one failure, whatever the list was narrowed to before.
  const look = (q: string | undefined) => (q && pastedId(q) ? onOnly({ q }) : onChange({ q }));
  const between = search.from !== undefined || search.until !== undefined;
  const when = (value: string) =>
    onChange({
      seen: value in SEEN ? value : undefined,
      from: value === BETWEEN ? new Date(Date.now() - 24 * 3_600_000).toISOString() : undefined,
      until: undefined,
    });
  return (
    <div className="mb-3 flex flex-col gap-2">
      <SearchBox
        value={search.q}
        onChange={look}
        box={box}
        label="Search failures"
        placeholder="Search words, trace id, fingerprint, job, file ( / )"
      />
      <fieldset className="flex flex-wrap items-center gap-1.5">
        <legend className="sr-only">Show only failures that are</legend>
        {Object.entries(STATES).map(([key, { label, means }]) => (
          <Chip
            key={key}
            label={label}
            title={means}
            on={search.state === key}
            onClick={() => onChange({ state: search.state === key ? undefined : key })}
          />
        ))}
        <Choice
          label="Only failures of"
          none="From anywhere"
          value={search.source}
          options={Object.entries(SOURCES)}
          onChange={(source) => onChange({ source })}
        />
        <Choice
          label="Only failures caused by"
          none="Any cause"
          value={search.causer}
          options={CAUSERS.map((causer) => [causer, `Cause: ${causeText(causer)}`])}
          onChange={(causer) => onChange({ causer })}
        />
        <Choice
          label="Only failures with the code"
          none="Any code"
          value={search.code}
          options={Object.keys(errorCodes).map((code) => [code, code])}
          onChange={(code) => onChange({ code })}
        />
        <Choice
          label="Only failures seen"
          none="Seen at any time"
          value={between ? BETWEEN : search.seen}
          options={[
            ...Object.entries(SEEN).map(([key, { label }]): [string, string] => [key, label]),
            [BETWEEN, "Seen between"],
          ]}
          onChange={(value) => when(value ?? "")}
        />
        {search.entity && (
          <Narrowing what={`Named ${search.entity}`} onDrop={() => onChange({ entity: undefined })} />
        )}
        {search.job && <Narrowing what={`Job ${search.job}`} onDrop={() => onChange({ job: undefined })} />}
        <Chip
          label="Most frequent first"
          on={search.sort === "count"}
          onClick={() => onChange({ sort: search.sort ? undefined : "count" })}
          className="ml-auto"
        />
      </fieldset>
      {between && <Between from={search.from} until={search.until} onChange={onChange} />}
    </div>
  );
}

interface ChoiceProps {
  label: string;
  none: string;
  value: string | undefined;
  options: [string, string][];
  onChange: (value: string | undefined) => void;
}

function Choice({ label, none, value, options, onChange }: ChoiceProps) {
  return (
    <select
      aria-label={label}
      className={`${selectClass} max-w-36 sm:max-w-44`}
      value={value ?? ""}
      onChange={(event) => onChange(event.target.value || undefined)}
    >
      <option value="">{none}</option>
      {value && !options.some(([key]) => key === value) && <option value={value}>{value}</option>}
      {options.map(([key, word]) => (
        <option key={key} value={key}>
          {word}
        </option>
      ))}
    </select>
  );
}

function Narrowing({ what, onDrop }: { what: string; onDrop: () => void }) {
  return (
    <Button
      small
      onClick={onDrop}
      aria-label={`${what}: do not narrow by it any more`}
      className="max-w-full"
    >
      <span className="truncate">{what}</span> ×
    </Button>
  );
}
