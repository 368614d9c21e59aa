import type { Trend } from "../../generated/api";
import { directionWord, trendText } from "../../lib/errorGroups";

const BAR = 5;
const STEP = 6;
const HEIGHT = 22;

const tones: Partial<Record<Trend["direction"], string>> = { rising: "text-bad", falling: "text-good" };

/** The last 14 days as bars, with the direction in a word. */
export function Sparkline({ trend }: { trend: Trend }) {
  const most = Math.max(1, ...trend.days);
  return (
    <div className="flex flex-wrap items-end gap-x-2">
      <svg
        role="img"
        aria-label={trendText(trend)}
        viewBox={`0 0 ${trend.days.length * STEP} ${HEIGHT}`}
        className="h-[22px] w-[84px] shrink-0"
      >
        {trend.days.map((count, index) => {
          const height = count ? Math.max(2, (count / most) * HEIGHT) : 1;
          return (
            <rect
              // biome-ignore lint/suspicious/noArrayIndexKey: a day of the last 14 is what its place says
              key={index}
              x={index * STEP}
              y={HEIGHT - height}
              width={BAR}
              height={height}
              fill={count ? "var(--series-1)" : "var(--line)"}
            />
          );
        })}
      </svg>
      <span aria-hidden className={`text-xs max-sm:hidden ${tones[trend.direction] ?? "text-soft"}`}>
        {directionWord(trend)}
      </span>
    </div>
  );
}
