import { Button } from "../ui";

const samples = [
  ["digits-classify", "Digits, classification", "1,797 handwritten digits in ten folders"],
  ["digits-detect", "Digits, detection", "The same digits with boxes, on canvases"],
  ["digits-broken", "Digits with broken files", "To see what a refusal looks like"],
] as const;

export function Samples({ onAdd, adding }: { onAdd: (sample: string) => void; adding: string | null }) {
  return (
    <ul className="flex flex-col gap-2">
      {samples.map(([name, label, about]) => (
        <li key={name} className="flex flex-wrap items-center justify-between gap-2">
          <span>
            {label}
            <span className="block text-[13px] text-soft">{about}</span>
          </span>
          <Button small busy={adding === name} disabled={adding !== null} onClick={() => onAdd(name)}>
            {adding === name ? "Adding" : "Add"}
            <span className="sr-only"> {label}</span>
          </Button>
        </li>
      ))}
    </ul>
  );
}
