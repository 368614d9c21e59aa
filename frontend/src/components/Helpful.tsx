// Whether what the page says of a failure helped, by code: where the words or the fixes have to become better.

import { useQuery } from "@tanstack/react-query";
import { failures } from "../services/failures";
import { AboutCode } from "./AboutCode";
import { titleOf } from "./jobs/Reasons";
import { Card } from "./ui";

/** Nothing is shown as long as nobody has answered "Did this help?". */
export function Helpful() {
  const counts = useQuery({ queryKey: ["feedback"], queryFn: failures.feedbackCounts, retry: false });
  const items = counts.data?.items ?? [];
  if (!items.length) return null;
  return (
    <Card id="helpful" title="Did it help?" flush>
      <ul className="divide-y divide-line">
        {items.map(({ code, helped, did_not }) => (
          <li key={code} className="flex flex-wrap items-baseline justify-between gap-x-4 px-4 py-2">
            <span className="min-w-0">
              {titleOf(code)} <AboutCode code={code} />
            </span>
            <span className="text-[13px] text-soft tabular-nums">
              helped {helped.toLocaleString("en")}, did not {did_not.toLocaleString("en")}
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
