import { useState } from "react";
import type { GroupDetail } from "../../generated/api";
import { useNow } from "../../hooks/useNow";
import { type Bar, bars, many, trendText } from "../../lib/errorGroups";
import { Chip } from "../Chip";
import { Card } from "../ui";

const HEIGHT = 110;
const SPANS = {
  day: { label: "30 days", length: 30, of: "day" },
  hour: { label: "48 hours", length: 48, of: "hour" },
} as const;
type Span = keyof typeof SPANS;

const named = (at: string, span: Span) =>
  span === "day" ? at.slice(0, 10) : `${at.slice(5, 10)} ${at.slice(11, 16)}`;

/** How often a group came, by day or hour in UTC: as bars, and as a table for whoever wants the figures. */
export function TrendCard({ group }: { group: GroupDetail }) {
  const [span, setSpan] = useState<Span>("day");
  const [table, setTable] = useState(false);
  const now = useNow(60_000);
  const shown = bars(span === "day" ? group.days : group.hours, span, SPANS[span].length, now);
  return (
    <Card
      id="trend"
      title="How often"
      actions={
        <>
          {group.hours.length > 0 &&
            (Object.keys(SPANS) as Span[]).map((key) => (
              <Chip key={key} label={SPANS[key].label} on={span === key} onClick={() => setSpan(key)} />
            ))}
          <Chip label="As a table" on={table} onClick={() => setTable(!table)} />
        </>
      }
    >
      {table ? <Table shown={shown} span={span} /> : <Chart shown={shown} span={span} />}
      <p className="mt-2 text-[13px] text-soft">{trendText(group.trend)}.</p>
    </Card>
  );
}

function Chart({ shown, span }: { shown: Bar[]; span: Span }) {
  const most = Math.max(1, ...shown.map((bar) => bar.count));
  const total = shown.reduce((sum, bar) => sum + bar.count, 0);
  const [first, last] = [shown[0], shown.at(-1)];
  return (
    <figure>
      <div className="relative">
        <span className="absolute top-0 right-0 text-xs text-soft" aria-hidden>
          most: {most.toLocaleString("en")} in {span === "day" ? "a day" : "an hour"}
        </span>
        <svg
          role="img"
          aria-label={`${many(total, "failure")} in the last ${SPANS[span].label}, ${most} in the ${SPANS[span].of} with most`}
          viewBox={`0 0 ${shown.length} ${HEIGHT}`}
          preserveAspectRatio="none"
          className="block w-full border-b border-line pt-5"
          style={{ height: HEIGHT + 20 }}
        >
          {shown.map((bar, index) => {
            const height = bar.count ? Math.max(3, (bar.count / most) * HEIGHT) : 0;
            return (
              <g key={bar.at}>
                <title>{`${named(bar.at, span)} UTC: ${many(bar.count, "time")}`}</title>
                {/* The whole column answers the pointer, not only its bar. */}
                <rect x={index} y={0} width={1} height={HEIGHT} fill="transparent" />
                <rect
                  x={index + 0.1}
                  y={HEIGHT - height}
                  width={0.8}
                  height={height}
                  fill="var(--series-1)"
                />
              </g>
            );
          })}
        </svg>
      </div>
      <figcaption aria-hidden className="mt-1 flex justify-between text-xs text-soft">
        <span>{first && named(first.at, span)}</span>
        <span>{last && named(last.at, span)} UTC</span>
      </figcaption>
    </figure>
  );
}

function Table({ shown, span }: { shown: Bar[]; span: Span }) {
  const rows = shown.filter((bar) => bar.count).reverse();
  if (!rows.length) return <p className="text-soft">Not once in the last {SPANS[span].label}.</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
    <section className="max-h-56 overflow-auto" tabIndex={0} aria-label="Failures by time">
      <table className="w-full max-w-sm text-[13px]">
        <thead className="text-left text-soft">
          <tr>
            <th scope="col" className="pb-1 font-medium">
              {span === "day" ? "Day" : "Hour"} (UTC)
            </th>
            <th scope="col" className="pb-1 text-right font-medium">
              Failures
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((bar) => (
            <tr key={bar.at} className="border-t border-line">
              <td className="py-0.5">{named(bar.at, span)}</td>
              <td className="py-0.5 text-right tabular-nums">{bar.count.toLocaleString("en")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
