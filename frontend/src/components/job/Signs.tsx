// What an open training may come to grief of, told before it does, under the code that the failure would have.

import { TriangleAlert } from "lucide-react";
import type { EarlySignView } from "../../generated/api";
import { Code } from "../Code";
import { linkClass } from "../ui";

export function Signs({ signs }: { signs: EarlySignView[] }) {
  if (!signs.length) return null;
  return (
    <section
      aria-label="Early signs"
      className="mb-4 rounded-lg border border-l-4 border-warn bg-warn-ground px-4 py-3"
    >
      <p role="status" className="sr-only">
        {signs.length === 1 ? "One early sign of a failure" : `${signs.length} early signs of a failure`}
      </p>
      <ul className="flex flex-col gap-2">
        {signs.map((sign) => (
          <li key={sign.kind} data-sign={sign.kind} className="flex gap-3">
            <TriangleAlert aria-hidden className="mt-0.5 size-5 shrink-0 text-warn" />
            <div className="min-w-0">
              <p className="font-medium break-words">
                <span className="text-warn">Warning: </span>
                <Code text={sign.message} />
                {sign.since_epoch !== null && (
                  <span className="font-normal text-soft"> · since epoch {sign.since_epoch}</span>
                )}
              </p>
              <p className="text-[13px] text-soft">
                {sign.advice}{" "}
                {sign.code && (
                  <a href={`/errors/${sign.code}`} target="_blank" rel="noreferrer" className={linkClass}>
                    May end as {sign.code}
                  </a>
                )}
              </p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
