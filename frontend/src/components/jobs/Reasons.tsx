import type { JobSummary } from "../../generated/api";
import { errorCodes, isErrorCode } from "../../generated/errorCodes";
import type { JobSearch } from "../../router";
import { AboutCode } from "../AboutCode";
import { Card, Empty } from "../ui";
import { RetryMany } from "./RetryMany";

export const titleOf = (code: string) => (isErrorCode(code) ? errorCodes[code].title : code);

interface Props {
  summary: JobSummary;
  search: JobSearch;
  onCode: (code: string) => void;
}

/** Failures by reason, the most unresolved first, each with what can be done about all of them at once. */
export function Reasons({ summary, search, onCode }: Props) {
  const most = Math.max(1, ...summary.by_code.map((group) => group.count));
  return (
    <Card id="reasons" title="Failures by reason" flush className="mb-3">
      {summary.by_code.length ? (
        <ul className="divide-y divide-line">
          {summary.by_code.map(({ code, count, unresolved }) => (
            <li
              key={code}
              data-code={code}
              className="grid grid-cols-[minmax(0,1fr)_auto] items-center gap-x-4 gap-y-1 px-4 py-2 md:grid-cols-[minmax(0,1.2fr)_minmax(0,1fr)_12rem_8rem]"
            >
              <div className="min-w-0">
                <button
                  type="button"
                  onClick={() => onCode(code)}
                  title={`Only jobs with ${code}`}
                  className="min-h-6 font-medium hover:underline"
                >
                  {titleOf(code)}
                </button>
                <p className="font-mono text-xs break-all text-soft">{code}</p>
              </div>
              <div className="max-md:hidden">
                <div aria-hidden className="h-1.5 max-w-60 overflow-hidden rounded-full bg-hover">
                  <div className="h-full rounded-full bg-bad" style={{ width: `${(count / most) * 100}%` }} />
                </div>
              </div>
              <p className="text-[13px] max-md:order-last max-md:col-span-2">
                {count.toLocaleString("en")} failed,{" "}
                <span className={unresolved ? "font-medium text-bad" : "text-soft"}>
                  {unresolved ? `${unresolved.toLocaleString("en")} unresolved` : "all tried again"}
                </span>
              </p>
              <div className="flex items-center justify-end gap-2">
                <AboutCode code={code} />
                {unresolved > 0 && <RetryMany code={code} count={unresolved} search={search} />}
              </div>
            </li>
          ))}
        </ul>
      ) : (
        <Empty title="Nothing has failed">No job that fits the search ended in a failure.</Empty>
      )}
    </Card>
  );
}
