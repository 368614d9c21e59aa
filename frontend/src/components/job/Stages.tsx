import { Check } from "lucide-react";
import type { Job } from "../../generated/api";
import { stages } from "../../lib/job";

const looks = {
  done: "border-good text-good",
  now: "border-accent font-semibold text-ink",
  todo: "border-line text-soft",
};
const words = { done: "done", now: "now", todo: "to come" };

/** The way of a training from the queue to its end, and where on it this one is. */
export function Stages({ job }: { job: Job }) {
  return (
    <ol aria-label="Phases" className="mb-2 flex flex-wrap gap-x-1 gap-y-1 text-[13px]">
      {stages(job).map(({ name, state }) => (
        <li
          key={name.split(" ")[0]}
          aria-current={state === "now" ? "step" : undefined}
          className={`flex min-w-24 flex-1 items-center gap-1 border-t-2 pt-0.5 ${looks[state]}`}
        >
          {state === "done" && <Check aria-hidden className="size-3.5 shrink-0" />}
          {name}
          <span className="sr-only"> {words[state]}</span>
        </li>
      ))}
    </ol>
  );
}
