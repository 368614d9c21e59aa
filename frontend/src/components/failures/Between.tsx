import type { FailureSearch } from "../../router";
import { inputClass } from "../ui";

interface Props {
  from: string | undefined;
  until: string | undefined;
  onChange: (change: FailureSearch) => void;
}

/** A time as the browser's field for it takes it: of the reader's own zone, to the minute. */
export function local(at: string | undefined): string {
  if (!at) return "";
  const time = new Date(at);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

const iso = (value: string) => (value ? new Date(value).toISOString() : undefined);

/** Kinds of failure that came between two times: seen at or after the one, first seen at or before the other. */
export function Between({ from, until, onChange }: Props) {
  return (
    <div className="flex flex-wrap gap-x-4 gap-y-2 text-[13px]">
      <label className="flex items-center gap-2">
        from
        <input
          type="datetime-local"
          className={inputClass}
          value={local(from)}
          onChange={(event) => onChange({ from: iso(event.target.value) })}
        />
      </label>
      <label className="flex items-center gap-2">
        until
        <input
          type="datetime-local"
          className={inputClass}
          value={local(until)}
          onChange={(event) => onChange({ until: iso(event.target.value) })}
        />
      </label>
    </div>
  );
}
