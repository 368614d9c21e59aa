import { useEffect, useRef } from "react";
import uPlot from "uplot";
import type { Panel } from "../../lib/curves";
import { spoken } from "../../lib/curves";
import { figure } from "../../lib/format";
import { useDark } from "../../lib/theme";

const HEIGHT = 220;
const SERIES = 6;

const token = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

interface ChartProps {
  panel: Panel;
  resumed: { epoch: number; attempt: number }[];
  logScale: boolean;
}

/** Lines where attempts after the first went on. */
function marks(resumed: { current: ChartProps["resumed"] }, colour: string): uPlot.Plugin {
  return {
    hooks: {
      draw: (plot) => {
        for (const { epoch } of resumed.current) {
          const x = Math.round(plot.valToPos(epoch - 0.5, "x", true));
          if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width) continue;
          plot.ctx.save();
          plot.ctx.strokeStyle = colour;
          plot.ctx.setLineDash([6, 5]);
          plot.ctx.beginPath();
          plot.ctx.moveTo(x, plot.bbox.top);
          plot.ctx.lineTo(x, plot.bbox.top + plot.bbox.height);
          plot.ctx.stroke();
          plot.ctx.restore();
        }
      },
    },
  };
}

/** The legend tells the newest values while the pointer is elsewhere. */
const lastValues: uPlot.Plugin = {
  hooks: {
    setLegend: (plot) => {
      const last = plot.data[0].length - 1;
      if (plot.cursor.idx == null && plot.legend.idx !== last && last >= 0)
        plot.setLegend({ idx: last }, false);
    },
    setData: (plot) => {
      if (plot.cursor.idx == null) plot.setLegend({ idx: plot.data[0].length - 1 }, false);
    },
  },
};

/** Shares stay within 0 to 1: an axis up to 1.5 would promise what cannot be. */
function range(_: uPlot, low: number | null, high: number | null): uPlot.Range.MinMax {
  if (low === null || high === null) return [0, 1];
  const [from, to] = uPlot.rangeNum(low, high, 0.1, true);
  return low >= 0 && high <= 1 ? [Math.max(from ?? 0, 0), Math.min(to ?? 1, 1)] : [from, to];
}

function options(
  panel: Panel,
  width: number,
  logScale: boolean,
  resumed: { current: ChartProps["resumed"] },
): uPlot.Options {
  const [ink, line] = [token("--soft"), token("--line")];
  const axis = {
    stroke: ink,
    grid: { stroke: line, width: 1 },
    ticks: { stroke: line, width: 1 },
    font: "12px system-ui",
  };
  return {
    width,
    height: HEIGHT,
    cursor: { sync: { key: "epochs" }, y: false, points: { size: 7 } },
    scales: { x: { time: false }, y: logScale ? { distr: 3 } : panel.key === "metrics" ? { range } : {} },
    axes: [
      {
        ...axis,
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000],
        values: (_, ticks) => ticks.map(String),
      },
      { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : figure(tick))) },
    ],
    series: [
      { label: "Epoch", value: (_, value) => (value === null ? "–" : figure(value)) },
      ...panel.lines.map((item, index) => ({
        label: item.label,
        stroke: token(`--series-${(index % SERIES) + 1}`),
        width: 2,
        // A second sign beside the colour: every other line is dashed.
        dash: index % 2 ? [7, 4] : undefined,
        spanGaps: true,
        value: (_: uPlot, value: number | null) => (value === null ? "–" : figure(value)),
      })),
    ],
    plugins: [marks(resumed, ink), lastValues],
  };
}

export function Chart({ panel, resumed, logScale }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shown = useRef(panel);
  const marked = useRef(resumed);
  shown.current = panel;
  marked.current = resumed;
  const dark = useDark();
  const names = panel.lines.map((line) => line.name).join("\n");

  // biome-ignore lint/correctness/useExhaustiveDependencies: made anew when lines, colours or the scale change
  useEffect(() => {
    const place = host.current;
    if (!place) return;
    const made = new uPlot(
      options(shown.current, place.clientWidth, logScale, marked),
      points(shown.current),
      place,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: place.clientWidth, height: HEIGHT }));
    observer.observe(place);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [names, dark, logScale]);

  useEffect(() => plot.current?.setData(points(panel)), [panel]);

  return (
    <figure className="min-w-0">
      <figcaption className="mb-1 flex flex-wrap justify-between gap-2 text-[13px] font-medium">
        {panel.title}
        {panel.notFinite !== null && (
          <span className="text-bad">not a number in epoch {figure(panel.notFinite)}</span>
        )}
      </figcaption>
      <div
        ref={host}
        role="img"
        aria-label={spoken(panel)}
        data-points={panel.x.length}
        className="w-full overflow-hidden"
      />
    </figure>
  );
}

function points(panel: Panel): uPlot.AlignedData {
  return [panel.x, ...panel.lines.map((line) => line.points)];
}
