interface ChipProps {
  label: string;
  title?: string;
  count?: number;
  on: boolean;
  onClick: () => void;
  className?: string;
}

/** A filter that is on or off, with how much it would leave where that is known. */
export function Chip({ label, title, count, on, onClick, className = "" }: ChipProps) {
  return (
    <button
      type="button"
      aria-pressed={on}
      title={title}
      onClick={onClick}
      className={`min-h-7 rounded-full border border-line bg-panel px-2.5 text-[13px] text-soft hover:bg-hover aria-pressed:border-accent aria-pressed:bg-accent aria-pressed:text-on-accent ${className}`}
    >
      {label} {count !== undefined && <span className="tabular-nums">{count.toLocaleString("en")}</span>}
    </button>
  );
}

export const selectClass = "min-h-7 rounded-full border border-line bg-panel px-2 text-[13px] text-soft";
