import { type ReactNode, useMemo, useState } from "react";
import type { EpochFigures, Job } from "../../generated/api";
import { useSampled } from "../../hooks/useSampled";
import { beside, merged, panels, resumptions } from "../../lib/curves";
import { bytes, figure, shortName } from "../../lib/format";
import { isFinal } from "../../lib/job";
import { Button, Card, Empty } from "../ui";
import { Chart } from "./Chart";
import type { Comparison } from "./Compare";

const SAMPLED_MS = 1000;

interface CurvesProps {
  job: Job;
  epochs: EpochFigures[];
  other: Comparison | null;
  chooser: ReactNode;
}

export function Curves({ job, epochs, other, chooser }: CurvesProps) {
  const [asTable, setAsTable] = useState(false);
  const [logScale, setLogScale] = useState(false);
  // Charts are drawn anew with every point: once a second is as live as an eye can use.
  const progress = useSampled(job.status === "running" ? job.progress : null, SAMPLED_MS);
  const shown = useMemo(() => {
    const own = panels(epochs, progress);
    return other ? beside(own, panels(other.epochs), other.job.job_id) : own;
  }, [epochs, progress, other]);
  const resumed = useMemo(() => (epochs.length ? resumptions(epochs) : []), [epochs]);
  const toggles = (
    <>
      {chooser}
      <Button
        small
        look="ghost"
        aria-pressed={logScale}
        onClick={() => setLogScale(!logScale)}
        disabled={asTable}
      >
        {logScale ? "Linear scale" : "Log scale"}
      </Button>
      <Button small look="ghost" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
        {asTable ? "Show curves" : "Show table"}
      </Button>
    </>
  );
  return (
    <Card id="curves" title="Curves" actions={shown.length > 0 && toggles}>
      {!shown.length && <NoCurves job={job} />}
      {asTable ? (
        <FigureTable epochs={epochs} />
      ) : (
        <div className="grid gap-x-6 gap-y-4 xl:grid-cols-2">
          {shown.map((panel) => (
            <Chart
              key={panel.key}
              panel={panel}
              resumed={resumed}
              logScale={logScale && panel.key !== "metrics"}
            />
          ))}
        </div>
      )}
      {resumed.length > 0 && !asTable && (
        <p className="mt-2 text-[13px] text-soft">
          Dashed: {resumed.map((item) => `attempt ${item.attempt} went on at epoch ${item.epoch}`).join(", ")}
          .
        </p>
      )}
    </Card>
  );
}

function NoCurves({ job }: { job: Job }) {
  if (isFinal(job)) return <Empty title="No curve">The training ended before it told any figures.</Empty>;
  if (job.status === "running")
    return <Empty title="No figures yet">The first ones come with the first steps.</Empty>;
  return <Empty title="Not started">Curves appear here as soon as the training runs.</Empty>;
}

/** The same figures as text, for screen readers and for copying. */
function FigureTable({ epochs }: { epochs: EpochFigures[] }) {
  const rows = merged(epochs);
  const names = [
    ...new Set(rows.flatMap((row) => [...Object.keys(row.metrics ?? {}), ...Object.keys(row.losses ?? {})])),
  ];
  return (
    <section
      aria-label="Figures of every epoch"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
      tabIndex={0}
      className="max-h-96 overflow-auto"
    >
      <table className="w-full text-right text-[13px] tabular-nums">
        <thead className="sticky top-0 bg-panel">
          <tr>
            <th scope="col" className="px-2 py-1 text-left font-medium text-soft">
              Epoch
            </th>
            {names.map((name) => (
              <th key={name} scope="col" className="px-2 py-1 font-medium text-soft">
                {shortName(name)}
              </th>
            ))}
            <th scope="col" className="px-2 py-1 font-medium text-soft">
              Learning rate
            </th>
            <th scope="col" className="px-2 py-1 font-medium text-soft">
              Memory
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.epoch} className="border-t border-line">
              <th scope="row" className="px-2 py-1 text-left font-medium">
                {row.epoch}
              </th>
              {names.map((name) => (
                <td key={name} className="px-2 py-1">
                  {figure(row.metrics?.[name] ?? row.losses?.[name])}
                </td>
              ))}
              <td className="px-2 py-1">{figure(row.lr)}</td>
              <td className="px-2 py-1">{bytes(row.memory?.gpu_bytes ?? row.memory?.rss_bytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
